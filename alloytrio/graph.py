"""The graph of components: what is connected to what, in which order it starts and stops, what a reload may keep.

A *pipeline* is a connected part of the graph. Components that own outboxes (those with nothing behind them) are cuts:
each is a part of its own, so that a crash behind one restarts no receiver and a shared ``loki.write`` does not tie two
pipelines together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from alloytrio.component import BuildContext, Component, ComponentConfig
from alloytrio.config.edges import Edge
from alloytrio.errors import ConfigError
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.values import Kind


@dataclass(slots=True, eq=False)
class Node:
    """One component in the running graph.

    Args:
        component_id: ``type.label``.
        config: what it was built from.
        telemetry: its metrics, log and health.
        stop: set when it should end: see ``alloytrio.component``.
        done: set when its task has returned.
        upstream, downstream: ids of its neighbours along the flow of data.
    """

    component_id: str
    config: ComponentConfig
    telemetry: ComponentTelemetry
    component: Component
    upstream: frozenset[str]
    downstream: frozenset[str]
    stop: trio.Event
    done: trio.Event = field(default_factory=trio.Event)


@dataclass(frozen=True, slots=True)
class Part:
    """A pipeline, or an outbox owner behind one, as the configuration describes it.

    Args:
        component_ids: downstream first, so that a consumer is ready before its producer.
        fingerprint: equal for two configurations if, and only if, nothing in this part or behind it differs.
    """

    component_ids: tuple[str, ...]
    fingerprint: str

    @property
    def name(self) -> str:
        """The part is called after the component at its head."""
        return self.component_ids[-1]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration asks for, before anything is built.

    Args:
        edges: along the flow of data, by source.
        parts: downstream first.
    """

    configs: Mapping[str, ComponentConfig]
    edges: Sequence[Edge]
    parts: Sequence[Part]

    def component_of(self, edge: str) -> str:
        """The id of the component that an edge names, with or without its export."""
        return edge if edge in self.configs else edge.rpartition(".")[0]

    def downstream(self, component_id: str) -> frozenset[str]:
        """The components that take from this one."""
        return frozenset(edge.target_id for edge in self.edges if edge.source_id == component_id)

    def upstream(self, component_id: str) -> frozenset[str]:
        """The components that give to this one."""
        return frozenset(edge.source_id for edge in self.edges if edge.target_id == component_id)


def make_plan(configs: Mapping[str, ComponentConfig], edges: Sequence[Edge], fingerprints: Mapping[str, str]) -> Plan:
    """Cut the graph into its parts. ``edges`` are already checked: no unknown name, no cycle."""
    flow = [edge for edge in edges if edge.kind is not Kind.AUTH]  # credentials are asked for, they do not flow
    behind = {each: {edge.target_id for edge in flow if edge.source_id == each} for each in configs}
    needs = {
        each: behind[each] | {edge.source_id for edge in edges if edge.kind is Kind.AUTH and edge.target_id == each}
        for each in configs
    }
    order = downstream_first(configs, needs)
    parts = []
    for members in _connected(order, behind):
        reached = _closure(members, needs)
        prints = "\n".join(f"{each} {fingerprints[each]}" for each in sorted(reached))
        parts.append(Part(tuple(each for each in order if each in members), prints))
    return Plan(configs, edges, parts)


def downstream_first(component_ids: Iterable[str], behind: Mapping[str, set[str]]) -> list[str]:
    """All components, each after everything that it hands data to; otherwise in the order given."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(component_id: str) -> None:
        if component_id not in seen:
            seen.add(component_id)
            for target in sorted(behind[component_id]):
                visit(target)
            order.append(component_id)

    for each in component_ids:
        visit(each)
    return order


def stop_levels(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes in the order of stopping: each level only after all levels before it have ended."""
    waiting = {node.component_id: node for node in nodes}
    levels = []
    while waiting:
        level = [node for node in waiting.values() if not node.upstream & waiting.keys()]
        levels.append(level)
        for node in level:
            del waiting[node.component_id]
    return levels


def build_node(component_id: str, plan: Plan, make_context: Callable[[str, trio.Event], BuildContext]) -> Node:
    """Build one component. What is behind it must have been built before.

    Raises:
        ConfigError: it cannot be built, or a port of it is taken; the message names it.
    """
    config = plan.configs[component_id]
    stop = trio.Event()
    context = make_context(component_id, stop)
    try:
        component = config.build(context)
    except ConfigError as exc:
        raise ConfigError(f"{component_id}: {exc}") from exc
    return Node(
        component_id=component_id,
        config=config,
        telemetry=context.telemetry,
        component=component,
        upstream=plan.upstream(component_id),
        downstream=plan.downstream(component_id),
        stop=stop,
    )


def _connected(order: Sequence[str], behind: Mapping[str, set[str]]) -> list[set[str]]:
    """The parts, downstream first: outbox owners alone, all others with their neighbours."""
    parts: list[set[str]] = []
    for component_id in order:
        if not behind[component_id]:
            parts.append({component_id})
            continue
        joined = {component_id}
        for part in [part for part in parts if _belongs(part, behind[component_id], behind)]:
            parts.remove(part)
            joined |= part
        parts.append(joined)
    return parts


def _belongs(part: set[str], targets: set[str], behind: Mapping[str, set[str]]) -> bool:
    """Whether a part is joined by an edge to one of ``targets``; an outbox owner never is."""
    return any(behind[member] and member in targets for member in part)


def _closure(members: set[str], behind: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    frontier = set(members)
    while frontier:
        reached |= frontier
        frontier = {target for each in frontier for target in behind[each]} - reached
    return reached
