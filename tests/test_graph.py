"""The graph is cut into pipelines; what does not change survives a reload."""

import trio

from alloytrio.component import ComponentConfig
from alloytrio.config.edges import Edge
from alloytrio.graph import Node, Plan, make_plan, stop_levels
from alloytrio.telemetry import Telemetry
from alloytrio.values import Kind

TRACES = [("receiver", "batch"), ("batch", "tempo")]
METRICS = [("receiver", "batch"), ("batch", "prometheus"), ("prometheus", "write")]
LOGS = [("docker", "relabel"), ("relabel", "source"), ("source", "process"), ("process", "loki")]


class Nothing(ComponentConfig):
    """A component without keys."""


def plan_of(pairs: list[tuple[str, str]], **changed: str) -> Plan:
    """A plan for edges between ids; ``changed`` gives ids another fingerprint."""
    ids = dict.fromkeys(each for pair in pairs for each in pair)
    edges = [Edge(source, target, Kind.OTLP, "input", source, (), None) for source, target in dict.fromkeys(pairs)]
    return make_plan({each: Nothing() for each in ids}, edges, {each: changed.get(each, "same") for each in ids})


def members(plan: Plan) -> list[set[str]]:
    """The components of each part."""
    return [set(part.component_ids) for part in plan.parts]


def test_two_pipelines_and_their_outboxes() -> None:
    """Each pipeline is one part, each outbox owner behind it another."""
    parts = members(plan_of(TRACES + METRICS + LOGS))
    assert {"receiver", "batch", "prometheus"} in parts
    assert {"docker", "relabel", "source", "process"} in parts
    assert all({owner} in parts for owner in ("tempo", "write", "loki"))


def test_shared_outbox_ties_nothing_together() -> None:
    """Two sources that write to one outbox are two pipelines."""
    assert members(plan_of([("a", "loki"), ("b", "loki")])) == [{"loki"}, {"a"}, {"b"}]


def test_parts_and_members_come_downstream_first() -> None:
    """A consumer is ready before its producer."""
    plan = plan_of(TRACES + METRICS + LOGS)
    order = [each for part in plan.parts for each in part.component_ids]
    assert all(order.index(edge.target_id) < order.index(edge.source_id) for edge in plan.edges)


def test_change_reaches_what_is_upstream() -> None:
    """A part is replaced when something behind it changed, and only then."""
    before = {part.name: part.fingerprint for part in plan_of(TRACES + LOGS).parts}
    after = {part.name: part.fingerprint for part in plan_of(TRACES + LOGS, tempo="other").parts}
    assert {name for name in before if before[name] != after[name]} == {"receiver", "tempo"}


def test_stop_goes_from_sources_to_outboxes() -> None:
    """A level stops after everything that feeds it."""
    plan = plan_of(TRACES + LOGS)
    telemetry = Telemetry()
    nodes = [
        Node(each, config, telemetry.component(each), None, plan.upstream(each), plan.downstream(each), trio.Event())  # type: ignore[arg-type] # nothing runs here
        for each, config in plan.configs.items()
    ]
    levels = [[node.component_id for node in level] for level in stop_levels(nodes)]
    assert levels == [["receiver", "docker"], ["batch", "relabel"], ["tempo", "source"], ["process"], ["loki"]]
