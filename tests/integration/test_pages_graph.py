"""The graph on the overview in a real browser: on no screen does anything lie over anything."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.browser import PATIENCE_MS, Complaints, needs_chromium, opened, running_chromium

pytestmark = needs_chromium
ROOT = Path(__file__).resolve().parents[2]
FILES = ("config/alloytrio.toml", "config/production.toml", "-", "tests/data/graphs/many.toml")
SIZES = ((390, 844), (800, 900), (1400, 900), (3840, 2000))
# The stream is held back, so that the longest rates there can be stay.
FILL = """() => {
  const longest = ["12.3 k samples/s", "999 k records/s", "4.56 M points/s"];
  document.querySelectorAll(".rate").forEach((rate) => {
    if (/target|rules|credentials/.test(rate.textContent) || !rate.textContent) return;
    rate.textContent = longest.slice(0, rate.textContent.split("\\n").length).join("\\n");
  });
  document.getElementById("main").dispatchEvent(new CustomEvent("cells"));
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}"""
OVERLAPS = """() => {
  const boxes = (selector) => [...document.querySelectorAll(selector)]
    .map((each) => [each.textContent, each.getBoundingClientRect()]).filter(([, box]) => box.width);
  const hit = (one, other) => one.left < other.right && other.left < one.right
    && one.top < other.bottom && other.top < one.bottom;
  const rates = boxes(".graph.drawn .rate"), nodes = boxes(".node"), found = [];
  rates.forEach(([rate, one], index) => {
    [...nodes, ...rates.slice(index + 1)].forEach(([text, other]) => {
      if (hit(one, other)) found.push([rate, text]);
    });
  });
  return [rates.length, found];
}"""
CUT = """() => [...document.querySelectorAll(".graph")].map((graph) => {
  const left = graph.getBoundingClientRect().left - graph.scrollLeft;
  return [...graph.querySelectorAll(".node, .rate")].filter((each) => each.getBoundingClientRect().left < left).length;
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for this file."""
    expect.set_options(timeout=PATIENCE_MS)
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The overview of each file; what production.toml reads beside it is there."""
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "admin-password").write_text("not a real one")
    production = folder / "production.toml"
    production.write_text((ROOT / FILES[1]).read_text().replace("/etc/alloytrio", str(folder)))
    command = [sys.executable, "-m", "tests.admin.drawn"]
    command += [str(production) if file == FILES[1] else file for file in FILES]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield {file: f"http://127.0.0.1:{int(process.stdout.readline())}" for file in FILES}


@pytest.mark.parametrize("file", FILES)
def test_nothing_overlaps(browser: Browser, addresses: dict[str, str], file: str) -> None:
    """No rate lies over a component or another rate, on any screen, and none is cut off."""
    complaints = Complaints()
    for size in SIZES:
        with opened(browser, addresses[file], size=size) as page:
            page.on("pageerror", lambda error: complaints.said.append(str(error)))
            page.route("**/api/v1/live", lambda route: route.abort())
            page.goto("/")
            expect(page.locator(".graph.drawn").first).to_be_visible()
            page.evaluate(FILL)
            rates, overlaps = page.evaluate(OVERLAPS)
            assert rates > 2
            assert overlaps == [], size
            assert not any(page.evaluate(CUT)), size
    assert complaints.said == []


def test_a_graph_is_drawn_anew_for_another_screen(browser: Browser, addresses: dict[str, str]) -> None:
    """A window that is made narrow and wide again has the picture that it had."""
    with opened(browser, addresses[FILES[3]], size=(1400, 900)) as page:
        page.route("**/api/v1/live", lambda route: route.abort())
        page.goto("/")
        page.evaluate(FILL)
        places = "() => [...document.querySelectorAll('.rate')].map((each) => each.parentElement.style.cssText)"
        before = page.evaluate(places)
        for width in (700, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(FILL)
            assert page.evaluate(OVERLAPS)[1] == []
        assert page.evaluate(places) == before
