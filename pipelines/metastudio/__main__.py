"""Runs the command `metastudio` as `python -m metastudio`."""

from metastudio.cli.app import main

if __name__ == "__main__":
    main()
