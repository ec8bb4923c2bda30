"""The text of `metastudio prune`."""

from __future__ import annotations

from metastudio.commands.result import CommandResult
from metastudio.formatting import format_count


def describe_prune(result: CommandResult) -> str:
    """Describe what was deleted, and what stays because a proof needs it."""
    found = result.details
    if not found:
        return ""
    deleted = ", ".join(
        (
            format_count(found["windows"], "line") + " of the ledger",
            format_count(found["attempts"], "attempt"),
            format_count(found["rejected"], "rejected record"),
        )
    )
    kept = format_count(found["old_windows"] - found["windows"], "old line")
    verb = "would be deleted" if found["dry_run"] else "deleted"
    return f"{deleted} {verb}; {kept} of the ledger kept, because a proof needs them"
