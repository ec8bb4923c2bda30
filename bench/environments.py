"""Virtual environments of the peers, built under `.bench/` from hash-locked requirements.

An environment that is reported ready matches its lock file. If one cannot be installed, this is
reported and its peers are left out; the benchmark continues.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.paths import BENCH, REQUIREMENTS

SHOWN = (
    "aiohttp", "airbyte", "airbyte-cdk", "dlt", "duckdb", "duckdb-extension-httpfs", "huaweicloudsdkmetastudio", "orjson",
    "pyarrow", "setuptools", "singer-sdk", "tap-rest-api-msdk", "target-duckdb",
)  # fmt: skip
"""Packages whose versions the page shows."""


def program_path(environment: str, program: str) -> Path:
    """Return the path of a program in an environment."""
    return BENCH / environment / "bin" / program


def build(name: str) -> str | None:
    """Build an environment unless it matches its lock file. Return the failure, or None."""
    lock = REQUIREMENTS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = BENCH / name
    stamp = folder / ".ready"
    if stamp.exists() and stamp.read_text() == digest:
        return None
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    options = ["--quiet", "--require-hashes", "--compile-bytecode", "--python", str(program_path(name, "python"))]
    commands = (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)],
        [uv, "pip", "sync", *options, str(lock)],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            (BENCH / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
            return f"cannot be installed (.bench/{name}.log)"
    stamp.write_text(digest)
    return None


def read_versions(name: str) -> dict[str, str]:
    """Return the versions in the lock file of an environment, for the packages in `SHOWN`."""
    found = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (REQUIREMENTS / f"{name}.lock").read_text(encoding="utf-8"), re.M)
    return {package: version for package, version in found if package in SHOWN}
