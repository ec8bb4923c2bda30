"""A lock for destinations that are folders of files.

A run that holds the lock has a claim: a file that expires unless the run renews it. A run writes
its claim first and looks for other claims after that. If two runs do so at the same time, at least
one of them sees the other's claim and removes its own. A run that has watched a claim for
`EXPIRE_SECONDS` without a change may remove it. This is safe, because the owner of a claim relies
on a renewal for `RELY_SECONDS` only. No clock is compared with that of another machine, and no
request is conditional, because few stores support that.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from metastudio.errors import BusyError, ConfigurationError, UnavailableError

log = logging.getLogger("metastudio")

RENEW_SECONDS = 10.0
"""Pause between two renewals of a claim."""
EXPIRE_SECONDS = 60.0
"""How long another run watches a claim that does not change before it removes the claim."""
RELY_SECONDS = 45.0
"""How long a run relies on its last renewal: less than `EXPIRE_SECONDS`, for slow requests."""
POLL_SECONDS = 1.0
"""Pause between two looks at the claims of others."""
TRIES = 5
"""How often a claim is written again because its folder was missing."""


def read_clock() -> float:
    """Return a time in seconds that, if possible, goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """The lock of one run, with its claim in a folder. Claims that share a key exclude each other.

    Args:
        filesystem: a file system of fsspec.
        folder: the folder of all claims.
        keys: names of what is locked, of letters, digits, hyphens and underscores.
        clock: returns the time in seconds.
        wait: sleeps for a number of seconds.
    """

    def __init__(
        self,
        filesystem: Any,
        folder: str,
        keys: Sequence[str],
        *,
        clock: Callable[[], float] = read_clock,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._filesystem, self._folder, self._keys = filesystem, folder.rstrip("/"), frozenset(keys)
        self._name = ".".join([*keys, uuid.uuid4().hex])
        self._path = f"{self._folder}/{self._name}"
        self._clock, self._wait = clock, wait
        self._lock = threading.Lock()
        self._made_folders: list[str] = []
        self._renewals = 0
        self._renewed_at: float | None = None

    def acquire(self) -> None:
        """Write the claim as soon as no other claim shares a key with it.

        Claims that expire are removed.

        Raises:
            BusyError: another run renewed its claim, so it is alive.
            ConfigurationError: the claim of a killed run cannot be removed.
        """
        seen: dict[str, tuple[bytes, float]] = {}
        while True:
            if found := self._read_others():
                seen = {path: self._compare(content, seen.get(path)) for path, content in found.items()}
                for path, (_, since) in seen.items():
                    if self._clock() - since >= EXPIRE_SECONDS:
                        self._remove_expired(path)
                self._wait(POLL_SECONDS)
                continue
            self._write()
            if not self._read_others():
                return
            self.release()
            self._wait(random.uniform(0, POLL_SECONDS))

    def _compare(self, content: bytes, before: tuple[bytes, float] | None) -> tuple[bytes, float]:
        """Return the content of a claim, and the time since when it has been the same.

        Raises:
            BusyError: the content has changed.
        """
        if before and before[0] and content != before[0]:  # empty: its owner is writing it right now
            raise BusyError(
                f"Another run {_describe(content)}holds this pipeline or tenant in the destination.",
                hint="Nothing was changed. Wait for that run, or for the next scheduled one.",
            )
        return content, before[1] if before else self._clock()

    def _remove_expired(self, path: str) -> None:
        log.warning("Taking over from a run that was killed.")
        try:
            self._remove(path)
        except Exception as error:
            raise ConfigurationError(
                f"The lock of a killed run cannot be removed from the destination: {type(error).__name__}.",
                hint=f"Delete the files in {self._folder}, and grant the connector's user the right to delete files there.",
            ) from error

    def renew(self) -> None:
        """Renew the claim, unless another run removed it or was allowed to: then it is lost."""
        with self._lock:
            if not self._is_held():
                return
            self._filesystem.invalidate_cache(self._folder)
            if self._filesystem.exists(self._path):
                self._write()
            else:
                self._renewed_at = None

    def require(self) -> None:
        """Renew the claim. Raise UnavailableError if it is lost."""
        try:
            self.renew()
        except Exception as error:  # the last renewal may be recent enough
            log.debug("The claim was not renewed: %s.", type(error).__name__)
        if not self._is_held():
            raise UnavailableError(
                "This run's lock in the destination was lost: it could not be renewed in time, or was removed.",
                hint="What was loaded by then is committed. Run metastudio sync again.",
            )

    def _is_held(self) -> bool:
        return self._renewed_at is not None and self._clock() - self._renewed_at <= RELY_SECONDS

    def release(self) -> None:
        """Remove the claim, and the folders that were made for it."""
        with self._lock:
            self._renewed_at = None
            try:
                self._remove(self._path)
            except Exception as error:  # the claim expires by itself
                log.warning(
                    "This run's lock in the destination cannot be removed and will expire: %s.", type(error).__name__
                )
            for folder in reversed(self._made_folders):
                with suppress(Exception):  # somebody else has put something into it
                    self._filesystem.rmdir(folder)
            self._made_folders = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock within the block, and renew the claim in a thread."""
        stop = threading.Event()
        try:
            self.acquire()
            threading.Thread(target=self._renew_until, args=(stop,), name="lease", daemon=True).start()
            yield
        finally:
            stop.set()
            self.release()

    def _renew_until(self, stop: threading.Event) -> None:
        while not stop.wait(RENEW_SECONDS):
            try:
                self.renew()
            except Exception as error:  # the next one may succeed; `require` notices if none does
                log.debug("The claim was not renewed: %s.", type(error).__name__)

    def _read_others(self) -> dict[str, bytes]:
        """Return the content of the other claims that share a key, by path."""
        self._filesystem.invalidate_cache(self._folder)
        try:
            paths = self._filesystem.ls(self._folder, detail=False)
        except FileNotFoundError:
            return {}
        others = {}
        for path in paths:
            name = path.rpartition("/")[2]
            if name != self._name and self._keys & set(name.split(".")):
                with suppress(FileNotFoundError):
                    others[path] = self._filesystem.cat_file(path)
        return others

    def _write(self) -> None:
        now = self._clock()
        self._renewals += 1
        claim = {"host": socket.gethostname(), "process": os.getpid(), "renewals": self._renewals}
        for attempt in range(TRIES + 1):
            try:
                self._filesystem.pipe_file(self._path, json.dumps(claim).encode())
                break
            except FileNotFoundError:  # the folder is missing, or another run has just removed it
                if attempt == TRIES:
                    raise
                self._make_folders()
        self._renewed_at = now

    def _make_folders(self) -> None:
        folders = (self._folder.rpartition("/")[0], self._folder)
        self._made_folders += [folder for folder in folders if not self._filesystem.exists(folder)]
        self._filesystem.makedirs(self._folder, exist_ok=True)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._filesystem.rm_file(path)


def _describe(content: bytes) -> str:
    try:
        claim = json.loads(content)
        return f"(process {int(claim['process'])} on {str(claim['host'])[:100]}) "
    except (ValueError, KeyError, TypeError):
        return ""
