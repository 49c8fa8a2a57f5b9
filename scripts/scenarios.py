"""What ``scripts/bench`` measures: one ``Scenario`` each, with the configuration that the collector under test runs.

Addresses in the texts are ``{name}`` of ``ADDRESSES``; ``{data}`` is the data directory, ``{docker}`` a Docker socket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.page_cost import Looking

Text = str | int | float | bool
ADDRESSES = ("admin", "otlp_grpc", "otlp_http", "sink_grpc", "sink_http", "sink_control")

BASE = """\
[admin]
listen_addr = "{admin}"

[storage]
path = "{data}"
"""

TRACES = (
    BASE
    + """
[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "{otlp_grpc}" }}
http = {{ endpoint = "{otlp_http}" }}
output = {{ traces = ["otelcol.processor.batch.default"] }}

[otelcol.processor.batch.default]
timeout = "5s"
send_batch_size = 1024
output = {{ traces = ["otelcol.exporter.otlp.sink"] }}

[otelcol.exporter.otlp.sink]
client = {{ endpoint = "{sink_grpc}", tls = {{ insecure = true }} }}
"""
)

RECORDED_TRACES = (
    TRACES.replace(
        '["otelcol.processor.batch.default"]', '["otelcol.processor.batch.default", "recorder.memory.default"]'
    )
    + """
[recorder.memory.default]
"""
)

METRICS = (
    BASE
    + """
[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "{otlp_grpc}" }}
http = {{ endpoint = "{otlp_http}" }}
output = {{ metrics = ["otelcol.processor.batch.default"] }}

[otelcol.processor.batch.default]
timeout = "5s"
send_batch_size = 1024
output = {{ metrics = ["otelcol.exporter.prometheus.default"] }}

[otelcol.exporter.prometheus.default]
forward_to = ["prometheus.remote_write.sink"]

[[prometheus.remote_write.sink.endpoint]]
url = "http://{sink_http}/api/v1/write"
"""
)

DEPLOYED = Path(__file__).resolve().parents[1] / "config" / "alloytrio.toml"


def _deployed_logs() -> str:
    """The log pipeline of the deployment, from the Docker socket to Loki, at this module's addresses."""
    text = DEPLOYED.read_text()
    text = text[text.index("[discovery.docker.containers]") : text.index("[admin]")]
    text = text.replace("{", "{{").replace("}", "}}")
    for deployed, here in (
        ("unix:///var/run/docker.sock", "unix://{docker}"),
        ("http://loki:3100", "http://{sink_http}"),
    ):
        text = _replaced(text, deployed, here)
    return BASE + text


def _replaced(text: str, old: str, new: str) -> str:
    """The text with ``old``, which must be in it, replaced."""
    if old not in text:
        raise ValueError(f"{DEPLOYED.name} has no {old!r}")
    return text.replace(old, new)


LOGS_AS_LABELS = _deployed_logs()
LOGS_AS_METADATA = _replaced(
    LOGS_AS_LABELS,
    'labels = {{ values = {{ trace_id = "", span_id = "", level = "" }} }}',
    """labels = {{ values = {{ level = "" }} }}

[[loki.process.logs.stage]]
structured_metadata = {{ values = {{ trace_id = "", span_id = "" }} }}""",
)


@dataclass(frozen=True)
class Scenario:
    """What is sent, and what it shows.

    Args:
        name: for ``--only`` and the heading.
        about: one or two sentences for the report.
        config: of the collector under test; see the module.
        load: arguments of the generator; none = the collector fetches ``expect.items`` from the containers.
        count: what the sink counts: spans, points or log_lines.
        containers: arguments of the Docker API that the collector reads, if any.
        faults: (seconds, query for the sink's control port) while the load runs.
        expect: changes to what is waited for.
        max_rounds: repetitions at most.
        warmup: arguments of the generator for what is sent before, and not counted.
        profiled: whether ``--profile`` says where its CPU goes.
        watch_memory: seconds between samples of the collector's memory, for a table over time; 0 = none.
        with_page: somebody has the overview open meanwhile.
        ways: of looking that are compared with nobody looking, in turn, instead of what the others show.
    """

    name: str
    about: str
    config: str
    load: str = ""
    count: str = "spans"
    containers: str = ""
    faults: Sequence[tuple[str, str]] = ()
    expect: Mapping[str, Text] = field(default_factory=dict)
    max_rounds: int = 9
    warmup: str = "-duration 2s"
    profiled: bool = False
    watch_memory: float = 0.0
    with_page: bool = False
    ways: Sequence[Looking] = ()


GRPC = "-proto grpc -addr {otlp_grpc} "
HTTP = "-proto http -addr {otlp_http} "

WAYS = (
    Looking("overview", "/api/v1/live"),
    Looking("Live", "/api/v1/components/otelcol.receiver.otlp.default/tap?rate=10"),
    Looking("Live, filtered", "/api/v1/components/otelcol.receiver.otlp.default/tap?rate=10&text=GET"),
    Looking("traces every 2 s", "/traces", every=2.0),
)

