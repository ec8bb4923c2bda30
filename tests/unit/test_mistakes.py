"""Mistakes in configuration files, names and connection strings are named before anything runs."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from dlt.common.configuration.exceptions import ConfigurationException
from metastudio.config.credentials import CredentialSettings, make_credentials
from metastudio.config.toml_files import check_files
from metastudio.config.unknown_settings import warn_of_other_credentials, warn_of_unknown_settings
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError
from metastudio.pipeline.names import check_connection_string, check_names


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[sources.metastudio]\nregion =\nsecret = opensesame\n", "line 2"),
        (b'[sources.metastudio]\nkey = "opensesame\n', "line 2"),
        (b'region = "a"\nregion = "opensesame"\n', "line 2"),
        (b'[a]\n\nregion = "\xff"', "line 3 is not UTF-8"),
        (b"\xff\xfe[\x00a\x00", "line 1 is not UTF-8"),
        (b"[sources.metastudio", "line 1"),
    ],
)
def test_a_file_that_is_not_toml_is_named_with_its_line_and_without_its_content(tmp_path, content, line):
    path = tmp_path / "config.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as refused:
        check_files([path])

    assert f"The configuration file {path} is not valid TOML" in refused.value.message
    assert line in refused.value.message
    assert "opensesame" not in str(refused.value)


def test_a_byte_order_mark_is_not_a_mistake(tmp_path):
    path = tmp_path / "config.toml"
    assert not check_files([path])
    path.write_bytes(b'\xef\xbb\xbf[a]\nb = "c"\r\n')
    assert check_files([path])


@pytest.mark.parametrize("name", ["my-pipe", "my pipe", "../up", "9x", "a.b", "é", "x" * 51])
def test_names_that_dlt_would_refuse_or_change_are_refused(name):
    for pair in ((name, "metastudio"), ("metastudio", name)):
        with pytest.raises(ConfigurationError, match="name is not valid"):
            check_names(*pair)


@pytest.mark.parametrize(
    ("pipeline", "dataset"), [("", "a"), ("a", ""), ("a", "pg_catalog"), ("a", "INFORMATION_SCHEMA")]
)
def test_a_missing_or_reserved_name_is_refused(pipeline, dataset):
    with pytest.raises(ConfigurationError):
        check_names(pipeline, dataset)


@pytest.mark.parametrize(
    ("destination", "text", "words"),
    [
        ("postgres", "", "is empty"),
        ("postgres", "  ", "is empty"),
        ("postgres", "mysql://me:opensesame@host/x", "is one of mysql"),
        ("postgres", "duckdb:///videos.duckdb", "is one of duckdb"),
        ("postgres", "/srv/opensesame.duckdb", "is not a URL"),
        ("postgres", "host=x password=opensesame", "is not a URL"),
        ("duckdb", "", "is empty"),
        ("duckdb", "postgresql://me:opensesame@host/x", "is one of postgresql"),
    ],
)
def test_an_empty_or_foreign_connection_string_is_refused_and_not_shown(folder, monkeypatch, destination, text, words):
    monkeypatch.setenv(f"DESTINATION__{destination.upper()}__CREDENTIALS", text)

    with pytest.raises(ConfigurationError) as refused:
        check_connection_string(destination)

    assert words in refused.value.message
    assert f"DESTINATION__{destination.upper()}__CREDENTIALS" in refused.value.hint
    assert "opensesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        ("duckdb", "videos.duckdb"),
        ("duckdb", "duckdb:////srv/videos.duckdb"),
        ("postgres", "postgresql://me@host/x"),
        ("postgres", "postgres://me@host/x"),
        ("snowflake", "snowflake://me@host/x"),
    ],
)
def test_connection_strings_of_the_right_kind_pass(folder, monkeypatch, destination, text):
    monkeypatch.setenv(f"DESTINATION__{destination.upper()}__CREDENTIALS", text)
    check_connection_string(destination)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SOURCE__METASTUDIO__REGION", "SOURCES__METASTUDIO__REGION"),
        ("SOURCES__METASTUDO__REGION", "SOURCES__METASTUDIO__REGION"),
        ("METASTUDIO__REGION", "SOURCES__METASTUDIO__REGION"),
        ("DESTINATION__POSTGRESS__CREDENTIALS", "DESTINATION__POSTGRES__CREDENTIALS"),
        ("DESTINATIONS__POSTGRES__CREDENTIALS", "DESTINATION__POSTGRES__CREDENTIALS"),
        ("SOURCES__METASTUDIO__REGOIN", "SOURCES__METASTUDIO__REGION"),
        ("SOURCES__METASTUDIO__CREDENTIALS__ACCES_KEY", "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY"),
    ],
)
def test_unknown_sections_and_settings_are_pointed_out_with_what_was_meant(folder, monkeypatch, caplog, name, meant):
    monkeypatch.setenv(name, "opensesame")

    warn_of_unknown_settings()

    assert f"{name}; did you mean {meant}?" in caplog.text
    assert "opensesame" not in caplog.text


def test_sections_of_others_and_all_known_settings_pass(folder, monkeypatch, caplog):
    for name in (
        "SOURCES__GITHUB__TOKEN",
        "DESTINATION__MY_WAREHOUSE__CREDENTIALS",
        "PIPELINES__METASTUDIO__DATASET_NAME",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "LOAD__WORKERS",
        "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY",
        "DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SOURCES__METASTUDIO__TENANTS", "berlin")
    monkeypatch.setenv("SOURCES__METASTUDIO__BERLIN__CREDENTIALS__TOKEN", "x")

    warn_of_unknown_settings()

    assert not caplog.records


def test_credentials_of_another_destination_than_the_one_used_are_pointed_out(folder, monkeypatch, caplog):
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:opensesame@host/x")
    warn_of_other_credentials("postgres")
    assert not caplog.records

    warn_of_other_credentials("duckdb")

    assert "set for the destination postgres, but duckdb is used" in caplog.text
    assert "opensesame" not in caplog.text


def test_two_kinds_of_credentials_at_once_are_pointed_out(caplog):
    make_credentials(CredentialSettings(access_key="a", secret_key="b", token="opensesame"))

    assert "an access key and a token. An access key is used." in caplog.text
    assert "opensesame" not in caplog.text


def test_an_error_that_cannot_describe_itself_is_mapped_by_its_class():
    class Missing(ConfigurationException):
        def __str__(self):
            raise TypeError

    assert to_metastudio_error(Missing()).exit_code == 2


def test_dagsters_module_without_dagster_says_what_to_install():
    code = (
        "import sys, runpy; sys.argv = ['-m']; sys.modules['dagster'] = None\n"
        "runpy.run_module('metastudio.orchestration', run_name='__main__', alter_sys=True)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: Dagster is not installed. Install metastudio with the extra dagster")


@pytest.fixture(autouse=True)
def log_warnings(caplog):
    caplog.set_level(logging.WARNING)
