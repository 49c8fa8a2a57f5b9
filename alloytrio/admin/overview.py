"""The overview: what the first page shows, and the cells of it that change while one looks.

In: the service, and the sampler's rates. Out: an ``Overview`` for the template, whose ``cells`` are also what the live
stream sends. A cell is written once, here, whether it is sent with the page or behind it.
"""

import time
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alloytrio.admin import words
from alloytrio.admin.flow import UNITS, Flow, edge_totals, flow_of
from alloytrio.admin.layout import Pipeline, arrange
from alloytrio.admin.sampler import Sampler
from alloytrio.admin.view import EdgeView, OutboxView, ReloadView, ServiceView, unhealthy
from alloytrio.component import KnownTarget
from alloytrio.outbox import OutboxStats
from alloytrio.telemetry import Health, HealthState

STATE_WORDS = {
    HealthState.HEALTHY: "healthy",
    HealthState.UNHEALTHY: "unhealthy",
    HealthState.UNKNOWN: "starting",
    HealthState.EXITED: "ended",
}
PAGE_SIZE = 4096
FULL = 0.01  # of the room of an outbox; with less, what comes does not fit
MAX_FORECAST = 7 * 86_400.0  # seconds; what lasts longer need not be said


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure on the page.

    Args:
        text: as shown.
        title: the exact value, shown on hover.
        state: a word for its colour: ``ok``, ``warn``, ``bad``, or empty.
        fill: 0 … 1 for a bar; None = no bar.
        time_ms: a time since 1970 in milliseconds, shown by the page in the reader's zone; 0 = none.
        line: points of a small chart.
    """

    text: str
    title: str = ""
    state: str = ""
    fill: float | None = None
    time_ms: int = 0
    line: str = ""

    def as_json(self) -> dict[str, object]:
        """Only what is set."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None) or key == "text"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A component that does not do its work."""

    component_id: str
    reason: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Link:
    """All edges between two components: drawn as one."""

    source_id: str
    target_id: str
    kinds: Sequence[str]

    @property
    def key(self) -> str:
        """Names its cell."""
        return f"edge {self.source_id} {self.target_id}"


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page.

    Args:
        warnings: (component, text).
        refused_reload: the last reload, if it was refused.
    """

    pipelines: Sequence[Pipeline]
    links: Sequence[Link]
    outboxes: Sequence[tuple[str, OutboxView]]
    problems: Sequence[Problem]
    warnings: Sequence[tuple[str, str]]
    refused_reload: ReloadView | None
    received_anything: bool
    cells: Mapping[str, Cell]
    shape: str


def totals(view: ServiceView) -> dict[Hashable, float]:
    """What the sampler remembers at one moment."""
    flows = {component_id: flow_of(values) for component_id, values in view.telemetry.values().items()}
    on_edges = edge_totals(view.edges(), flows, view.outboxes())
    found: dict[Hashable, float] = {edge: total for edge, total in on_edges.items()}  # noqa: C416 - dict's keys are invariant
    for what, part in (("in", "taken_in"), ("out", "delivered"), ("refused", "refused")):
        for flow in flows.values():
            amounts: Mapping[str, float] = getattr(flow, part)
            for kind, total in amounts.items():
                found[what, kind] = found.get((what, kind), 0.0) + total
                found[what] = found.get(what, 0.0) + total
    for component_id, outboxes in view.outboxes().items():
        for outbox in outboxes:
            found["sent", component_id, outbox.name] = outbox.stats.counts.sent_items
            found["used", component_id, outbox.name] = outbox.stats.used_bytes
    found["cpu"] = time.process_time()
    return found


def overview(view: ServiceView, sampler: Sampler) -> Overview:
    """The page at this moment."""
    edges = view.edges()
    ids = view.component_ids()
    known = view.healths()
    healths = {each: known.get(each) or Health(HealthState.UNKNOWN, "", 0) for each in ids}
    links = links_of(edges)
    outboxes = [(component_id, each) for component_id, some in view.outboxes().items() for each in some]
    failing = unhealthy(healths)
    problems = [Problem(each, health.message, health.since_ns // 1_000_000) for each, health in failing.items()]
    warnings = [(each, note.text) for each, notes in view.notes().items() for note in notes if note.is_warning]
    targets = view.targets() if any(edge.kind == "targets" for edge in edges) else {}
    flows = [flow_of(values) for values in view.telemetry.values().values()]
    cells = {
        "state": _state_cell(view, healths),
        **_flow_cells(flows, sampler, has_backends=bool(outboxes)),
        **_held_cells(outboxes, sampler),
        **_process_cells(sampler),
        **{f"health {each}": health_cell(health) for each, health in healths.items()},
        **{link.key: _link_cell(link, edges, sampler, targets) for link in links},
    }
    for component_id, outbox in outboxes:
        cells |= outbox_cells(component_id, outbox, sampler)
    received = any(sum(flow.taken_in.values()) for flow in flows)
    owners = [(owner, each.name, each.backend) for owner, each in outboxes]
    reload = view.last_reload()
    refused = reload if reload is not None and reload.error else None
    parts = repr((ids, links, owners, list(failing), warnings, refused, received))
    shape = f"{zlib.crc32(parts.encode('utf-8', 'replace')):08x}"
    return Overview(arrange(ids, edges), links, outboxes, problems, warnings, refused, received, cells, shape)


def links_of(edges: Sequence[EdgeView]) -> list[Link]:
    """Edges between the same two components, put together."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for edge in edges:
        kinds.setdefault((edge.source_id, edge.target_id), []).append(edge.kind)
    return [Link(source, target, tuple(dict.fromkeys(some))) for (source, target), some in kinds.items()]


