"""A lock for destinations that are folders of files: a claim, a file that expires unless renewed.

A run puts its claim among the others and then looks at them. Of two runs that do so at the same
time at least one sees the other, and takes its claim back. Who watches a claim for `EXPIRE_SECONDS`
without a change may remove it, since its holder relies on a renewal for `RELY_SECONDS` only. So no
clock is compared with another one, and no request need be conditional, which few stores support.
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
EXPIRE_SECONDS = 60.0
RELY_SECONDS = 45.0
POLL_SECONDS = 1.0
TRIES = 5


def read_clock() -> float:
    """Return seconds that also count while the machine is suspended, as far as it tells."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """A claim among those in a folder. Claims that share a key exclude each other.

    Args:
        filesystem: of fsspec.
        keys: letters, digits, hyphens and underscores.
        clock: returns seconds.
        wait: waits for some seconds.
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
        self._made: list[str] = []
        self._renewals = 0
        self._renewed_at: float | None = None

    def acquire(self) -> None:
        """Claim what the keys stand for. Wait until other claims are gone, renewed or expired.

        Raises:
            BusyError: another run renewed its claim meanwhile.
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
        """Return the content of a claim, and since when nothing changed it."""
        if before and before[0] and content != before[0]:  # an empty one is about to be written
            raise BusyError(
                f"Another run {_describe(content)}holds this pipeline or tenant in the destination.",
                hint="Nothing was touched; the next scheduled run will do.",
            )
        return content, before[1] if before else self._clock()

    def _remove_expired(self, path: str) -> None:
        log.warning("Taking over from a run that was killed.")
        try:
            self._remove(path)
        except Exception as error:
            raise ConfigurationError(
                f"The lock of a killed run cannot be removed from the destination: {type(error).__name__}.",
                hint=f"Delete the files in {self._folder}, and let the connector's user do so.",
            ) from error

    def renew(self) -> None:
        """Renew the claim, unless it is lost: somebody removed it, or could have done so."""
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
        except Exception as error:  # the last renewal may still do
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
            except Exception as error:  # it expires
                log.warning("This run's lock in the destination stays behind: %s.", type(error).__name__)
            for folder in reversed(self._made):
                with suppress(Exception):  # others put something into it
                    self._filesystem.rmdir(folder)
            self._made = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the claim within the block, and renew it in a thread."""
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
            except Exception as error:  # the next renewal may do; `require` notices if none does
                log.debug("The claim was not renewed: %s.", type(error).__name__)

    def _read_others(self) -> dict[str, bytes]:
        """Return path and content of the other claims that share a key."""
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
        for is_last in (*[False] * TRIES, True):
            try:
                self._filesystem.pipe_file(self._path, json.dumps(claim).encode())
                break
            except FileNotFoundError:  # the folder is missing, or another run has just removed it
                if is_last:
                    raise
                self._make_folders()
        self._renewed_at = now

    def _make_folders(self) -> None:
        folders = (self._folder.rpartition("/")[0], self._folder)
        self._made += [folder for folder in folders if not self._filesystem.exists(folder)]
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
