"""dbt's manifest of the reporting models, which takes dbt seconds to make: made once a version, kept in dlt's data directory."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import dlt

from metastudio.reporting.dbt_runner import write_manifest
from metastudio.reporting.model_version import make_fingerprint


def find_manifest(adapter: str, dataset: str) -> Path:
    """Give the manifest of this release's models for an adapter and a dataset; it is made where it is missing.

    Raises:
        MetaStudioError: dbt could not read the project.
    """
    folder = Path(dlt.current.run_context().data_dir) / "metastudio"
    path = folder / f"manifest-{adapter}-{dataset}-{make_fingerprint()}-dbt-{version('dbt-core')}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(adapter, dataset, path)
    return path
