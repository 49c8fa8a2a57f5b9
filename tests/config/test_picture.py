"""The graph as text."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from alloytrio.component import Signal
from alloytrio.config.edges import Edge
from alloytrio.config.load import load
from alloytrio.config.outlets import Outlet, outlets
from alloytrio.config.picture import draw
from alloytrio.values import Kind

RECEIVER, BATCH, TEMPO = (
    "otelcol.receiver.otlp.default",
    "otelcol.processor.batch.default",
    "otelcol.exporter.otlp.tempo",
)
SAMPLES = "otelcol.exporter.prometheus.default"


def edge(source: str, target: str, signal: Signal) -> Edge:
    """An edge of one signal."""
    return Edge(source, target, Kind.OTLP, "input", source, ("output", signal.value, 0), signal)


EDGES = [
    edge(RECEIVER, BATCH, Signal.TRACES),
    edge(RECEIVER, BATCH, Signal.METRICS),
    edge(BATCH, TEMPO, Signal.TRACES),
    edge(BATCH, SAMPLES, Signal.METRICS),
]
COMPONENTS = [RECEIVER, BATCH, TEMPO, SAMPLES]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_can_be_drawn(kind: Kind) -> None:
    """Whatever flows has a colour and a name."""
    assert draw(["a.b", "c.d"], [Edge("a.b", "c.d", kind, "x", "a.b", ("x",), None)], "svg").count("<path") == 2


def test_dot() -> None:
    """One node for each component, one arrow for each pair, with the signals on it."""
    text = draw(COMPONENTS, EDGES, "dot")
    assert text.count(" -> ") == 3
    assert f'"{RECEIVER}" -> "{BATCH}" [label="traces, metrics"' in text
    assert f'"{TEMPO}" [label="otelcol.exporter.otlp\\ntempo"]' in text


def test_mermaid() -> None:
    """The same for Markdown."""
    assert draw(COMPONENTS, EDGES, "mermaid").splitlines() == [
        "flowchart LR",
        '  n0["otelcol.receiver.otlp<br>default"]',
        '  n1["otelcol.processor.batch<br>default"]',
        '  n2["otelcol.exporter.otlp<br>tempo"]',
        '  n3["otelcol.exporter.prometheus<br>default"]',
        "  n0 -->|traces, metrics| n1",
        "  n1 -->|traces| n2",
        "  n1 -->|metrics| n3",
    ]


def test_svg() -> None:
    """Boxes do not overlap, and every arrow goes to the right."""
    root = ElementTree.fromstring(draw(COMPONENTS, EDGES, "svg"))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [[float(rect.get(key, "")) for key in ("x", "y", "width", "height")] for rect in root.iter(f"{space}rect")]
    assert len(boxes) == 4
    for index, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[index + 1 :]:
            assert (
                x + width < other_x or other_x + other_width < x or y + height < other_y or other_y + other_height < y
            )
    assert boxes[0][0] < boxes[1][0] < boxes[2][0] == boxes[3][0]


OUTLETS = [Outlet(TEMPO, "tempo:4317", 1 << 30, True), Outlet(TEMPO, 'http://a/?b&"c', 4 << 20, False)]


def test_outboxes_and_backends() -> None:
    """Behind a component stand its outboxes with their bounds, and a backend behind each, in the colour of the data."""
    dot = draw(COMPONENTS, EDGES, "dot", OUTLETS)
    assert f'"{TEMPO}" -> "outbox 0" [label="stored"' in dot
    assert '"outbox 0" [label="outbox\\nup to 1GiB on disk", shape=cylinder];' in dot
    assert '"backend 1" [label="backend\\nhttp://a/?b&\\"c", shape=ellipse];' in dot
    mermaid = draw(COMPONENTS, EDGES, "mermaid", OUTLETS).splitlines()
    assert mermaid[5:9] == [
        '  n4[("outbox<br>up to 1GiB on disk")]',
        '  n5(["backend<br>tempo:4317"])',
        '  n6[("outbox<br>up to 4MiB in memory")]',
        '  n7(["backend<br>http://a/?b&amp;&quot;c"])',
    ]
    assert mermaid[-4:] == ["  n2 -->|stored| n4", "  n4 -->|sent| n5", "  n2 -->|stored| n6", "  n6 -->|sent| n7"]
    root = ElementTree.fromstring(draw(COMPONENTS, EDGES, "svg", OUTLETS))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 8


def test_outlets_of_a_configuration() -> None:
    """Each backend of the deployment is an outlet with the bound that holds for it; a query of a URL is not shown."""
    environ = {
        "ALLOYTRIO_PROMETHEUS__REMOTE_WRITE__DEFAULT__ENDPOINT__0__URL": "https://p/api/v1/write?token=hunter2",
        "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__SENDING_QUEUE": '{"sizer": "bytes", "queue_size": 4194304}',
    }
    loaded = load(Path(__file__).parents[2] / "config" / "alloytrio.toml", environ, in_container=True)
    assert [(each.component_id, each.address, each.bound) for each in outlets(loaded.settings)] == [
        (TEMPO, "tempo:4317", "up to 4MiB on disk"),
        ("prometheus.remote_write.default", "https://p/api/v1/write", "up to 1GiB on disk"),
        ("loki.write.loki", "http://loki:3100/loki/api/v1/push", "up to 1GiB on disk"),
    ]


@pytest.mark.parametrize("form", ["dot", "mermaid", "svg"])
def test_empty(form: str) -> None:
    """Nothing is a picture too."""
    assert draw([], [], form)  # type: ignore[arg-type]
