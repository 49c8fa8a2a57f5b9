"""How the pages look and behave in a real browser: sizes, colours, keyboard, assistive technology, steadiness.

The service is ``tests/admin/lively.py``: both pipelines in full swing, with hostile names among the good ones.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.browser import (
    DARK,
    DESK,
    LIGHT,
    PATIENCE_MS,
    PHONE,
    Complaints,
    axe_source,
    needs_chromium,
    needs_npm,
    opened,
    running_chromium,
)

pytestmark = needs_chromium
ROOT = Path(__file__).resolve().parents[2]
TEMPO, PROCESS, RELABEL = "otelcol.exporter.otlp.tempo", "loki.process.default", "discovery.relabel.containers"
PAGES = {
    "good": [
        "/",
        f"/components/{TEMPO}",
        f"/components/{RELABEL}",
        f"/live?component={PROCESS}",
        "/traces",
        "/trace",  # stands for the first of the list, one of its spans chosen
        "/logs",
        "/series",
        "/configuration?check=1",
        "/own-log",
        "/no/such/page",
    ],
    "bad": ["/", f"/components/{TEMPO}"],
    "empty": ["/", "/live", "/traces", "/trace", "/logs", "/series"],
}
CHECK = """async (options) => {
  const found = await axe.run(document, { ...options, resultTypes: ["violations"] });
  return found.violations.map((one) => [one.impact, one.id, ...one.nodes.slice(0, 3).map((node) => node.html)]);
}"""
WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push(
    [entry.value, ...entry.sources.map(({ node }) => node && (node.outerHTML || node.parentElement.outerHTML))]
  ))).observe({ type: "layout-shift" });
}"""
COUNT_UPDATES = """() => {
  const seen = document.documentElement.dataset;
  seen.updates = 0;
  document.getElementById("main").addEventListener("cells", () => { seen.updates = Number(seen.updates) + 1; });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for this file."""
    expect.set_options(timeout=PATIENCE_MS)
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def lively() -> Iterator[Callable[[str], str]]:
    """Gives the address of a service in a mood; started when first asked for."""
    addresses: dict[str, str] = {}
    with ExitStack() as running:

        def start(mood: str) -> str:
            if mood not in addresses:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.admin.lively", "0", mood],
                    cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )  # fmt: skip
                running.enter_context(process)  # closes its stdin, at which it ends, and waits
                assert process.stdout is not None
                addresses[mood] = f"http://127.0.0.1:{int(process.stdout.readline())}"
            return addresses[mood]

        yield start


def go(page: Page, path: str) -> None:
    """Open a page and wait until it shows what it has."""
    page.goto("/traces" if path == "/trace" else path)
    if path == "/trace" and page.locator(".traces").count():
        page.locator(".traces tbody a").first.click()
        page.locator(".waterfall a").nth(1).click()
        expect(page.get_by_role("region", name="Span", exact=True)).to_be_visible()
    if path.startswith("/live?"):
        expect(page.locator("[data-tap-state]")).to_contain_text("Watching")


@needs_npm
@pytest.mark.parametrize("mood", PAGES)
def test_accessible(browser: Browser, lively: Callable[[str], str], mood: str) -> None:
    """axe-core finds nothing, light or dark; a phone scrolls nothing sideways; no page complains itself."""
    complaints, script = Complaints(), axe_source()
    with opened(browser, lively(mood)) as page:
        complaints.listen(page)
        for path in PAGES[mood]:
            page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
            page.emulate_media(color_scheme="light")
            go(page, path)
            page.evaluate(script)
            assert page.evaluate(CHECK, {}) == [], path
            page.emulate_media(color_scheme="dark")
            assert page.evaluate(CHECK, {"runOnly": ["color-contrast"]}) == [], path
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            assert page.evaluate(CHECK, {"runOnly": ["target-size", "scrollable-region-focusable"]}) == [], path
            wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
            assert max(wide) == PHONE[0], path
    assert [each for each in complaints.said if "404" not in each] == []


def test_steady(browser: Browser, lively: Callable[[str], str]) -> None:
    """Nothing on the page moves while its figures change, on a desk or on a phone, in an outage or not."""
    paths = ("/", f"/components/{TEMPO}")
    with ExitStack() as contexts:
        pages = []
        for mood, size, path in product(("good", "bad"), (PHONE, DESK), paths):
            page = contexts.enter_context(opened(browser, lively(mood), size=size))
            page.goto(path)
            page.evaluate(COUNT_UPDATES)
            pages.append(page)
        for page in pages:
            expect(page.locator("html")).to_have_attribute("data-updates", re.compile("^[1-9]"))
            page.evaluate(WATCH_SHIFTS)
        for page in pages:
            expect(page.locator("html")).to_have_attribute("data-updates", re.compile("^([5-9]|[1-9][0-9])$"))
            assert page.evaluate("window.shifts") == [], page.url


def test_keyboard(browser: Browser, lively: Callable[[str], str]) -> None:
    """Everything can be reached and used without a mouse, and one sees where one is."""
    with opened(browser, lively("good")) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.keyboard.press("Tab")
        node = page.locator("[data-node] > a").first
        expect(node).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{lively('good')}/components/otelcol.receiver.otlp.default")
        page.goto(f"/live?component={PROCESS}")
        pause = page.get_by_role("button", name="Pause")
        expect(page.locator(".taps > li").nth(2)).to_be_visible()
        pause.focus()
        page.keyboard.press("Space")
        expect(page.get_by_role("button", name="Go on")).to_be_focused()
        page.locator(".taps summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".taps details[open] .stages")).to_be_visible()


def test_colours(browser: Browser, lively: Callable[[str], str]) -> None:
    """The page follows the system's colours, or what its reader chose, also on the next page."""

    def background(page: Page) -> int:
        found = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(each) for each in found.strip("rgb()").split(",")[:3])

    for scheme in (LIGHT, DARK):
        with opened(browser, lively("good"), scheme=scheme) as page:
            page.goto("/")
            assert (background(page) > 380) == (scheme == LIGHT)
            other = DARK if scheme == LIGHT else LIGHT
            button = page.locator("[data-theme-button]")
            for _ in range(1 if other == LIGHT else 2):
                button.click()
            expect(button).to_have_accessible_name(f"Colours: {other}")
            page.goto("/logs")
            assert (background(page) > 380) == (other == LIGHT)


def test_stages(browser: Browser, lively: Callable[[str], str]) -> None:
    """A log line on Live shows what each stage of loki.process did to it, and where it was dropped."""
    with opened(browser, lively("good")) as page:
        page.goto(f"/live?component={PROCESS}")
        first = page.locator(".taps > li").first
        expect(page.locator(".taps > li").nth(12)).to_be_attached()
        page.get_by_role("button", name="Pause").click()
        first.locator("summary").click()
        stages = first.locator(".stages > li")
        expect(stages).to_have_count(3)
        expect(stages.nth(0)).to_contain_text("json")
        expect(page.locator(".taps .stages .dropped").first).to_be_attached()


def test_times(browser: Browser, lively: Callable[[str], str]) -> None:
    """Times are in the reader's zone, with the exact value on hover."""
    titles = []
    for zone in ("Asia/Kolkata", "America/New_York"):
        with opened(browser, lively("good"), zone=zone) as page:
            page.goto("/logs")
            clock = page.locator(".lines time").last
            titles.append((clock.get_attribute("title") or "", clock.inner_text()))
    assert "GMT+5:30" in titles[0][0]
    assert "GMT-5" in titles[1][0] or "GMT-4" in titles[1][0]
    assert titles[0][1] != titles[1][1]
