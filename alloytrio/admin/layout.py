"""Where each component stands in the picture of the pipelines: columns from left to right. Pure functions.

A component stands one column behind the last of those before it, so that every edge goes to the right. Within a column
components are ordered by the middle of their neighbours, which keeps edges from crossing in the graphs people have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alloytrio.admin.view import EdgeView

CARRIES = {"traces": "traces", "metrics": "metrics", "samples": "metrics", "logs": "logs", "entries": "logs"}
"""What a pipeline with such edges is about; targets and rules are only on the way to it."""

SWEEPS = 4  # there and back twice: more changed nothing in graphs of up to 40 components


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A connected part of the graph.

    Args:
        name: what flows in it, in the order of its edges: ``traces, metrics``.
        columns: component ids from left to right, each column from top to bottom.
    """

    name: str
    columns: Sequence[Sequence[str]]


def arrange(component_ids: Sequence[str], edges: Sequence[EdgeView]) -> list[Pipeline]:
    """The pipelines in the order of the configuration; a component without edges is one of its own."""
    neighbours: dict[str, set[str]] = {each: set() for each in component_ids}
    for edge in edges:
        neighbours[edge.source_id].add(edge.target_id)
        neighbours[edge.target_id].add(edge.source_id)
    pipelines = []
    placed: set[str] = set()
    for first in component_ids:
        if first in placed:
            continue
        members = _reach(first, neighbours)
        placed |= members
        own_edges = [edge for edge in edges if edge.source_id in members]
        kinds = list(dict.fromkeys(CARRIES[edge.kind] for edge in own_edges if edge.kind in CARRIES))
        columns = _columns([each for each in component_ids if each in members], own_edges)
        pipelines.append(Pipeline(", ".join(kinds), columns))
    return pipelines


def _reach(first: str, neighbours: Mapping[str, set[str]]) -> set[str]:
    reached, frontier = {first}, [first]
    while frontier:
        for each in neighbours[frontier.pop()] - reached:
            reached.add(each)
            frontier.append(each)
    return reached


def _columns(members: Sequence[str], edges: Sequence[EdgeView]) -> list[list[str]]:
    before = {each: {edge.source_id for edge in edges if edge.target_id == each} for each in members}
    after = {each: {edge.target_id for edge in edges if edge.source_id == each} for each in members}
    depth = dict.fromkeys(members, 0)
    for _ in members:  # the longest way has at most as many steps as there are components
        for each in members:
            depth[each] = max((depth[source] + 1 for source in before[each]), default=0)
            depth[each] = min(depth[each], len(members) - 1)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for each in members:
        columns[depth[each]].append(each)
    for sweep in range(SWEEPS):
        neighbours, order = (before, columns) if sweep % 2 == 0 else (after, columns[::-1])
        _sort_by_neighbours(order, neighbours)
    return [column for column in columns if column]


def _sort_by_neighbours(columns: Sequence[list[str]], neighbours: Mapping[str, set[str]]) -> None:
    place: dict[str, float] = {}
    for column in columns:
        for index, each in enumerate(column):
            place.setdefault(each, index)

        def middle(each: str) -> float:
            found = [place[other] for other in neighbours[each] if other in place]
            return sum(found) / len(found) if found else place[each]

        column.sort(key=middle)
        place.update({each: float(index) for index, each in enumerate(column)})
