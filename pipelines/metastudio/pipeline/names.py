"""Checks names and connection strings before dlt, which fails on them later or changes them."""

from __future__ import annotations

import os
import re

from metastudio.config.settings import find_setting
from metastudio.errors import ConfigurationError

_LONGEST = 50
"""PostgreSQL takes 63 characters, of which the schema of the models needs ten for its ending."""

SCHEMES = {"duckdb": ("duckdb",), "postgres": ("postgresql", "postgres"), "redshift": ("redshift", "postgresql")}
"""Schemes of the connection strings that a destination takes."""


def check_names(pipeline: str, dataset: str) -> None:
    """Check the names of a pipeline and of a dataset.

    Raises:
        ConfigurationError: a name is missing or not valid.
    """
    if not pipeline:
        raise ConfigurationError("The pipeline has no name.", hint="Set --pipeline to a name, or leave it out.")
    for option, name in (("pipeline", pipeline), ("dataset", dataset)):
        if not re.fullmatch(rf"[A-Za-z_][A-Za-z0-9_]{{0,{_LONGEST - 1}}}", name):
            raise ConfigurationError(
                f"The {option}'s name is not valid.",
                hint=f"Set --{option} to at most {_LONGEST} letters, digits and underscores that do not begin with a digit.",
            )
    if re.fullmatch("information_schema|pg_.*", dataset, re.IGNORECASE):
        raise ConfigurationError(
            "The dataset's name is reserved by the database.", hint="Set --dataset to another name."
        )


def check_connection_string(destination: str) -> None:
    """Check that the connection string of a destination, if it has one, can be meant for it.

    Raises:
        ConfigurationError: it is empty, or of another kind of database.
    """
    setting = f"DESTINATION__{destination.upper()}__CREDENTIALS"
    given = os.environ.get(setting, find_setting(f"destination.{destination}.credentials"))
    if not isinstance(given, str):
        return
    if not given.strip():
        raise ConfigurationError(
            f"The connection string of the destination {destination} is empty.",
            hint=f"Set {setting} to the connection string, or remove it.",
        )
    expected = SCHEMES.get(destination)
    scheme = re.match(r"([a-z][a-z0-9]*)(?:\+[a-z0-9]+)?://", given, re.IGNORECASE)
    if expected is None or (scheme and scheme[1].lower() in expected) or (destination == "duckdb" and not scheme):
        return
    found = f"one of {scheme[1].lower()}" if scheme else "not a URL"
    like = "a path, such as videos.duckdb" if destination == "duckdb" else f"{expected[0]}://user:…@host:5432/database"
    raise ConfigurationError(
        f"The connection string of the destination {destination} is {found}.",
        hint=f"Set {setting} to {like}, or choose the destination that it belongs to with --destination.",
    )
