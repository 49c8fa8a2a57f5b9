"""recorder.memory: keeps what passes, in memory, so that the page can show the data itself.

In: OpenTelemetry data of any signal.
Out: nothing; it is an end of the graph that needs no backend.
Errors: none; the oldest requests make room for the newest, so a put never waits.
Source: ours. Requests are kept as they came and read only when somebody looks, so recording costs next to nothing.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import trio
from pydantic import Field

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import BatchPolicy, Put
from alloytrio.telemetry import HealthState
from alloytrio.values import ByteSize, Kind


class MemoryRecorderConfig(ComponentConfig):
    """``[recorder.memory.LABEL]``."""

    component_type: ClassVar[str] = "recorder.memory"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    max_bytes: ByteSize = Field(default=16 << 20, gt=0, description="memory for the latest requests of each signal")

    def build(self, context: BuildContext) -> "MemoryRecorder":
        """The recorder, empty."""
        return MemoryRecorder(self, context)


@dataclass(frozen=True, slots=True)
class Summary:
    """What was seen of one signal since the start and what of it is still kept."""

    items_seen: int
    requests_seen: int
    requests_kept: int
    bytes_kept: int


class Ring:
    """The latest requests of one signal, bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[OtlpRequest] = deque()
        self._bytes = 0
        self._items_seen = 0
        self._requests_seen = 0

    def add(self, request: OtlpRequest) -> None:
        """Keep a request; one larger than the whole ring is only counted."""
        self._items_seen += request.items
        self._requests_seen += 1
        if len(request.payload) > self._max_bytes:
            return
        self._kept.append(request)
        self._bytes += len(request.payload)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._kept.popleft().payload)

    def latest(self) -> Sequence[OtlpRequest]:
        """What is kept, newest first."""
        return tuple(reversed(self._kept))

    def bytes_kept(self) -> float:
        """Encoded bytes of what is kept."""
        return float(self._bytes)

    def summary(self) -> Summary:
        """Counts for the page."""
        return Summary(self._items_seen, self._requests_seen, len(self._kept), self._bytes)


class MemoryRecorder:
    """One ring per signal."""

    def __init__(self, config: MemoryRecorderConfig, context: BuildContext) -> None:
        self._context = context
        self.rings = {signal: Ring(config.max_bytes) for signal in Signal}
        for signal, ring in self.rings.items():
            context.telemetry.gauge_function(
                "alloytrio_recorder_kept_bytes",
                "encoded bytes of the requests that are kept",
                ring.bytes_kept,
                signal=signal.value,
            )

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """A route that keeps each request and has nothing to put anywhere."""
        return [_RecordingRoute(self.rings[signal])]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing to do but to be there until everything upstream has ended."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "recording in memory")
        task_status.started()
        await self._context.stop.wait()


class _RecordingRoute:
    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def puts(self, request: OtlpRequest) -> list[Put]:
        """Keep the request; an unfinished put elsewhere may make it appear twice, as a retry would."""
        self._ring.add(request)
        return []
