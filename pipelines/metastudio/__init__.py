"""Brings the video-production jobs of Huawei Cloud MetaStudio into DuckDB or a warehouse, completely and cheaply.

import dlt
from metastudio import metastudio

dlt.pipeline("metastudio", destination="duckdb", dataset_name="metastudio").run(metastudio())
"""

from .source import metastudio

__all__ = ["metastudio"]
