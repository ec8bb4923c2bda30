"""An output that cannot show every character gets readable ones in their place."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "+ x ..."), ("gbk", "+ x …"), ("utf-8", "✓ ✗ …")])
def test_what_the_output_cannot_show_is_replaced(encoding, shown):
    code = "from metastudio.cli.environment import prepare_process as p; p(); import sys; sys.stdout.write('✓ ✗ …')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)

    assert ended.stdout.decode(encoding) == shown
