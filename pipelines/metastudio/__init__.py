"""Brings the video production jobs of Huawei Cloud MetaStudio into DuckDB or a warehouse.

import dlt
from metastudio import metastudio

dlt.pipeline("videos", destination="duckdb", dataset_name="metastudio").run(metastudio())
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metastudio.source.source import metastudio

__all__ = ["__version__", "metastudio"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the source on first use: dlt looks for its configuration as soon as it is imported."""
    if name == "metastudio":
        from metastudio.source.source import metastudio

        return metastudio
    raise AttributeError(name)
