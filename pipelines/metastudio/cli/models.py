"""Renders the result of `metastudio models`."""

from __future__ import annotations

from metastudio.cli.log import is_quiet
from metastudio.cli.output import write_error, write_json, write_out
from metastudio.commands.models import ModelsResult, run_models
from metastudio.commands.result import CommandResult
from metastudio.pipeline.options import Options


def show_models(
    options: Options, time_zone: str | None, sla_seconds: int | None = None, *, as_json: bool, force: bool = False
) -> int:
    """Build and test the models, print the result, and return the exit code."""
    result = run_models(options, time_zone, sla_seconds, force=force)
    if result.error is not None:
        write_error(result.error)
    if as_json:
        write_json(_make_result(options, result).as_json())
        return result.error.exit_code if result.error else 0
    if result.error is None and not is_quiet():
        write_out(f"The reporting models are built in {result.dataset}; {result.tests.passed} tests passed.")
    for warning in result.tests.warned:
        write_out(f"Warning: {warning}")
    return result.error.exit_code if result.error else 0


def _make_result(options: Options, result: ModelsResult) -> CommandResult:
    details = {
        "passed": result.tests.passed,
        "warned": list(result.tests.warned),
        "failed": list(result.tests.failed),
        "seconds": result.seconds,
    }
    return CommandResult(command="models", pipeline=options.name, error=result.error, details=details)
