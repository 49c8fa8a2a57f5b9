"""The pages of a running service in a real browser: data that arrives, reloads, taps, outages, hostile names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.backend import Backend, RejectPoison
from tests.integration.browser import PATIENCE_MS, Complaints, needs_chromium, opened, running_chromium
from tests.integration.page_service import RECEIVER, SECRET, PageService, now
from tests.integration.service import ALLOWANCE, EXPORTER, STOP_DEADLINE
from tests.recorder.otlp import metrics, records, spans
from tests.recorder.test_series import gauge

pytestmark = needs_chromium
EVIL = "<script>window.harmed=1</script><img src=x onerror=window.harmed=1>\"'</td></pre>{{7*7}}\u202e\x1b[31m"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for this file."""
    expect.set_options(timeout=PATIENCE_MS)
    with running_chromium() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, backend: Backend) -> Iterator[PageService]:
    """A running service in front of a running backend."""
    with PageService(tmp_path, backend=backend.port) as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: PageService) -> Iterator[Page]:
    """A page that must not complain."""
    complaints = Complaints()
    with opened(browser, service.base) as fresh:
        complaints.listen(fresh)
        yield fresh
    assert complaints.said == []


def test_first_steps(page: Page, service: PageService) -> None:
    """An empty overview says what to do next; what is sent then shows without a reload, in and out."""
    page.goto("/")
    first_steps = page.get_by_role("region", name="First steps")
    expect(first_steps).to_contain_text(f"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:{service.otlp_port}")
    expect(first_steps.get_by_role("button", name="Copy")).to_have_count(2)
    for empty in ("/traces", "/logs", "/series"):
        page.goto(empty)
        expect(page.get_by_text("alloytrio demo")).to_be_visible()
    page.goto("/")
    sent = service.tell_stories()
    expect(first_steps).to_have_count(0)
    expect(page.locator("[data-cell=in]")).to_contain_text("spans/s")
    expect(page.locator("[data-cell=in]")).to_have_attribute("title", re.compile("items since the start"))
    delivered = page.locator(f"[data-cell='outbox {EXPORTER} {EXPORTER} state']")
    expect(delivered).to_have_text("delivering")
    expect(delivered).to_have_attribute("title", f"{sent:,} items delivered since the start")
    expect(page.locator("[data-cell=held]")).to_have_text("nothing")
    expect(page.locator("[data-cell=state]")).to_have_text("Receiving and delivering")


def test_recorded_data(page: Page, service: PageService) -> None:
    """A trace is found and shown with its lines, a line leads to its trace, and series have charts."""
    service.tell_stories()
    page.goto("/traces")
    page.get_by_label("Service").select_option(index=1)
    page.get_by_role("button", name="Search").click()
    page.locator(".traces tbody a").first.click()
    expect(page.locator(".waterfall > li").nth(2)).to_be_visible()
    whole = page.get_by_role("region", name="Log lines").locator(".lines > li")
    expect(whole.first).to_be_visible()
    page.goto("/logs")
    line = page.locator(".lines > li").first
    line.locator("summary").click()
    text = line.locator(".text").inner_text()
    line.get_by_role("link", name="Show its trace").click()
    expect(page).to_have_url(re.compile(r"/traces/[0-9a-f]{32}\?span=[0-9a-f]{16}$"))
    expect(page.locator(".span[aria-current]")).to_be_visible()
    expect(page.get_by_role("region", name="Log lines")).to_contain_text("Log lines of this span")
    expect(page.get_by_role("region", name="Log lines").locator(".text", has_text=text).first).to_be_visible()
    for value in (1.0, 3.0, float("nan"), 2.0, 1.0):
        service.send("metrics", metrics("shop", gauge(value, now())))
    page.goto("/series")
    gap = page.locator(".chart", has_text="temperature")
    expect(gap.locator("polyline")).to_have_count(2)
    expect(gap).to_contain_text("1 … 3")
    expect(page.locator(".chart svg[role=img]").first).to_be_visible()
    expect(page.locator(".chart").first).to_contain_text("http_server_request_duration")


def test_live(page: Page, service: PageService) -> None:
    """A tap shows what passes, filtered by text and by label; paused, the list stands still while the count goes on."""
    page.goto("/live")
    page.get_by_label("Component").select_option(RECEIVER)
    page.get_by_label("Text").fill("WANTED")
    page.get_by_label("Label").fill("http.route=/wanted 1")
    page.get_by_role("button", name="Watch").click()
    state, rows = page.locator("[data-tap-state]"), page.locator(".taps > li")
    expect(state).to_contain_text("Watching")
    at = now()
    for name in ("other", "wanted 2", "wanted 1"):
        service.send("traces", spans("shop", (1, 1, 0, name, at, at + 0.1, False)))
    expect(state).to_have_text("Watching: 1 of 3 shown.")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("wanted 1")
    page.get_by_role("button", name="Pause").click()
    service.send("traces", spans("shop", (2, 1, 0, "wanted 1", at, at + 0.1, False)))
    expect(state).to_have_text("Paused: 2 of 4 shown.")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(0)


