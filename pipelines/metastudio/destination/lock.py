"""Locks in the destination: what two runs share is there, not in a folder of one machine."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import Client, TenantTables
from metastudio.errors import BusyError, UnavailableError

log = logging.getLogger("metastudio")

_NO_TIMEOUTS = (
    "SELECT set_config(name, '0', true) FROM pg_settings"
    " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
)
"""The transaction that holds the lock is idle as long as the run takes."""
_TRY = "SELECT pg_try_advisory_xact_lock(%s)"


class DestinationLock:
    """A lock that is held; the server frees it when this process ends, however it ends."""

    def __init__(self, client: Client | None = None) -> None:
        self._client = client

    def require(self) -> None:
        """Raise UnavailableError if the lock was lost with its connection."""
        if self._client is None:
            return
        try:
            self._client.execute_sql("SELECT 1")
        except DatabaseException as error:
            raise _make_lost_error() from error


@contextmanager
def hold_lock(tables: TenantTables, purpose: str) -> Iterator[DestinationLock]:
    """Hold a lock of the tables' dataset and staging dataset within the block, on a connection of
    its own.

    A transaction holds the lock, so that it works behind a connection pooler, too. A DuckDB file is
    locked by DuckDB. Other destinations have no lock.

    Args:
        purpose: what is held: locks with different purposes do not exclude each other.

    Raises:
        BusyError: another run holds the lock.
        UnavailableError: the lock was lost.
    """
    if not tables.capabilities.is_postgres:
        yield DestinationLock()
        return
    with tables.open() as client:
        key = _make_key(purpose, client)
        with client.begin_transaction():
            if not _try_lock(client, key):
                raise BusyError(
                    f"Another run holds the {purpose} of the dataset {client.dataset_name} in the destination.",
                    hint="Nothing was touched; the next scheduled run will do.",
                )
            lock = DestinationLock(client)
            yield lock
            lock.require()


def _try_lock(client: Client, key: int) -> bool:
    client.execute_sql(_NO_TIMEOUTS)
    rows = client.execute_sql(_TRY, key)
    return bool(rows and rows[0][0])


def _make_key(purpose: str, client: Client) -> int:
    """Return a number that names the dataset and the staging in it, as they are called there."""
    name = "\0".join((purpose, str(client.dataset_name), str(client.staging_dataset_name)))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _make_lost_error() -> UnavailableError:
    return UnavailableError(
        "The connection that holds this run's lock in the destination was closed.",
        hint="What was loaded by then is committed. Run metastudio sync again.",
    )
