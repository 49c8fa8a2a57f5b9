"""The API of a running service against its description: all answers, and the events of all streams, with real data."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.admin.described import PATHS, Json, check_answer, check_event, strict
from tests.integration.backend import Backend
from tests.integration.page_service import RECEIVER, RECORDER, PageService, now
from tests.integration.service import EXPORTER
from tests.recorder.otlp import metrics, spans
from tests.recorder.test_series import gauge

PATIENCE = 30.0  # seconds for what is waited for; usual is a fraction of one, of the overview four


class Stream:
    """One open stream, whose events are all checked. Args: ``path``: below ``/api/v1``."""

    def __init__(self, service: PageService, path: str) -> None:
        self._path = path
        self._connection = http.client.HTTPConnection("127.0.0.1", service.admin_port, timeout=PATIENCE)
        self._connection.request("GET", f"/api/v1{path}", headers={"accept": "text/event-stream"})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        assert self._answer.headers["content-type"] == "text/event-stream; charset=utf-8"

    def events(self) -> Iterator[tuple[str, Json]]:
        """Events until the stream ends; its end is one of HTTP, not of a broken connection."""
        name, deadline = "", time.monotonic() + PATIENCE
        for line in self._answer:
            field, _, value = line.rstrip(b"\n").partition(b": ")
            assert field in (b"", b"event", b"data"), line
            assert time.monotonic() < deadline, self._path
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                yield name, check_event(self._path, name, value)

    def until(self, condition: Callable[[str, Json], bool]) -> Json:
        """The first event that fits."""
        return next(value for name, value in self.events() if condition(name, value))

    def close(self) -> None:
        """Go away."""
        self._connection.close()


@pytest.fixture
def service(tmp_path: Path, backend: Backend) -> Iterator[PageService]:
    """A running service in front of a running backend."""
    with PageService(tmp_path, backend=backend.port) as running:
        yield running


def is_kind(kind: str) -> Callable[[str, Json], bool]:
    """Whether an event is an item of this kind."""
    return lambda name, value: name == "item" and value["kind"] == kind


def test_every_answer(service: PageService) -> None:
    """With all three signals, NaN and infinity in the recorder, every path answers as described."""
    service.tell_stories()
    for value in (1.0, float("nan"), float("inf")):
        service.send("metrics", metrics("shop", gauge(value, now())))
    trace = json.loads(service.get("/api/v1/traces")[1])["traces"][0]["trace_id"]
    ids = {"component_id": quote(EXPORTER), "trace_id": trace, "rejected_id": "none"}
    asked = [path for path in PATHS if path not in ("/live", "/components/{component_id}/tap")]
    for path in asked:
        called = path.format(**ids)
        status, body = service.get(f"/api/v1{called}")
        assert status == (404 if "rejected_id" in path else 200), called
        check_answer(called, status, body.encode())
    series = strict(service.get("/api/v1/series?name=temperature")[1].encode())
    assert '"value":null' in json.dumps(series, separators=(",", ":"))


def test_taps(service: PageService) -> None:
    """What passes is told as described: spans, points, lines and samples; what is left out is counted."""
    prometheus = "otelcol.exporter.prometheus.default"
    places = [(RECEIVER, "traces", "span"), (RECEIVER, "metrics", "point"), (RECEIVER, "logs", "line")]
    places += [(prometheus, "metrics", "sample"), (RECORDER, "traces", "span")]
    with ExitStack() as opened:
        slow = opened.enter_context(closing(Stream(service, f"/components/{RECEIVER}/tap?rate=1")))
        streams = []
        for component, signal, kind in places:
            stream = Stream(service, f"/components/{component}/tap?rate=100&kind={signal}")
            streams.append((opened.enter_context(closing(stream)), kind))
        service.tell_stories()
        for stream, kind in streams:
            assert stream.until(is_kind(kind))["text"]
        counted = slow.until(lambda name, value: name == "count" and int(str(value["seen"])) > 10)
        assert 1 <= int(str(counted["shown"])) < int(str(counted["seen"]))


def test_a_reader_that_comes_again(service: PageService) -> None:
    """Streams have no ids: a browser that comes again, with one or without, is told everything anew."""
    with closing(Stream(service, "/live")) as stream:
        first = stream.until(lambda name, _: name == "cells")
        service.send("traces", spans("shop", (1, 1, 0, "GET /", now(), now() + 0.1, False)))
        changed = stream.until(lambda name, value: "in" in value["cells"])  # type: ignore[operator]  # an object
    with closing(Stream(service, "/live")) as stream:
        again = stream.until(lambda name, _: name == "cells")
    assert again["cells"].keys() == first["cells"].keys()  # type: ignore[attr-defined]
    assert len(changed["cells"]) < len(first["cells"])  # type: ignore[arg-type]


def test_streams_end_with_the_service(service: PageService) -> None:
    """A stop ends each stream as HTTP ends an answer, so that a reader knows that nothing was cut off."""
    with ExitStack() as opened:
        paths = ("/live", f"/components/{RECEIVER}/tap")
        streams = [opened.enter_context(closing(Stream(service, path))) for path in paths]
        streams[0].until(lambda name, _: name == "cells")
        service.terminate()
        for stream in streams:
            assert all(name in ("cells", "count") for name, _ in stream.events())
