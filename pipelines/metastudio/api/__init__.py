"""The client of the vendor's API. It knows no rows, windows or destinations."""
