"""Brings the video-production jobs of Huawei Cloud MetaStudio into DuckDB or a warehouse, completely and cheaply.

import dlt
from metastudio import metastudio

dlt.pipeline("metastudio", destination="duckdb", dataset_name="metastudio").run(metastudio())
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metastudio.source.source import metastudio

__all__ = ["metastudio"]


def __getattr__(name: str) -> Any:
    """Import the source when it is asked for: dlt reads where its configuration lies while it is imported."""
    if name == "metastudio":
        from metastudio.source.source import metastudio

        return metastudio
    raise AttributeError(name)
