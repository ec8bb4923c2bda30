"""Reads the report of one tenant or several, after building the models that it needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError

from metastudio.commands.models import find_names, rebuild_models
from metastudio.config.settings import find_setting, resolve_settings
from metastudio.destination.dlt_internals.working_dir import find_pipelines_dir
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError
from metastudio.pipeline.factory import open_first, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options, list_chosen
from metastudio.reporting.health import Limits
from metastudio.reporting.model_version import Models, TenantName, find_missing
from metastudio.reporting.period import parse_day
from metastudio.reporting.report import Report, read_report

log = logging.getLogger("metastudio")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """The scope of a report.

    Args:
        project: a project ID; by default all of the chosen tenants.
        since: the first day; by default 30 days before the end.
        until: the last day; by default that of the last sync.
        charts: whether to read the series that only charts show.
    """

    project: str | None = None
    since: str | None = None
    until: str | None = None
    charts: bool = False


def run_report(options: Options, request: ReportRequest | None = None) -> Report:
    """Read the report of the chosen tenants; models that are missing or outdated are built first.

    Raises:
        MetaStudioError: nothing was synced yet, there is no such project, the period ends before it
            begins, or the models could not be built.
    """
    request = request or ReportRequest()
    since, until = parse_day(request.since, "--since"), parse_day(request.until, "--until")
    try:
        chosen = list_chosen(options)
        destination, models, opened = _open(chosen)
        is_current = models.is_current(find_names())
        if not is_current and (is_current := _rebuild(models, opened)):
            models = Models(destination)
        with destination.share_connection(), _name_what_is_missing(is_current), models.copy_shared():
            tenants = _choose_tenants(models, destination, chosen, request.project)
            limits = find_limits(tenants)
            return read_report(
                models, tenants, limits, since=since, until=until, now=read_clock(), charts=request.charts
            )
    except Exception as error:
        raise to_metastudio_error(error) from None


def read_clock() -> datetime:
    """Return the time from which the age of the data is computed."""
    return datetime.now(UTC)


def make_report_error(report: Report) -> MetaStudioError | None:
    """Return an error if figures are stale or not complete, else None."""
    unsound = [row["tenant"] for row in report.tenants if not row["is_sound"]]
    if not unsound:
        return None
    language = report.language
    message = language.gettext("The figures are stale or not complete.")
    if len(report.tenants) > 1:
        names = language.list_items(unsound)
        message = language.gettext("The figures of {tenants} are stale or not complete.", tenants=names)
    return IncompleteError(
        message, hint=language.gettext("Run metastudio sync; metastudio status says what is missing.")
    )


def find_limits(tenants: Sequence[TenantName]) -> dict[TenantName, Limits]:
    """Return the limits that the settings put on each tenant's data."""

    def read(section: str | None) -> Limits:
        settings = resolve_settings(section)
        return Limits(settings.stale_after_seconds, settings.max_missing)

    def has_own(name: str) -> bool:
        values = (find_setting(f"sources.metastudio.{name}.{setting}") for setting in Limits._fields)
        return any(value is not None for value in values)

    common = read(None)
    return {tenant: read(tenant.name) if tenant.name and has_own(tenant.name) else common for tenant in tenants}


def _open(chosen: Sequence[Options]) -> tuple[Destination, Models, Options]:
    """Open the destination, which all tenants share, and its models.

    The settings say which rows are those of a named tenant. If the models are current, nothing else
    is needed to read them, not even the state of a pipeline.

    Raises:
        ConfigurationError: nothing was synced yet, or the destination cannot be opened.
    """
    if chosen[0].tenant:
        destination = Destination(open_pipeline(chosen[0], read_only=True))
        models = Models(destination)
        with suppress(DestinationConnectionError):
            if models.is_current(find_names()):
                return destination, models, chosen[0]
    destination, options = open_first(chosen, read_only=True)
    return destination, Models(destination), options


def _rebuild(models: Models, options: Options) -> bool:
    """Build the models, and return whether that succeeded.

    If it failed, models of another version are read as they are.

    Raises:
        MetaStudioError: the models could not be built, and there are none that work.
    """
    try:
        is_synced_here = (find_pipelines_dir() / options.name).exists()  # else, a lock would be left behind
        with lock_pipeline(options) if is_synced_here else nullcontext():
            rebuild_models(open_pipeline(options, keep_state=False))
    except Exception as error:
        reason = to_metastudio_error(error)
        if models.version() is None:
            raise type(reason)(
                f"The reporting models are missing or broken, and could not be built here: {reason.message}",
                hint=reason.hint,
            ) from None
        log.warning(
            "The reporting models are of another version and could not be built here, so they are read as they are: %s"
            " metastudio models builds them, with a role that may write.",
            reason.message,
        )
        return False
    return True


@contextmanager
def _name_what_is_missing(is_current: bool) -> Iterator[None]:
    """Raise a ConfigurationError if models of another version lack what the report reads."""
    try:
        yield
    except DatabaseException as error:
        if is_current or (name := find_missing(error)) is None:
            raise
        raise ConfigurationError(
            f"The reporting models are of another version, which has no {name}, and this report needs it.",
            hint="Run metastudio models with this release and a role that may write: it builds them again.",
        ) from None


def _choose_tenants(
    models: Models, destination: Destination, chosen: Sequence[Options], project: str | None
) -> list[TenantName]:
    """Return the tenants to report on.

    Raises:
        ConfigurationError: there is no such project.
    """
    wanted = {one.tenant for one in chosen}
    tenants = [name for name in find_names() if name.name in wanted]
    if not tenants:
        tenants = [TenantName(destination.project_id, destination.app_user_id, "")]
    if project is None:
        return tenants
    known = {tenant[:2]: tenant for tenant in tenants}
    found = [known.get(tenant[:2], tenant) for tenant in _list_project(models, project)]
    if not found:
        raise ConfigurationError(
            "There is no such project in the tables.",
            hint="metastudio report --json lists the projects in its overview.",
        )
    return found


def _list_project(models: Models, project: str) -> list[TenantName]:
    sql = "SELECT project_id, app_user_id, tenant FROM {sync_health} WHERE project_id = %s ORDER BY tenant"
    return [TenantName(*row) for row in models.query(sql, project)[1]]
