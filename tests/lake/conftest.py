"""An object store on loopback, the settings that sync into it, and a Spark-compatible cluster."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import s3fs

BIN = Path(sys.executable).parent
ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "lakeaccess", "lakesecret", "us-east-1", "lake"
SERVERS = ("master", "volume", "filer", "s3")


def find_free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def serve(command: list[str], ready: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server within the block, which begins once the server's log says that it is ready."""
    with subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if re.search(ready, line):
                    break
            else:
                pytest.fail("".join(said))
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield
        finally:
            process.kill()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of an S3 store with an empty bucket."""
    folder = tmp_path_factory.mktemp("store")
    key = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    identity = {"name": "lake", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict(
        zip([f"{name}.port{kind}" for name in SERVERS for kind in ("", ".grpc")], find_free_ports(8), strict=True)
    )
    command = [str(BIN / "weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-volume.max=200"]
    command += ["-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-s3.iam=false", "-s3.port.iceberg=0"]
    with serve([*command, *(f"-{name}={port}" for name, port in ports.items())], "Start Seaweed S3 API Server"):
        url = f"http://127.0.0.1:{ports['s3.port']}"
        s3fs.S3FileSystem(key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=url).mkdir(BUCKET)
        yield url


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with the extensions that DuckDB would otherwise download."""
    home = tmp_path_factory.mktemp("home")
    code = "from duckdb_extensions import import_extension as get; get('delta'); get('httpfs')"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "HOME": str(home)}, check=True)
    return home


@pytest.fixture(scope="session")
def spark(store: str) -> Iterator[object]:
    """Yield a session with a local cluster of Sail, which speaks Spark's protocol."""
    from pyspark.sql import SparkSession

    (port,) = find_free_ports(1)
    environment = {
        "SAIL_MODE": "local-cluster",
        "AWS_ENDPOINT": store,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "RUST_LOG": "info",
    }
    command = [str(BIN / "sail"), "spark", "server", "--ip", "127.0.0.1", "--port", str(port)]
    with serve(command, "driver server is ready|Starting the Spark Connect server", environment):
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        yield session
        session.stop()
