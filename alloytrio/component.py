"""What a component is: a config that builds it, one task that runs it, and what it offers to its neighbours.

A component has one task, ``run``. It returns when its ``stop`` event is set and all that it held has been handed
on. For a source ``stop`` means "take in nothing more"; for all others it is set once everything upstream of them
has returned, so it means "no more input will come". Downstream components are given as typed objects, not names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol

import trio
from pydantic import BaseModel, ConfigDict

from alloytrio.listeners import Listeners
from alloytrio.outbox import OutboxSettings, Storage
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.values import Kind


class Component(Protocol):
    """A running part of a pipeline."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until stopped. ``started()`` means ready for data. May be called again after it raised."""


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
