"""Environments of the peers: one each, from hash-locked requirements, under `.bench/`.

Promises that an environment fits its lock when it is called ready; one that does not install is told of, and no error.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .places import BENCH, REQUIREMENTS

SHOWN = (
    "aiohttp", "airbyte", "airbyte-cdk", "dlt", "duckdb", "duckdb-extension-httpfs", "huaweicloudsdkmetastudio", "orjson",
    "pyarrow", "setuptools", "singer-sdk", "tap-rest-api-msdk", "target-duckdb",
)  # fmt: skip
"""Packages whose versions the page tells."""


def python_of(name: str) -> Path:
    """The interpreter of an environment."""
    return BENCH / name / "bin" / "python"


def program_of(name: str, program: str) -> Path:
    """A program in an environment."""
    return BENCH / name / "bin" / program


def build(name: str) -> str | None:
    """Make an environment fit its lock; give what went wrong, None where it is ready."""
    lock = REQUIREMENTS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = BENCH / name
    stamp = folder / ".ready"
    if stamp.exists() and stamp.read_text() == digest:
        return None
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    commands = (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)],
        [
            uv,
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            "--compile-bytecode",
            "--python",
            str(python_of(name)),
            str(lock),
        ],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            (BENCH / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
            return f"does not install (.bench/{name}.log)"
    stamp.write_text(digest)
    return None


def read_versions(name: str) -> dict[str, str]:
    """The versions that an environment's lock names, of the packages worth telling."""
    found = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (REQUIREMENTS / f"{name}.lock").read_text(encoding="utf-8"), re.M)
    return {package: version for package, version in found if package in SHOWN}