SCENARIOS = (
    Scenario(
        "traces-max",
        "Spans by OTLP/gRPC as fast as they are acknowledged: 512 per request, 4 connections with 2 in flight.",
        TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 2 -batch 512 -duration 10s",
    ),
    Scenario(
        "traces-http",
        "The same by OTLP/HTTP, protobuf.",
        TRACES,
        "-signal traces " + HTTP + "-conns 4 -inflight 2 -batch 512 -duration 10s",
    ),
    Scenario(
        "traces-http-json",
        "The same by OTLP/HTTP, JSON.",
        TRACES,
        "-signal traces -proto http-json -addr {otlp_http} -conns 4 -inflight 2 -batch 512 -duration 10s",
    ),
    Scenario(
        "traces-rate",
        "A steady 5 000 spans/s in requests of 100.",
        TRACES,
        "-signal traces " + GRPC + "-conns 2 -inflight 4 -batch 100 -rate 5000 -duration 20s",
    ),
    Scenario(
        "traces-100k",
        "A steady 100 000 spans/s in requests of 512, nobody looking.",
        TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 2 -batch 512 -rate 100000 -duration 15s",
    ),
    Scenario(
        "traces-100k-page",
        "The same with the overview open: its stream of updates is read from the start to the end.",
        TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 2 -batch 512 -rate 100000 -duration 15s",
        with_page=True,
    ),
    Scenario(
        "page",
        "100 000 spans/s into a batch and a recorder, in windows of two seconds in which nobody looks, the overview "
        "is open, Live watches the receiver (with and without a filter), or the list of traces is asked for every two "
        "seconds, in turn. What is added is compared with the windows before and behind; of nobody: with the window "
        "before, which is the noise.",
        RECORDED_TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 2 -batch 512 -rate 100000 -duration 2s",
        ways=WAYS,
        max_rounds=9,
    ),
    Scenario(
        "page-few",
        "The same with 2 000 spans/s, where what a look costs can be told from the noise; it is bounded, whatever "
        "passes. 1 s more per million spans is 2 ms of CPU per second here, less than a hundredth of what 100 000 "
        "spans/s cost.",
        RECORDED_TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 2 -batch 512 -rate 2000 -duration 2s",
        ways=WAYS,
        max_rounds=9,
    ),
    Scenario(
        "traces-small",
        "The generator's smallest requests, four spans each, as fast as they are acknowledged. A request costs four "
        "times the CPU of a span: 50 s per million spans are 0.2 ms per request.",
        TRACES,
        "-signal traces " + GRPC + "-conns 4 -inflight 8 -batch 4 -duration 10s",
    ),
    Scenario(
        "connections",
        "10 000 connections, each with one request of four spans every 5 s: 2 000 requests/s.",
        TRACES,
        "-signal traces " + GRPC + "-conns 10000 -inflight 1 -batch 4 -rate 8000 -duration 40s",
        expect={"timeout": "90s"},
        max_rounds=1,
    ),
    Scenario(
        "traces-faults",
        "20 000 spans/s while the backend is unavailable, dead, throttling and resetting, two seconds each.",
        TRACES,
        "-signal traces " + GRPC + "-conns 2 -inflight 4 -batch 512 -rate 20000 -duration 16s",
        faults=(
            ("2s", "fault=unavailable&for=2s"),
            ("5s", "fault=down&for=2s"),
            ("8s", "fault=throttle&for=2s"),
            ("11s", "fault=reset&for=2s"),
        ),
        expect={"stable": "30s", "timeout": "120s"},
        max_rounds=1,
    ),
    Scenario(
        "metrics-max",
        "Data points by OTLP/gRPC as fast as they are acknowledged: 1 000 per request (gauges, sums and histograms of "
        "16 buckets, 1:2:1), 4 attributes, 8 000 series of the SDK's; each data point is 5.25 samples on average.",
        METRICS,
        "-signal metrics " + GRPC + "-conns 2 -inflight 4 -duration 10s",
        count="points",
        expect={"stable": "15s"},
        profiled=True,
    ),
    Scenario(
        "metrics-rate",
        "A steady 10 000 points/s of 100 000 series.",
        METRICS,
        "-signal metrics " + GRPC + "-conns 1 -inflight 4 -series 100000 -rate 10000 -duration 30s",
        count="points",
        expect={"stable": "15s"},
        max_rounds=1,
    ),
    Scenario(
        "metrics-churn",
        "100 000 data points, each of a series that was never seen before: 525 000 new series of Prometheus.",
        METRICS,
        "-signal metrics " + GRPC + "-conns 2 -inflight 4 -series 100000 -items 100000",
        count="points",
        expect={"stable": "15s"},
        warmup="-items 1000",
    ),
    Scenario(
        "logs-max",
        "JSON lines of about 230 bytes from 20 containers, read as fast as they are taken; trace_id, span_id and level "
        "become labels, as in config/alloytrio.toml: nearly every line is a stream of its own.",
        LOGS_AS_LABELS,
        count="log_lines",
        containers="-containers 20 -lines 50000",
        expect={"items": 1_000_000, "stable": "15s", "timeout": "120s"},
    ),
    Scenario(
        "logs-metadata",
        "The same lines with trace_id and span_id as structured metadata: 20 containers × levels are the streams.",
        LOGS_AS_METADATA,
        count="log_lines",
        containers="-containers 20 -lines 50000",
        expect={"items": 1_000_000, "stable": "15s", "timeout": "120s"},
    ),
    Scenario(
        "soak",
        "A steady 20 000 spans/s for ten minutes.",
        TRACES,
        "-signal traces " + GRPC + "-conns 2 -inflight 4 -batch 512 -rate 20000 -duration 600s",
        max_rounds=1,
        watch_memory=10.0,
    ),
)
QUICK = tuple(scenario.name for scenario in SCENARIOS if scenario.name != "soak")
