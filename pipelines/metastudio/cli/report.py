"""Renders the report: as tables for a terminal, as one JSON object, or as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from metastudio.cli.output import write_json, write_out
from metastudio.commands.report import run_report
from metastudio.commands.result import CommandResult
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options
from metastudio.reporting.health import describe_health
from metastudio.reporting.report import SECTIONS, Report, Section, format_row

_ENDLESS = 10_000
"""A width in characters that no line reaches."""


def show_report(chosen: Sequence[Options], *, as_json: bool, html: Path | None = None) -> None:
    """Print the report of each tenant as tables, or of one tenant as JSON or as a page.

    Raises:
        ConfigurationError: JSON or a page was asked for several tenants, or the page cannot be
            written.
        MetaStudioError: the report could not be read.
    """
    if len(chosen) > 1 and (as_json or html is not None):
        raise ConfigurationError("--json and --html show one tenant.", hint="Choose the tenant with --tenant NAME.")
    for options in chosen:
        if len(chosen) > 1:
            write_out(f"\n{options.tenant}")
        report = run_report(options, charts=html is not None)
        if html is not None:
            _write_page(report, html)
        if as_json:
            result = CommandResult(command="report", pipeline=options.name, details=report.as_dict())
            write_json(result.as_json())
        elif html is None:
            _print(report)
        else:
            write_out(f"The report is in {html}.")


def _print(report: Report) -> None:
    console = Console(highlight=False, markup=False, emoji=False)  # brackets in data are no markup
    for is_good, sentence in describe_health(report.health):
        console.print(f"{'✓' if is_good else '!'} {sentence}", style=None if is_good else "yellow")
    for section in SECTIONS:
        table = _lay_out(section, report)
        needed = console.measure(table, options=console.options.update(width=_ENDLESS)).minimum
        console.print(table, width=max(console.width, needed), crop=False)  # a truncated figure would be wrong


def _lay_out(section: Section, report: Report) -> Table:
    title = section.title + (f" ({report.time_zone})" if section.query == "by_day" else "")
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [format_row(section, row) for row in report.rows[section.query]]
    for index, (heading, _) in enumerate(section.columns):
        is_text, is_example = index == 0 or heading == "example", heading == "example"
        width = None if is_example else max(cell_len(cell) for cell in (heading, *(row[index] for row in rows)))
        table.add_column(
            heading, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_example, min_width=width
        )
    for row in rows:
        table.add_row(*row)
    if not report.rows[section.query]:
        table.caption = "none"
    return table


def _write_page(report: Report, path: Path) -> None:
    from metastudio.reporting.html_report import make_page

    page = make_page(report)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The page cannot be written: {error.strerror}.",
            hint="Give --html a path in a folder that you may write to.",
        ) from None
