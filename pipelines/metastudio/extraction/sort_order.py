"""Finds out from neighboring rows whether a list is ordered by update or by creation time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from metastudio.records.parser import Row

Order = Literal["proved", "not proved", "disproved"]
OrderEvidence = Literal["update rises", "create rises", "create falls"]


def find_order_evidence(rows: Sequence[Row]) -> set[OrderEvidence]:
    """Return what neighboring rows of one answer show about its order, from the top down.

    In order of update time, `updated` never rises. In order of creation time, create_time only
    falls or only rises. A rise counts only if the update fell, so that jobs that were all updated
    in one second prove nothing.
    """
    evidence: set[OrderEvidence] = set()
    for above, below in pairwise(row for row in rows if row.updated is not None):
        assert above.updated is not None and below.updated is not None
        if above.updated < below.updated:
            evidence.add("update rises")
        if above.create_time and below.create_time and above.create_time > below.create_time:
            evidence.add("create falls")
        if above.create_time and below.create_time and above.create_time < below.create_time:
            evidence |= {"create rises"} if above.updated > below.updated else set()
    return evidence


def classify_order(evidence: set[OrderEvidence]) -> Order:
    """Return whether the order is proved to be by update time and not by creation time."""
    if "update rises" in evidence:
        return "disproved"
    return "proved" if evidence >= {"create rises", "create falls"} else "not proved"
