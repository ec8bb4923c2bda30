"""`python -m metastudio.orchestration`: makes DAGSTER_HOME ready for `dagster dev`, as far as that was not done.

Loading the definitions, as importing this package does, makes the manifest of the models; what is left is the instance's settings.
"""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path


def write_instance_settings(home: Path) -> bool:
    """Copy our dagster.yaml into a DAGSTER_HOME that has none; tell whether it was copied."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "dagster.yaml"
    if path.exists():
        return False
    path.write_bytes(resources.files(__package__).joinpath("dagster.yaml").read_bytes())
    return True


def main() -> None:
    """Prepare the folder that DAGSTER_HOME names."""
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        sys.exit("Error: DAGSTER_HOME is not set. Set it to the folder in which Dagster is to keep what it knows.")
    written = write_instance_settings(Path(home))
    sys.stdout.write(f"{home} is ready{'' if written else '; its dagster.yaml was there and is left as it is'}.\n")


if __name__ == "__main__":
    main()
