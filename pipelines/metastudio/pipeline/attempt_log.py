"""Keeps the newest attempts in the state directory, and notes which of them are pending.

An attempt is written here when it begins and when it ends. The next run that reaches the
destination writes pending attempts there. A failure of this log never fails a run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt.common.destination.exceptions import DestinationUndefinedEntity
from filelock import FileLock, Timeout

from metastudio.destination.attempts import Attempt, add_attempts
from metastudio.destination.dlt_internals.places import find_location
from metastudio.destination.dlt_internals.working_dir import find_pipelines_dir
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import UnavailableError
from metastudio.pipeline.options import Options
from metastudio.records.schema import ATTEMPTS

log = logging.getLogger("metastudio")

KEPT = 100
"""The maximum number of attempts in the file."""
LOCK_SECONDS = 5.0
"""How long to wait for another process that writes the file."""

UNFINISHED = "The run was killed, or the machine stopped: it did not record how it ended."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file.

    Args:
        process: the process that made the attempt, as `name_process` names it.
        place: a hash of the destination that the attempt was for; None if none was opened.
        is_written: whether the destination has it.
    """

    attempt: Attempt
    process: str
    place: str | None = None
    is_written: bool = False

    @property
    def is_running(self) -> bool:
        """Return whether the process is still at work on the attempt."""
        number = self.process.partition(" ")[0]
        is_open = self.attempt.finished_at is None and number.isdecimal()
        return is_open and name_process(int(number)) == self.process


class AttemptLog:
    """The attempts of one pipeline on this machine."""

    def __init__(self, options: Options) -> None:
        self._path = find_pipelines_dir() / f"{options.name}.attempts.jsonl"
        self._options = options
        self.place: str | None = None

    def set_destination(self, destination: Destination) -> None:
        """Set the destination of the attempts that follow."""
        place = (self._options.destination, self._options.dataset, find_location(destination.pipeline))
        self.place = hashlib.sha256("\0".join(place).encode()).hexdigest()[:16]

    def put(self, attempt: Attempt) -> None:
        """Add an attempt, or replace its earlier line."""
        with self._edit() as lines:
            lines[attempt.run_id] = Line(attempt, str(name_process(os.getpid())), self.place)

    def read(self) -> list[Line]:
        """Return the lines, oldest first."""
        try:
            text = self._path.read_bytes()
        except OSError:
            return []
        return [line for line in map(_parse, text.splitlines()) if line is not None]

    def list_pending(self) -> list[Attempt]:
        """Return the attempts that ended, or were killed, and that this destination lacks."""
        return [
            line.attempt
            for line in self.read()
            if not (line.is_written or line.is_running) and line.place in (None, self.place)
        ]

    def write_pending(self, destination: Destination) -> None:
        """Insert pending attempts into the destination, if that is possible without a load."""
        pending = self.list_pending()
        try:
            if add_attempts(destination, pending):
                self.mark_written(pending)
        except Exception as error:
            is_expected = isinstance(error, DestinationUndefinedEntity)  # before the first load
            if is_expected or isinstance(to_metastudio_error(error), UnavailableError):
                log.debug("The attempts stay in the state directory: %s.", type(error).__name__)
            else:  # somebody may have changed the table
                cause = getattr(error, "dbapi_exception", error)
                log.warning(
                    "No attempt can be written to the table %s (%s): attempts are recorded on this machine only. If the"
                    " table lacks a column, run metastudio audit, which creates the table again.",
                    ATTEMPTS,
                    type(cause).__name__,
                )

    def mark_written(self, attempts: Sequence[Attempt]) -> None:
        """Record that the destination has these attempts."""
        run_ids = {attempt.run_id for attempt in attempts}
        with self._edit() as lines:
            for run_id in run_ids & lines.keys():
                lines[run_id] = replace(lines[run_id], place=self.place, is_written=True)

    @contextmanager
    def _edit(self) -> Iterator[dict[str, Line]]:
        """Yield the lines by run ID, and write them to the file after the block."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=LOCK_SECONDS):
                lines = {line.attempt.run_id: line for line in self.read()}
                yield lines
                new = self._path.with_suffix(".new")
                new.write_bytes(b"".join(_format(line) + b"\n" for line in list(lines.values())[-KEPT:]))
                new.replace(self._path)
        except (OSError, Timeout) as error:
            log.debug("The attempt is not noted in the state directory: %s.", type(error).__name__)


def begin_attempt(run_id: str, command: str, options: Options) -> Attempt:
    """Return an attempt with what is known at its beginning. A killed run leaves it like this."""
    return Attempt(
        run_id=run_id,
        pipeline=options.name,
        project_id=None,
        app_user_id=None,
        command=command,
        mode=None,
        exit_code=None,
        error_code=None,
        error_message=UNFINISHED,
        requests=0,
        rows_loaded=0,
        seconds=None,
        started_at=datetime.now(UTC),
        finished_at=None,
    )


def _format(line: Line) -> bytes:
    values = {"process": line.process, "place": line.place, "is_written": line.is_written}
    return json.dumps({**line.attempt._asdict(), **values}, default=datetime.isoformat).encode()


def _parse(text: bytes) -> Line | None:
    """Return the line, or None if a crash or another release left something else."""
    try:
        values: dict[str, Any] = json.loads(text)
        values |= {name: _parse_time(values[name]) for name in ("started_at", "finished_at")}
        attempt = Attempt(**{name: values[name] for name in Attempt._fields})
        return Line(attempt, str(values["process"]), values["place"], values["is_written"])
    except (ValueError, KeyError, TypeError):
        return None


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def name_process(number: int) -> str | None:
    """Return the number and start of a process, which identify it, or None if it does not exist.

    Numbers are used again after a restart: in a container, each run may be process 1.
    """
    try:
        os.kill(number, 0)
        started = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except ProcessLookupError:
        return None
    except (OSError, IndexError):  # another user's process, or a system without this file
        started = ""
    return f"{number} {started}"
