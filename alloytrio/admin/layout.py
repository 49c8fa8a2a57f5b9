"""Where each component stands in the picture of the pipelines: columns from left to right. Pure functions.

A component stands one column behind the last of those before it, so that every edge goes to the right. An edge that
goes over a column has a passage there, so that it is drawn between components and not through them. Within a column
all are ordered by the middle of their neighbours, which keeps edges from crossing in the graphs people have.
Source: Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from alloytrio.admin.view import EdgeView

CARRIES = {"traces": "traces", "metrics": "metrics", "samples": "metrics", "logs": "logs", "entries": "logs"}
"""What a pipeline with such edges is about; targets and rules are only on the way to it."""

SWEEPS = 5  # there and back twice, and there, so that what comes from one component stands together


@dataclass(frozen=True, slots=True)
class Passage:
    """Where the edges between two components go over a column."""

    source_id: str
    target_id: str
    column: int


Place = str | Passage
"""What stands in a column: a component's id, or a passage."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A connected part of the graph.

    Args:
        name: what flows in it, in the order of its edges: ``traces, metrics``.
        places: columns from left to right, each from top to bottom.
    """

    name: str
    places: Sequence[Sequence[Place]]

    @property
    def columns(self) -> list[list[str]]:
        """The components alone."""
        return [[each for each in column if isinstance(each, str)] for column in self.places]


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


def _columns(members: Sequence[str], edges: Sequence[EdgeView]) -> list[list[Place]]:
    depth = _depths(members, edges)
    columns: list[list[Place]] = [[] for _ in range(max(depth.values()) + 1)]
    for each in members:
        columns[depth[each]].append(each)
    before: dict[Place, set[Place]] = {}
    after: dict[Place, set[Place]] = {}
    for source, target in dict.fromkeys((edge.source_id, edge.target_id) for edge in edges):
        passages = [Passage(source, target, column) for column in range(depth[source] + 1, depth[target])]
        for passage in passages:
            columns[passage.column].append(passage)
        way: list[Place] = [source, *passages, target]
        for one, other in pairwise(way):
            after.setdefault(one, set()).add(other)
            before.setdefault(other, set()).add(one)
    for sweep in range(SWEEPS):
        neighbours, order = (before, columns) if sweep % 2 == 0 else (after, columns[::-1])
        _sort_by_neighbours(order, neighbours)
    return [column for column in columns if column]


def _depths(members: Sequence[str], edges: Sequence[EdgeView]) -> dict[str, int]:
    before = {each: {edge.source_id for edge in edges if edge.target_id == each} for each in members}
    depth = dict.fromkeys(members, 0)
    for _ in members:  # the longest way has at most as many steps as there are components
        for each in members:
            depth[each] = max((depth[source] + 1 for source in before[each]), default=0)
            depth[each] = min(depth[each], len(members) - 1)
    return depth


def _sort_by_neighbours(columns: Sequence[list[Place]], neighbours: Mapping[Place, set[Place]]) -> None:
    place: dict[Place, float] = {}
    for column in columns:
        for index, each in enumerate(column):
            place.setdefault(each, (index + 0.5) / len(column))  # columns of all lengths are compared

        def middle(each: Place) -> float:
            found = [place[other] for other in neighbours.get(each, ()) if other in place]
            return sum(found) / len(found) if found else place[each]

        column.sort(key=middle)
        place.update({each: (index + 0.5) / len(column) for index, each in enumerate(column)})
