"""The report for a terminal, as one JSON object, or as a page: reads the figures, and lays them out as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from metastudio.cli.output import write_json, write_out
from metastudio.commands.models import is_current, renew_models
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError
from metastudio.pipeline.factory import open_existing, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.model_version import Models
from metastudio.reporting.report import SECTIONS, Report, Section, describe_health, format_row, read_report

_ENDLESS = 10_000
"""Characters, more than any line has."""


def show_report(chosen: Sequence[Options], *, as_json: bool, html: Path | None = None) -> None:
    """Print the report of a pipeline's destination, as tables or as one JSON object, or write it to a page; of several tenants, as tables.

    Raises:
        ConfigurationError: nothing was synced yet, what the models need is not installed, or the page cannot be written.
        MetaStudioError: the models are missing and could not be built.
    """
    if len(chosen) > 1 and (as_json or html is not None):
        raise ConfigurationError("--json and --html show one tenant.", hint="Choose it with --tenant NAME.")
    for options in chosen:
        if len(chosen) > 1:
            write_out(f"\n{options.tenant}")
        _show(options, as_json=as_json, html=html)


def _show(options: Options, *, as_json: bool, html: Path | None) -> None:
    try:
        destination, _ = open_existing(options, read_only=True)
        report = read_report(_open_models(options), destination.project_id, charts=html is not None)
    except Exception as error:
        raise to_metastudio_error(error) from None
    if html is not None:
        _write_page(report, html)
    if as_json:
        write_json(report.as_json())
    elif html is None:
        _print(report)
    else:
        write_out(f"The report is in {html}.")


def _open_models(options: Options) -> Models:
    models = Models(Destination(open_pipeline(options)))
    if not is_current(models):
        with lock_pipeline(options):
            renew_models(models.pipeline)
    return models


def _print(report: Report) -> None:
    console = Console(highlight=False)
    for fine, sentence in describe_health(report.health):
        console.print(f"{'✓' if fine else '!'} {sentence}", style=None if fine else "yellow")
    for section in SECTIONS:
        table = _lay_out(section, report)
        needed = console.measure(table, options=console.options.update(width=_ENDLESS)).minimum
        console.print(table, width=max(console.width, needed), crop=False)  # a figure cut short would be a wrong one


def _lay_out(section: Section, report: Report) -> Table:
    title = section.title + (f" ({report.time_zone})" if section.query == "by_day" else "")
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [format_row(section, row) for row in report.rows[section.query]]
    for place, (heading, _) in enumerate(section.columns):
        is_text, is_example = place == 0 or heading == "example", heading == "example"
        width = None if is_example else max(cell_len(cell) for cell in (heading, *(row[place] for row in rows)))
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
