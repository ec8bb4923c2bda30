"""A pipeline's working directory, and the load packages in it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import dlt
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.storages import LoadStorage, NormalizeStorage, PackageStorage


def find_pipelines_dir() -> Path:
    """Return the folder that holds the local state of all pipelines."""
    return Path(get_dlt_pipelines_dir())


def make_temporary_pipelines_dir() -> str:
    """Return a folder for the local state of pipelines that only read, removed at exit."""
    folder = tempfile.mkdtemp(prefix="metastudio-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def count_pending(pipeline_name: str) -> int:
    """Return the number of load packages that a killed run left for the next one."""
    folder = find_pipelines_dir() / pipeline_name
    extracted = folder / "normalize" / NormalizeStorage.EXTRACTED_FOLDER
    normalized = folder / "load" / LoadStorage.NORMALIZED_FOLDER
    # os.path.isdir is also False for a folder that this user cannot reach
    return sum(len(os.listdir(packages)) for packages in (extracted, normalized) if os.path.isdir(packages))


def drop_local_state(pipeline_name: str) -> None:
    """Delete the local state of a pipeline that dlt cannot open, and hence cannot drop."""
    shutil.rmtree(find_pipelines_dir() / pipeline_name, ignore_errors=True)


def merge_pending(pipeline: dlt.Pipeline) -> None:
    """Make normalized packages merge instead of append.

    An interrupted load may have appended a file without recording that.
    """
    packages = pipeline._get_load_storage().normalized_packages
    for load_id in pipeline.list_normalized_load_packages():
        schema = packages.load_schema(load_id)
        appended = [table for table in schema.data_tables() if table.get("write_disposition") == "append"]
        for table in appended:
            table["write_disposition"] = "merge"
        if appended:
            packages.save_schema(load_id, schema)


def repair_working_dir(pipeline: dlt.Pipeline) -> None:
    """Finish what a kill interrupted, if dlt does not recover by itself.

    - A storage without the folder that dlt creates last was still being created, and is empty.
    - A normalized package is complete, because dlt renames it into place. Its extracted twin is
      removed.
    - A package that is marked as completed is in the destination. It moves to the loaded ones.
    """
    folder = Path(pipeline.working_dir)
    normalized, loaded = folder / "load" / LoadStorage.NORMALIZED_FOLDER, folder / "load" / LoadStorage.LOADED_FOLDER
    if not loaded.exists():
        shutil.rmtree(loaded.parent, ignore_errors=True)
    extracted = pipeline.list_extracted_load_packages()
    for load_id in pipeline.list_normalized_load_packages():
        if load_id in extracted:
            shutil.rmtree(folder / "normalize" / NormalizeStorage.EXTRACTED_FOLDER / load_id)
        elif (normalized / load_id / PackageStorage.PACKAGE_COMPLETED_FILE_NAME).exists():
            (normalized / load_id).rename(loaded / load_id)
