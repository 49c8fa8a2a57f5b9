"""What happens at an invented newspaper: requests through four services, with caches, databases, queues and mishaps.

Pure: a story is a tree of steps, made from a random generator; times are relative, nothing is sent or slept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

Value = str | int | float | bool
SERVICES: Mapping[str, Mapping[str, Value]] = {
    "web-frontend": {"service.version": "4.2.0", "telemetry.sdk.language": "nodejs", "host.name": "web-1"},
    "article-server": {"service.version": "1.9.3", "telemetry.sdk.language": "go", "host.name": "api-1"},
    "search": {"service.version": "0.7.1", "telemetry.sdk.language": "java", "host.name": "search-1"},
    "notifier": {"service.version": "2.0.0", "telemetry.sdk.language": "python", "host.name": "jobs-1"},
}
READERS = ("ada", "björn", "chidi", "dolores", "emre")
WORDS = ("election", "weather", "football", "rhubarb", "tram", "harbour")


@dataclass(frozen=True, slots=True)
class Line:
    """A log line written during a step. ``level`` is lower case, ``at`` seconds after the step's start."""

    level: str
    text: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One span to be.

    Args:
        service: a key of SERVICES.
        name: the span's name.
        kind: ``server``, ``client``, ``internal``, ``producer`` or ``consumer``.
        duration: seconds.
        start: seconds after the start of the parent.
        attributes: by OpenTelemetry's semantic conventions.
        error: message of the exception that ended it; empty = it went well.
        lines: log lines.
        children: steps within this one, in order of their start.
    """

    service: str
    name: str
    kind: str
    duration: float
    start: float = 0.0
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    lines: Sequence[Line] = ()
    children: Sequence["Step"] = ()

    def count(self) -> int:
        """Steps in this tree."""
        return 1 + sum(child.count() for child in self.children)


def invent(random: Random) -> Step:
    """One story; readers read most of the time."""
    make: Callable[[Random], Step] = random.choices(_STORIES, weights=_WEIGHTS)[0]
    return make(random)


def around(step: Step, children: Sequence[Step], gap: float) -> Step:
    """A step that does its children one after the other, with a gap of some seconds before, between and after."""
    placed, at = [], gap
    for child in children:
        placed.append(replace(child, start=at))
        at += child.duration + gap
    return replace(step, duration=max(step.duration, at), children=placed)


def took(random: Random, typical: float) -> float:
    """Seconds around a typical value, with the long tail that real latencies have."""
    return typical * random.lognormvariate(0.0, 0.5)


def _read(random: Random) -> Step:
    article = random.randrange(1, 200)
    path = f"/articles/{article}"
    cached = random.random() < 0.7
    lookup = _database("article-server", "GET article", "redis", took(random, 0.0008))
    steps = [lookup]
    lines = [Line("debug", f"cache {'hit' if cached else 'miss'} for article {article}")]
    if not cached:
        steps.append(_database("article-server", "SELECT articles", "postgresql", took(random, 0.012)))
    missing = random.random() < 0.04
    status = 404 if missing else 200
    if missing:
        lines.append(Line("warn", f"no such article: {article}"))
    lines.append(Line("info", f"GET {path} {status}"))
    served = around(_serve("article-server", "GET /articles/{id}", path, status), steps, took(random, 0.001))
    return _page(random, replace(served, lines=lines), status)


def _search(random: Random) -> Step:
    word = random.choice(WORDS)
    query = _database("search", "search articles-*", "opensearch", took(random, 0.04))
    failed = random.random() < 0.06
    status = 503 if failed else 200
    served = around(_serve("search", "GET /search", f"/search?q={word}", status), [query], took(random, 0.003))
    if failed:
        slow = replace(query, duration=1.0, error="TimeoutException: no answer from shard 3 within 1000 ms")
        served = around(served, [slow], 0.002)
        served = replace(served, error="SearchUnavailable: 1 of 5 shards failed")
    hits = random.randrange(0, 60)
    line = Line("error", f"search for {word!r} failed") if failed else Line("info", f"{hits} hits for {word!r}")
    return _page(random, replace(served, lines=[line]), status)


def _publish(random: Random) -> Step:
    article = random.randrange(200, 400)
    who = random.choice(READERS)
    begin = _database("article-server", "INSERT articles", "postgresql", took(random, 0.009))
    commit = _database("article-server", "COMMIT", "postgresql", took(random, 0.004))
    mails = [
        Step(
            "notifier", "send mail", "client", took(random, 0.05), attributes={"server.address": "smtp", "reader": name}
        )
        for name in random.sample(READERS, k=3)
    ]
    if random.random() < 0.15:
        refused = "SMTPServerDisconnected: connection unexpectedly closed"
        mails[-1] = replace(mails[-1], error=refused, lines=[Line("error", refused)])
    queue: dict[str, Value] = {"messaging.system": "kafka", "messaging.destination.name": "published"}
    notify = around(
        Step("notifier", "published process", "consumer", 0.0, attributes=queue), mails, took(random, 0.002)
    )
    notify = replace(notify, start=took(random, 0.02), lines=[Line("info", f"telling 3 readers of article {article}")])
    publish = Step("article-server", "published publish", "producer", took(random, 0.002), attributes=queue)
    steps = [begin, commit, replace(publish, children=[notify])]
    served = around(_serve("article-server", "POST /articles", "/articles", 201), steps, took(random, 0.002))
    return _page(random, replace(served, lines=[Line("info", f"article {article} published by {who}")]), 201)


def _page(random: Random, served: Step, status: int) -> Step:
    """A page of the web front end, which calls one service and renders the answer."""
    method, route = served.name.split(" ")
    call = Step("web-frontend", method, "client", 0.0, attributes={"http.request.method": method})
    called = around(replace(call, error="bad gateway" if status >= 500 else ""), [served], took(random, 0.0005))
    render = Step("web-frontend", "render", "internal", took(random, 0.006))
    page = _serve("web-frontend", f"{method} /pages{route}", f"/pages{route}", 502 if status >= 500 else status)
    return around(page, [called, render], took(random, 0.001))


def _serve(service: str, name: str, path: str, status: int) -> Step:
    attributes: dict[str, Value] = {
        "http.request.method": name.split(" ")[0],
        "http.route": name.split(" ")[1],
        "http.response.status_code": status,
        "url.path": path,
    }
    return Step(service, name, "server", 0.0, attributes=attributes)


def _database(service: str, name: str, system: str, duration: float) -> Step:
    return Step(service, name, "client", duration, attributes={"db.system.name": system, "db.operation.name": name})


_STORIES = (_read, _search, _publish)
_WEIGHTS = (70, 20, 10)
