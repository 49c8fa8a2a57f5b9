"""recorder.memory: keeps what passes, in memory, so that the page can show the data itself.

In: OpenTelemetry data of any signal, log entries.
Out: nothing; it is an end of the graph that needs no backend.
Errors: none; the oldest makes room for the newest, so a put never waits.
Source: ours. Data is kept as it came and read only when somebody looks, so recording costs next to nothing.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import trio
from pydantic import Field

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.entry import EntryBatch, EntryOutlet, Handover
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import BatchPolicy, Put
from alloytrio.recorder.ring import EntryRing, RequestRing
from alloytrio.recorder.viewer import Rings, Viewer
from alloytrio.telemetry import Counter, HealthState
from alloytrio.values import ByteSize, Kind

FORGET_INTERVAL = 60.0  # seconds between two looks whether the viewer's own memory is still used


class MemoryRecorderConfig(ComponentConfig):
    """``[recorder.memory.LABEL]``."""

    component_type: ClassVar[str] = "recorder.memory"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP, "receiver": Kind.ENTRIES}

    max_bytes: ByteSize = Field(
        default=16 << 20,
        gt=0,
        description="memory for the latest data of each kind: traces, metrics, logs, log entries",
    )

    def build(self, context: BuildContext) -> "MemoryRecorder":
        """The recorder, empty."""
        return MemoryRecorder(self, context)


class MemoryRecorder:
    """One ring per kind, and what reads them.

    Attributes:
        viewer: answers the viewer pages.
    """

    def __init__(self, config: MemoryRecorderConfig, context: BuildContext) -> None:
        self._context = context
        self._requests = {signal: RequestRing(config.max_bytes) for signal in Signal}
        self._entries = EntryRing(config.max_bytes)
        self._recorded = {kind: self._counter(kind) for kind in (*(signal.value for signal in Signal), "entries")}
        rings: dict[str, RequestRing | EntryRing] = {signal.value: ring for signal, ring in self._requests.items()}
        rings["entries"] = self._entries
        for kind, ring in rings.items():
            self._watch(kind, ring)
        self.viewer = Viewer(
            Rings(
                traces=self._requests[Signal.TRACES].latest,
                metrics=self._requests[Signal.METRICS].latest,
                logs=self._requests[Signal.LOGS].latest,
                entries=self._entries.latest,
                seen=lambda: {kind: ring.items_seen for kind, ring in rings.items()},
            )
        )

    def _counter(self, kind: str) -> Counter:
        name = "alloytrio_recorder_recorded_items_total"
        return self._context.telemetry.counter(name, "items that were kept in memory for a while", kind=kind)

    def _watch(self, kind: str, ring: RequestRing | EntryRing) -> None:
        self._context.telemetry.gauge_function(
            "alloytrio_recorder_kept_bytes", "bytes of what is kept in memory now", lambda: ring.bytes_kept, kind=kind
        )

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """A route that keeps each request and has nothing to put anywhere."""
        return [_RecordingRoute(self._requests[signal], self._recorded[signal.value])]

    def outlets(self) -> Sequence[EntryOutlet]:
        """None: nothing is handed on."""
        return ()

    def take(self, batch: EntryBatch) -> list[Handover]:
        """Keep the entries."""
        self._entries.add(batch.entries)
        self._recorded["entries"].inc(len(batch.entries))
        return []

    def forget(self, source: bytes) -> None:
        """Nothing is held back for a reader."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be there until everything upstream has ended; give back what searches needed when nobody looks."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "recording in memory")
        task_status.started()
        while not self._context.stop.is_set():
            with trio.move_on_after(FORGET_INTERVAL):
                await self._context.stop.wait()
            self.viewer.forget_if_idle()


class _RecordingRoute:
    def __init__(self, ring: RequestRing, recorded: Counter) -> None:
        self._ring = ring
        self._recorded = recorded

    def puts(self, request: OtlpRequest) -> list[Put]:
        """Keep the request; an unfinished put elsewhere may make it appear twice, as a retry would."""
        self._ring.add(request.payload, request.items)
        self._recorded.inc(request.items)
        return []
