"""The health of the data, in the same words for the report, its page and Dagster's checks.

Each `describe_` function returns a finding: whether all is well, and a sentence that says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from metastudio.formatting import format_count, format_figure, format_integer, format_seconds
from metastudio.reporting.model_version import Models, Row, TenantName


class Finding(NamedTuple):
    """A sentence about the data.

    Attributes:
        is_good: whether all is well.
        is_grave: whether the figures cannot be relied on.
    """

    is_good: bool
    sentence: str
    is_grave: bool = False

    @property
    def mark(self) -> str:
        """The sign that stands before the sentence."""
        return "✓" if self.is_good else "✗" if self.is_grave else "!"


class Limits(NamedTuple):
    """What is accepted of a tenant's data: settings of the same names."""

    stale_after_seconds: float = 3_600
    max_missing: int = 0


def read_health(models: Models, project_id: str, app_user_id: str | None = None) -> Row:
    """Read the health of a tenant's tables; an empty row if nothing was synced."""
    rows = models.query_tenants("health", [TenantName(project_id, app_user_id, "")])
    return rows[0] if rows else {}


def judge_health(health: Row, limits: Limits, now: datetime) -> Row:
    """Return the health of a tenant with how old it is, what is accepted, and whether it is."""
    synced_at = health.get("last_sync_at")
    judged = {
        **health,
        **limits._asdict(),
        "freshness_seconds": synced_at and max((now - synced_at).total_seconds(), 0.0),
    }
    judged["is_stale"] = synced_at is None or judged["freshness_seconds"] > limits.stale_after_seconds
    judged["is_sound"] = not judged["is_stale"] and not describe_completeness(judged).is_grave
    return {**judged, "health": summarize_health(judged)}


def summarize_health(health: Row) -> str:
    """Return the health of a tenant in a few words, after a mark."""
    if health["last_sync_at"] is None:
        return "✗ not synced"
    is_grave = describe_completeness(health).is_grave
    graves = {"stale": health["is_stale"], "not complete": is_grave}
    oddities = {
        "gaps": health["gaps"] and not is_grave,
        "unseen changes": health["scrub_changed"],
        "rejected records": health["rejected_records"],
        "unknown states": health["jobs_in_unknown_states"],
    }
    words = [word for word, is_so in {**graves, **oddities}.items() if is_so]
    mark = "✗" if any(graves.values()) else "!" if words else "✓"
    return " ".join([mark, ", ".join(words)]).strip()


def describe_health(health: Row) -> list[Finding]:
    """Return all findings about a project's tables."""
    if not health or health.get("jobs") is None:
        return [Finding(False, "Nothing was synced yet: run metastudio sync.", is_grave=True)]
    jobs, deleted = format_count(health["jobs"], "job"), format_integer(health["deleted_jobs"])
    oddities = [describe_rejected(health), describe_unknown_states(health)]
    scrub = [describe_scrub(health)] if health["scrubbed"] else []
    return [
        describe_freshness(health, health.get("stale_after_seconds")),
        describe_completeness(health),
        Finding(True, f"{jobs}, {deleted} of them deleted at the API."),
        *scrub,
        *(finding for finding in oddities if not finding.is_good),
    ]


def describe_freshness(health: Row, limit_seconds: float | None = None) -> Finding:
    """Return how long ago the last sync that read all changes ended.

    Args:
        limit_seconds: the age from which on the tables are stale.
    """
    ended_at = health["last_sync_at"]
    if ended_at is None:
        return Finding(False, "No sync has read all changes yet: run metastudio sync.", is_grave=True)
    age = health["freshness_seconds"]
    sentence = f"The last sync ended {format_figure(ended_at)} UTC, {format_seconds(age)} ago"
    if limit_seconds is None or age <= limit_seconds:
        return Finding(True, f"{sentence}.")
    limit = format_seconds(limit_seconds)
    return Finding(
        False, f"Stale: {sentence[0].lower()}{sentence[1:]}; the limit (stale_after_seconds) is {limit}.", is_grave=True
    )


def describe_completeness(health: Row) -> Finding:
    """Return whether anything may be missing. Gaps that `max_missing` accepts are not grave."""
    if health["gaps"]:
        gaps, missing = format_count(health["gaps"], "gap"), format_count(health["missing"], "job")
        is_grave = bool(health["incomplete_windows"]) or health["missing"] > health.get("max_missing", 0)
        return Finding(False, f"Not complete: {gaps}, {missing} missing: metastudio status lists them.", is_grave)
    if health["incomplete_windows"]:
        windows = format_count(health["incomplete_windows"], "window")
        sentence = f"Not complete: {windows} of the last run could not be proved complete; run metastudio sync."
        return Finding(False, sentence, is_grave=True)
    if health["last_sync_at"] is None:
        return Finding(False, "Not complete: no sync has reached its end yet; run metastudio sync.", is_grave=True)
    return Finding(True, "Complete: every window was proved complete.")


def describe_scrub(health: Row) -> Finding:
    """Return whether jobs that were read again had changed without a new update time."""
    changed, jobs = health["scrub_changed"], format_count(health["scrubbed"], "job")
    return Finding(not changed, f"Scrub: {format_integer(changed)} of {jobs} had changed unseen in the last 30 days.")


def describe_rejected(health: Row) -> Finding:
    """Return whether records were rejected."""
    number = health["rejected_records"]
    if not number:
        return Finding(True, "No record was rejected.")
    verb = "was" if number == 1 else "were"
    return Finding(False, f"{format_count(number, 'record')} {verb} rejected: see the reasons in rejected_records.")


def describe_unknown_states(health: Row) -> Finding:
    """Return whether jobs are in states that this release does not know."""
    number = health["jobs_in_unknown_states"]
    if not number:
        return Finding(True, "All jobs are in states that this release knows.")
    jobs, verb = format_count(number, "job"), "is" if number == 1 else "are"
    states = format_figure(health["unknown_states"])
    return Finding(False, f"{jobs} {verb} in a state that this release does not know: {states}.")
