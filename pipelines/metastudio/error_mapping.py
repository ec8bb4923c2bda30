"""Maps errors of dlt, destination and machine to this package's own, by a table of rules."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError, UnavailableError

log = logging.getLogger("metastudio")

_REFUSALS = "|".join(map(str, (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EMFILE)))
LOCKED = (
    r"(?s)(?:Could not set lock on file|Conflicting lock|File is already open in)"
    r"(?:.*?(?:held in|already open in)\s+([^()]+ \(PID \d+\)))?"
)
"""DuckDB's words for a file that another process has open, which they name in most cases."""

OUT_OF_MEMORY = "Out of Memory Error"


class Rule(NamedTuple):
    """What an error becomes if `pattern` finds something in the description of its causes.

    The description has each cause's class name and SQLSTATE in angle brackets, then its message.
    The pattern's group, which must not be able to hold a secret, fills `{}` in the message.
    """

    pattern: str
    message: str
    hint: str
    error: type[MetaStudioError] = ConfigurationError


RULES = (
    Rule(
        rf"No space left|\[Errno {errno.ENOSPC}\]|<53100>",
        "The disk is full.",
        "Nothing is lost: free some space and run metastudio sync.",
    ),
    Rule(
        LOCKED,
        "The DuckDB file is in use by another process{}.",
        "Nothing is lost: run again when it is free. Close other programs that have the file open (a shell, a notebook, a"
        " BI tool), or set a higher lock_seconds to wait longer.",
        UnavailableError,
    ),
    Rule(
        OUT_OF_MEMORY,
        "DuckDB ran out of memory.",
        "Nothing is lost: raise its memory_limit (DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG), or set a lower"
        " chunk_rows, and run metastudio sync again.",
    ),
    Rule(
        "InvalidInMemoryDuckdbCredentials",
        "A DuckDB database in memory ends with the command: nothing would be kept.",
        "Set DESTINATION__DUCKDB__CREDENTIALS to the path of a file.",
    ),
    Rule(
        "created with an newer version|with version number|newer DuckDB version",
        "The DuckDB file was written by a newer version of DuckDB than the one installed here.",
        "Upgrade the package duckdb.",
    ),
    Rule(
        'not a valid DuckDB database file|Cannot launch in-memory database|Failed to download extension "sqlite_scanner',
        "The file is not a DuckDB database.",
        "Set DESTINATION__DUCKDB__CREDENTIALS to another file, or move this one away.",
    ),
    Rule(
        "Could not read enough bytes|Corrupt database file|Failed to load metadata|Serialization Error",
        "The DuckDB file is damaged or was cut off.",
        "Restore a copy of it, or move it away: metastudio sync then makes a new one and reads everything again.",
    ),
    Rule(
        r"IO Error: .*Is a directory",
        "The path of the DuckDB file is that of a folder.",
        "Set DESTINATION__DUCKDB__CREDENTIALS to the path of a file in it.",
    ),
    Rule(
        "Failed to download extension",
        "DuckDB cannot download an extension that this destination needs.",
        "Let DuckDB reach extensions.duckdb.org once, or install the extension's package: see docs/lake.md.",
    ),
    Rule(
        "<IOException>|Cannot open file|(?i:unable to open database)",
        "The DuckDB file cannot be opened or written.",
        "Check the path in DESTINATION__DUCKDB__CREDENTIALS, and that you may write to its folder.",
    ),
    Rule(
        "<DataValidationError>",
        "The API sends a field that the tables do not have, and schema_contract forbids new ones. None of it was loaded.",
        "Look at the new fields. Set schema_contract to evolve to load them, or to discard_value to drop them.",
        IncompleteError,
    ),
    Rule(
        rf"\[Errno (?:{_REFUSALS})\] ([A-Z][a-z -]+)",
        "A file or folder cannot be opened or written{}.",
        "Check the working directory and the state directory (DLT_DATA_DIR).",
    ),
    Rule(
        "<UnicodeEncodeError>|surrogates not allowed",
        "A name has a character that this machine's encoding lacks.",
        "Use other names for options, settings and files, or set PYTHONUTF8=1.",
    ),
    Rule(
        "<(TOMLKitError|ParseError|UnexpectedCharError|TomlProviderReadException)>",
        "A configuration file is not valid TOML.",
        "Check config.toml and secrets.toml: one setting per line, texts in quotes.",
    ),
    Rule(
        "<(ConfigFieldMissingException|ConfigurationValueError|ConfigValueCannotBeCoercedException|ArgumentError)>",
        "The destination's settings are incomplete or of the wrong type.",
        "Set DESTINATION__<NAME>__CREDENTIALS as dlt documents it for this destination.",
    ),
    Rule(
        "<(UnknownDestinationModule|InvalidDestinationReference|UnknownDestination)>",
        "dlt has no destination of this name.",
        "Use duckdb, postgres or another of dlt's destinations.",
    ),
    Rule(
        "<MissingDependencyException>",
        "A package that this destination needs is not installed.",
        "Install the destination's extra of metastudio, such as postgres: see README, Install.",
    ),
    Rule(
        "<Invalid(?:Pipeline|Schema)Name>", "The pipeline's name is not valid.", "Use letters, digits and underscores."
    ),
    Rule(
        "<(InsufficientPrivilege|42501)>",
        "The destination's user may not create or change the schemas and tables.",
        "Grant it CREATE on the database. It must also own the schemas and tables that it did not create itself.",
    ),
    Rule(
        "<(OperationalError|DestinationConnectionError|DatabaseTransientException)>",
        "The destination could not be reached.",
        "Nothing is lost: check that it runs, and run metastudio sync again.",
        UnavailableError,
    ),
)
"""The first rule whose pattern is found counts."""


def to_metastudio_error(error: BaseException) -> MetaStudioError:
    """Return the error of this package for any error. Its message holds no setting's value."""
    chain = list(iter_causes(error))
    for cause in chain:
        if isinstance(cause, MetaStudioError):
            return cause
    described = [f"<{type(cause).__name__}><{getattr(cause, 'pgcode', '')}>{cause}" for cause in chain]
    for rule in RULES:
        if found := re.search(rule.pattern, " ".join(described)):
            detail = f": {found[1]}" if found.re.groups and found[1] else ""
            return rule.error(rule.message.format(detail), hint=rule.hint)
    log.debug("Where the unexpected error comes from:", exc_info=error)
    return MetaStudioError(
        f"Unexpected {type(chain[-1]).__name__} in {type(error).__name__}.",
        hint="Run again with -vv for the traceback and report it.",
    )


def is_known_error(error: BaseException) -> bool:
    """Return whether an error is one of this package's, or one that a rule explains."""
    return type(to_metastudio_error(error)) is not MetaStudioError


def find_lock_holder(text: str) -> str | None:
    """Return the process that holds a DuckDB file, or None if the message is of another kind."""
    found = re.search(LOCKED, text)
    return found and (found[1] or "another process")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether DuckDB reached its memory_limit."""
    return any(OUT_OF_MEMORY in str(cause) for cause in iter_causes(error))


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
