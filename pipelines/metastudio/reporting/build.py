"""Builds the reporting models with dbt, in this process; the only module that imports dbt, which takes seconds.

Nothing is written but a folder of its own, which is removed: profile, target and logs of dbt go there.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import dlt
import orjson

from ..errors import ConfigurationError, MetaStudioError
from . import PROJECT
from .connection import Connection, find_adapter
from .models import make_fingerprint


class Tested(NamedTuple):
    """What the tests of the models found: how many passed, and what those say that warn or fail."""

    passed: int
    warned: tuple[str, ...]
    failed: tuple[str, ...]


def is_installed(pipeline: dlt.Pipeline) -> bool:
    """Tell, without importing it, whether dbt and its adapter to a pipeline's destination are installed."""
    adapter = find_adapter(pipeline)
    try:
        return find_spec("dbt.cli") is not None and find_spec(f"dbt.adapters.{adapter}") is not None
    except ModuleNotFoundError:
        return False


def build_models(pipeline: dlt.Pipeline, time_zone: str, *, test: bool, unit_tests: bool = False) -> Tested:
    """Build the models of a pipeline's dataset, and test them if wanted.

    Args:
        time_zone: the zone in which a day begins.
        test: whether to run the tests on the data, too.
        unit_tests: whether to run the tests on the arithmetic, too.

    Raises:
        ConfigurationError: the destination is none that the models run on, or dbt is not installed.
        MetaStudioError: dbt could not build them.
    """
    connection = Connection(pipeline)
    if not is_installed(pipeline):
        extra = "postgres,reporting" if find_adapter(pipeline) == "postgres" else "reporting"
        raise ConfigurationError(
            "dbt, which builds the reporting models, is not installed.",
            hint=f"Install it: pip install 'metastudio[{extra}]'.",
        )
    variables = {
        "metastudio_dataset": connection.dataset,
        "metastudio_time_zone": time_zone,
        "metastudio_version": make_fingerprint(),
    }
    with _workplace(connection) as arguments:
        runner = _make_runner([*arguments, "--vars", orjson.dumps(variables).decode()])
        runner("run")
        kinds = [kind for kind, wanted in (("data", test), ("unit", unit_tests)) if wanted]
        results = [result for kind in kinds for result in runner("test", "--select", f"test_type:{kind}")]
    by_status: dict[str, list[str]] = {}
    for result in results:
        by_status.setdefault(str(result.status), []).append(f"{result.node.name}: {result.message}")
    passed = by_status.pop("pass", [])
    warned = by_status.pop("warn", [])
    return Tested(len(passed), tuple(warned), tuple(name for names in by_status.values() for name in names))


@contextmanager
def _workplace(connection: Connection) -> Iterator[list[str]]:
    """Make a folder with the profile in it, and everything of the process as dbt needs it; put it all back after.

    Yields the arguments that make dbt use the folder and keep silent.
    """
    here = Path.cwd()
    loggers = {name: logging.getLogger(name).level for name in ("", "metastudio")}
    with tempfile.TemporaryDirectory(prefix="metastudio-models-") as folder:
        Path(folder, "profiles.yml").write_bytes(orjson.dumps(connection.profile))  # JSON is YAML
        with connection.environment():
            try:
                yield [
                    *("--project-dir", str(PROJECT), "--profiles-dir", folder),
                    *("--target-path", os.path.join(folder, "target"), "--log-path", os.path.join(folder, "logs")),
                    *("--log-level", "none", "--log-level-file", "none", "--quiet", "--no-use-colors"),
                    *("--no-partial-parse", "--no-write-json", "--no-send-anonymous-usage-stats", "--no-version-check"),
                ]
            finally:
                _close_duckdb()
                os.chdir(here)
                for name, level in loggers.items():
                    logging.getLogger(name).setLevel(level)


def _close_duckdb() -> None:
    """Close the file, which dbt-duckdb keeps open: the next one to open it in this process may want another configuration."""
    if find_spec("dbt.adapters.duckdb") is not None:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        close: Callable[[], None] = DuckDBConnectionManager.close_all_connections
        close()


def _make_runner(arguments: Sequence[str]) -> Any:
    """Give a function that runs a dbt command, on a project that is read once, and gives its results."""
    from dbt.cli.main import dbtRunner

    parsed: Any = dbtRunner().invoke(["parse", *arguments])
    if parsed.exception is not None:
        raise _explain(parsed.exception)
    dbt = dbtRunner(manifest=parsed.result)

    def run(command: str, *selection: str) -> list[Any]:
        ended = dbt.invoke([command, *arguments, *selection])
        if ended.exception is not None:
            raise _explain(ended.exception)
        results: list[Any] = list(getattr(ended.result, "results", []))
        if command == "run" and not ended.success:
            failed = next(result for result in results if str(result.status) == "error")
            raise _explain(None, f"{failed.node.name}: {failed.message}")
        return results

    return run


def _explain(cause: BaseException | None, message: str | None = None) -> MetaStudioError:
    text = " ".join(str(message or cause).split())[:500]
    error = MetaStudioError(
        f"dbt could not build the reporting models: {text}", hint="Run again with metastudio models."
    )
    error.__cause__ = cause
    return error
