"""Maps errors of dlt, destination and machine to this package's own, by one table of rules."""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from metastudio.errors import ConfigurationError, CredentialsError, IncompleteError, MetaStudioError, UnavailableError

log = logging.getLogger("metastudio")

_REFUSALS = "|".join(map(str, (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EMFILE)))
LOCKED = (
    r"(?s)(?:Could not set lock on file|Conflicting lock|File is already open in)"
    r"(?:.*?(?:held in|already open in)\s+([^()]+ \(PID \d+\)))?"
)
"""DuckDB's messages about a file that another process, which most of them name, has open."""

OUT_OF_MEMORY = "Out of Memory Error"
DISK_FULL = rf"No space left|\[Errno {errno.ENOSPC}\]|<53100>"
MAX_CHARACTERS = 300


class Rule(NamedTuple):
    """What an error becomes if one of its causes matches `pattern`, or is of one of the `classes`.

    The pattern is searched in the SQLSTATE, in angle brackets, and the message of each cause. The
    pattern's group, or else PostgreSQL's own words, fill `{}` in the message; neither must be able
    to hold a secret. Classes are written as `module:Class`, since nothing is imported for them.
    """

    pattern: str
    message: str
    hint: str
    error: type[MetaStudioError] = ConfigurationError
    classes: str = ""


# fmt: off
RULES = (
    Rule(DISK_FULL, "The disk is full{}.",
         "Nothing is lost: free some space and run metastudio sync.", UnavailableError),
    Rule(LOCKED, "The DuckDB file is in use by another process{}.",
         "Nothing is lost: run again when it is free. Close other programs that have the file open (a shell, a notebook, a"
         " BI tool), or set a higher lock_seconds to wait longer.", UnavailableError),
    Rule(OUT_OF_MEMORY, "DuckDB ran out of memory.",
         "Nothing is lost: raise its memory_limit (DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG), or set a lower"
         " chunk_rows, and run metastudio sync again."),
    Rule("", "A DuckDB database in memory ends with the command: nothing would be kept.",
         "Set DESTINATION__DUCKDB__CREDENTIALS to the path of a file.",
         classes="dlt.destinations.impl.duckdb.exceptions:InvalidInMemoryDuckdbCredentials"),
    Rule("created with an newer version|with version number|newer DuckDB version",
         "The DuckDB file was written by a newer version of DuckDB than the one installed here.",
         "Upgrade the package duckdb."),
    Rule('not a valid DuckDB database file|Cannot launch in-memory database|Failed to download extension "sqlite_scanner',
         "The file is not a DuckDB database.",
         "Set DESTINATION__DUCKDB__CREDENTIALS to another file, or move this one away."),
    Rule("Could not read enough bytes|Corrupt database file|Failed to load metadata|Serialization Error",
         "The DuckDB file is damaged or was cut off.",
         "Restore a copy of it, or move it away: metastudio sync then makes a new one and reads everything again."),
    Rule("IO Error: .*Is a directory", "The path of the DuckDB file is that of a folder.",
         "Set DESTINATION__DUCKDB__CREDENTIALS to the path of a file in it."),
    Rule("Failed to download extension", "DuckDB cannot download an extension that this destination needs.",
         "Let DuckDB reach extensions.duckdb.org once, or install the extension's package: see docs/lake.md."),
    Rule("Cannot open file|(?i:unable to open database)", "The DuckDB file cannot be opened or written.",
         "Check the path in DESTINATION__DUCKDB__CREDENTIALS, and that you may write to its folder.",
         classes="duckdb:IOException"),
    Rule("", "The API sends a field that the tables do not have, and schema_contract forbids new ones. None of it was loaded.",
         "Look at the new fields. Set schema_contract to evolve to load them, or to discard_value to drop them.",
         IncompleteError, "dlt.common.schema.exceptions:DataValidationError"),
    Rule(rf"\[Errno (?:{_REFUSALS})\] ([A-Z][a-z -]+)", "A file or folder cannot be opened or written{}.",
         "Check the working directory and the state directory (DLT_DATA_DIR)."),
    Rule("surrogates not allowed", "A name has a character that this machine's encoding lacks.",
         "Use other names for options, settings and files, or set PYTHONUTF8=1.", classes="builtins:UnicodeEncodeError"),
    Rule("", "A configuration file is not valid TOML.",
         "Check config.toml and secrets.toml: one setting per line, texts in quotes.",
         classes="tomlkit.exceptions:TOMLKitError dlt.common.configuration.providers.toml:TomlProviderReadException"),
    Rule(r"invalid (dsn|port|URI query parameter|connection option|\w+ value)\b|in(?:valid command-line| URI query)|"
         r"unrecognized configuration parameter", "The destination's settings are incomplete or not valid{}.",
         "Set DESTINATION__<NAME>__CREDENTIALS as dlt documents it for this destination.",
         classes="dlt.common.configuration.exceptions:ConfigurationException"),
    Rule("", "dlt has no destination of this name.", "Use duckdb, postgres or another of dlt's destinations.",
         classes="dlt.common.destination.exceptions:UnknownDestinationModule"
         " dlt.common.destination.exceptions:InvalidDestinationReference"),
    Rule("", "A package that this destination needs is not installed.",
         "Install the destination's extra of metastudio, such as postgres: see README, Install.",
         classes="dlt.common.exceptions:MissingDependencyException"),
    Rule("", "The pipeline's name is not valid.", "Use letters, digits and underscores.",
         classes="dlt.pipeline.exceptions:InvalidPipelineName dlt.common.schema.exceptions:InvalidSchemaName"),
    Rule(r"<28...>|FATAL: .*(?:authentication|role .* not exist|log in|pg_hba\.conf)|no password supplied",
         "PostgreSQL refuses the login{}.",
         "Check user, password and sslmode in DESTINATION__POSTGRES__CREDENTIALS, and the server's pg_hba.conf.",
         CredentialsError),
    Rule("<3D000>|FATAL: .*(?:database .* not exist|startup parameter)|does not support SSL|certificate|private key file",
         "PostgreSQL cannot be used{}.",
         "Check database and sslmode in DESTINATION__POSTGRES__CREDENTIALS. For PgBouncer, see docs/destinations.md."),
    Rule("<(?:42501|42P10|55000|428C9)>", "PostgreSQL refuses a statement{}.",
         "To read, the role needs USAGE and SELECT on the schemas of tables and models; to sync, CREATE on the database,"
         " and to own schemas and tables that it did not create itself. A published table needs a replica identity: see"
         " docs/destinations.md."),
    Rule("<23...>", "A constraint of a table in the destination refuses a row{}.",
         "Drop the constraint, or declare it as DEFERRABLE INITIALLY DEFERRED if it is a foreign key."),
    Rule("<(?:08|40|53|57|58)...>|<25006>|<55P03>", "PostgreSQL did not finish a statement{}.",
         "Nothing is lost: run metastudio sync again. If it ends like this each time, remove the cause.", UnavailableError),
    Rule("<(?!None)(.....)>", "PostgreSQL refuses a statement: SQLSTATE{}.",
         "Run again with -vv for the traceback and report it.", MetaStudioError),
    Rule("", "The destination could not be reached{}.",
         "Nothing is lost: check that it runs, and run metastudio sync again.", UnavailableError,
         "psycopg2:OperationalError psycopg2:InterfaceError sqlalchemy.exc:OperationalError"
         " dlt.destinations.exceptions:DestinationConnectionError"
         " dlt.destinations.exceptions:DatabaseTransientException"),
)
# fmt: on
"""The first rule that matches counts."""


