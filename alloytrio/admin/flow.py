"""What flows where, read off the counters that each component keeps anyway.

In: counters by component, edges, outboxes. Out: totals by edge and by backend, from which ``sampler.py`` makes rates.
Errors: none; where nothing counts, there is no figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.admin.view import EdgeView, OutboxView

Values = Sequence[tuple[str, Mapping[str, str], float]]
"""(name, labels, value) of counters and gauges."""

UNITS = {
    "traces": "spans",
    "metrics": "points",
    "logs": "records",
    "samples": "samples",
    "entries": "lines",
    "targets": "targets",
    "rules": "rules",
    "auth": "credentials",
}
"""What one item of a kind is called."""

_SIGNALS = {"spans": "traces", "metric_points": "metrics", "log_records": "logs"}

# Metric → (what it counts, kind). "in" has come from outside, "out" was handed on inside, "done" was delivered.
_MEANING: dict[str, tuple[str, str]] = {
    **{f"otelcol_receiver_accepted_{item}_total": ("in", kind) for item, kind in _SIGNALS.items()},
    **{f"otelcol_receiver_refused_{item}_total": ("refused", kind) for item, kind in _SIGNALS.items()},
    **{f"otelcol_exporter_sent_{item}_total": ("done", kind) for item, kind in _SIGNALS.items()},
    "loki_source_docker_target_entries_total": ("in", "entries"),
    "loki_process_dropped_lines_total": ("dropped", "entries"),
    "loki_write_sent_entries_total": ("done", "entries"),
    "loki_write_dropped_entries_total": ("dropped", "entries"),
    "otelcol_exporter_loki_entries_processed_total": ("out", "entries"),
    "prometheus_forwarded_samples_total": ("out", "samples"),
    "prometheus_remote_storage_samples_total": ("done", "samples"),
    "prometheus_remote_storage_samples_failed_total": ("not_done", "samples"),
    "prometheus_remote_storage_samples_retried_total": ("not_done", "samples"),
}
_RECORDED = "alloytrio_recorder_recorded_items_total"  # has the kind as a label


@dataclass(frozen=True, slots=True)
class Flow:
    """Totals of one component since the start of the process, in items by kind.

    Args:
        taken_in: from outside.
        handed_on: to the next components, where the component counts it itself.
        delivered: to a backend.
        recorded: kept in memory for the viewer.
        dropped: by a rule or a stage.
        refused: not accepted; the sender knows.
    """

    taken_in: Mapping[str, float] = field(default_factory=dict)
    handed_on: Mapping[str, float] = field(default_factory=dict)
    delivered: Mapping[str, float] = field(default_factory=dict)
    recorded: Mapping[str, float] = field(default_factory=dict)
    dropped: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, float] = field(default_factory=dict)


def flow_of(values: Values) -> Flow:
    """The flow that a component's counters tell."""
    sums: dict[str, dict[str, float]] = {}
    for name, labels, value in values:
        what, kind = ("kept", labels.get("kind", "")) if name == _RECORDED else _MEANING.get(name, ("", ""))
        if what:
            of_kind = sums.setdefault(what, {})
            of_kind[kind] = of_kind.get(kind, 0) + value
    taken_in = sums.get("in", {})
    not_done = sums.get("not_done", {})
    return Flow(
        taken_in=taken_in,
        handed_on={**taken_in, **sums.get("out", {})},
        delivered={kind: total - not_done.get(kind, 0) for kind, total in sums.get("done", {}).items()},
        recorded=sums.get("kept", {}),
        dropped=sums.get("dropped", {}),
        refused=sums.get("refused", {}),
    )


def edge_totals(
    edges: Sequence[EdgeView], flows: Mapping[str, Flow], outboxes: Mapping[str, Sequence[OutboxView]]
) -> dict[EdgeView, float]:
    """Items that went over each edge, as far as somebody counts them.

    A component that counts what it hands on says it for all its edges. One that does not (a batch, a process) hands
    on what came in, less what it dropped. What is left is told by the outbox at the end, if it has only that input.
    """
    incoming: dict[str, list[EdgeView]] = {}
    for edge in edges:
        incoming.setdefault(edge.target_id, []).append(edge)
    totals: dict[EdgeView, float] = {}

    def total(edge: EdgeView, beyond: frozenset[str]) -> float | None:
        """``beyond``: components on the way so far; a cycle cannot be configured, but costs nothing to survive."""
        if edge in totals:
            return totals[edge]
        flow = flows.get(edge.source_id, Flow())
        if edge.kind in flow.handed_on:
            return flow.handed_on[edge.kind]
        same_kind = [each for each in incoming.get(edge.source_id, []) if each.kind == edge.kind]
        if same_kind and edge.source_id not in beyond:
            parts = [total(each, beyond | {edge.source_id}) for each in same_kind]
            if all(part is not None for part in parts):
                return max(0.0, sum(part or 0 for part in parts) - flow.dropped.get(edge.kind, 0))
        ends = outboxes.get(edge.target_id, ())
        if ends and len(incoming[edge.target_id]) == 1:
            return float(max(each.stats.counts.accepted_items for each in ends))
        return None

    for edge in edges:
        found = total(edge, frozenset())
        if found is not None:
            totals[edge] = found
    return totals
