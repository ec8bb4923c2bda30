"""Gaps, learned limits and scrubs in `status` and in the summary."""

from __future__ import annotations

from metastudio.cli.output import describe_summary
from metastudio.cli.status import describe_status
from metastudio.commands.result import CommandResult
from metastudio.commands.status import describe_state
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


def describe(state):
    details = {**describe_state(state), "tables": {"digital_human_videos": 600}, "last_runs": [RUN]}
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
        "no window of creation times is answered that is wider than 90 days",
        "the count stops at 1,000 jobs",
        "the filter job_ids is refused",
        "create_since and create_until: ends left out",
    ]


def test_what_the_endpoint_keeps_to_is_no_limit():
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
