"""The reporting models, a dbt project over the raw tables, and the report on top of them.

`PROJECT` is the folder of the dbt project. Another dbt project can use it as a package
(`packages.yml`: `local:`).
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent / "dbt_project"
