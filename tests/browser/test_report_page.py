"""The report's page in a browser without network: charts, light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from metastudio.reporting.html_report import make_page
from metastudio.reporting.language import LANGUAGES, load_language
from metastudio.reporting.model_version import TenantName
from metastudio.reporting.report import read_report

DRAWN = "document.documentElement.dataset.charts"
CHARTS = {"production", "success", "backlog", "waiting", "rendering", "reasons", "failures", "hours"}
SPY = """<script>
let violations = 0;
document.addEventListener("securitypolicyviolation", () => { violations += 1; });
</script>"""

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


@pytest.fixture(scope="session")
def pages(built_warehouse, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the page in each language."""
    with pytest.MonkeyPatch.context() as patch:
        built_warehouse.configure(patch)
        tenant = TenantName(built_warehouse.sim.project_id, None, "")
        now = built_warehouse.sim.clock.now()
        report = read_report(built_warehouse.models, [tenant], now=now, charts=True)
    folder = tmp_path_factory.mktemp("page")
    for language in LANGUAGES:
        text = make_page(report.in_language(load_language(language)))
        (folder / f"{language}.html").write_text(text.replace("<title>", SPY + "<title>"), encoding="utf-8")
    return {language: folder / f"{language}.html" for language in LANGUAGES}


@pytest.fixture
def page(pages) -> Path:
    return pages["en"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [1600, 800, 390])
def test_every_chart_is_drawn_and_nothing_is_wider_than_the_screen(browse, pages, width, language):
    async def look(tab):
        await tab.open(pages[language].as_uri(), width=width, height=800)
        await tab.wait(DRAWN)
        return [
            await tab.evaluate(DRAWN),
            await tab.evaluate("document.documentElement.scrollWidth"),
            await tab.evaluate(
                "Object.fromEntries([...document.querySelectorAll('.chart')].map(chart => [chart.id,"
                " chart.querySelectorAll('svg .mark-rect path, svg .mark-line path, svg .mark-area path, svg .mark-symbol path').length]))"
            ),
            await tab.evaluate(
                "[...document.querySelectorAll('.chart svg')].every(svg =>"
                " svg.getBoundingClientRect().right <= svg.closest('section').getBoundingClientRect().right)"
            ),
        ]

    drawn, wide, marks, inside = browse(look)
    assert (drawn, wide, inside) == ("drawn", width, True)
    assert set(marks) == CHARTS and all(marks.values())


def test_the_page_asks_for_nothing_and_breaks_no_rule_of_its_own(browse, page):
    async def look(tab):
        await tab.open(page.as_uri(), width=1200, height=800)
        await tab.wait(DRAWN)
        return tab.requested, await tab.evaluate("violations")

    assert browse(look) == ([page.as_uri()], 0)


def test_the_page_follows_the_reader_from_light_to_dark(browse, page):
    async def look(tab):
        colors = (
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
            " document.querySelector('#production svg .role-axis-label text').getAttribute('fill')]"
        )
        await tab.open(page.as_uri(), width=1200, height=800)
        await tab.wait(DRAWN)
        light = await tab.evaluate(colors)
        await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        await tab.wait(f"{colors}[2] !== '{light[2]}'")
        return light, await tab.evaluate(colors)

    assert browse(look) == (
        ["rgb(255, 255, 255)", "rgb(27, 31, 36)", "#59636e"],
        ["rgb(15, 19, 24)", "rgb(230, 233, 237)", "#9aa4af"],
    )