def health_cell(health: Health) -> Cell:
    """A state of health as a word with its colour."""
    state = {HealthState.HEALTHY: "ok", HealthState.UNKNOWN: ""}.get(health.state, "bad")
    return Cell(STATE_WORDS[health.state], health.message, state)


def _state_cell(view: ServiceView, healths: Mapping[str, Health]) -> Cell:
    if not view.is_ready():
        return Cell("Not ready", "not receiving yet, or no longer", "warn")
    failing = unhealthy(healths)
    if failing:
        return Cell(f"{len(failing)} of {len(healths)} unhealthy", ", ".join(failing), "bad")
    return Cell("Receiving and delivering", f"{len(healths)} components are healthy", "ok")


def _flow_cells(flows: Sequence[Flow], sampler: Sampler, *, has_backends: bool) -> dict[str, Cell]:
    cells = {}
    for what, part in (("in", "taken_in"), ("out", "delivered")):
        kinds = dict.fromkeys(kind for flow in flows for kind in getattr(flow, part))
        rates = [words.rate(sampler.rate((what, kind)), UNITS.get(kind, kind)) for kind in kinds]
        total = sum(sum(getattr(flow, part).values()) for flow in flows)
        line = words.sparkline(sampler.rates(what), 120, 28)
        refused = _refused(flows, sampler) if what == "in" else []
        cells[what] = Cell(
            "\n".join([*rates, *refused]) or "nothing yet",
            f"{total:,.0f} items since the start",
            "bad" if refused else "",
            line=line,
        )
    kept = sum(sum(flow.recorded.values()) for flow in flows)
    if not has_backends and kept:
        cells["out"] = Cell("kept in memory", f"{kept:,.0f} items since the start", line=cells["in"].line)
    return cells


def _refused(flows: Sequence[Flow], sampler: Sampler) -> list[str]:
    """What senders are refused now; they keep it, or lose it."""
    kinds = dict.fromkeys(kind for flow in flows for kind in flow.refused)
    rates = {kind: sampler.rate(("refused", kind)) for kind in kinds}
    return [f"{words.rate(rate, UNITS.get(kind, kind))} refused" for kind, rate in rates.items() if rate]


def _held_cells(outboxes: Sequence[tuple[str, OutboxView]], sampler: Sampler) -> dict[str, Cell]:
    stats = [each.stats for _, each in outboxes]
    items = sum(each.queued_items for each in stats)
    held_bytes = sum(each.queued_bytes for each in stats)
    oldest = max((each.oldest_age for each in stats), default=0.0)
    fill = max((_fill(each) for each in stats), default=0.0)
    waiting = any(each.retry_wait is not None for each in stats)
    text = f"{words.plural(items, 'item')}\n{words.size(held_bytes)}" if items else "nothing"
    age = f"oldest {words.duration(oldest)}" if items else "all that was accepted is delivered"
    state = "bad" if fill > 0.9 else "warn" if waiting or fill > 0.5 else ""
    return {
        "held": Cell(text, f"{items:,} items", state),
        "held age": Cell(age),
        "held why": _why_held(outboxes),
        "held room": _room(outboxes, sampler),
    }


def _why_held(outboxes: Sequence[tuple[str, OutboxView]]) -> Cell:
    """Which backends do not take what waits for them; empty when all is on its way."""
    failing = [each for _, each in outboxes if each.stats.retry_wait is not None]
    if not failing:
        return Cell("")
    title = "\n".join(f"{each.backend}: {each.stats.counts.last_error}" for each in failing)
    return Cell(f"waiting for {', '.join(dict.fromkeys(each.backend for each in failing))}", title, "warn")


