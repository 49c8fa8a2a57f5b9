"""The pages: what they show, and that nothing that is shown can do harm."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from alloytrio.admin.pages import difference, places_of
from alloytrio.admin.rendering import visible
from alloytrio.admin.view import ConfigurationView, RejectedView
from alloytrio.admin.viewer_pages import chart_lines
from alloytrio.component import KnownTarget, Note
from alloytrio.recorder.traces import Kept
from alloytrio.recorder.viewer import Rings, Viewer
from alloytrio.telemetry import HealthState
from tests.admin.fakes import RECEIVER, TEMPO, FakeService, client_of, outbox_view
from tests.recorder.otlp import metrics, records, spans, trace_id
from tests.recorder.test_series import gauge

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\u202e\x1b[31m"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text outside of tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


def evil_service() -> FakeService:
    """A service in which every name and text is an attack."""
    service = FakeService(configs={RECEIVER: {"endpoint": EVIL}})
    service.handles[TEMPO].health.set(HealthState.UNHEALTHY, EVIL)
    service.backends = {TEMPO: [outbox_view(TEMPO, EVIL, last_error=EVIL, last_error_ns=1, retry_wait=1.0)]}
    service.found = {
        RECEIVER: [KnownTarget({"__meta_docker_container_name": EVIL, EVIL: EVIL}, {EVIL: EVIL}, EVIL, EVIL)]
    }
    service.refused = [RejectedView("1", 1, EVIL, 1, 1, EVIL)]
    service.running = ConfigurationView(EVIL, EVIL)
    service.on_disk = ConfigurationView(EVIL, EVIL + "x", EVIL)
    service.handles[RECEIVER].counter("x_total", "Help.", evil=EVIL)
    service.telemetry.log.info(EVIL, evil=EVIL)
    service.reload_error = EVIL
    traces = [Kept(1, spans(EVIL, (1, 1, 0, EVIL, 0, 1, True)))]
    lines = [Kept(1, records(EVIL, (1, 17, EVIL, 1, 1)))]
    series = [Kept(1, metrics(EVIL, gauge(1, 0, EVIL, evil=EVIL)))]
    entries = [[(1, {EVIL: EVIL}, EVIL.encode(), {EVIL: EVIL})]]
    service.recording = Viewer(Rings(lambda: traces, lambda: series, lambda: lines, lambda: entries, dict))
    return service


PAGES = [
    "/",
    f"/components/{TEMPO}",
    f"/components/{RECEIVER}",
    "/live",
    "/traces",
    f"/traces/{trace_id(1)}",
    f"/traces/{trace_id(1)}?span=0000000000000001",
    "/logs",
    "/series",
    "/configuration?check=1",
    "/own-log",
    "/no/such/page",
    f"/components/{quote(EVIL.replace('/', ''))}",
    f"/logs?text={quote(EVIL)}",
    f"/traces?min_duration={quote(EVIL)}",
]


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_names_and_lines_are_harmless(path: str) -> None:
    """Every page shows attacks as text: no element, attribute or script comes out of them, nothing is evaluated."""
    service = evil_service()
    await service.reload()
    async with client_of(service) as client:
        response = await client.get(path)
    page = response.text
    elements = Elements(page)
    for tag, attributes in elements.found:
        assert tag not in ("img", "iframe", "object", "embed", "style")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not (attributes.get("href") or "").startswith(("javascript:", "data:"))
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/")
    assert "alert(2)>49" not in elements.text, "templates in data are not evaluated"
    assert "\u202e" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("path", [*PAGES[:11], "/traces/0123"])
async def test_every_page_is_well_formed(path: str) -> None:
    """One main, one h1, a title, a language, unique ids; every image of text has a label or is hidden."""
    async with client_of(evil_service()) as client:
        response = await client.get(path)
    found = Elements(response.text).found
    tags = [tag for tag, _ in found]
    assert (tags.count("main"), tags.count("h1"), tags.count("title")) == (1, 1, 1)
    assert dict(found)["html"]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in found:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")


async def test_overview_shows_what_matters() -> None:
    """Problems, both kinds of nodes, backends, containers and the figures are on the first page."""
    service = FakeService()
    service.handles[TEMPO].health.set(HealthState.UNHEALTHY, "connection refused")
    service.found = {
        RECEIVER: [KnownTarget({"__meta_docker_container_name": "/web"}, {"container": "web"}, state="reading")]
    }
    async with client_of(service) as client:
        text = Elements((await client.get("/")).text).text
    for expected in ("1 of 3 unhealthy", "connection refused", "otelcol.exporter.otlp", "tempo:4317", "web", "reading"):
        assert expected in text


async def test_uptime_counts_from_the_start_of_the_service() -> None:
    """The page says how long the service runs, not how long the page is looked at."""
    service = FakeService()
    service.telemetry.started_ns -= 3 * 3600 * 1_000_000_000
    async with client_of(service) as client:
        text = (await client.get("/")).text
    assert f'data-since="{service.telemetry.started_ns // 1_000_000}"' in text
    assert ">3 h" in text


async def test_a_component_shows_its_targets_and_notes() -> None:
    """Rule by rule what changed, how far a container is read, and what there is to know; warnings on the overview."""
    service = FakeService()
    steps = [("a = b", {"a": "b", "c": "d"}), ("drop where a", None)]
    service.found = {
        RECEIVER: [
            KnownTarget({"c": "d"}, None, "rule 2", steps=steps),
            KnownTarget({"c": "e"}, {"c": "e"}, state="held up", last_entry_ns=5, lag=2.0, problem="connection lost"),
        ]
    }
    service.told = {RECEIVER: [Note("label trace_id is dear", is_warning=True), Note("last good refresh", at_ns=5)]}
    async with client_of(service) as client:
        text = Elements((await client.get(f"/components/{RECEIVER}")).text).text
        overview = Elements((await client.get("/")).text).text
    for expected in ("a = b", "dropped here", "held up", "connection lost", "2.00 s", "last good refresh"):
        assert expected in text.replace("\u202f", " ")
    assert "label trace_id is dear" in text
    assert "label trace_id is dear" in overview
    assert "last good refresh" not in overview


async def test_first_steps_when_nothing_came() -> None:
    """An overview without data says how to send some, to the port that is open."""
    service = FakeService(configs={RECEIVER: {"grpc": {"endpoint": "0.0.0.0:14317"}}})
    async with client_of(service) as client:
        text = (await client.get("/")).text
        assert "alloytrio demo" in text
        assert "http://localhost:14317" in text
        service.handles[RECEIVER].counter("otelcol_receiver_accepted_spans_total", "Help.").inc()
        assert "alloytrio demo" not in (await client.get("/")).text


@pytest.mark.parametrize("path", ["/traces", "/logs", "/series"])
async def test_without_recorder_and_without_data(path: str) -> None:
    """Viewer pages without a recorder say how to get one; without data how to send some; a search how to undo it."""
    service = FakeService()
    async with client_of(service) as client:
        assert "[recorder.memory.default]" in (await client.get(path)).text
        service.recording = Viewer(Rings(list, list, list, list, dict))
        assert "alloytrio demo" in (await client.get(path)).text
        assert "Show everything" in (await client.get(f"{path}?service=x")).text


async def test_a_trace_with_its_lines() -> None:
    """A trace's page has its spans and its lines; a span's selection shows its attributes and only its lines."""
    kept = [Kept(1, spans("shop", (1, 1, 0, "GET /cart", 0, 1, False), (1, 2, 1, "load", 0.2, 0.5, False)))]
    lines = [Kept(1, records("shop", (1, 9, "of the root", 1, 1), (2, 9, "of the child", 1, 2), (3, 9, "other", 2, 1)))]
    service = FakeService(recording=Viewer(Rings(lambda: kept, list, lambda: lines, list, dict)))
    async with client_of(service) as client:
        whole = Elements((await client.get(f"/traces/{trace_id(1)}")).text).text
        span = Elements((await client.get(f"/traces/{trace_id(1)}?span={2:016x}")).text).text
        found = await client.get(f"/traces?id={trace_id(1).upper()}")
        missing = await client.get(f"/traces/{trace_id(9)}")
    assert "of the root" in whole
    assert "of the child" in whole
    assert "other" not in whole
    assert "of the child" in span
    assert "of the root" not in span
    assert "/load" in span
    assert (found.status_code, found.headers["location"]) == (303, f"/traces/{trace_id(1)}")
    assert missing.status_code == 404


async def test_configuration_and_reload() -> None:
    """The page shows what a reload would change, reloads by POST, and tells how it went."""
    service = FakeService(on_disk=ConfigurationView("alloytrio.toml", "[admin]\nx = 1\n"))
    async with client_of(service) as client:
        page = (await client.get("/configuration")).text
        assert '<span class="added">+x = 1' in page
        response = await client.post("/configuration/reload", headers={"origin": "http://evil.example"})
        assert (response.status_code, service.reloads) == (403, [])
        response = await client.post("/configuration/reload", headers={"origin": "http://127.0.0.1:12345"})
        assert (response.status_code, response.headers["location"]) == (303, "/configuration")
        assert "in force" in (await client.get("/configuration")).text
        service.reload_error = "alloytrio.toml:3: unknown key"
        await client.post("/configuration/reload")
        assert "alloytrio.toml:3: unknown key" in (await client.get("/configuration")).text
        service.on_disk = None
        assert "no file to reload" in (await client.get("/configuration")).text


async def test_prefix_is_in_every_link() -> None:
    """Behind a reverse proxy with a path of its own all links and files are below that path."""
    async with client_of(evil_service(), prefix="/tools/alloytrio") as client:
        for path in ("/", "/traces", f"/components/{TEMPO}"):
            page = await client.get(f"/tools/alloytrio{path}")
            assert page.status_code == 200
            for _, attributes in Elements(page.text).found:
                for address in (attributes.get("href"), attributes.get("src"), attributes.get("action")):
                    if address and address.startswith("/") and address not in ("/metrics", "/-/support"):
                        assert address.startswith("/tools/alloytrio/")


async def test_static_files() -> None:
    """Files have their type and may be kept for ever; other names are not found."""
    async with client_of(FakeService()) as client:
        page = (await client.get("/")).text
        for name, content_type in (
            ("style.css", "text/css"),
            ("page.js", "text/javascript"),
            ("icon.svg", "image/svg"),
        ):
            address = re.search(rf"/static/\w+/{name}", page)
            assert address is not None
            response = await client.get(address[0])
            assert response.headers["content-type"].startswith(content_type)
            assert "immutable" in response.headers["cache-control"]
        assert (await client.get("/static/x/..%2fapp.py")).status_code == 404


def test_places() -> None:
    """Addresses are found at any depth, each once, in order; names of components are none."""
    config = {
        "grpc": {"endpoint": "0.0.0.0:4317"},
        "http": {"endpoint": "0.0.0.0:4318", "cors": {}},
        "endpoint": [{"url": "http://a"}, {"url": "http://b"}, {"url": "http://a"}],
        "output": {"traces": ["otelcol.exporter.otlp.tempo"]},
    }
    assert places_of(config) == ["0.0.0.0:4317", "0.0.0.0:4318", "http://a", "http://b"]  # type: ignore[arg-type]


def test_difference() -> None:
    """Equal texts have none; others show what goes and what comes."""
    assert difference("a\nb\n", "a\nb\n") == []
    assert difference("a\nb\n", "a\nc\n")[1:] == [" a", "-b", "+c"]


def test_chart_line() -> None:
    """Time goes from edge to edge, values from the bottom to the top; one point is no line."""
    assert chart_lines([(0, 0.0), (10, 5.0), (40, 10.0)], 100, 60) == ["0.0,58.0 25.0,30.0 100.0,2.0"]
    assert chart_lines([(0, 1.0), (10, 1.0)], 100, 60) == ["0.0,58.0 100.0,58.0"]
    assert chart_lines([(0, 1.0)], 100, 60) == []


def test_chart_with_gaps() -> None:
    """A value that is no number or infinite leaves a gap; one between two gaps is seen; no number is too large."""
    nan, inf = math.nan, math.inf
    points = [(0, 0.0), (10, 5.0), (20, nan), (30, 10.0), (40, -inf), (50, 5.0), (60, 5.0), (100, nan)]
    assert chart_lines(points, 100, 60) == ["0.0,58.0 10.0,30.0", "30.0,2.0 31.0,2.0", "50.0,30.0 60.0,30.0"]
    assert chart_lines([(0, nan), (1, 2.0), (2, inf)], 100, 60) == []
    assert chart_lines([(0, -1.7e308), (10, 1.7e308)], 100, 60) == ["0.0,58.0 100.0,2.0"]


@pytest.mark.parametrize(("text", "shown"), [("a\tb\nc", "a\tb\nc"), ("\x00\u202e", "\\u0000\\u202e"), ("é漢", "é漢")])
def test_visible(text: str, shown: str) -> None:
    """Controls and direction marks are shown; line ends and other scripts are as they are."""
    assert visible(text) == shown
    assert visible(7) == 7


async def test_values_that_are_no_numbers() -> None:
    """NaN and infinity among a metric's values are said to be such; the chart shows the others."""
    service = FakeService()
    values = [1.0, float("inf"), 3.0, float("nan")]
    series = [Kept(at, metrics("shop", gauge(value, at))) for at, value in enumerate(values, 1)][::-1]
    service.recording = Viewer(Rings(list, lambda: series, list, list, dict))
    service.handles[RECEIVER].gauge("x", "Help.").set(float("nan"))
    async with client_of(service) as client:
        page = await client.get("/series")
        component = await client.get(f"/components/{RECEIVER}")
    assert (page.status_code, component.status_code) == (200, 200)
    assert "not a number" in Elements(page.text).text
    assert "1 Cel … 3 Cel" in Elements(page.text).text
    assert "nan" not in page.text
    assert page.text.count("<polyline") == 2


