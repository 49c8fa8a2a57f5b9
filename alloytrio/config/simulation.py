"""What a configuration does with given targets, log lines and signals, without running it.

Rules, labels and stages are the same objects that run; what is left out is everything that waits, reads or sends. Time
stands still: all lines are of one moment, and ``limit`` does not wait.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from alloytrio.component import ComponentConfig, Signal
from alloytrio.config.load import LoadedConfig
from alloytrio.config.points import Point, Series, series_at
from alloytrio.config.records import LogRecord, encode_records
from alloytrio.entry import Entry, Origin
from alloytrio.loki.process import LokiProcessConfig
from alloytrio.loki.process.stage import Pass, Stage, StageContext
from alloytrio.otelcol.exporter.loki import LokiExporterConfig
from alloytrio.otelcol.exporter.prometheus import PrometheusExporterConfig
from alloytrio.relabel import Relabeling, RelabelRule
from alloytrio.telemetry import Telemetry
from alloytrio.values import Kind
from alloytrio.wire.loki_logs import LogConverter

Labels = Mapping[str, str]

STREAM_LABEL = "__meta_docker_container_log_stream"
TENANT_LABEL = "__tenant_id__"
NOW_NS = 1_700_000_000_000_000_000
"""The moment at which everything happens: 2023-11-14 22:13:20 UTC."""

_SOURCE = b"simulation"


class _HasRules(Protocol):
    rule: tuple[RelabelRule, ...]


class _HasLabels(Protocol):
    labels: Mapping[str, str]


class SimulationError(Exception):
    """The input cannot enter where it should. The message says what can."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A log line at the end of its way.

    Args:
        at: the component that would send it.
        line: the text; bytes that are not UTF-8 are replaced.
        labels: of its stream.
        structured_metadata: beside the line.
        tenant: empty for that of the endpoint.
        ts_ns: nanoseconds since 1970.
    """

    at: str
    line: str
    labels: Mapping[str, str]
    structured_metadata: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    ts_ns: int = NOW_NS


class Simulation:
    """One configuration, tried out.

    Args:
        loaded: the configuration.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self._components = loaded.settings.components
        self._edges = loaded.edges
        self._telemetry = Telemetry()

    def targets(self, at: str, given: Sequence[Labels]) -> dict[str, list[dict[str, str]]]:
        """What becomes of targets at every component that is given them, directly or through others.

        Args:
            at: the discovery that finds them; empty if there is one only.
            given: their labels.

        Raises:
            SimulationError: there is no such component, or ``at`` must be said.
        """
        start = at or self._only("discovery.docker", "discovery.relabel")
        self._must_exist(start)
        reached: dict[str, list[dict[str, str]]] = {}
        waiting = [(start, [dict(labels) for labels in given])]
        while waiting:
            component_id, labels = waiting.pop(0)
            kept = self._relabelled(component_id, labels)
            reached[component_id] = [*reached.get(component_id, []), *kept]
            waiting += [(target, kept) for target in self._targets_of(component_id, Kind.TARGETS)]
        return reached

    def lines(self, at: str, labels: Labels, lines: Sequence[str], stream: str = "stdout") -> list[Delivered]:
        """What becomes of the lines of one container.

        Args:
            at: where they enter: a discovery or source, then ``labels`` are those of the target; or a
                ``loki.process``, then those of the lines. Empty if there is one discovery only.
            labels: see ``at``.
            lines: in order.
            stream: that they were written to.

        Raises:
            SimulationError: lines do not enter there.
        """
        start = at or self._only("discovery.docker")
        self._must_exist(start)
        delivered: list[Delivered] = []
        if start.startswith("discovery."):
            found = self.targets(start, [labels])
            for component_id, targets in found.items():
                if self._type(component_id) == "loki.source.docker" and targets:
                    delivered += self._from_source(component_id, targets[0], lines, stream)
            return delivered
        if self._type(start) == "loki.source.docker":
            return self._from_source(start, labels, lines, stream)
        if self._type(start) in ("loki.process", "loki.write"):
            return list(self._through([start], labels, lines, stream))
        raise SimulationError(f"{start} takes no log lines")

    def signal(self, at: str, signal: Signal) -> list[str]:
        """The components that a signal ends at, sorted.

        Args:
            at: the receiver; empty if there is one only.
            signal: which.

        Raises:
            SimulationError: there is no such component, or ``at`` must be said.
        """
        reached = self._reached(at, signal)
        return sorted(component_id for component_id, behind in reached.items() if not behind)

    def _reached(self, at: str, signal: Signal) -> dict[str, list[str]]:
        """The components that a signal comes to behind a receiver, and what is behind each."""
        start = at or self._only("otelcol.receiver.otlp")
        self._must_exist(start)
        reached: dict[str, list[str]] = {}
        waiting = [start]
        while waiting:
            component_id = waiting.pop(0)
            reached[component_id] = [
                edge.target_id
                for edge in self._edges
                if edge.source_id == component_id and edge.signal in (None, signal) and edge.kind is not Kind.TARGETS
            ]
            waiting += [each for each in reached[component_id] if each not in reached]
        return {component_id: behind for component_id, behind in reached.items() if component_id != start}

    def points(self, at: str, points: Sequence[Point], resource: Labels) -> list[Series]:
        """The series that data points become at every ``prometheus.remote_write`` that they reach.

        Args:
            at: the receiver; empty if there is one only.
            points: in one request.
            resource: attributes of what they come from.

        Raises:
            SimulationError: there is no such component, or ``at`` must be said.
        """
        delivered: list[Series] = []
        for component_id in self._reached(at, Signal.METRICS):
            config = self._config(component_id)
            if isinstance(config, PrometheusExporterConfig):
                writers = {each: self._config(each) for each in self._targets_of(component_id, Kind.SAMPLES)}
                delivered += series_at(config, writers, points, resource, NOW_NS)
        return delivered

    def records(self, at: str, records: Sequence[LogRecord], resource: Labels) -> list[Delivered]:
        """The lines that log records become at every ``loki.write`` that they reach.

        Args:
            at: the receiver; empty if there is one only.
            records: in one request.
            resource: attributes of what they come from.

        Raises:
            SimulationError: there is no such component, or ``at`` must be said.
        """
        payload = encode_records(records, resource, NOW_NS)
        delivered: list[Delivered] = []
        for component_id in self._reached(at, Signal.LOGS):
            config = self._config(component_id)
            if isinstance(config, LokiExporterConfig):
                entries = LogConverter(config.structured_metadata).convert(payload, NOW_NS)
                for target in self._targets_of(component_id, Kind.ENTRIES):
                    delivered += self._deliver(target, [entry.copy() for entry in entries])
        return delivered

    def _type(self, component_id: str) -> str:
        return component_id.rpartition(".")[0]

    def _must_exist(self, component_id: str) -> None:
        if component_id not in self._components:
            raise SimulationError(f"there is no component {component_id}; there are {', '.join(self._components)}")

    def _only(self, *types: str) -> str:
        for component_type in types:
            found = [each for each in self._components if self._type(each) == component_type]
            if len(found) == 1:
                return found[0]
            if found:
                raise SimulationError(f"say where it enters: at = {' or '.join(map(repr, found))}")
        raise SimulationError(f"there is no {' or '.join(types)}: say where it enters with at")

    def _config(self, component_id: str) -> ComponentConfig:
        return self._components[component_id]

    def _targets_of(self, component_id: str, kind: Kind) -> list[str]:
        return [edge.target_id for edge in self._edges if edge.source_id == component_id and edge.kind is kind]

    def _relabelled(self, component_id: str, targets: list[dict[str, str]]) -> list[dict[str, str]]:
        if self._type(component_id) != "discovery.relabel":
            return targets
        rules = Relabeling(cast(_HasRules, self._config(component_id)).rule)
        return [kept for target in targets if (kept := rules.apply(target)) is not None]

    def _from_source(self, source_id: str, target: Labels, lines: Sequence[str], stream: str) -> list[Delivered]:
        labels = {**target, **cast(_HasLabels, self._config(source_id)).labels, STREAM_LABEL: stream}
        for edge in self._edges:
            if edge.target_id == source_id and edge.kind is Kind.RULES:
                rules = Relabeling(cast(_HasRules, self._config(edge.source_id)).rule)
                changed = rules.apply(labels)
                if changed is None:
                    return []
                labels = changed
        visible = {name: value for name, value in labels.items() if not name.startswith("__") and value}
        return list(self._through(self._targets_of(source_id, Kind.ENTRIES), visible, lines, stream))

    def _through(
        self, component_ids: Sequence[str], labels: Labels, lines: Sequence[str], stream: str
    ) -> Iterator[Delivered]:
        origin = Origin(stream, dict(labels))
        entries = [Entry(origin, NOW_NS, line.encode(errors="surrogateescape"), n) for n, line in enumerate(lines)]
        for component_id in component_ids:
            yield from self._deliver(component_id, [entry.copy() for entry in entries])

    def _deliver(self, component_id: str, entries: list[Entry]) -> Iterator[Delivered]:
        config = self._config(component_id)
        if not isinstance(config, LokiProcessConfig):
            external = getattr(config, "external_labels", {})
            yield from (_delivered(component_id, entry, external) for entry in entries)
            return
        context = StageContext(self._telemetry.component(component_id))
        stages = [each.build(context) for each in config.stage]
        left = [*_run(stages, entries, ended=False), *_run(stages, [], ended=True)]
        for target in self._targets_of(component_id, Kind.ENTRIES):
            yield from self._deliver(target, [entry.copy() for entry in left])


def _run(stages: Sequence[Stage], entries: list[Entry], *, ended: bool) -> list[Entry]:
    for entry in entries:
        entry.extracted = dict(entry.labels)
    run = Pass(_SOURCE, NOW_NS, 0.0, ended)
    for stage in stages:
        entries = stage.process(entries, run)
    return entries


def _delivered(component_id: str, entry: Entry, external: Mapping[str, str]) -> Delivered:
    labels = {**external, **entry.labels}
    return Delivered(
        component_id,
        entry.line.decode(errors="replace"),
        {name: value for name, value in labels.items() if not name.startswith("__") and value},
        dict(entry.metadata or {}),
        labels.get(TENANT_LABEL, ""),
        entry.ts_ns,
    )
