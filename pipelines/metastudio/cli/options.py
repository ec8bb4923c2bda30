"""The options that all commands on a pipeline share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metastudio.cli.environment import check_working_dir, set_up

if TYPE_CHECKING:
    from metastudio.pipeline.options import Options

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_COMMON = (
    click.option("-v", "--verbose", count=True, help="Log more; -vv logs every request"),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing unless something is wrong"),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="json: for collectors"),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line"),
    click.option("--dataset", help="Dataset (schema) of the tables; default: metastudio"),
    click.option("--destination", help="One of dlt's destinations; default: duckdb"),
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
        from metastudio.error_mapping import to_metastudio_error
        from metastudio.pipeline.options import Options, set_defaults

        set_defaults()
        chosen = {name: given.pop(name) for name in ("pipeline", "destination", "dataset", "tenant")}
        options = Options(**{name: value for name, value in chosen.items() if value is not None})
        try:
            check_working_dir()
            options = _resolve(options, chosen)
            return command(options=options, as_json=as_json, **given)
        except Exception as error:
            mapped = to_metastudio_error(error)
            if as_json:
                write_json(CommandResult(command=command.__name__, pipeline=options.name, error=mapped).as_json())
            raise mapped from None

    for option in _COMMON:
        run = option(run)
    return run


def _resolve(options: Options, chosen: Mapping[str, str | None]) -> Options:
    """Check the configuration; return the options, with dlt's settings for those not given."""
    from metastudio.config.settings import find_setting
    from metastudio.config.toml_files import check_files
    from metastudio.config.unknown_settings import warn_of_other_credentials, warn_of_unknown_settings
    from metastudio.destination.dlt_internals.settings import accept_byte_order_marks, list_config_files
    from metastudio.pipeline.names import check_names

    if check_files(list_config_files()):
        accept_byte_order_marks()
    check_names(options.pipeline, options.dataset)
    for name, setting in (("destination", "destination_type"), ("dataset", "dataset_name")):
        configured = find_setting(f"pipelines.{options.pipeline}.{setting}")
        if chosen[name] is None and configured:
            options = replace(options, **{name: str(configured).removeprefix("dlt.destinations.")})
    warn_of_unknown_settings()
    warn_of_other_credentials(options.destination)
    return options
