"""The report's page in headless Chromium with no way to the network: charts are drawn, light and dark, on a desk and on a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest
from metastudio.pipeline import Options
from metastudio.reporting.figures import read_report
from metastudio.reporting.page import make_page

from tests.e2e.warehouse import make_warehouse

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--proxy-server=127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    "--virtual-time-budget=10000",
)
CHARTS = {"production", "success", "waiting", "rendering", "reasons", "backlog"}
SPY = """<script>
let violations = 0;
document.addEventListener("securitypolicyviolation", () => { violations += 1; });
setTimeout(() => {
  const root = document.documentElement;
  const requests = performance.getEntriesByType("resource").length;
  root.dataset.seen = root.dataset.charts + ", " + requests + " requests, " + violations + " violations";
}, 5000);
</script>"""

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    options = Options(pipeline="page")
    with (
        make_warehouse(folder, options, str(folder / "page.duckdb")) as warehouse,
        pytest.MonkeyPatch.context() as patch,
    ):
        warehouse.configure(patch)
        text = make_page(read_report(warehouse.models, warehouse.sim.project_id, charts=True))
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def open_page(page, tmp_path):
    """Open the page in a browser of its own; what the browser writes on its standard output and error."""

    def call(*flags, path=page):
        user = tmp_path / "user"
        shutil.rmtree(user, ignore_errors=True)
        ended = subprocess.run(
            ["chromium", *FLAGS, "--enable-logging=stderr", f"--user-data-dir={user}", *flags, path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return ended.stdout, ended.stderr

    return call


def read_pixels(path):
    """Read a PNG's pixels as rows of (red, green, blue)."""
    data = path.read_bytes()
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    depth = {2: 3, 6: 4}[data[25]]
    place, packed = 8, b""
    while place < len(data):
        size = int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + size]
        place += size + 12
    raw, rows, above = zlib.decompress(packed), [], bytearray(width * depth)
    for number in range(height):
        start = number * (width * depth + 1)
        above = undo_filter(raw[start], bytearray(raw[start + 1 : start + 1 + width * depth]), above, depth)
        rows.append([tuple(above[at : at + 3]) for at in range(0, len(above), depth)])
    return rows


def undo_filter(kind, line, above, depth):
    for at in range(len(line)):
        left = line[at - depth] if at >= depth else 0
        corner = above[at - depth] if at >= depth else 0
        if kind == 4:
            guess = left + above[at] - corner
            nearest = min((abs(guess - value), order, value) for order, value in enumerate((left, above[at], corner)))[
                2
            ]
        else:
            nearest = (0, left, above[at], (left + above[at]) // 2)[kind]
        line[at] = (line[at] + nearest) % 256
    return line


def test_all_charts_are_drawn_without_a_network(open_page):
    page, log = open_page("--dump-dom")

    assert 'data-charts="drawn"' in page
    for name in CHARTS:
        chart = re.search(rf'id="{name}".*?<svg.*?</svg>', page, re.DOTALL)
        assert chart and chart[0].count("<path") >= 5, name
    assert "Content Security Policy" not in log and "Uncaught" not in log


def test_the_page_asks_for_nothing_and_breaks_no_rule_of_its_own(open_page, page, tmp_path):
    spied = tmp_path / "spied.html"
    spied.write_text(page.read_text(encoding="utf-8").replace("<title>", SPY + "<title>"), encoding="utf-8")
    dom, _ = open_page("--dump-dom", path=spied)

    assert re.search(r'data-seen="([^"]*)"', dom)[1] == "drawn, 0 requests, 0 violations"


@pytest.mark.parametrize(("scheme", "back"), [(1, (255, 255, 255)), (0, (15, 19, 24))])
def test_the_page_is_light_or_dark_as_the_reader_has_it(open_page, tmp_path, scheme, back):
    shot = tmp_path / "shot.png"
    open_page("--window-size=1200,900", f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={scheme}")
    pixels = read_pixels(shot)

    assert pixels[5][5] == back
    colours = Counter(pixel for row in pixels for pixel in row)
    assert colours[(47, 129, 199)] > 5_000  # the bars of succeeded jobs


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, page, tmp_path):
    frame = tmp_path / "phone.html"
    frame.write_text(
        f"""<iframe src="{page.as_uri()}" style="width:360px;height:640px;border:0"></iframe>
        <script>setTimeout(() => {{
            const page = frames[0].document.documentElement;
            document.title = page.dataset.charts + " " + page.scrollWidth + " of " + page.clientWidth;
        }}, 5000);</script>""",
        encoding="utf-8",
    )
    dom, _ = open_page("--dump-dom", "--allow-file-access-from-files", path=frame)
    drawn, wide, of = re.search(r"<title>(\w+) (\d+) of (\d+)</title>", dom).groups()

    assert (drawn, of) == ("drawn", "360")
    assert int(wide) <= 360
