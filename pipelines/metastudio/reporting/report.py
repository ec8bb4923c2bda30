"""Reads the figures of the report from the models, for one tenant or several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from metastudio.reporting.health import Finding, Limits, describe_health, judge_health, summarize_health
from metastudio.reporting.language import ENGLISH, Language
from metastudio.reporting.model_version import Models, Row, TenantName, Version
from metastudio.reporting.period import Period, choose_period, make_time_literal
from metastudio.reporting.sections import NO_JOBS, SECTIONS, TENANT, Section

SPANS = {"by_week": ("week", 8), "by_month": ("month", 6)}
"""The unit of each table by span, and its number of rows."""

CHARTS = ("trend", "time_trend", "reason_trend")
"""Queries that only charts need."""


MEDIANS = ("wait_seconds_p50", "render_seconds_p50")
"""A week without any of these figures is omitted: none of its jobs has such times."""


class Report(NamedTuple):
    """The figures: a row of health and production per tenant, and the rows of each query.

    The rows are in English until the report is turned into another language.
    """

    version: Version
    period: Period
    tenants: list[Row]
    rows: dict[str, list[Row]]
    language: Language = ENGLISH

    def in_language(self, language: Language) -> Report:
        """Return the report in another language, for people. Its JSON is English."""
        rows = {
            **self.rows,
            "production": [
                {**row, "period": _name_span(row, self.period, language)} for row in self.rows["production"]
            ],
            "failure_reasons": [
                {**row, "example_message": _count_others(row["example_message"], language)}
                for row in self.rows["failure_reasons"]
            ],
        }
        tenants = [{**row, "health": summarize_health(row, language)} for row in self.tenants]
        return self._replace(rows=rows, tenants=tenants, language=language)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.version.time_zone)

    @property
    def findings(self) -> list[Finding]:
        """Return the findings about the data of a single tenant."""
        return describe_health(self.tenants[0], self.language)

    @property
    def sections(self) -> tuple[Section, ...]:
        """Return the tables, in order, without those that could only show zeros.

        The lists of jobs name the tenant only if there are several.
        """
        sections = [section for section in SECTIONS if self.has_jobs or section.is_of_now]
        if len(self.tenants) > 1:
            return tuple(sections)
        return tuple(
            section._replace(columns=tuple(column for column in section.columns if column != TENANT))
            for section in sections
        )

    @property
    def has_jobs(self) -> bool:
        """Return whether a job was created in the period."""
        return bool(self.rows["by_job_type"])

    def list_empty(self, sections: Iterable[Section]) -> list[str]:
        """Return a sentence for each of these tables that has no rows."""
        empty = [] if self.has_jobs else [NO_JOBS]
        empty += [section.empty for section in sections if not self.rows[section.query]]
        return [self.translate(sentence) for sentence in dict.fromkeys(empty)]

    def describe_days(self) -> str:
        """Return the days that the report is about."""
        since, until = self.language.format_day(self.period.since), self.language.format_day(self.period.until)
        return self.language.gettext("{since} to {until}", since=since, until=until)

    def describe_period(self) -> str:
        """Return the days that the report is about, with the time zone in which they begin."""
        return self.language.gettext("{period} ({zone})", period=self.describe_days(), zone=self.version.time_zone)

    def translate(self, message: str) -> str:
        """Return the translation of a message with its figures; an empty message stays empty."""
        return message and self.language.gettext(message, sla=self.language.format_seconds(self.version.sla_seconds))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as `metastudio report --json` prints them."""
        is_single = len(self.tenants) == 1
        return {
            "project_id": self.tenants[0]["project_id"] if is_single else None,
            "app_user_id": self.tenants[0]["app_user_id"] if is_single else None,
            "since": self.period.since,
            "until": self.period.until,
            "time_zone": self.version.time_zone,
            "sla_seconds": self.version.sla_seconds,
            "health": self.tenants[0] if is_single else None,
            "overview": self.tenants,
            **{section.query: self.rows[section.query] for section in SECTIONS},
        }


def read_report(
    models: Models,
    tenants: Sequence[TenantName],
    limits: dict[TenantName, Limits] | None = None,
    *,
    since: date | None = None,
    until: date | None = None,
    now: datetime,
    charts: bool = False,
) -> Report:
    """Read the figures of tenants from the models.

    Args:
        limits: what is accepted of each tenant.
        charts: whether to read the series that only charts show.

    Raises:
        ConfigurationError: the period ends before it begins.
    """
    version = models.version() or Version()
    as_of = [row["as_of"] for row in models.query_tenants("as_of", tenants) if row["as_of"]]
    last = max(as_of, default=now)
    zone = ZoneInfo(version.time_zone)
    period = choose_period(last.astimezone(zone).date(), since, until)
    values = {
        **period.make_literals(zone, every_day=charts),
        "as_of": make_time_literal(last),
        "time_zone": version.time_zone,
        "sla_seconds": version.sla_seconds,
    }
    rows = _read_rows(models, tenants, values, charts=charts)
    for row in rows["production"]:
        row["period"] = _name_span(row, period, ENGLISH)
    overview = _list_tenants(tenants, models.query_tenants("overview", tenants, **values))
    accepted = limits or {}
    judged = [judge_health(row, accepted.get(tenant, Limits()), now) for tenant, row in overview.items()]
    return Report(version, period, judged, rows)


def _read_rows(
    models: Models, tenants: Sequence[TenantName], values: dict[str, Any], *, charts: bool
) -> dict[str, list[Row]]:
    """Return the rows of each table, and of each chart on request."""
    names = [section.query for section in SECTIONS if section.query not in SPANS]
    rows = {name: models.query_tenants(name, tenants, **values) for name in (*names, *(CHARTS if charts else ()))}
    if charts:
        rows["time_trend"] = [row for row in rows["time_trend"] if any(row[name] is not None for name in MEDIANS)]
    for name, (unit, number) in SPANS.items():
        rows[name] = models.query_tenants("by_span", tenants, unit=unit, spans=number, **values)
    return rows


def _list_tenants(tenants: Sequence[TenantName], overview: list[Row]) -> dict[TenantName, Row]:
    """Return the row of each tenant, with its configured name.

    If a tenant was never synced, most values in its row are None.
    """
    found = {(row["project_id"], row["app_user_id"]): row for row in overview}
    nothing = dict.fromkeys(overview[0] if overview else ())
    rows = {}
    for tenant in tenants:
        row = found.get(tenant[:2]) or {**nothing, **tenant._asdict(), "last_sync_at": None}
        rows[tenant] = {**row, "tenant": tenant.name or row.get("tenant") or tenant.project_id}
    return rows


def _name_span(row: Row, period: Period, language: Language) -> str:
    days = (row["until"] - row["since"]).days + 1
    if period.is_chosen:
        return language.ngettext("{number} day", "{number} days", days)
    return language.gettext("today") if days == 1 else language.gettext("last {days} days", days=days)


def _count_others(example: str | None, language: Language) -> str | None:
    """Return the example of a message. In the row of all other codes, it is their number."""
    found = re.fullmatch(r"error codes: (\d+)", example or "")
    return language.gettext("error codes: {number}", number=found[1]) if found else example
