"""The reporting models: a dbt project over the raw tables, and the report that is read from them.

`PROJECT` is the project's folder: a dbt project of your own can take it as a package (`packages.yml`: `local:`).
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent / "dbt_project"
