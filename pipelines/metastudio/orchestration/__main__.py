"""`python -m metastudio.orchestration` prepares DAGSTER_HOME for `dagster dev`.

Importing this package loads the definitions and writes dbt's manifest. What remains is to copy the
settings of the instance.
"""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path


def write_instance_settings(home: Path) -> bool:
    """Copy dagster.yaml into a DAGSTER_HOME that has none, and return whether it was copied."""
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
        sys.exit("Error: DAGSTER_HOME is not set. Set it to the folder in which Dagster stores its data.")
    written = write_instance_settings(Path(home))
    sys.stdout.write(f"{home} is ready{'' if written else '; its dagster.yaml was kept'}.\n")


if __name__ == "__main__":
    main()
