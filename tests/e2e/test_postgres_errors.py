"""An error of PostgreSQL gets its exit code from its SQLSTATE, and keeps the server's message."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options

from tests.support.postgres import execute_postgres, query_postgres

CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"


@pytest.fixture
def connect(folder, postgres_url, monkeypatch):
    """Return a function that connects to a URL, runs a statement, and returns the mapped error."""

    def connect(url=postgres_url, sql="SELECT 1"):
        monkeypatch.setenv(CREDENTIALS, url)
        with pytest.raises(Exception) as raised:  # noqa: PT011, PT012 - any kind of error, from any step
            destination = Destination(open_pipeline(Options(destination="postgres")))
            with destination.open() as client:
                client.execute_sql(sql)
        return to_metastudio_error(raised.value)

    return connect


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("08006", 4),
        ("25006", 4),
        ("40P01", 4),
        ("53100", 4),
        ("53200", 4),
        ("53300", 4),
        ("55P03", 4),
        ("57014", 4),
        ("57P01", 4),
        ("57P03", 4),
        ("58030", 4),
        ("28P01", 3),
        ("28000", 3),
        ("3D000", 2),
        ("42501", 2),
        ("55000", 2),
        ("23503", 2),
        ("23514", 2),
    ],
)
def test_an_error_has_the_exit_code_of_its_sqlstate_and_says_what_the_server_said(connect, state, code):
    raised = f"DO $$ BEGIN RAISE EXCEPTION 'what the server said' USING ERRCODE = '{state}'; END $$"

    error = connect(sql=raised)

    assert error.exit_code == code
    assert error.message.endswith(": what the server said.")
    assert error.hint


def test_an_error_that_nobody_expects_names_its_sqlstate_and_no_value(connect):
    error = connect(sql="SELECT cast('opensesame' AS integer)")

    assert (error.exit_code, "22P02" in error.message, "opensesame" in str(error)) == (1, True, False)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://postgres:opensesame@{folder}/nowhere", 2, '"nowhere" does not exist'),
        ("postgresql://nobody:opensesame@{folder}/postgres", 3, '"nobody" does not exist'),
        ("postgresql://full:opensesame@{folder}/postgres", 4, "too many connections"),
        ("postgresql://keeper:opensesame@{folder}/postgres", 3, "password authentication failed"),
        ("postgresql://me:opensesame@127.0.0.1:{port}/x?sslmode=require", 2, "does not support SSL"),
        ("postgresql://me:opensesame@127.0.0.1:1/x", 4, "Connection refused"),
        ("postgresql://me:open@sesame@nowhere.invalid/x", 4, "could not translate"),
        ("postgresql://me:open@sesame/x@nowhere.invalid/x", 4, "could not translate"),
        ("postgresql://postgres:opensesame@{folder}/postgres?sslmode=opensesame", 2, "sslmode value"),
        ("postgresql://postgres:opensesame@{folder}/postgres?nonsense=opensesame", 2, "not valid"),
        ("postgresql://postgres:opensesame@{folder}/postgres?options=opensesame", 2, "not valid"),
        ("postgresql://postgres:opensesame@{folder}/postgres?connect_timeout=opensesame", 2, "not valid"),
        ("postgresql://me:opensesame@host:opensesame/x", 2, "not valid"),
        ("mysql://me:opensesame@host/x", 2, "connection string"),
        ("me:opensesame@host/x", 2, "connection string"),
        ("postgresql://host/x", 2, "not valid"),
    ],
)
def test_a_connection_that_fails_has_an_exit_code_and_the_servers_words_without_a_secret(
    connect, strict_server, url, code, words
):
    folder, port = strict_server

    error = connect(url.format(folder=folder, port=port))

    assert error.exit_code == code
    assert words in error.message
    assert "sesame" not in str(error)


@pytest.fixture(scope="module")
def strict_server(postgres_url):
    """Yield the folder of the server's socket, and the port of a server that refuses SSL.

    The role `full` may open no more connections, and `keeper` needs a password.
    """
    execute_postgres(postgres_url, "CREATE ROLE full LOGIN CONNECTION LIMIT 0", "CREATE ROLE keeper LOGIN PASSWORD 'x'")
    ((file,),) = query_postgres(postgres_url, "SHOW hba_file")
    rules = Path(file).read_text()
    Path(file).write_text(f"local all keeper scram-sha-256\n{rules}")
    execute_postgres(postgres_url, "SELECT pg_reload_conf()")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_refuse_ssl, args=(server,), daemon=True).start()
        yield postgres_url.partition("@")[2].partition("/")[0], server.getsockname()[1]


def _refuse_ssl(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(8)
            connection.sendall(b"N")
            connection.recv(8)


def test_a_sync_that_waits_too_long_for_a_lock_ends_in_exit_code_4_and_the_next_one_continues(
    sim, settings, run, postgres_url, monkeypatch
):
    options = "--destination", "postgres", "--dataset", "waits"
    monkeypatch.setenv(CREDENTIALS, f"{postgres_url}?options=-clock_timeout%3D50ms")
    assert run("sync", *options).code == 0
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=5, update=10)

    with closing(psycopg2.connect(postgres_url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE waits.digital_human_videos IN SHARE MODE")
        ended = run("sync", *options, "--json")

    assert (ended.code, "lock timeout" in ended.json["error"]["message"]) == (4, True)
    assert run("sync", *options).code == 0
    assert query_postgres(postgres_url, "SELECT count(*) FROM waits.digital_human_videos") == [
        (len(sim.tenant.visible()),)
    ]
