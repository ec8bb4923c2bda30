"""`python -m metastudio` is the command `metastudio`."""

from metastudio.cli.app import main

if __name__ == "__main__":
    main()
