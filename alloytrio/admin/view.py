"""What the admin port needs to know of the running service, and the values in which it is told.

Everything here is a snapshot: plain values that may be shown as they are, secrets hidden already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alloytrio.component import KnownTarget, Note
from alloytrio.outbox import OutboxStats
from alloytrio.recorder.lines import Line, LineQuery
from alloytrio.recorder.series import Series
from alloytrio.recorder.traces import Trace, TraceQuery, TraceSummary
from alloytrio.recorder.viewer import Found
from alloytrio.telemetry import Health, HealthState, Telemetry

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What JSON can hold."""


@dataclass(frozen=True, slots=True)
class EdgeView:
    """One way that data goes.

    Args:
        source_id, target_id: component ids, along the flow.
        kind: what flows: ``"traces"``, ``"metrics"``, ``"logs"`` for OpenTelemetry data, else ``"samples"``,
            ``"entries"``, ``"targets"``, ``"rules"``, ``"auth"``.
    """

    source_id: str
    target_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class ValueView:
    """One leaf of a component's configuration.

    Args:
        path: such as ``client.endpoint`` or ``endpoint[0].url``.
        value: secrets hidden; durations and sizes as a user writes them.
        origin: ``alloytrio.toml:12``, the name of an environment variable, or ``default``.
    """

    path: str
    value: Plain
    origin: str


@dataclass(frozen=True, slots=True)
class OutboxView:
    """What waits for one backend, and how it goes with it.

    Args:
        name: the outbox; the component's id, or with the endpoint's name behind it.
        backend: where it delivers, such as ``tempo:4317``.
        stats: at this moment; its counts are a copy.
    """

    name: str
    backend: str
    stats: OutboxStats


@dataclass(frozen=True, slots=True)
class RejectedView:
    """Items that a backend refused for good.

    Args:
        id: names it for a download.
        reason: the backend's words.
    """

    id: str
    time_ns: int
    encoding: str
    items: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One component.

    Args:
        id: ``otelcol.exporter.otlp.tempo``.
        type: ``otelcol.exporter.otlp``.
        label: ``tempo``.
        health: now.
        history: the latest changes of health, oldest first, the current one last.
        config: as understood, defaults filled in.
        values: the same leaf by leaf, with where each came from.
        metrics: (name, labels, value) of its counters and gauges.
    """

    id: str
    type: str
    label: str
    health: Health
    history: Sequence[Health]
    config: Mapping[str, Plain]
    values: Sequence[ValueView]
    metrics: Sequence[tuple[str, Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """A configuration as text that may be shown.

    Args:
        name: of the file, or of the embedded default.
        text: secrets hidden; empty if the file cannot be shown.
        error: why it cannot be run, every problem on a line of its own; empty if it can.
    """

    name: str
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class ReloadView:
    """How a reload ended.

    Args:
        at_ns: wall-clock time in nanoseconds.
        error: empty when it took effect, else every problem, ready to print.
        replaced: ids of the components that were replaced.
    """

    at_ns: int
    error: str
    replaced: Sequence[str] = ()


class RecorderView(Protocol):
    """What the viewer pages read from. Answers come from memory, within about two seconds."""

    async def search_traces(self, query: TraceQuery) -> Found[TraceSummary]:
        """Traces, newest first."""

    async def trace(self, trace_id: str) -> Trace | None:
        """One trace; None if nothing of it is kept."""

    async def search_lines(self, query: LineQuery) -> Found[Line]:
        """Log lines, newest first."""

    async def search_series(self, name: str, service: str, limit: int) -> Found[Series]:
        """Series, by name."""

    def kept(self) -> Mapping[str, int]:
        """Items of each kind that were seen: spans, log lines, data points."""


class ServiceView(Protocol):
    """The running service, as the admin port sees it. Nothing here waits for a backend."""

    @property
    def telemetry(self) -> Telemetry:
        """Metrics and recent log lines of the whole process."""

    def is_ready(self) -> bool:
        """Configured and receiving."""

    def healths(self) -> Mapping[str, Health]:
        """The health of every component by id; cheap, for probes."""

    def component_ids(self) -> Sequence[str]:
        """All components in the order of the configuration; cheap."""

    def components(self) -> Sequence[ComponentView]:
        """The same with all there is to know."""

    def edges(self) -> Sequence[EdgeView]:
        """All edges in the order of the configuration."""

    def outboxes(self) -> Mapping[str, Sequence[OutboxView]]:
        """The outboxes of each component that has some."""

    def targets(self) -> Mapping[str, Sequence[KnownTarget]]:
        """The targets of each component that discovers, relabels or reads some."""

    def notes(self) -> Mapping[str, Sequence[Note]]:
        """What there is to know of components beside their health, of each that has something to tell."""

    def recorder(self) -> RecorderView | None:
        """The recorder, if there is one."""

    def rejected(self, component_id: str) -> Sequence[RejectedView]:
        """What backends of a component refused for good, newest first."""

    def rejected_payload(self, component_id: str, rejected_id: str) -> bytes | None:
        """The bytes of one of them; None if it is gone."""

    def configuration(self) -> ConfigurationView:
        """What runs."""

    async def configuration_on_disk(self) -> ConfigurationView | None:
        """The file as it is now, checked as a reload would check it; None if there is no file."""

    def last_reload(self) -> ReloadView | None:
        """The outcome of the last reload, if there was one."""

    async def reload(self) -> ReloadView:
        """Read the configuration again and replace what changed; an error leaves everything as it was."""


def unhealthy(healths: Mapping[str, Health]) -> dict[str, Health]:
    """The components that do not do their work: failing, or ended before their time."""
    return {
        component_id: health
        for component_id, health in healths.items()
        if health.state in (HealthState.UNHEALTHY, HealthState.EXITED)
    }