def to_metastudio_error(error: BaseException) -> MetaStudioError:
    """Return the error of this package for any error. Its message holds no setting's value.

    Raises:
        KeyboardInterrupt: a library turned a Ctrl-C or a SIGTERM into this error.
    """
    chain = list(iter_causes(error))
    for cause in chain:
        if isinstance(cause, KeyboardInterrupt):
            raise cause
    for cause in chain:
        if isinstance(cause, MetaStudioError):
            return cause
    described = [f"<{find_sqlstate(cause)}>{_read_message(cause)}" for cause in chain]
    for rule in RULES:
        found = _search(rule.pattern, described) if rule.pattern else None
        if found or any(isinstance(cause, _find_classes(rule.classes)) for cause in chain):
            detail = found[1] if found and found.re.groups else _quote_server(chain)
            return rule.error(rule.message.format(f": {detail}" if detail else ""), hint=rule.hint)
    log.debug("Where the unexpected error comes from:", exc_info=error)
    return MetaStudioError(
        f"Unexpected {type(chain[-1]).__name__} in {type(error).__name__}.",
        hint="Run again with -vv for the traceback and report it.",
    )


def _search(pattern: str, texts: Sequence[str]) -> re.Match[str] | None:
    return next(filter(None, (re.search(pattern, text) for text in texts)), None)


def _find_classes(names: str) -> tuple[type[BaseException], ...]:
    """Return the classes whose module is imported: no error can be of another class."""
    pairs = (name.split(":") for name in names.split())
    return tuple(getattr(sys.modules[module], name) for module, name in pairs if module in sys.modules)


def find_sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that PostgreSQL gave for an error or one of its causes, or None."""
    return next((state for cause in iter_causes(error) if (state := getattr(cause, "pgcode", None))), None)


def _quote_server(chain: Sequence[BaseException]) -> str:
    """Return PostgreSQL's or libpq's message, without names that may be part of a password."""
    for cause in chain:
        if (diagnostics := getattr(cause, "diag", None)) is not None:
            text = diagnostics.message_primary or str(cause)
            lines = [line for line in text.splitlines() if line and not line[0].isspace()]
            words = " ".join(re.sub(r'host name "[^"]*"|"[^"]*@[^"]*"', "…", lines[-1] if lines else "").split())
            return words[:MAX_CHARACTERS].rstrip(".")
    return ""


def _read_message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # some of dlt's errors cannot be printed
        return ""


def is_known_error(error: BaseException) -> bool:
    """Return whether an error is one of this package's, or one that a rule explains."""
    return type(to_metastudio_error(error)) is not MetaStudioError


def find_lock_holder(text: str) -> str | None:
    """Return the process that holds a DuckDB file, or None if the message is of another kind."""
    found = re.search(LOCKED, text)
    return found and (found[1] or "another process")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether DuckDB reached its memory_limit."""
    return any(OUT_OF_MEMORY in _read_message(cause) for cause in iter_causes(error))


def is_out_of_space(error: BaseException) -> bool:
    """Return whether memory or disk is full, so that another attempt does not help."""
    return any(re.search(f"{OUT_OF_MEMORY}|{DISK_FULL}", _read_message(cause)) for cause in iter_causes(error))


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
