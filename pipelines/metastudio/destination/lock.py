"""Locks in the destination, which also exclude runs on other machines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import Client, TenantTables
from metastudio.destination.dlt_internals.places import open_bucket
from metastudio.destination.lease import Lease
from metastudio.errors import BusyError, UnavailableError

_NO_TIMEOUTS = (
    "SELECT set_config(name, '0', true) FROM pg_settings"
    " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
)
"""The transaction that holds the lock is idle for the whole run, so the server must not end it."""
_TRY = "SELECT pg_try_advisory_xact_lock(%s)"

LOCKS = "_metastudio_locks"
"""Name of the folder, beside the datasets, that holds the claims of the leases."""


RequireLock = Callable[[], None]
"""Raises UnavailableError if the lock was lost."""


@contextmanager
def hold_lock(tables: TenantTables, purpose: str) -> Iterator[RequireLock]:
    """Hold a lock in the destination within the block.

    The lock is released, or expires, however the process ends. The block gets the function that
    raises an error if the lock was lost.

    PostgreSQL: an advisory lock for the dataset and its staging dataset. Tables that are files: a
    lease for the pipeline and its tenant. Elsewhere nothing is held: DuckDB locks its file itself,
    and other destinations have no locks.

    Args:
        purpose: what the lock is for. Locks with different purposes do not exclude each other.

    Raises:
        BusyError: another run holds the lock.
        UnavailableError: the lock was lost.
    """
    hold = _hold_nothing
    if tables.capabilities.is_postgres:
        hold = _hold_in_transaction
    elif tables.capabilities.table_format:
        hold = _hold_lease
    with hold(tables, purpose) as require:
        yield require
        require()


@contextmanager
def _hold_nothing(tables: TenantTables, purpose: str) -> Iterator[RequireLock]:
    yield lambda: None


@contextmanager
def _hold_in_transaction(tables: TenantTables, purpose: str) -> Iterator[RequireLock]:
    """Hold a lock in a transaction on a connection of its own.

    Behind a pooler, a transaction keeps its session, but a connection does not.
    """
    with tables.open() as client, client.begin_transaction():
        if not _try_lock(client, _make_key(purpose, client)):
            raise BusyError(
                f"Another run holds the {purpose} of the dataset {client.dataset_name} in the destination.",
                hint="Nothing was changed. Wait for that run, or for the next scheduled one.",
            )
        yield partial(_require_connection, client)


@contextmanager
def _hold_lease(tables: TenantTables, purpose: str) -> Iterator[RequireLock]:
    """Hold a lease beside the dataset: dlt would not create a dataset in an existing folder."""
    filesystem, bucket, dataset = open_bucket(tables.pipeline)
    tenant = hashlib.sha256("\0".join((tables.project_id, tables.app_user_id or "")).encode()).hexdigest()[:16]
    keys = [f"{dataset}-{purpose}-{name}" for name in (tables.pipeline.pipeline_name, tenant)]
    lease = Lease(filesystem, f"{bucket.rstrip('/')}/{LOCKS}", keys)
    with lease.hold():
        yield lease.require


def _require_connection(client: Client) -> None:
    try:
        client.execute_sql("SELECT 1")
    except DatabaseException as error:
        raise UnavailableError(
            "The connection that holds this run's lock in the destination was closed.",
            hint="What was loaded by then is committed. Run metastudio sync again.",
        ) from error


def _try_lock(client: Client, key: int) -> bool:
    client.execute_sql(_NO_TIMEOUTS)
    rows = client.execute_sql(_TRY, key)
    return bool(rows and rows[0][0])


def _make_key(purpose: str, client: Client) -> int:
    """Return the key of the lock: a hash of its purpose and the names of both datasets."""
    name = "\0".join((purpose, str(client.dataset_name), str(client.staging_dataset_name)))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
