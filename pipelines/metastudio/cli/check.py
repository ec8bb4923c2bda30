"""The command `metastudio check`: one line per item, as soon as it is known."""

from __future__ import annotations

from metastudio.cli.log import is_quiet
from metastudio.cli.output import write_json, write_out
from metastudio.commands.api_checks import CheckResult
from metastudio.commands.check import run_check
from metastudio.pipeline.options import Options


def show_check(options: Options, *, as_json: bool) -> int:
    """Print the items as lines or as one JSON object. Return the exit code of the first failure."""
    result = run_check(options, _ignore if as_json else _write_item)
    if as_json:
        write_json(result.as_json())
    return result.exit_code


def _write_item(tenant: str | None, item: CheckResult) -> None:
    if is_quiet() and item.verdict == "ok":
        return
    write_out(f"{tenant + ': ' if tenant else ''}{item.verdict:<7} {item.name:<20} {item.text}")


def _ignore(tenant: str | None, item: CheckResult) -> None:
    """Print nothing: the JSON object has all items."""
