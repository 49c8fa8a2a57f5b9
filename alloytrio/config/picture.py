"""The graph of a configuration as DOT, Mermaid or SVG: left to right, data flows along the arrows.

Behind a component that delivers stand its outboxes, each with its bound, and the backend behind each.

In: the ids of the components in file order, the edges, and the outlets. Out: text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from alloytrio.config.edges import Edge
from alloytrio.config.outlets import Outlet
from alloytrio.values import Kind

Form = Literal["dot", "mermaid", "svg"]

COLOURS = {
    Kind.OTLP: "#2563eb",
    Kind.SAMPLES: "#d97706",
    Kind.ENTRIES: "#059669",
    Kind.TARGETS: "#6b7280",
    Kind.RULES: "#6b7280",
    Kind.AUTH: "#b91c1c",
}
"""Of an arrow, by what flows. Dark enough on white, light enough on black."""

_BOX_HEIGHT, _ROW, _GAP, _MARGIN, _LETTER = 46, 70, 90, 16, 7.2


def draw(component_ids: Sequence[str], edges: Sequence[Edge], form: Form, outlets: Sequence[Outlet] = ()) -> str:
    """The picture of a graph.

    Args:
        component_ids: in file order.
        edges: between them, without cycles.
        form: of the text.
        outlets: the outboxes and backends of the components.
    """
    nodes = [_Node(each, *_split(each)) for each in component_ids]
    arrows = _joined(edges)
    for number, outlet in enumerate(outlets):
        kind = next((each.kind for each in arrows if each.target_id == outlet.component_id), Kind.OTLP)
        outbox, backend = f"outbox {number}", f"backend {number}"
        nodes += [_Node(outbox, "outbox", outlet.bound, "outbox"), _Node(backend, "backend", outlet.address, "backend")]
        arrows += [_Arrow(outlet.component_id, outbox, kind, "stored"), _Arrow(outbox, backend, kind, "sent")]
    return _FORMS[form](nodes, arrows)


@dataclass(frozen=True, slots=True)
class _Node:
    """A component, an outbox or a backend, with its two lines of text."""

    id: str
    above: str
    below: str
    shape: Literal["component", "outbox", "backend"] = "component"


@dataclass(frozen=True, slots=True)
class _Arrow:
    """All edges from one node to another of one kind; ``label`` names the signals."""

    source_id: str
    target_id: str
    kind: Kind
    label: str


def _joined(edges: Sequence[Edge]) -> list[_Arrow]:
    labels: dict[tuple[str, str, Kind], list[str]] = {}
    for edge in edges:
        names = labels.setdefault((edge.source_id, edge.target_id, edge.kind), [])
        name = edge.signal.value if edge.signal else _KIND_NAMES[edge.kind]
        if name not in names:
            names.append(name)
    return [_Arrow(source, target, kind, ", ".join(names)) for (source, target, kind), names in labels.items()]


_KIND_NAMES = {
    Kind.OTLP: "OTLP",
    Kind.SAMPLES: "samples",
    Kind.ENTRIES: "log lines",
    Kind.TARGETS: "targets",
    Kind.RULES: "rules",
    Kind.AUTH: "credentials",
}


def _split(component_id: str) -> tuple[str, str]:
    """Type and label."""
    component_type, _, label = component_id.rpartition(".")
    return component_type, label


_DOT_SHAPES = {"component": "", "outbox": ", shape=cylinder", "backend": ", shape=ellipse"}


def _dot(nodes: Sequence[_Node], arrows: Sequence[_Arrow]) -> str:
    lines = ["digraph alloytrio {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for node in nodes:
        below = node.below.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  "{node.id}" [label="{node.above}\\n{below}"{_DOT_SHAPES[node.shape]}];')
    for arrow in arrows:
        attributes = f'label="{arrow.label}", color="{COLOURS[arrow.kind]}", fontname="sans-serif", fontsize=10'
        lines.append(f'  "{arrow.source_id}" -> "{arrow.target_id}" [{attributes}];')
    return "\n".join([*lines, "}", ""])


_MERMAID_SHAPES = {"component": ("[", "]"), "outbox": ("[(", ")]"), "backend": ("([", "])")}


def _mermaid(nodes: Sequence[_Node], arrows: Sequence[_Arrow]) -> str:
    numbers = {node.id: f"n{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    for node in nodes:
        left, right = _MERMAID_SHAPES[node.shape]
        below = escape(node.below, {'"': "&quot;"})
        lines.append(f'  {numbers[node.id]}{left}"{node.above}<br>{below}"{right}')
    lines += [f"  {numbers[each.source_id]} -->|{each.label}| {numbers[each.target_id]}" for each in arrows]
    return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.y + _BOX_HEIGHT / 2


_CORNERS = {"component": 6, "outbox": 0, "backend": 23}


def _svg(nodes: Sequence[_Node], arrows: Sequence[_Arrow]) -> str:
    boxes = _layout(nodes, arrows)
    width = max((box.x + box.width for box in boxes.values()), default=0.0) + _MARGIN
    height = max((box.y for box in boxes.values()), default=0.0) + _BOX_HEIGHT + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Pipelines" '
        'font-family="sans-serif" font-size="12">',
        "<style>rect{fill:#fff;stroke:#4b5563}text{fill:#111827}path{fill:none;stroke-width:1.6}"
        "@media(prefers-color-scheme:dark){rect{fill:#1f2937;stroke:#9ca3af}text{fill:#f3f4f6}}</style>",
    ]
    for arrow in arrows:
        lines += _arrow_lines(arrow, boxes[arrow.source_id], boxes[arrow.target_id])
    for node in nodes:
        box = boxes[node.id]
        shape = f'width="{box.width:.1f}" height="{_BOX_HEIGHT}" rx="{_CORNERS[node.shape]}"'
        lines += [
            f'<g><title>{escape(node.id)}</title><rect x="{box.x:.1f}" y="{box.y:.1f}" {shape}/>',
            f'<text x="{box.x + 10:.1f}" y="{box.y + 19:.1f}">{escape(node.above)}</text>'
            f'<text x="{box.x + 10:.1f}" y="{box.y + 36:.1f}" font-weight="bold">{escape(node.below)}</text></g>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _arrow_lines(arrow: _Arrow, source: _Box, target: _Box) -> Iterator[str]:
    start, end = source.x + source.width, target.x
    bend = max((end - start) / 2, 20)
    colour = quoteattr(COLOURS[arrow.kind])
    curve = f"M{start:.1f} {source.middle:.1f}C{start + bend:.1f} {source.middle:.1f} "
    curve += f"{end - 6 - bend:.1f} {target.middle:.1f} {end - 6:.1f} {target.middle:.1f}"
    tip = f"M{end - 8:.1f} {target.middle - 4:.1f}L{end:.1f} {target.middle:.1f}L{end - 8:.1f} {target.middle + 4:.1f}"
    yield f'<path d="{curve}" stroke={colour}/><path d="{tip}" stroke={colour}/>'
    x, y = (start + end) / 2, (source.middle + target.middle) / 2 - 4
    yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="10">{escape(arrow.label)}</text>'


def _layout(nodes: Sequence[_Node], arrows: Sequence[_Arrow]) -> dict[str, _Box]:
    """Columns by the longest way from a source; within a column near the neighbours to the left."""
    columns = _columns([node.id for node in nodes], arrows)
    boxes: dict[str, _Box] = {}
    x = float(_MARGIN)
    for column in range(max(columns.values(), default=-1) + 1):
        members = [node for node in nodes if columns[node.id] == column]
        members.sort(key=lambda node: _mean_height(node.id, arrows, boxes))
        width = max(len(part) for node in members for part in (node.above, node.below)) * _LETTER + 20
        free = float(_MARGIN)
        for node in members:
            y = max(free, _mean_height(node.id, arrows, boxes))
            boxes[node.id] = _Box(x, y, width)
            free = y + _ROW
        x += width + _GAP
    return boxes


def _columns(node_ids: Sequence[str], arrows: Sequence[_Arrow]) -> dict[str, int]:
    columns = dict.fromkeys(node_ids, 0)
    for _ in node_ids:
        changed = False
        for arrow in arrows:
            if columns[arrow.target_id] <= columns[arrow.source_id]:
                columns[arrow.target_id] = columns[arrow.source_id] + 1
                changed = True
        if not changed:
            break
    return columns


def _mean_height(node_id: str, arrows: Sequence[_Arrow], boxes: dict[str, _Box]) -> float:
    above = [boxes[each.source_id].y for each in arrows if each.target_id == node_id and each.source_id in boxes]
    return sum(above) / len(above) if above else 0.0


_FORMS: dict[Form, Callable[[Sequence[_Node], Sequence[_Arrow]], str]] = {"dot": _dot, "mermaid": _mermaid, "svg": _svg}
