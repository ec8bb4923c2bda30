"""Finds English words in Chinese texts, apart from those that a text may have."""

from __future__ import annotations

import re

WORDS = {
    *("API", "ID", "P50", "P95", "SLA", "UTC", "MSS", "metastudio", "report", "status", "sync", "tenant", "NAME"),
    *("rejected_records", "stale_after_seconds"),
    *("WAITING", "PROCESSING", "SUCCEED", "FAILED", "CANCELED", "BLOCK", "UNKNOWN", "THAWED"),
}
"""The API's words and states, commands, names of tables and settings, and usual abbreviations."""


def find_english(text: str, *others: str) -> set[str]:
    """Return the English words of a text, except the allowed ones and those of some other texts."""
    for other in sorted(others, key=len, reverse=True):
        text = text.replace(other, " ")
    return {*re.findall(r"[A-Za-z][A-Za-z_]*\d*", text)} - WORDS