async def test_a_refused_reload_shows_first() -> None:
    """The overview says that the last reload was refused and why; one that took effect is no problem."""
    service = FakeService(reload_error="alloytrio.toml:3: unknown key\nand more")
    async with client_of(service) as client:
        await client.post("/-/reload")
        page = Elements((await client.get("/")).text)
        assert "the last reload was refused" in page.text
        assert "alloytrio.toml:3: unknown key" in page.text
        assert "and more" not in page.text
        service.reload_error = ""
        await client.post("/-/reload")
        assert "the last reload" not in Elements((await client.get("/")).text).text


async def test_a_broken_file_on_disk_is_said_unasked() -> None:
    """The page of the configuration says that a reload would be refused, and not what it would change."""
    service = FakeService(on_disk=ConfigurationView("alloytrio.toml", "[admin\n", "alloytrio.toml:1: no table"))
    async with client_of(service) as client:
        text = Elements((await client.get("/configuration")).text).text
    assert "a reload would be refused" in text
    assert "alloytrio.toml:1: no table" in text
    assert "What a reload would change" not in text


@pytest.mark.parametrize(("number", "folded"), [(30, 0), (31, 1), (300, 270)])
async def test_many_containers_are_folded(number: int, folded: int) -> None:
    """Thirty containers are shown, those with a problem first; the others on request."""
    known = [KnownTarget({"__meta_docker_container_name": f"/c{each}"}, {"a": "b"}) for each in range(number)]
    known[-1] = replace(known[-1], problem="its log cannot be read", state="held up")
    service = FakeService(found={"loki.source.docker.default": known})
    async with client_of(service) as client:
        page = (await client.get("/")).text
    shown, _, rest = page.partition('<details class="further">')
    assert ("more container" in rest) == bool(folded)
    assert len(re.findall(r"<th scope=\"row\"><span class=\"mono\">c", rest)) == folded
    assert shown.index(f"c{number - 1}<") < shown.index("c0<")


@pytest.mark.parametrize("number", [60, 61])
async def test_many_series(number: int) -> None:
    """Sixty series have a chart; if there are more, the page says how many and offers their names."""
    points = [gauge(1.0, 1, n=str(each)) for each in range(number)]
    service = FakeService()
    service.recording = Viewer(Rings(list, lambda: [Kept(1, metrics("shop", *points))], list, list, dict))
    async with client_of(service) as client:
        page = (await client.get("/series")).text
    assert page.count("<figure") == 60
    assert ("60 of 61 series, of 1 name" in Elements(page).text) == (number > 60)
    assert '<option value="temperature">' in page
