"""Everything that uses undocumented parts of dlt, as of dlt 1.31.0.

Review these modules before you allow a newer minor version of dlt.
"""
