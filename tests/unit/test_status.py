"""Gaps, learned limits and scrubs in `status` and in the summary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from metastudio.cli.output import describe_summary
from metastudio.cli.status import describe_status
from metastudio.commands.result import CommandResult
from metastudio.commands.status import describe_attempts, describe_freshness, describe_state, find_staleness
from metastudio.config.settings import Settings
from metastudio.destination.ledger import Completeness
from metastudio.pipeline.attempt_log import begin_attempt
from metastudio.pipeline.options import Options
from metastudio.pipeline.summary import Summary

GAP = {
    "since": "2025-03-01T10:00:00Z",
    "until": "2025-03-01T10:00:01Z",
    "count": 5,
    "rows_read": 3,
    "reason": "counted, not listed",
    "found_at": "2026-01-15T12:00:00Z",
    "tries": 2,
    "next_try_at": "2026-01-15T14:00:00Z",
}
LIMITS = {
    "max_offset": 10_000,
    "max_range_days": 90,
    "count_cap": 1_000,
    "job_ids": "refused",
    "filters": "ends left out",
}
RUN = {
    "run_id": "0123456789",
    "mode": "changes",
    "windows": 1,
    "rows_read": 3,
    "requests": 1,
    "complete": True,
    "finished_at": None,
}


FRESH = Completeness(synced_at=datetime.now(UTC), complete_at=datetime.now(UTC))
ATTEMPT = begin_attempt("1" * 32, "sync", Options())._replace(
    exit_code=4,
    error_code="MSS.00000004",
    error_message="The API failed.",
    started_at=datetime(2026, 1, 15, tzinfo=UTC),
)


def describe(state, completeness=FRESH, attempts=(), **settings):
    details = {
        **describe_freshness(completeness, Settings(**settings)),
        **describe_state(state),
        **describe_attempts(attempts),
        "tables": {"digital_human_videos": 600},
        "last_runs": [RUN],
    }
    return describe_status(CommandResult(command="status", pipeline="metastudio", details=details)).splitlines()


def find(lines, name):
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def test_each_open_gap_is_shown_with_its_figures_reason_and_next_try():
    lines = describe({"gaps": [GAP, {**GAP, "rows_read": 5, "reason": "kept moving"}]})

    assert find(lines, "gaps") == ["2, with 3 jobs missing"]
    assert find(lines, "gap")[0] == (
        "2025-03-01T10:00:00Z to 2025-03-01T10:00:01Z: counted, not listed, 3 of 5 jobs read, 2 missing;"
        " since 2026-01-15T12:00:00Z, next try 2026-01-15T14:00:00Z"
    )
    assert "kept moving, 5 of 5 jobs read, 1 missing" in find(lines, "gap")[1]


def test_without_gaps_there_is_one_line_and_no_limit():
    lines = describe({})

    assert find(lines, "gaps") == ["none"]
    assert find(lines, "gap") == find(lines, "limit") == []


def test_limits_are_shown_in_words_with_their_units():
    assert find(describe({"limits": LIMITS}), "limit") == [
        "an offset of 10,000 jobs is refused",
        "no answer for windows of creation time wider than 90 days",
        "the count stops at 1,000 jobs",
        "the filter job_ids is refused",
        "create_since and create_until: ends left out",
    ]


def test_filters_that_work_are_not_a_limit():
    assert find(describe({"limits": {"filters": "kept to", "count_verified": 1_200}}), "limit") == []


def test_gaps_and_limits_are_plain_values_for_programs():
    details = describe_state({"gaps": [GAP], "limits": LIMITS})

    assert details["gaps"] == [{**GAP, "missing": 2}]
    assert (details["missing"], details["limits"]) == (2, LIMITS)


def test_the_text_summary_mentions_gaps_and_scrub_only_if_there_are_any():
    quiet = describe_summary("sync", Summary(mode="changes"))
    text = describe_summary("sync", Summary(mode="changes", gaps=2, missing=3, scrubbed=1_940, scrub_changed=2))

    assert "gap" not in quiet
    assert "scrub" not in quiet
    assert "3 jobs missing in 2 gaps" in text
    assert "scrub: 2 of 1,940 jobs had changed unseen" in text


OLD = datetime.now(UTC) - timedelta(days=10)


@pytest.mark.parametrize(
    ("completeness", "words"),
    [
        (FRESH, "✓ The last complete sync ended "),
        (Completeness(synced_at=OLD, complete_at=OLD), "10.0 days ago: more than 1.0 h (stale_after_seconds)."),
        (Completeness(), "✗ No sync is complete so far."),
        (Completeness(synced_at=FRESH.synced_at, missing=1, gaps=1), "✗ No sync is complete so far."),
    ],
)
def test_the_first_line_says_whether_the_last_complete_sync_is_too_old(completeness, words):
    assert words in describe({}, completeness)[0]


def test_gaps_that_nobody_accepted_are_a_line_of_their_own():
    assert describe({"gaps": [GAP]})[1] == "✗ 2 jobs missing in 1 gap: more than max_missing."
    assert not describe({"gaps": [GAP]}, max_missing=2)[1].startswith("✗")


@pytest.mark.parametrize(
    ("age", "gaps", "accepted", "words"),
    [
        (60, [], 0, None),
        (200, [], 0, "more than 100 s"),
        (None, [], 0, "No sync is complete so far"),
        (60, [GAP], 0, "2 jobs missing in 1 gap"),
        (60, [GAP], 2, None),
    ],
)
def test_a_monitor_gets_exit_code_5_if_data_is_too_old_or_missing(age, gaps, accepted, words):
    ended_at = age and datetime.now(UTC) - timedelta(seconds=age)
    completeness = Completeness(ended_at, None if gaps else ended_at, missing=2 if gaps else 0)
    details = describe_freshness(completeness, Settings(max_missing=accepted)) | describe_state({"gaps": gaps})

    error = find_staleness(details, 100)

    assert (error and error.exit_code) == (words and 5)
    assert words is None or words in error.message
    assert find_staleness(details, None) is None


def test_failed_attempts_are_shown_with_code_message_and_time():
    done = ATTEMPT._replace(run_id="2" * 32, exit_code=0, started_at=datetime(2026, 1, 16, tzinfo=UTC))
    skipped = ATTEMPT._replace(run_id="3" * 32, exit_code=6, started_at=datetime(2026, 1, 17, tzinfo=UTC))

    lines = describe({}, attempts=[skipped, done, ATTEMPT])

    assert find(lines, "last attempt") == ["sync, exit code 0, at 2026-01-16 00:00:00 UTC"]
    assert find(lines, "failed attempt") == [
        "2026-01-15 00:00:00 UTC: sync, exit code 4: MSS.00000004: The API failed."
    ]