def _room(outboxes: Sequence[tuple[str, OutboxView]], sampler: Sampler) -> Cell:
    """How long the fullest of the outboxes that wait for their backends can take more; empty when none waits.

    What is worse goes first: nothing can be written at all.
    """
    broken = next((each.stats.write_error for _, each in outboxes if each.stats.write_error), "")
    if broken:
        return Cell(broken, state="bad")
    failing = [
        (owner, each.name, each.stats)
        for owner, each in outboxes
        if each.stats.retry_wait is not None and each.stats.capacity_bytes
    ]
    if not failing:
        return Cell("")
    owner, name, stats = max(failing, key=lambda each: _fill(each[2]))
    free = 1 - _fill(stats)
    if free < FULL:
        return Cell("no room left: senders wait", f"{stats.used_bytes:,} of {stats.capacity_bytes:,} bytes", "bad")
    growth = sampler.slope(("used", owner, name))
    seconds = free * stats.capacity_bytes / growth if growth and growth > 0 else MAX_FORECAST
    if seconds >= MAX_FORECAST:
        return Cell(f"{words.percent(free)} of its room is free")
    return Cell(f"room for {words.rough(seconds)} at this rate", f"{words.size(growth or 0)}/s", "warn")


def _process_cells(sampler: Sampler) -> dict[str, Cell]:
    cpu = sampler.rate("cpu")
    memory = resident_bytes()
    return {
        "cpu": Cell(words.percent(cpu) if cpu is not None else words.NONE, "of one core, over the last 10 s"),
        "memory": Cell(words.size(memory), f"{memory:,} bytes resident"),
    }


def outbox_cells(component_id: str, outbox: OutboxView, sampler: Sampler) -> dict[str, Cell]:
    """The cells of one outbox, by key."""
    key = f"outbox {component_id} {outbox.name}"
    stats, counts = outbox.stats, outbox.stats.counts
    waits = stats.retry_wait is not None
    fill = _fill(stats)
    queue = f"{words.count(stats.queued_items)} · {words.size(stats.queued_bytes)}" if stats.queued_items else "empty"
    retry = f"next attempt in {words.duration(stats.retry_wait or 0)}" if waits else ""
    return {
        f"{key} state": Cell(*_delivery(stats)),
        f"{key} rate": Cell(words.rate(sampler.rate(("sent", component_id, outbox.name)), "items")),
        f"{key} queue": Cell(
            queue,
            f"{stats.queued_items:,} items, {stats.queued_bytes:,} of {stats.capacity_bytes:,} bytes",
            "bad" if fill > 0.9 else "warn" if fill > 0.5 else "",
            fill,
        ),
        f"{key} age": Cell(f"oldest {words.duration(stats.oldest_age)}" if stats.queued_items else ""),
        f"{key} success": Cell("" if counts.last_success_ns else "never", time_ms=counts.last_success_ns // 1_000_000),
        f"{key} error": Cell(counts.last_error or "none", state="bad" if waits else ""),
        f"{key} error time": Cell("", time_ms=counts.last_error_ns // 1_000_000),
        f"{key} retry": Cell(retry, state="warn" if waits else ""),
    }


def _delivery(stats: OutboxStats) -> tuple[str, str, str]:
    """Word, title and colour of how delivery goes."""
    counts = stats.counts
    if stats.retry_wait is not None:
        return "retrying", counts.last_error, "bad"
    if counts.last_error_ns > counts.last_success_ns:
        return "failing", counts.last_error, "bad"
    if counts.last_success_ns:
        return "delivering", f"{counts.sent_items:,} items delivered since the start", "ok"
    return "idle", "nothing was sent yet", ""


def _fill(stats: OutboxStats) -> float:
    return min(1.0, stats.used_bytes / stats.capacity_bytes) if stats.capacity_bytes else 0.0


def _link_cell(
    link: Link, edges: Sequence[EdgeView], sampler: Sampler, targets: Mapping[str, Sequence[KnownTarget]]
) -> Cell:
    texts, moving = [], False
    for edge in edges:
        if (edge.source_id, edge.target_id) != (link.source_id, link.target_id):
            continue
        if edge.kind == "targets":
            found = targets.get(edge.source_id, ())
            texts.append(words.plural(sum(each.labels is not None for each in found), "target"))
        elif edge.kind in ("rules", "auth"):
            texts = [UNITS[edge.kind]]
        else:
            rate = sampler.rate(edge)
            moving = moving or bool(rate)
            texts.append(words.rate(rate, UNITS.get(edge.kind, edge.kind)))
    return Cell("\n".join(texts), state="ok" if moving else "")


def resident_bytes() -> int:
    """Resident memory of this process; 0 where /proc does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_SIZE
    except (OSError, IndexError, ValueError):
        return 0
