"""The JSON API, and that its description is true."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import httpx
import pytest
import trio
from trio.testing import MockClock

from alloytrio.admin.app import make_app
from alloytrio.admin.live import Live
from alloytrio.admin.tap_items import TapQuery
from alloytrio.admin.tapping import TapEvents
from alloytrio.admin.view import ConfigurationView, EdgeView, RejectedView
from alloytrio.component import KnownTarget, Note
from alloytrio.proto.gen.prometheus import WriteRequest
from alloytrio.recorder.traces import Kept
from alloytrio.recorder.viewer import Rings, Viewer
from alloytrio.telemetry import HealthState, LineSeen, LinesSeen, OtlpSeen, SamplesSeen, TargetsSeen
from alloytrio.telemetry.tap import Seen, Tap
from tests.admin.described import PATHS, check_answer, check_event, described, strict
from tests.admin.fakes import BATCH, RECEIVER, TEMPO, FakeService, client_of, outbox_view
from tests.recorder.otlp import T0, metrics, records, spans, trace_id
from tests.recorder.test_samples import series as samples_of
from tests.recorder.test_series import counter, gauge

NAN, INFINITY = float("nan"), float("inf")


def full_service() -> FakeService:
    """A service that has something to tell on every path."""
    service = FakeService()
    service.handles[BATCH].counter("x_total", "Help.", a="b").inc(3)
    service.handles[BATCH].health.set(HealthState.UNHEALTHY, "no")
    service.handles[TEMPO].gauge("y", "Help.").set(float("nan"))
    service.rows = (*service.rows, EdgeView(TEMPO, RECEIVER, "auth"), EdgeView(TEMPO, RECEIVER, "rules"))
    service.backends = {
        TEMPO: [outbox_view(TEMPO, "tempo:4317", retry_wait=1.5, last_success_ns=1, last_error="no", last_error_ns=2)]
    }
    service.found = {
        RECEIVER: [
            KnownTarget({"__a": "b"}, {"a": "b"}, state="reading", last_entry_ns=1),
            KnownTarget({}, None, "rule 1"),
        ]
    }
    service.found[RECEIVER].append(
        KnownTarget({"a": "b"}, None, "rule 2", steps=[("x", {"a": "c"}), ("y", None)], lag=1.5, position_ns=3)
    )
    service.told = {TEMPO: [Note("slow", is_warning=True), Note("seen", at_ns=5)]}
    service.refused = [RejectedView("1.rejected", 5, "traces/gzip", 2, 80, "INVALID_ARGUMENT: bad")]
    service.payloads = {"1.rejected": b"\x0a\x01"}
    traces = [Kept(1, spans("shop", (1, 1, 0, "GET /", 0, 1, True)))]
    values = [metrics("shop", counter(at, at), gauge(value, at)) for at, value in enumerate((1.0, NAN, INFINITY, 4.0))]
    series = [Kept(at, payload) for at, payload in enumerate(values, 1)][::-1]
    lines = [Kept(1, records("shop", (1, 17, "failed", 1, 1)))]
    service.recording = Viewer(Rings(lambda: traces, lambda: series, lambda: lines, list, lambda: {"traces": 1}))
    service.telemetry.log.info("ready", components=3)
    return service


CALLS = [
    ("/status", 200),
    ("/components", 200),
    (f"/components/{TEMPO}", 200),
    ("/components/no.such", 404),
    ("/components/no.such/tap", 404),
    (f"/components/{TEMPO}/tap?rate=0", 400),
    (f"/components/{TEMPO}/rejected", 200),
    (f"/components/{TEMPO}/rejected/2", 404),
    ("/edges", 200),
    ("/configuration", 200),
    ("/own-log", 200),
    ("/traces", 200),
    ("/traces?service=shop&name=get&min_duration=1s&error=1&limit=5", 200),
    ("/traces?min_duration=5", 400),
    (f"/traces/{trace_id(1)}", 200),
    (f"/traces/{trace_id(2)}", 404),
    ("/traces/xyz", 400),
    ("/logs", 200),
    (f"/logs?trace_id={trace_id(1)}&level=error&label=user%3Du1", 200),
    ("/logs?level=loud", 400),
    ("/series", 200),
    ("/series?name=requests&service=shop&limit=1", 200),
    ("/series?limit=0", 400),
    ("/openapi.json", 200),
]


@pytest.mark.parametrize(("path", "status"), CALLS)
async def test_answers_are_as_described(path: str, status: int) -> None:
    """Status and body of each call are what the description says, and nothing more."""
    service = full_service()
    live = Live(service, trio.Event())
    live.tick(0)
    live.tick(2)
    async with client_of(service, live=live) as client:
        response = await client.get(f"/api/v1{path}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    check_answer(path, status, response.content)


def test_every_path_is_described_and_called() -> None:
    """The description has all routes of the API, no others, and each has a call above but for streams and files."""
    app = make_app(FakeService(), Live(FakeService(), trio.Event()))
    routes = {re.sub(r"<(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    routes = {rule.removeprefix("/api/v1").replace("{id_of_trace}", "{trace_id}") for rule in routes if "/api/" in rule}
    assert routes == set(PATHS)
    called = {described(path) for path, _ in CALLS}
    assert called | {"/live", "/components/{component_id}/rejected/{rejected_id}"} == set(PATHS)


LINE = LineSeen(1, T0, {"a": "b"}, b"text", {"c": "d"}, {"e": "f"})
PASSING: Sequence[Seen] = (
    OtlpSeen("traces", spans("shop", (1, 1, 0, "GET /", 0, 1, True))),
    OtlpSeen("metrics", metrics("shop", gauge(NAN, 1), counter(2, 1))),
    OtlpSeen("logs", records("shop", (1, 17, "failed", 1, 1))),
    OtlpSeen("logs", b"\xff"),
    SamplesSeen(bytes(WriteRequest(timeseries=[samples_of("up", (1, NAN), (2, INFINITY))]))),
    LinesSeen([LINE], [("json", [replace(LINE, line=b"other", labels={})]), ("drop", [])]),
    LinesSeen([LINE], [("multiline", [])], holding=frozenset({0})),
    LinesSeen([LINE], [("multiline", [LINE]), ("json", [LINE])], released={1: 0}),
    TargetsSeen([({"a": "b"}, {"a": "c"}), ({"a": "b"}, None)]),
)


@pytest.mark.parametrize("seen", PASSING, ids=lambda seen: type(seen).__name__)
async def test_events_of_a_tap_are_as_described(seen: Seen, autojump_clock: MockClock) -> None:
    """Whatever passes, items and counts are what the description says."""
    tap = Tap()
    with TapEvents([tap], TapQuery(), trio.Event(), set()) as events:
        tap.show(seen)
        found = events_in(await events.next())
    names = [name for name, data in found if check_event(f"/components/{TEMPO}/tap", name, data)]
    assert set(names) == {"item", "count"}


async def test_events_of_the_overview_are_as_described() -> None:
    """The first event has all cells, the next ones what changed; a reader that comes again gets all again."""
    service = full_service()
    live = Live(service, trio.Event())
    first, again = live.events(), live.events()
    assert first is not None
    assert again is not None
    shown = []
    with first:
        for at in (0, 2):
            live.tick(at)
            shown += [check_event("/live", *one) for one in events_in(await first.next())]
    with again:
        live.tick(4)
        shown += [check_event("/live", *one) for one in events_in(await again.next())]
    sizes = [len(cast(Mapping[str, object], each["cells"])) for each in shown]
    assert sizes[0] == sizes[2] > sizes[1] > 0


def events_in(piece: bytes | None) -> list[tuple[str, bytes]]:
    """Names and data of the events in a piece of a stream."""
    assert piece is not None
    parts = [each.split(b"\n") for each in piece.removesuffix(b"\n\n").split(b"\n\n")]
    return [(name.removeprefix(b"event: ").decode(), data.removeprefix(b"data: ")) for name, data in parts]


async def test_components() -> None:
    """Each component comes with its configuration, edges, health and counts; secrets are hidden."""
    async with client_of(full_service()) as client:
        response = await client.get("/api/v1/components")
        assert response.headers["cache-control"] == "no-store"
        receiver, batch, tempo = response.json()["components"]
    assert [receiver["id"], batch["id"], tempo["id"]] == [RECEIVER, BATCH, TEMPO]
    assert (batch["type"], batch["label"]) == ("otelcol.processor.batch", "default")
    assert batch["health"]["message"] == "no"
    assert [each["state"] for each in batch["health_history"]] == ["unknown", "healthy", "unhealthy"]
    assert batch["inputs"] == [{"from": RECEIVER, "kind": "traces"}]
    assert batch["outputs"] == [{"to": TEMPO, "kind": "traces"}]
    assert batch["metrics"] == [{"name": "x_total", "labels": {"a": "b"}, "value": 3}]
    assert tempo["config"] == {"client": {"endpoint": "tempo:4317", "token": "(secret)"}}
    assert tempo["values"][1] == {
        "path": "client.token",
        "value": "(secret)",
        "origin": "alloytrio.toml:13 (env:TOKEN)",
    }
    assert tempo["outboxes"][0]["retry_in_seconds"] == 1.5
    assert [target["dropped_by"] for target in receiver["targets"]] == ["", "rule 1", "rule 2"]


async def test_rejected_payloads_can_be_downloaded() -> None:
    """The bytes come as a file, never as something that a browser shows."""
    async with client_of(full_service()) as client:
        response = await client.get(f"/api/v1/components/{TEMPO}/rejected/1.rejected")
    assert response.content == b"\x0a\x01"
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["content-type"] == "application/octet-stream"


async def test_without_a_recorder() -> None:
    """Paths about recorded data are 404 and say why."""
    async with client_of(FakeService()) as client:
        for path in ("/traces", "/logs", "/series", f"/traces/{trace_id(1)}"):
            response = await client.get(f"/api/v1{path}")
            assert (response.status_code, response.json()) == (404, {"error": "the configuration has no recorder"})


async def test_configuration_tells_what_changed() -> None:
    """What runs beside what is on disk, with the problems that a reload would have."""
    service = FakeService(on_disk=ConfigurationView("alloytrio.toml", "[admn]\n", "alloytrio.toml:1: unknown table"))
    async with client_of(service) as client:
        found = (await client.get("/api/v1/configuration")).json()
    assert found["is_changed"]
    assert found["on_disk"] == {"text": "[admn]\n", "error": "alloytrio.toml:1: unknown table"}


def members_of(response: httpx.Response) -> Mapping[str, str]:
    """The files of a support bundle."""
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        names: Sequence[str] = archive.namelist()
        return {name.removeprefix("alloytrio-support/"): archive.read(name).decode() for name in names}


async def test_support_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """One zip with configuration, metrics, components, log and tasks; of the environment only names."""
    monkeypatch.setenv("ALLOYTRIO_ADMIN__LISTEN_ADDR", "canary-5up3r")
    async with client_of(full_service()) as client:
        response = await client.get("/-/support")
    assert response.headers["content-type"] == "application/zip"
    assert "alloytrio-support-bundle.zip" in response.headers["content-disposition"]
    members = members_of(response)
    assert set(members) == {
        "components.json",
        "configuration-on-disk.txt",
        "configuration-problems.txt",
        "configuration.txt",
        "edges.json",
        "environment.txt",
        "log.txt",
        "metadata.json",
        "metrics.txt",
        "tasks.txt",
    }
    found = {name: strict(text.encode()) for name, text in members.items() if name.endswith(".json")}
    assert cast(Mapping[str, object], found["metadata.json"])["version"] == "1.2.3"
    assert 'x_total{a="b"' in members["metrics.txt"] or "x_total{component_id" in members["metrics.txt"]
    assert "msg=ready components=3" in members["log.txt"]
    assert "test_support_bundle" in members["tasks.txt"]
    assert "ALLOYTRIO_ADMIN__LISTEN_ADDR" in members["environment.txt"]
    assert "canary-5up3r" not in "".join(members.values())
