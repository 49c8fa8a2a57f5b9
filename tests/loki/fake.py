"""A Loki that takes and refuses what Loki takes and refuses, with its words. No I/O; wrappers for httpx and TCP.

Source: Loki ``pkg/distributor``, ``pkg/ingester``: an entry that is there already is not stored again; a request with
one label string that cannot be parsed is refused whole; of several refused streams only the last is named, and only if
it is the last of the request.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx  # noqa: ASYNC127 - the client that we build on
import snappy
import trio

from alloytrio.loki.push_answer import parse_labels
from alloytrio.relabel import LABEL_NAME
from alloytrio.wire.loki import quote
from tests.wire.test_loki import Push

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
Row = tuple[int, str, tuple[tuple[str, str], ...]]


@dataclass
class StoredStream:
    """One stream; ``rows`` are (time, line, metadata) in the order of arrival."""

    labels: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    seen: set[Row] = field(default_factory=set)
    newest: int = 0


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class FakeLoki:
    """The store and its rules.

    Args:
        clock_ns: Loki's clock.

    Attributes:
        streams: (tenant, label string) → stream.
        duplicates: entries that were there already.
        requests: tenants of all requests, with the statuses that they got.
        problems: what no Loki would see from a correct client.
        faults: answers given instead, one per request, before anything is stored; after them it works.
        lost_answers: so many requests are stored, and the answer is lost.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self.clock_ns = clock_ns
        self.streams: dict[tuple[str, str], StoredStream] = {}
        self.duplicates = 0
        self.requests: list[tuple[str, int]] = []
        self.problems: list[str] = []
        self.faults: list[Answer] = []
        self.lost_answers = 0
        self.down = False
        self.stream_limit = 5000
        self.max_age_ns = 168 * HOUR
        self.max_line_bytes = 256 * 1024
        self._active: Counter[str] = Counter()
        self.slow_streams: Callable[[dict[str, str]], bool] = lambda labels: False

    def rows(self, tenant: str = "", **labels: str) -> list[Row]:
        """All rows of the streams that have these labels, by time."""
        return sorted(
            row
            for (owner, _), stream in self.streams.items()
            if owner == tenant and labels.items() <= stream.labels.items()
            for row in stream.rows
        )

    def lines(self, tenant: str = "", **labels: str) -> list[str]:
        """Their lines."""
        return [line for _, line, _ in self.rows(tenant, **labels)]

    def label_sets(self) -> list[dict[str, str]]:
        """Of all streams."""
        return [stream.labels for stream in self.streams.values()]

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What Loki says to one push."""
        tenant = headers.get("x-scope-orgid", "")
        answer = self.faults.pop(0) if self.faults else self._push(tenant, headers, body)
        self.requests.append((tenant, answer.status))
        return answer

    def _push(self, tenant: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("content-type") != "application/x-protobuf" or headers.get("content-encoding") != "snappy":
            self.problems.append(f"wrong content type: {dict(headers)}")
        push = Push.FromString(snappy.decompress(body))
        if not push.streams:
            return Answer(422, "error at least one valid stream is required for ingestion")
        parsed: list[dict[str, str]] = []
        for stream in push.streams:
            text = stream.labels.decode(errors="surrogateescape")
            found = parse_labels(text)
            if found is None or found[1] != len(text) or not all(map(LABEL_NAME.fullmatch, found[0])):
                return Answer(400, f"error parsing labels {text}: 1:2: parse error: unexpected character")
            expected = "{" + ", ".join(f"{name}={quote(found[0][name])}" for name in sorted(found[0])) + "}"
            if text != expected:
                self.problems.append(f"label string not in canonical form: {text}")
            parsed.append(found[0])
        errors: list[str] = []
        refused = ""
        for stream, labels in zip(push.streams, parsed, strict=True):
            refused, problems = self._take(tenant, stream, labels)
            errors += problems
        if refused:
            return Answer(429, refused)
        return Answer(400, "\n".join(errors)) if errors else Answer(204)

    def _take(self, tenant: str, stream: Any, labels: dict[str, str]) -> tuple[str, list[str]]:
        name = stream.labels.decode(errors="surrogateescape")
        known = {**labels, "service_name": labels.get("service_name", "unknown_service")}
        shown = "{" + ", ".join(f"{key}={quote(known[key])}" for key in sorted(known)) + "}"
        if len([key for key in labels if key != "service_name"]) > 15:
            return "", [f"stream '{shown}' has {len(labels)} label names; limit 15"]
        if any(len(key) > 1024 for key in labels):
            return "", [f"stream '{shown}' has label name too long: 'x'"]
        if any(len(value.encode(errors="surrogateescape")) > 2048 for value in labels.values()):
            return "", [f"stream '{shown}' has label value too long: 'x'"]
        stored = self.streams.get((tenant, name))
        if stored is None:
            if self._active[tenant] >= self.stream_limit:
                words = f"Maximum active stream limit exceeded when trying to create stream {shown}, reduce the number"
                return words, []
            stored = self.streams[tenant, name] = StoredStream(labels)
            self._active[tenant] += 1
        if self.slow_streams(labels):
            return (
                f"Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{shown}' x",
                [],
            )
        problems = [problem for entry in stream.entries if (problem := self._store(stored, entry, shown))]
        return "", problems

    def _store(self, stored: StoredStream, entry: Any, shown: str) -> str:
        ts_ns = entry.timestamp.seconds * SECOND + entry.timestamp.nanos
        line: bytes = entry.line
        metadata = tuple((pair.name.decode(), pair.value.decode()) for pair in entry.metadata)
        now = self.clock_ns()
        if len(line) > self.max_line_bytes:
            words = f"Max entry size '{self.max_line_bytes}' bytes exceeded for stream '{shown}'"
            return f"{words} while adding an entry with length '{len(line)}'"
        if len(metadata) > 128:
            return (
                f"entry for stream '{shown}' has too many structured metadata labels: '{len(metadata)}', limit: '128'"
            )
        if sum(len(name) + len(value) for name, value in metadata) > 64_000:
            return f"entry for stream '{shown}' has structured metadata too large: 'x' bytes, limit: '64000' bytes"
        if ts_ns < now - self.max_age_ns:
            return f"entry for stream '{shown}' has timestamp too old: x"
        if ts_ns > now + 600 * SECOND:
            return f"entry for stream '{shown}' has timestamp too new: x"
        if ts_ns < stored.newest - HOUR:
            why = "entry with timestamp x ignored, reason: 'entry too far behind'"
            return f"{why}, total ignored: 1 out of 1 for stream: {shown}"
        row = (ts_ns, line.decode(), metadata)
        if row in stored.seen:
            self.duplicates += 1
            return ""
        stored.seen.add(row)
        stored.rows.append(row)
        stored.newest = max(stored.newest, ts_ns)
        return ""

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(status for _, status in self.requests)


class FakeLokiTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=…)``."""

    def __init__(self, loki: FakeLoki) -> None:
        self.loki = loki
        self.headers: list[dict[str, str]] = []
        self.hang = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer at once, or not at all."""
        await trio.lowlevel.checkpoint()
        body = await request.aread()
        self.headers.append(dict(request.headers))
        if self.loki.down:
            raise httpx.ConnectError("connection refused")
        if self.hang:
            await trio.sleep_forever()
        answer = self.loki.answer(request.headers, body)
        if self.loki.lost_answers:
            self.loki.lost_answers -= 1
            raise httpx.ReadError("connection reset")
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body.encode())
