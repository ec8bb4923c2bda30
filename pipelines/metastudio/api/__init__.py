"""The vendor's API: one client. Knows no rows, no windows and no destination."""
