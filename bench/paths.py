"""Where the benchmark keeps its files: in `.bench/`, except for the page and chart in `docs/`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / ".bench"
RESULTS = BENCH / "results"
WORK = BENCH / "work"
PEERS = Path(__file__).parent / "peers"
REQUIREMENTS = Path(__file__).parent / "requirements"
PAGE = ROOT / "docs" / "benchmark.md"
CHART = ROOT / "docs" / "benchmark.svg"
