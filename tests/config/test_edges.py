"""Edges between components: how they are named, what fits, and cycles."""

import pytest

from alloytrio.component import Signal
from alloytrio.config.edges import Edge, find_cycles
from alloytrio.values import Kind
from tests.config.samples import CANARY, problems, read

LOGS = """
[discovery.docker.d]
[discovery.relabel.r]
targets = "discovery.docker.d"
[loki.source.docker.s]
targets = "discovery.relabel.r"
relabel_rules = "discovery.relabel.r"
forward_to = ["loki.process.p"]
[loki.process.p]
forward_to = ["loki.write.w.receiver"]
[loki.write.w]
"""


def flows(text: str) -> list[tuple[str, str, str, str]]:
    """Source, target, kind and export of all edges of a text."""
    return [(edge.source_id, edge.target_id, edge.kind.name, edge.export) for edge in read(text).edges]


def test_directions_and_exports() -> None:
    """Data goes from source to target whichever of them names the other; without an export the fitting one is meant."""
    assert flows(LOGS) == [
        ("discovery.docker.d", "discovery.relabel.r", "TARGETS", "targets"),
        ("discovery.relabel.r", "loki.source.docker.s", "TARGETS", "output"),
        ("discovery.relabel.r", "loki.source.docker.s", "RULES", "rules"),
        ("loki.source.docker.s", "loki.process.p", "ENTRIES", "receiver"),
        ("loki.process.p", "loki.write.w", "ENTRIES", "receiver"),
    ]


def test_signals() -> None:
    """An OTLP edge knows its signal and its place."""
    text = (
        "[recorder.memory.m]\n[otelcol.receiver.otlp.r]\n"
        'output = { logs = ["recorder.memory.m.input"], traces = ["recorder.memory.m", "recorder.memory.m"] }\n'
    )
    edges = read(text).edges
    assert [(edge.signal, edge.path) for edge in edges] == [
        (Signal.TRACES, ("output", "traces", 0)),
        (Signal.TRACES, ("output", "traces", 1)),
        (Signal.LOGS, ("output", "logs", 0)),
    ]


RECEIVER = '[otelcol.receiver.otlp.r]\noutput.traces = ["{}"]\n'
EXPORTER = '[otelcol.exporter.otlp.tempo]\nclient.endpoint = "x"\n'
PLACE = "c.toml:2:18: otelcol.receiver.otlp.r.output.traces[0]: "


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (
            "otelcol.exporter.otlp.temop",
            'names no component of this file (did you mean "otelcol.exporter.otlp.tempo"?)',
        ),
        (
            "otelcol.exporter.otlp",
            'names no component of this file (did you mean "otelcol.exporter.otlp.tempo"?)',
        ),
        ("otelcol.exporter.otlp.tempo.inptu", "otelcol.exporter.otlp.tempo has no such export (exports: input)"),
        (CANARY, "names no component of this file (fitting: otelcol.exporter.otlp.tempo)"),
        ("", "names no component of this file (fitting: otelcol.exporter.otlp.tempo)"),
        (
            "loki.write.w",
            "loki.write.w takes log entries, but here OpenTelemetry data go out (fitting: otelcol.exporter.otlp.tempo)",
        ),
        (
            "loki.write.w.receiver",
            "loki.write.w takes log entries, but here OpenTelemetry data go out (fitting: otelcol.exporter.otlp.tempo)",
        ),
        (
            "discovery.docker.d",
            "discovery.docker.d gives targets, but here OpenTelemetry data go out "
            "(fitting: otelcol.exporter.otlp.tempo)",
        ),
        (
            "otelcol.receiver.otlp.r",
            "otelcol.receiver.otlp.r takes no OpenTelemetry data (fitting: otelcol.exporter.otlp.tempo)",
        ),
    ],
)
def test_wrong_edges(edge: str, expected: str) -> None:
    """An edge that names nothing, or something that does not fit, is reported with what would fit."""
    text = RECEIVER.format(edge) + EXPORTER + "[loki.write.w]\n[discovery.docker.d]\n"
    assert problems(text) == [PLACE + expected]


def test_wrong_upstream() -> None:
    """Where data comes in, a component that takes does not fit."""
    text = '[loki.source.docker.s]\ntargets = "loki.write.w"\nforward_to = []\n[loki.write.w]\n'
    assert problems(text) == [
        "c.toml:2:1: loki.source.docker.s.targets: loki.write.w takes log entries, but here targets come in "
        "(no component of this file fits (targets))"
    ]


def test_edges_of_and_to_faulty_components() -> None:
    """A component with other problems still counts as the target of edges, and its own edges are checked."""
    text = (
        RECEIVER.format("otelcol.exporter.otlp.tempo") + "x = 1\noutput.logs = ['nope']\n[otelcol.exporter.otlp.tempo]"
    )
    assert [line.split(" (")[0] for line in problems(text)] == [
        "c.toml:3:1: otelcol.receiver.otlp.r.x: unknown key",
        "c.toml:4:16: otelcol.receiver.otlp.r.output.logs[0]: names no component of this file",
        "c.toml:5:24: otelcol.exporter.otlp.tempo.client: is required, but missing",
    ]


def test_edges_to_an_unknown_type_are_not_reported_again() -> None:
    """A type misspelt in the header and in the edge is one problem."""
    text = RECEIVER.format("otelcol.exprter.otlp.tempo") + "[otelcol.exprter.otlp.tempo]\n"
    assert [line.split(" (")[0] for line in problems(text)] == ["c.toml:3:10: otelcol.exprter: unknown component type"]


def test_cycle() -> None:
    """A cycle is reported once, with the way round."""
    text = (
        '[loki.process.a]\nforward_to = ["loki.process.b", "loki.write.w"]\n'
        '[loki.process.b]\nforward_to = ["loki.process.c"]\n'
        '[loki.process.c]\nforward_to = ["loki.write.w", "loki.process.b"]\n[loki.write.w]\n'
    )
    assert problems(text) == [
        "c.toml:6:31: loki.process.c.forward_to[1]: cycle: loki.process.b → loki.process.c → loki.process.b"
    ]


@pytest.mark.parametrize(
    ("pairs", "cycles"),
    [
        ("ab bc cd", []),
        ("ab ac bd cd", []),
        ("aa", ["aa"]),
        ("ab ba", ["aba"]),
        ("ab ba cd dc", ["aba", "cdc"]),
        ("ab bc ca cb", ["abca", "bcb"]),
        ("xa ab bc ca", ["abca"]),
        ("ba ab xb", ["bab"]),
    ],
)
def test_find_cycles(pairs: str, cycles: list[str]) -> None:
    """Cycles are found wherever the walk begins; a diamond is none."""
    edges = [Edge(pair[0], pair[1], Kind.OTLP, "input", pair[0], (), None) for pair in pairs.split()]
    found = [cycle[0].source_id + "".join(edge.target_id for edge in cycle) for cycle in find_cycles(edges)]
    assert found == cycles
