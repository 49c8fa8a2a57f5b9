"""What a component is: a config that builds it, one task that runs it, and what it offers to its neighbours.

A component has one task, ``run``. It returns when its ``stop`` event is set and all that it held has been handed
on. For a source ``stop`` means "take in nothing more"; for all others it is set once everything upstream of them
has returned, so it means "no more input will come". Downstream components are given as typed objects, not names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Protocol, runtime_checkable

import trio
from pydantic import BaseModel, ConfigDict

from alloytrio.listeners import Listeners
from alloytrio.outbox import Outbox, OutboxSettings, Storage
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.values import Kind


class Component(Protocol):
    """A running part of a pipeline."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until stopped. ``started()`` means ready for data. May be called again after it raised."""


@runtime_checkable
class Delivers(Protocol):
    """A component with outboxes, for the page to look at."""

    def backends(self) -> Mapping[str, Outbox]:
        """Its outboxes by the address that each delivers to, such as ``tempo:4317``."""


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """One target as a component knows it, for the page to look at.

    Args:
        discovered: labels as discovery gave them, ``__meta_…`` included.
        labels: what relabelling made of them; None = dropped.
        dropped_by: the rule that dropped it, ready to print.
        state: what is done with it, such as ``reading``.
        last_entry_ns: wall clock of the latest line read from it; 0 = none yet.
        steps: each rule, ready to print, with the labels behind it; None = dropped there. Empty where there are none.
        position_ns: time of the latest line that is safe in an outbox; 0 = none yet.
        lag: seconds between the time of a line and its being read, at the latest line.
        problem: why it is not read at the moment.
    """

    discovered: Mapping[str, str]
    labels: Mapping[str, str] | None
    dropped_by: str = ""
    state: str = ""
    last_entry_ns: int = 0
    steps: Sequence[tuple[str, Mapping[str, str] | None]] = field(default=())
    position_ns: int = 0
    lag: float = 0.0
    problem: str = ""


@runtime_checkable
class KnowsTargets(Protocol):
    """A component that discovers, relabels or reads targets, for the page to look at."""

    def known_targets(self) -> Sequence[KnownTarget]:
        """All targets at this moment."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that people should know of a component, beside its health.

    Args:
        text: ready to print.
        is_warning: something will go wrong if nothing is done.
        at_ns: wall clock of what it tells of; 0 = no particular moment.
    """

    text: str
    is_warning: bool = False
    at_ns: int = 0


@runtime_checkable
class HasNotes(Protocol):
    """A component that has something to tell beside its health, for the page to look at."""

    def notes(self) -> Sequence[Note]:
        """All notes at this moment."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a config needs to build its component.

    Args:
        component_id: ``type.label``.
        telemetry: metrics, log and health bound to the component.
        stop: see the module's docstring.
        storage: where outboxes keep their journals.
        outbox: settings of an outbox that sets none of its own, from the ``[storage]`` table.
        listeners: opens listening sockets, and hands them over on reload.
        resolve: the object of the component that an edge names.
    """

    component_id: str
    telemetry: ComponentTelemetry
    stop: trio.Event
    storage: Storage
    outbox: OutboxSettings
    listeners: Listeners
    resolve: Callable[[str], object]


class ComponentConfig(BaseModel):
    """What a user writes for one component; keys, defaults and meaning are Alloy's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    component_type: ClassVar[str]
    exports: ClassVar[Mapping[str, Kind]] = {}

    def build(self, context: BuildContext) -> Component:
        """The component, not yet running. Sockets are opened here, so that a taken port stops the start."""
        raise NotImplementedError


class Signal(Enum):
    """The three kinds of OpenTelemetry data."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"

    @property
    def items(self) -> str:
        """What one item is called in the metrics of a collector."""
        return {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}[self.value]
