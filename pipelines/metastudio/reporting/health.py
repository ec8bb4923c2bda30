"""The health of the data, in the same words for the report, its page and Dagster's checks.

Each `describe_` function returns a finding: whether all is well, and a sentence that says so.
"""

from __future__ import annotations

from metastudio.formatting import format_count, format_figure, format_integer, format_seconds
from metastudio.reporting.model_version import Models, Row

Finding = tuple[bool, str]


def read_health(models: Models, project_id: str) -> Row:
    """Read the health of a project's tables; an empty row if nothing was synced."""
    rows = models.query_project("health", project_id)
    return rows[0] if rows else {}


def describe_health(health: Row) -> list[Finding]:
    """Return all findings about a project's tables."""
    if not health:
        return [(False, "Nothing was synced yet.")]
    jobs, deleted = format_count(health["jobs"], "job"), format_integer(health["deleted_jobs"])
    oddities = [describe_rejected(health), describe_unknown_states(health)]
    scrub = [describe_scrub(health)] if health["scrubbed"] else []
    return [
        describe_freshness(health),
        describe_completeness(health),
        (True, f"{jobs}, {deleted} of them deleted at the API."),
        *scrub,
        *(finding for finding in oddities if not finding[0]),
    ]


def describe_freshness(health: Row) -> Finding:
    """Return how long ago the last sync that read all changes ended."""
    ended_at = health["last_sync_at"]
    if ended_at is None:
        return False, "No sync has read all changes yet: run metastudio sync."
    age = format_seconds(health["freshness_seconds"])
    return True, f"The last sync ended {format_figure(ended_at)} UTC, {age} ago."


def describe_completeness(health: Row) -> Finding:
    """Return whether anything may be missing."""
    if health["gaps"]:
        gaps, missing = format_count(health["gaps"], "gap"), format_count(health["missing"], "job")
        return False, f"Not complete: {gaps}, {missing} missing: metastudio status lists them."
    if health["incomplete_windows"]:
        windows = format_count(health["incomplete_windows"], "window")
        return False, f"Not complete: {windows} of the last run could not be proved complete; run metastudio sync."
    if health["last_sync_at"] is None:
        return False, "Not complete: no sync has reached its end yet; run metastudio sync."
    return True, "Complete: every window was proved complete."


def describe_scrub(health: Row) -> Finding:
    """Return whether jobs that were read again had changed without a new update time."""
    changed, jobs = health["scrub_changed"], format_count(health["scrubbed"], "job")
    return not changed, f"Scrub: {format_integer(changed)} of {jobs} had changed unseen in the last 30 days."


def describe_rejected(health: Row) -> Finding:
    """Return whether records were rejected."""
    number = health["rejected_records"]
    if not number:
        return True, "No record was rejected."
    verb = "was" if number == 1 else "were"
    return False, f"{format_count(number, 'record')} {verb} rejected: see the reasons in rejected_records."


def describe_unknown_states(health: Row) -> Finding:
    """Return whether jobs are in states that this release does not know."""
    number = health["jobs_in_unknown_states"]
    if not number:
        return True, "All jobs are in states that this release knows."
    jobs, verb = format_count(number, "job"), "is" if number == 1 else "are"
    states = format_figure(health["unknown_states"])
    return False, f"{jobs} {verb} in a state that this release does not know: {states}."
