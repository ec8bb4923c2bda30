"""The options that all commands on a pipeline share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from metastudio.cli.environment import set_up

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_COMMON = (
    click.option("-v", "--verbose", count=True, help="Log more; twice: every request"),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing unless something is wrong"),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="json: for collectors"),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line"),
    click.option("--dataset", default="metastudio", show_default=True, help="Dataset (schema) of the tables"),
    click.option("--destination", default="duckdb", show_default=True, help="One of dlt's destinations"),
    click.option("--tenant", help="A name from the setting `tenants`; default: all"),
    click.option("--pipeline", default="metastudio", show_default=True, help="Name of the pipeline"),
    click.option("--config-dir", type=_FOLDER, help="Folder with secrets.toml and config.toml, or with .dlt in it"),
)


def on_pipeline(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command. With `--json`, its errors are JSON, too."""

    @functools.wraps(command)
    def run(config_dir: Path | None, verbose: int, quiet: bool, log_format: str, as_json: bool, **given: Any) -> Any:
        set_up(config_dir, verbose, quiet=quiet, log_format=log_format)
        from metastudio.cli.output import write_json
        from metastudio.commands.result import CommandResult
        from metastudio.config.unknown_settings import warn_of_unknown_settings
        from metastudio.error_mapping import to_metastudio_error
        from metastudio.pipeline.options import Options, set_defaults

        set_defaults()
        options = Options(**{name: given.pop(name) for name in ("pipeline", "destination", "dataset", "tenant")})
        try:
            warn_of_unknown_settings()
            return command(options=options, as_json=as_json, **given)
        except Exception as error:
            mapped = to_metastudio_error(error)
            if as_json:
                write_json(CommandResult(command=command.__name__, pipeline=options.name, error=mapped).as_json())
            raise mapped from None

    for option in _COMMON:
        run = option(run)
    return run
