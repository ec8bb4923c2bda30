"""The health of the data, in the same words for the report, its page and Dagster's checks.

Each `describe_` function returns a finding: whether all is well, and a sentence that says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from metastudio.formatting import format_figure
from metastudio.reporting.language import ENGLISH, N_, Language
from metastudio.reporting.model_version import Row


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
        """Return the sign that precedes the sentence."""
        return "✓" if self.is_good else "✗" if self.is_grave else "!"


class Limits(NamedTuple):
    """The limits for a tenant's data: the settings of the same names."""

    stale_after_seconds: float = 3_600
    max_missing: int = 0


def judge_health(health: Row, limits: Limits, now: datetime) -> Row:
    """Return a tenant's health with its age, the limits, and the verdicts on both."""
    synced_at = health.get("last_sync_at")
    judged = {
        **health,
        **limits._asdict(),
        "freshness_seconds": synced_at and max((now - synced_at).total_seconds(), 0.0),
    }
    judged["is_stale"] = synced_at is None or judged["freshness_seconds"] > limits.stale_after_seconds
    judged["is_sound"] = not judged["is_stale"] and not describe_completeness(judged).is_grave
    return {**judged, "health": summarize_health(judged)}


def summarize_health(health: Row, language: Language = ENGLISH) -> str:
    """Return the health of a tenant in a few words, after a mark."""
    if health["last_sync_at"] is None:
        return "✗ " + language.gettext("not synced")
    is_grave = describe_completeness(health).is_grave
    graves = {N_("stale"): health["is_stale"], N_("not complete"): is_grave}
    oddities = {
        N_("gaps"): health["gaps"] and not is_grave,
        N_("unseen changes"): health["scrub_changed"],
        N_("rejected records"): health["rejected_records"],
        N_("unknown states"): health["jobs_in_unknown_states"],
    }
    words = [language.gettext(word) for word, is_so in {**graves, **oddities}.items() if is_so]
    mark = "✗" if any(graves.values()) else "!" if words else "✓"
    return f"{mark} {language.list_items(words)}".strip()


def describe_health(health: Row, language: Language = ENGLISH) -> list[Finding]:
    """Return all findings about a tenant's tables."""
    if not health or health.get("jobs") is None:
        return [Finding(False, language.gettext("Nothing was synced yet: run metastudio sync."), is_grave=True)]
    return [
        describe_freshness(health, health.get("stale_after_seconds"), language),
        describe_completeness(health, language),
        _describe_jobs(health, language),
        *([_describe_scrub(health, language)] if health["scrubbed"] else []),
        *([describe_rejected(health, language)] if health["rejected_records"] else []),
        *([_describe_unknown_states(health, language)] if health["jobs_in_unknown_states"] else []),
    ]


def _describe_jobs(health: Row, language: Language) -> Finding:
    sentence = language.ngettext(
        "{number:,} job, {deleted:,} of them deleted at the API.",
        "{number:,} jobs, {deleted:,} of them deleted at the API.",
        health["jobs"],
        deleted=health["deleted_jobs"],
    )
    return Finding(True, sentence)


def describe_freshness(health: Row, limit_seconds: float | None = None, language: Language = ENGLISH) -> Finding:
    """Return how long ago the last sync that read all changes ended.

    Args:
        limit_seconds: the age from which on the tables are stale.
    """
    ended_at, age = health["last_sync_at"], health["freshness_seconds"]
    if ended_at is None:
        sentence = language.gettext("No sync has read all changes yet: run metastudio sync.")
        return Finding(False, sentence, is_grave=True)
    words = {"time": language.format_second(ended_at.astimezone(UTC)), "age": language.format_seconds(age)}
    if limit_seconds is None or age <= limit_seconds:
        return Finding(True, language.gettext("The last sync ended {time} UTC, {age} ago.", **words))
    sentence = language.gettext(
        "Stale: the last sync ended {time} UTC, {age} ago; the limit (stale_after_seconds) is {limit}.",
        **words,
        limit=language.format_seconds(limit_seconds),
    )
    return Finding(False, sentence, is_grave=True)


def describe_completeness(health: Row, language: Language = ENGLISH) -> Finding:
    """Return whether anything may be missing. Gaps that `max_missing` accepts are not grave."""
    if health["gaps"]:
        is_grave = bool(health["incomplete_windows"]) or health["missing"] > health.get("max_missing", 0)
        sentence = language.gettext(
            "Not complete: {gaps}, {jobs} missing: metastudio status lists them.",
            gaps=language.ngettext("{number:,} gap", "{number:,} gaps", health["gaps"]),
            jobs=language.ngettext("{number:,} job", "{number:,} jobs", health["missing"]),
        )
        return Finding(False, sentence, is_grave)
    if health["incomplete_windows"]:
        sentence = language.ngettext(
            "Not complete: {number:,} window of the last run could not be proved complete; run metastudio sync.",
            "Not complete: {number:,} windows of the last run could not be proved complete; run metastudio sync.",
            health["incomplete_windows"],
        )
        return Finding(False, sentence, is_grave=True)
    if health["last_sync_at"] is None:
        sentence = language.gettext("Not complete: no sync has reached its end yet; run metastudio sync.")
        return Finding(False, sentence, is_grave=True)
    return Finding(True, language.gettext("Complete: every window was proved complete."))


def _describe_scrub(health: Row, language: Language) -> Finding:
    """Return whether jobs that were read again had changed without a new update time."""
    sentence = language.ngettext(
        "Scrub: {changed:,} of {number:,} job had changed unseen in the last 30 days.",
        "Scrub: {changed:,} of {number:,} jobs had changed unseen in the last 30 days.",
        health["scrubbed"],
        changed=health["scrub_changed"],
    )
    return Finding(not health["scrub_changed"], sentence)


def describe_rejected(health: Row, language: Language = ENGLISH) -> Finding:
    """Return whether records were rejected."""
    number = health["rejected_records"]
    if not number:
        return Finding(True, language.gettext("No record was rejected."))
    sentence = language.ngettext(
        "{number:,} record was rejected: see the reasons in rejected_records.",
        "{number:,} records were rejected: see the reasons in rejected_records.",
        number,
    )
    return Finding(False, sentence)


def _describe_unknown_states(health: Row, language: Language) -> Finding:
    """Return how many jobs are in states that this release does not know."""
    sentence = language.ngettext(
        "{number:,} job is in a state that this release does not know: {states}.",
        "{number:,} jobs are in a state that this release does not know: {states}.",
        health["jobs_in_unknown_states"],
        states=format_figure(health["unknown_states"]),
    )
    return Finding(False, sentence)
