"""What the admin port needs to know of the running service, and the values in which it is told.

Everything here is a snapshot: plain values that may be shown as they are, secrets hidden already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from alloytrio.telemetry import Health, HealthState, Telemetry

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What JSON can hold."""


@dataclass(frozen=True, slots=True)
class EdgeView:
    """One way that data goes.

    Args:
        source_id, target_id: component ids, along the flow.
        kind: what flows: ``"traces"``, ``"metrics"``, ``"logs"`` for OpenTelemetry data, else ``"samples"``,
            ``"entries"``, ``"targets"``, ``"rules"``.
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


class ServiceView(Protocol):
    """The running service, as the admin port sees it. Nothing here waits for a backend."""

    @property
    def telemetry(self) -> Telemetry:
        """Metrics and recent log lines of the whole process."""

    def is_ready(self) -> bool:
        """Configured and receiving."""

    def healths(self) -> Mapping[str, Health]:
        """The health of every component by id; cheap, for probes."""

    def components(self) -> Sequence[ComponentView]:
        """All components in the order of the configuration."""

    def edges(self) -> Sequence[EdgeView]:
        """All edges in the order of the configuration."""

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
