"""Says in one sentence what failed in the destination or in dlt, and what to do; the project's own errors stay as they are."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator

from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError, UnavailableError

log = logging.getLogger("metastudio")

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EMFILE}
"""What the machine refuses, whatever the program does."""


def to_metastudio_error(error: BaseException) -> MetaStudioError:
    """Make an error of the project's own kind of any other; its message holds no setting's value."""
    chain = list(iter_causes(error))
    for cause in chain:
        if isinstance(cause, MetaStudioError):
            return cause
    text = " ".join(str(cause) for cause in chain)
    names = {type(cause).__name__ for cause in chain}
    if "No space left" in text or any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in chain):
        return ConfigurationError("The disk is full.", hint="Nothing is lost: free some space and run metastudio sync.")
    if (holder := find_lock_holder(text)) is not None:
        return UnavailableError(
            f"The DuckDB file is held by {holder}.",
            hint="Nothing is lost: run again when it is free. Close any other program that has the file open"
            " (a shell, a notebook, a BI tool); raise lock_seconds to wait longer.",
        )
    if is_out_of_memory(error):
        return ConfigurationError(
            "DuckDB ran out of memory.",
            hint="Nothing is lost: raise its memory_limit (DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG),"
            " or set SOURCES__METASTUDIO__CHUNK_ROWS lower, and run metastudio sync again.",
        )
    if "Failed to download extension" in text:
        return ConfigurationError(
            "DuckDB cannot fetch an extension that this destination needs.",
            hint="Let it reach extensions.duckdb.org once, or install the extension's package: see docs/lake.md.",
        )
    if "Cannot open file" in text or "IOException" in names or "unable to open database" in text.lower():
        return ConfigurationError(
            "The DuckDB file cannot be opened or written.",
            hint="Check the path in DESTINATION__DUCKDB__CREDENTIALS, that its folder exists and that you may write there.",
        )
    if "DataValidationError" in names:
        return IncompleteError(
            "The API sends a field that the tables do not have, and schema_contract forbids new ones; nothing of it was loaded.",
            hint="Look at the API's new fields; set schema_contract to evolve to load them, or to discard_value to leave them out.",
        )
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in _NOT_OURS:
            return ConfigurationError(
                f"A file or folder cannot be opened or written: {cause.strerror}.",
                hint="Look at the working directory, and at the state directory (DLT_DATA_DIR).",
            )
    if names & {"TOMLKitError", "ParseError", "UnexpectedCharError", "TomlProviderReadException"}:
        return ConfigurationError(
            "A file of settings is no TOML.", hint="Look at config.toml and secrets.toml: values in quotes, one a line."
        )
    if names & {
        "ConfigFieldMissingException",
        "ConfigurationValueError",
        "ConfigValueCannotBeCoercedException",
        "ArgumentError",
    }:
        return ConfigurationError(
            "The destination's settings are incomplete or of the wrong type.",
            hint="Set DESTINATION__<NAME>__CREDENTIALS as dlt documents it for this destination.",
        )
    if names & {"UnknownDestinationModule", "InvalidDestinationReference", "UnknownDestination"}:
        return ConfigurationError(
            "dlt knows no destination of this name.", hint="Use duckdb, postgres or another of dlt's destinations."
        )
    if names & {"MissingDependencyException"}:
        return ConfigurationError(
            "A package that this destination needs is not installed.",
            hint="Install it, e.g. pip install 'metastudio[postgres]'.",
        )
    if names & {"InvalidPipelineName"}:
        return ConfigurationError("The pipeline's name is not allowed.", hint="Use letters, digits and underscores.")
    if "InsufficientPrivilege" in names:
        return ConfigurationError(
            "The destination's user may not create or change the schemas and tables.",
            hint="Grant it CREATE on the database; the schemas and tables that it did not create itself must be its own, too.",
        )
    if names & {"OperationalError", "DestinationConnectionError"}:
        return UnavailableError(
            "The destination could not be reached.",
            hint="Nothing is lost: check that it runs and run metastudio sync again.",
        )
    log.debug("Where the unexpected error comes from:", exc_info=error)
    return MetaStudioError(
        f"Unexpected {type(chain[-1]).__name__} in {type(error).__name__}.",
        hint="Run again with -vv for the traceback and report it.",
    )


def is_known_error(error: BaseException) -> bool:
    """Tell whether an error is one that a person or the machine can mend, rather than something nobody thought of."""
    return type(to_metastudio_error(error)) is not MetaStudioError


def find_lock_holder(text: str) -> str | None:
    """Return the process that holds a DuckDB file, as DuckDB's message names it; None for other messages."""
    if not re.search("Could not set lock on file|Conflicting lock|File is already open in", text):
        return None
    named = re.search(r"(?:held in|already open in)\s+(.+?) \(PID (\d+)\)", text)
    return f"{named[1]} (PID {named[2]})" if named else "another process"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether DuckDB reached its memory_limit."""
    return any("Out of Memory Error" in str(cause) for cause in iter_causes(error))


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go from an error to what caused it, and what caused that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
