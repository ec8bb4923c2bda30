"""The command `metastudio models`: builds the reporting models and tests them on the data."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from metastudio.cli.output import write_error, write_json, write_out
from metastudio.commands.models import renew_models
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError
from metastudio.pipeline.factory import open_existing, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_runner import TestResults


def run_models(options: Options, time_zone: str | None, *, as_json: bool) -> int:
    """Build and test the models, say how it went, and give the exit code."""
    started = time.monotonic()
    tested, error = _try(options, time_zone)
    if error is not None:
        write_error(error)
    elif not as_json:
        write_out(f"The reporting models are built in {options.dataset}_reporting; {tested.passed} tests passed.")
    if not as_json:
        for text in tested.warned:
            write_out(f"Warning: {text}")
    else:
        write_json(
            {
                "command": "models",
                "ok": error is None,
                "passed": tested.passed,
                "warned": list(tested.warned),
                "failed": list(tested.failed),
                "seconds": round(time.monotonic() - started, 3),
                "error": error and {name: getattr(error, name) for name in ("code", "message", "request_id", "hint")},
            }
        )
    return error.exit_code if error else 0


def _try(options: Options, time_zone: str | None) -> tuple[TestResults, MetaStudioError | None]:
    tested = TestResults()
    try:
        if time_zone is not None:
            _check(time_zone)
        open_existing(options)
        with lock_pipeline(options):
            tested = renew_models(open_pipeline(options), time_zone, test=True)
        if tested.failed:
            raise IncompleteError(
                f"The reporting models are built, but {len(tested.failed)} of their tests failed: {'; '.join(tested.failed)}.",
                hint="The data is not as the models promise it: run metastudio audit, and report what remains.",
            )
    except Exception as error:
        return tested, to_metastudio_error(error)
    return tested, None


def _check(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            "--time-zone is no time zone.", hint="Give a name such as UTC, Asia/Shanghai or Europe/Berlin."
        ) from None
