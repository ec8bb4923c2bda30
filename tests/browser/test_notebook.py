"""The notebook in a browser: every cell runs and nothing is loaded from elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "walkthrough.py"

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


@pytest.fixture
def notebook(built_warehouse, monkeypatch):
    built_warehouse.configure(monkeypatch)
    monkeypatch.setenv("MARIMO_SKIP_UPDATE_CHECK", "1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["run", str(NOTEBOOK), "--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "marimo", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        for line in server.stdout:
            if b"URL" in line:
                break
        yield f"http://127.0.0.1:{port}/"
        server.terminate()


TABLES = "[...document.querySelectorAll('marimo-table')].map(table => table.shadowRoot.textContent)"


def test_every_cell_of_the_notebook_shows_its_tables_and_charts(browse, notebook):
    async def look(tab):
        await tab.open(notebook, width=1100, height=3000)
        await tab.wait("document.body.innerText.includes('every window was proved complete')")
        await tab.wait("document.querySelectorAll('svg.marks, canvas.marks').length === 3")
        await tab.wait(f"{TABLES}.length === 6 && {TABLES}.every(text => text.length > 50)")
        return tab.requested, await tab.evaluate(f"{TABLES}.join()"), await tab.evaluate("document.body.innerText")

    requested, tables, text = browse(look)
    assert {url.split("/")[2] for url in requested if url.startswith("http")} == {notebook.split("/")[2]}
    assert "THAWED" in tables and "MSS." in tables
    assert "Traceback" not in text and "error" not in text.lower()