def test_reload(page: Page, service: PageService) -> None:
    """The difference to the file on disk is shown; a reload takes it, or says why not and changes nothing."""
    page.goto("/configuration")
    expect(page.get_by_text("The file on disk is the one that runs.")).to_be_visible()
    service.configure(timeout="333ms")
    page.reload()
    expect(page.locator(".diff .added")).to_have_text('+timeout = "333ms"\n')
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_text("in force")).to_be_visible()
    expect(page.locator(".actions")).to_contain_text("otelcol.processor.batch.default")
    service.config.write_text(service.config.read_text().replace("333ms", "soon"))
    page.get_by_role("button", name="Check the file").click()
    expect(page.locator("pre.reason")).to_contain_text("timeout")
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_text("refused", exact=True)).to_be_visible()
    expect(page.locator("pre.reason")).to_contain_text("timeout")
    expect(page.locator(".numbered")).to_contain_text("333ms")
    expect(page.locator("body")).not_to_contain_text(SECRET)
    assert service.get("/-/ready")[0] == 200


def test_outage(page: Page, service: PageService, backend: Backend) -> None:
    """A dead backend: which one, since when, its words, and what is held back; then that it is over, all by itself."""
    page.goto("/")
    backend.stop()
    sent = service.tell_stories(0.5)
    problem = page.get_by_role("region", name="Problems")
    expect(problem).to_contain_text(EXPORTER)
    expect(problem).to_contain_text("refused")
    expect(page.locator("[data-cell=state]")).to_contain_text("unhealthy")
    held = page.locator("[data-cell=held]")
    expect(held).to_contain_text("items")
    expect(held).to_have_attribute("title", f"{sent:,} items")
    expect(page.locator("[data-cell='held why']")).to_contain_text(f"127.0.0.1:{backend.port}")
    row = page.get_by_role("region", name="Table of backends").locator("tbody tr")
    expect(row).to_contain_text("next attempt in")
    expect(row).to_contain_text("refused")
    backend.start()
    expect(problem).to_have_count(0)
    expect(held).to_have_text("nothing")
    expect(page.locator("[data-cell=state]")).to_have_text("Receiving and delivering")
    page.goto(f"/components/{EXPORTER}")
    history = page.get_by_role("region", name="Health history").locator("li")
    expect(history.first).to_contain_text("healthy")
    expect(history.nth(1)).to_contain_text("unhealthy")
    expect(history.nth(1)).to_contain_text("refused")


def test_component(page: Page, service: PageService, backend: Backend) -> None:
    """A component says where each value comes from, hides secrets, and gives what the backend refused for good."""
    backend.fault = RejectPoison({bytes.fromhex(f"{7:016x}")})
    at = now()
    service.send("traces", spans("shop", (1, 6, 0, "good", at, at, False), (1, 7, 6, "poison", at, at, False)))
    backend.wait_until(lambda: len(backend.spans) == 1)
    service.terminate()
    variable = {"ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__TIMEOUT": "7s"}
    service.start(variable)
    page.goto(f"/components/{EXPORTER}")
    rows = page.locator(".config tbody tr")
    token = rows.filter(has_text="client.headers.authorization")
    expect(token).to_contain_text("(secret)")
    expect(token).to_contain_text("alloytrio.toml:")
    expect(rows.filter(has_text=re.compile("^timeout"))).to_contain_text("7s")
    expect(rows.filter(has_text=re.compile("^timeout"))).to_contain_text(next(iter(variable)))
    expect(page.locator(".config .is-default").first).to_contain_text("default")
    expect(page.locator("body")).not_to_contain_text(SECRET)
    rejected = page.get_by_role("region", name="Table of rejected payloads").locator("tbody tr")
    expect(rejected).to_contain_text("span ids must be valid")
    with page.expect_download() as download:
        rejected.get_by_role("link", name="Download").click()
    assert b"poison" in download.value.path().read_bytes()


def test_hostile_names(page: Page, service: PageService) -> None:
    """Names, labels and lines full of markup are shown as they are, wherever they are shown, and do nothing."""
    at = now()
    page.goto(f"/live?component={RECEIVER}")
    expect(page.locator("[data-tap-state]")).to_contain_text("Watching")
    service.send("traces", spans(EVIL, (1, 1, 0, EVIL, at - 1, at, True)))
    service.send("logs", records(EVIL, (at, 17, EVIL, 1, 1)))
    service.send("metrics", metrics(EVIL, gauge(1, at, EVIL, evil=EVIL)))
    expect(page.locator(".taps > li").nth(1)).to_be_visible()
    page.locator(".taps summary").first.click()
    shown = EVIL.replace("\u202e", "\\u202e").replace("\x1b", "\\u001b")
    assert shown in page.locator(".taps").inner_text()
    for path in (
        "/traces",
        f"/traces/{1:032x}?span={1:016x}",
        "/logs",
        "/series",
        "/own-log",
        f"/components/{RECEIVER}",
    ):
        page.goto(path)
        if path != "/own-log" and "/components" not in path:
            assert "<img src=x" in page.locator("#main").inner_text(), path
        assert page.locator("#main").locator("img, script").count() == 0
        assert page.evaluate("window.harmed") is None


def test_stop(page: Page, service: PageService) -> None:
    """Open pages do not hold up the end: their streams end with the service, and they say so."""
    page.goto("/")
    expect(page.locator("[data-link-state]")).to_have_text("live")
    with page.context.new_page() as other:
        other.goto(f"{service.base}/live?component={RECEIVER}")
        expect(other.locator("[data-tap-state]")).to_contain_text("Watching")
        assert service.terminate() < STOP_DEADLINE * ALLOWANCE
        expect(page.locator("[data-link-state]")).to_have_text("no connection, trying again")
        expect(other.locator("[data-tap-state]")).to_contain_text("No connection")
