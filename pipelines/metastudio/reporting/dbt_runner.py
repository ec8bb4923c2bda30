"""Runs dbt in this process to build and test the reporting models.

This is the only module that imports dbt, which takes seconds. dbt's profile, target and logs go to
a temporary folder.
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

from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, MetaStudioError
from metastudio.reporting import PROJECT
from metastudio.reporting.dbt_profile import Connection, find_adapter, make_offline_profile
from metastudio.reporting.model_version import Version, make_fingerprint
from metastudio.reporting.views import drop_views, find_unreplaceable

PARSED: dict[tuple[str, ...], Any] = {}
"""dbt's manifests of the project, by the names that they contain."""


class TestResult(NamedTuple):
    """The result of one test. `status` is `pass`, `warn`, `fail` or `error`."""

    test_id: str
    name: str
    status: str
    message: str | None


class TestResults(NamedTuple):
    """The results of the models' tests."""

    results: tuple[TestResult, ...] = ()

    @property
    def passed(self) -> int:
        """Return the number of tests that passed."""
        return sum(result.status == "pass" for result in self.results)

    @property
    def warned(self) -> tuple[str, ...]:
        """Return the messages of the tests that warned."""
        return tuple(f"{result.name}: {result.message}" for result in self.results if result.status == "warn")

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the messages of the tests that failed."""
        return tuple(
            f"{result.name}: {result.message}" for result in self.results if result.status not in ("pass", "warn")
        )


def is_installed(pipeline: dlt.Pipeline) -> bool:
    """Return whether dbt and the adapter of a pipeline's destination are installed.

    dbt is not imported for that.
    """
    adapter = find_adapter(pipeline)
    try:
        return find_spec("dbt.cli") is not None and find_spec(f"dbt.adapters.{adapter}") is not None
    except ModuleNotFoundError:
        return False


def build_models(
    pipeline: dlt.Pipeline,
    version: Version,
    *,
    test: bool,
    unit_tests: bool = False,
    force: bool = False,
) -> TestResults:
    """Build the models of a pipeline's dataset, and test them on request.

    Args:
        version: the values of the models' variables.
        test: whether to run the tests on the data.
        unit_tests: whether to run the unit tests of the models.
        force: whether to drop what others have built on models whose columns change.

    Raises:
        ConfigurationError: the models do not run on the destination, dbt is not installed, or
            `force` is needed.
        MetaStudioError: dbt could not build the models.
    """
    connection = Connection(pipeline)
    _require_installed(pipeline, connection.adapter)
    variables = _make_variables(connection.dataset, version)
    with _temporary_folder(connection.profile) as arguments, connection.environment():
        runner = _make_runner([*arguments, "--vars", orjson.dumps(variables).decode()], connection.names)
        _run_models(pipeline, runner, force=force)
        kinds = [kind for kind, wanted in (("data", test), ("unit", unit_tests)) if wanted]
        results = [result for kind in kinds for result in runner("test", "--select", f"test_type:{kind}")]
    return TestResults(
        tuple(
            TestResult(result.node.unique_id, result.node.name, str(result.status), result.message)
            for result in results
        )
    )


def _require_installed(pipeline: dlt.Pipeline, adapter: str) -> None:
    if not is_installed(pipeline):
        extras = "the extras reporting and postgres" if adapter == "postgres" else "the extra reporting"
        raise ConfigurationError(
            "dbt, which builds the reporting models, is not installed.",
            hint=f"Install metastudio with {extras}, as the README shows.",
        )


def _make_variables(dataset: str, version: Version) -> dict[str, Any]:
    """Return the values of the variables that the dbt project declares."""
    return {
        "metastudio_dataset": dataset,
        "metastudio_time_zone": version.time_zone,
        "metastudio_sla_seconds": version.sla_seconds,
        "metastudio_tenants": [[*tenant] for tenant in version.tenants],
        "metastudio_version": make_fingerprint(),
    }


def _run_models(pipeline: dlt.Pipeline, runner: Callable[..., list[Any]], *, force: bool) -> None:
    """Build the models, after dropping those that PostgreSQL cannot replace."""
    results = runner("run")
    if unreplaceable := find_unreplaceable(results):
        with drop_views(pipeline, unreplaceable, force=force):
            results = runner("run")
    if failed := [result for result in results if str(result.status) == "error"]:
        raise _to_metastudio_error(None, f"{failed[0].node.name}: {failed[0].message}")


def write_manifest(adapter: str, dataset: str, path: Path) -> None:
    """Write dbt's manifest of the project; no destination is needed.

    Raises:
        MetaStudioError: dbt could not parse the project.
    """
    with _temporary_folder(make_offline_profile(adapter, dataset)) as arguments:
        manifest = _parse([*arguments, "--vars", orjson.dumps({"metastudio_dataset": dataset}).decode()])
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        manifest.write(str(draft))
        draft.replace(path)  # atomic: another process may read the file


@contextmanager
def _temporary_folder(profile: dict[str, Any]) -> Iterator[list[str]]:
    """Provide a temporary folder with a profile, and restore what dbt changes in the process.

    Variables of dbt that are set for the user's own projects are hidden meanwhile.

    Yields the arguments that make dbt use the folder and write no output.
    """
    working_dir = Path.cwd()
    variables = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("DBT_")}
    loggers = {name: logging.getLogger(name).level for name in ("", "metastudio")}
    with tempfile.TemporaryDirectory(prefix="metastudio-models-") as folder:
        Path(folder, "profiles.yml").write_bytes(orjson.dumps(profile))  # JSON is YAML
        try:
            yield [
                *("--project-dir", str(PROJECT), "--profiles-dir", folder),
                *("--target-path", os.path.join(folder, "target"), "--log-path", os.path.join(folder, "logs")),
                *("--log-level", "none", "--log-level-file", "none", "--quiet", "--no-use-colors"),
                *("--no-partial-parse", "--no-write-json", "--no-send-anonymous-usage-stats", "--no-version-check"),
            ]
        finally:
            _close_duckdb()
            os.chdir(working_dir)
            os.environ.update(variables)
            for name, level in loggers.items():
                logging.getLogger(name).setLevel(level)


def _close_duckdb() -> None:
    """Close the file, so that this process can open it with another configuration."""
    if find_spec("dbt.adapters.duckdb") is not None:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        close: Callable[[], None] = DuckDBConnectionManager.close_all_connections
        close()


def _make_runner(arguments: Sequence[str], names: tuple[str, ...]) -> Any:
    """Return a function that runs a dbt command.

    A process parses the project only once for the same names, because parsing takes most of the
    time. Variables are rendered with each command.
    """
    from dbt.cli.main import dbtRunner

    if names not in PARSED:
        PARSED[names] = _parse(arguments)
    dbt = dbtRunner(manifest=PARSED[names])

    def run(command: str, *selection: str) -> list[Any]:
        ended = dbt.invoke([command, *arguments, *selection])
        if ended.exception is not None:
            raise _to_metastudio_error(ended.exception)
        return list(getattr(ended.result, "results", []))

    return run


def _parse(arguments: Sequence[str]) -> Any:
    from dbt.cli.main import dbtRunner

    parsed: Any = dbtRunner().invoke(["parse", *arguments])
    if parsed.exception is not None:
        raise _to_metastudio_error(parsed.exception)
    return parsed.result


def _to_metastudio_error(cause: BaseException | None, message: str | None = None) -> MetaStudioError:
    """Return an error whose exit code follows from the cause or the text of dbt's error."""
    text = " ".join(str(message or cause).split())[:500]
    known = to_metastudio_error(cause or Exception(message))
    error = type(known)(f"dbt could not build the reporting models: {text}", hint="Run metastudio models to try again.")
    error.__cause__ = cause
    return error
