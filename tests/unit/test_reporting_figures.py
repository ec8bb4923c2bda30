"""How figures are written, what is said about the health of the data, and rates over seven days: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from metastudio.reporting.charts import make_weekly_rates
from metastudio.reporting.report import describe_health, show_change, show_count, show_days, show_share, show_type

HEALTHY = {
    "as_of": datetime(2026, 1, 15, 12, tzinfo=UTC),
    "last_complete_sync_at": datetime(2026, 1, 15, 12, tzinfo=UTC),
    "freshness_seconds": 180.0,
    "is_complete": True,
    "incomplete_windows": 0,
    "jobs": 1234,
    "deleted_jobs": 0,
    "jobs_in_unknown_states": 0,
    "unknown_states": None,
    "rejected_records": 0,
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (show_share(None), "-"),
        (show_share(0.5), "50.0 %"),
        (show_change(None), "-"),
        (show_change(0.0123), "▲ 1.2 pp"),
        (show_change(-0.0123), "▼ 1.2 pp"),
        (show_change(0.0004), "= 0.0 pp"),
        (show_days(1), "today"),
        (show_days(30), "last 30 days"),
        (show_count(None), "-"),
        (show_count(1234.0), "1,234"),
        (show_type("PHOTO_DIGITAL_HUMAN_VIDEO"), "photo"),
        (show_type("HOLOGRAM"), "HOLOGRAM"),
    ],
)
def test_a_figure_is_written_for_people(written, expected):
    assert written == expected


def test_healthy_data_is_said_to_be_fresh_and_complete():
    assert describe_health(HEALTHY) == [
        (True, "The last complete sync ended 2026-01-15 12:00:00 UTC, 3.0 min ago."),
        (True, "Complete: every window was proved whole."),
        (True, "1,234 jobs, 0 of them deleted at the API."),
    ]


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ({"last_complete_sync_at": None}, "No sync has reached its end yet"),
        ({"is_complete": False, "incomplete_windows": 2}, "2 windows of the last run are unproved"),
        ({"rejected_records": 3}, "3 records were rejected"),
        ({"jobs_in_unknown_states": 1, "unknown_states": "THAWED"}, "does not know: THAWED"),
    ],
)
def test_each_trouble_is_said_and_marked(trouble, sentence):
    marked = [text for fine, text in describe_health(HEALTHY | trouble) if not fine]

    assert len(marked) == 1
    assert sentence in marked[0]


def test_data_never_synced_is_said_to_be_so():
    assert describe_health({}) == [(False, "Nothing was synced yet.")]


def test_a_weekly_rate_counts_seven_days_and_days_without_jobs_as_days():
    days = [
        {"day": date(2026, 1, 1), "succeeded": 1, "failed": 9},
        {"day": date(2026, 1, 7), "succeeded": 3, "failed": 0},
        {"day": date(2026, 1, 8), "succeeded": 2, "failed": 5},
        {"day": date(2026, 1, 20), "succeeded": 0, "failed": 0},
    ]

    assert make_weekly_rates(days) == [
        {"day": date(2026, 1, 1), "rate": 0.1, "judged": 10},
        {"day": date(2026, 1, 7), "rate": 4 / 13, "judged": 13},
        {"day": date(2026, 1, 8), "rate": 0.5, "judged": 10},
    ]
