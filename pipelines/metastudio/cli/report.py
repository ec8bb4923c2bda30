"""Renders the report: as tables for a terminal, as one JSON object, or as a page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metastudio.cli.log import is_json
from metastudio.cli.output import write_error, write_json, write_out
from metastudio.cli.streams import can_show
from metastudio.commands.report import ReportRequest, make_report_error, run_report
from metastudio.commands.result import CommandResult
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options
from metastudio.reporting.language import ENGLISH, find_language, load_language
from metastudio.reporting.model_version import Row
from metastudio.reporting.report import Report
from metastudio.reporting.sections import OVERVIEW, TEXT, Section, format_row, is_left_aligned

_ENDLESS = 10_000
"""A width in characters that no line reaches."""

_MIN_TEXT = 28
"""A width in characters below which prose is not wrapped."""

_STYLES = {"✓": "", "!": "yellow", "✗": "bold red"}


def show_report(
    options: Options,
    request: ReportRequest | None = None,
    *,
    as_json: bool = False,
    html: Path | None = None,
    language: str | None = None,
) -> int:
    """Print the report as tables or as JSON, or write it as a page, and return the exit code.

    Args:
        language: by default that of the locale, or English if the output cannot show that language.

    Raises:
        ConfigurationError: the page cannot be written.
        MetaStudioError: the report could not be read.
    """
    report = run_report(options, request)
    chosen = load_language(language or find_language(os.environ))
    if html is not None:
        _write_page(report.in_language(chosen), html)
    if language is None and not can_show(sys.stdout, chosen.gettext("Video production")):
        chosen = ENGLISH
    shown = report.in_language(chosen)
    error = make_report_error(report if as_json or is_json() else shown)
    if as_json:
        result = CommandResult(command="report", pipeline=options.name, error=error, details=report.as_dict())
        write_json(result.as_json())
    elif html is None:
        _print(shown)
    else:
        write_out(chosen.gettext("The report is in {file}.", file=html))
    if error is not None:
        write_error(error)
    return error.exit_code if error else 0


def _print(report: Report) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    is_single = len(report.tenants) == 1
    for finding in report.findings if is_single else ():
        console.print(Text(f"{finding.mark} {finding.sentence}", style=_STYLES[finding.mark]))
    console.print(Text(report.describe_period(), style="bold"))
    if not is_single:
        _print_table(console, OVERVIEW, report.tenants, report)
    sections = [section for section in report.sections if is_single or section.is_short]
    for section in sections:
        if rows := report.rows[section.query]:
            _print_table(console, section, rows, report)
    for sentence in report.list_empty(sections):
        console.print(Text(sentence))
    if not is_single:
        console.print(report.language.gettext("metastudio report --tenant NAME shows all figures of one tenant."))


def _print_table(console: Console, section: Section, rows: list[Row], report: Report) -> None:
    table = _make_terminal_table(section, rows, report)
    needed = console.measure(table, options=console.options.update(width=_ENDLESS)).minimum
    if needed > console.width:
        table.width = needed  # a truncated figure would be wrong
    console.print(table, crop=False)


def _make_terminal_table(section: Section, rows: list[Row], report: Report) -> Table:
    table = Table(
        title=Text(report.translate(section.title)),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    cells = [format_row(section, row, report.zone, report.language) for row in rows]
    for index, column in enumerate(section.columns):
        is_text, heading = column.heading in TEXT, report.translate(column.heading)
        width = max(cell_len(cell) for cell in (heading, *(row[index] for row in cells)))
        width = min(width, _MIN_TEXT) if is_text else width
        table.add_column(
            heading,
            justify="left" if index == 0 or is_left_aligned(column, rows) else "right",
            overflow="fold",
            no_wrap=not is_text,
            min_width=width,
        )
    for row in cells:
        table.add_row(
            *(
                Text(cell, style=_STYLES.get(cell[:1], "") if column.name == "health" else "")
                for column, cell in zip(section.columns, row, strict=True)
            )
        )
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
