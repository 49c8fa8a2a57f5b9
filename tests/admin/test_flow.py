"""What flows where, from counters."""

from alloytrio.admin.flow import Flow, edge_totals, flow_of
from alloytrio.admin.view import EdgeView
from tests.admin.fakes import outbox_view


def test_flow_of_counters() -> None:
    """Counters are added up by kind and by what they mean; others are ignored."""
    flow = flow_of(
        [
            ("otelcol_receiver_accepted_spans_total", {"transport": "grpc"}, 5),
            ("otelcol_receiver_accepted_spans_total", {"transport": "http"}, 2),
            ("otelcol_receiver_refused_spans_total", {}, 1),
            ("loki_process_dropped_lines_total", {"reason": "drop_stage"}, 3),
            ("otelcol_exporter_sent_log_records_total", {}, 4),
            ("alloytrio_recorder_recorded_items_total", {"kind": "traces"}, 6),
            ("otelcol_exporter_loki_entries_processed_total", {}, 8),
            ("something_else", {}, 9),
        ]
    )
    assert flow == Flow(
        taken_in={"traces": 7},
        handed_on={"traces": 7, "entries": 8},
        delivered={"logs": 4},
        recorded={"traces": 6},
        dropped={"entries": 3},
        refused={"traces": 1},
    )


def test_attempts_that_failed_are_not_deliveries() -> None:
    """Prometheus' counter counts attempts: those that failed or are repeated are taken off."""
    values: list[tuple[str, dict[str, str], float]] = [
        ("prometheus_remote_storage_samples_total", {}, 100.0),
        ("prometheus_remote_storage_samples_failed_total", {}, 10.0),
        ("prometheus_remote_storage_samples_retried_total", {}, 30.0),
    ]
    assert flow_of(values).delivered == {"samples": 60}


A, B, C, D = "a.x", "b.x", "c.x", "d.x"
IN = Flow(taken_in={"traces": 10}, handed_on={"traces": 10})


def test_what_counts_itself_says_it_for_all_its_edges() -> None:
    """Each of several targets gets everything."""
    edges = [EdgeView(A, B, "traces"), EdgeView(A, C, "traces"), EdgeView(A, C, "metrics")]
    assert edge_totals(edges, {A: IN}, {}) == {edges[0]: 10, edges[1]: 10}


def test_what_does_not_count_hands_on_what_came_in() -> None:
    """Through a batch, and through a process less what it dropped; from two sources their sum."""
    edges = [EdgeView(A, B, "traces"), EdgeView(D, B, "traces"), EdgeView(B, C, "traces")]
    flows = {A: IN, D: IN, B: Flow(dropped={"traces": 4})}
    assert edge_totals(edges, flows, {})[edges[2]] == 16


def test_the_outbox_tells_what_nobody_else_does() -> None:
    """With one input, what an outbox accepted came over that edge; with two nobody knows."""
    first, second = EdgeView(A, C, "entries"), EdgeView(B, C, "entries")
    outboxes = {C: [outbox_view(C, "loki:3100", accepted_items=8), outbox_view(C, "other:3100", accepted_items=7)]}
    assert edge_totals([first], {}, outboxes) == {first: 8}
    assert edge_totals([first, second], {}, outboxes) == {}


def test_a_cycle_does_not_hang() -> None:
    """No configuration has one, but a picture must not depend on it."""
    edges = [EdgeView(A, B, "traces"), EdgeView(B, A, "traces")]
    assert edge_totals(edges, {}, {}) == {}
