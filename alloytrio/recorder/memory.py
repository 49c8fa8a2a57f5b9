"""recorder.memory: keeps what passes, in memory, so that the page can show the data itself.

In: OpenTelemetry data of any signal, Prometheus samples, log entries.
Out: nothing; it is an end of the graph that needs no backend.
Errors: none; the oldest makes room for the newest, so a put never waits.
Source: ours. Data is kept as it came and read only when somebody looks, so recording costs next to nothing.

A source of log entries keeps its positions in the outboxes behind it. Where the recorder is all that is behind it, they
are in an outbox of the recorder's own, in memory: after a restart the recorder is empty, and lines are read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import trio
from pydantic import Field

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.entry import EntryBatch, EntryOutlet, Handover
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import Batch, BatchPolicy, Fragment, Outbox, Put, Storage
from alloytrio.recorder.ring import EntryRing, RequestRing
from alloytrio.recorder.viewer import Bounds, Rings, Viewer
from alloytrio.samples import METADATA, Handed, SampleTarget, SampleView
from alloytrio.telemetry import Counter, HealthState
from alloytrio.values import ByteSize, Kind

FORGET_INTERVAL = 60.0  # seconds between two looks whether the viewer's own memory is still used
METADATA_INTERVAL = 15.0  # seconds until the page knows the type of a metric that is new
POSITIONS_BYTES = 16 << 20  # positions are some hundred bytes per container; a reader hands over an eighth at once
SAMPLES, ENTRIES = "samples", "entries"
# Exemplars have no place on the page; exponential histograms are kept as native ones.
_VIEW = SampleView(exemplars=False, native_histograms=True)


class MemoryRecorderConfig(ComponentConfig):
    """``[recorder.memory.LABEL]``."""

    component_type: ClassVar[str] = "recorder.memory"
    exports: ClassVar[Mapping[str, Kind]] = {
        "input": Kind.OTLP,
        "receiver": Kind.ENTRIES,
        "samples": Kind.SAMPLES,
    }

    max_bytes: ByteSize = Field(
        default=16 << 20,
        gt=0,
        description="memory for the latest data of each kind: traces, metrics, logs, samples, log entries",
    )
    max_series: int = Field(
        default=2_000, gt=0, description="series that the page of metrics shows; those without points for longest go"
    )
    max_points: int = Field(default=240, gt=0, description="latest points of each of these series")

    def build(self, context: BuildContext) -> "MemoryRecorder":
        """The recorder, empty."""
        return MemoryRecorder(self, context)


class MemoryRecorder:
    """One ring per kind, and what reads them.

    Attributes:
        viewer: answers the viewer pages.
    """

    def __init__(self, config: MemoryRecorderConfig, context: BuildContext) -> None:
        self.holds = False
        self._context = context
        self._requests = {signal: RequestRing(config.max_bytes) for signal in Signal}
        self._samples = RequestRing(config.max_bytes)
        self._entries = EntryRing(config.max_bytes)
        self._metadata: list[_Metadata] = []
        self._max_bytes = config.max_bytes
        kinds = (*(signal.value for signal in Signal), SAMPLES, ENTRIES)
        self._recorded = {kind: self._counter(kind) for kind in kinds}
        rings: dict[str, RequestRing | EntryRing] = {signal.value: ring for signal, ring in self._requests.items()}
        rings[SAMPLES], rings[ENTRIES] = self._samples, self._entries
        for kind, ring in rings.items():
            self._watch(kind, ring)
        self._positions = _open_positions(context)
        self._outlet = EntryOutlet(context.component_id, self._positions.lane(BatchPolicy()), is_transient=True)
        self.viewer = Viewer(
            Rings(
                traces=self._requests[Signal.TRACES].latest,
                metrics=self._requests[Signal.METRICS].latest,
                logs=self._requests[Signal.LOGS].latest,
                samples=self._samples.latest,
                metadata=lambda: [payload for each in self._metadata for payload in each.payloads],
                entries=self._entries.latest,
                seen=lambda: {kind: ring.items_seen for kind, ring in rings.items()},
            ),
            Bounds(config.max_series, config.max_points),
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

    def sample_targets(self, policy: BatchPolicy | None) -> list[SampleTarget]:
        """One that keeps the samples; a batch processor's policy means nothing here."""
        metadata = _Metadata(self._max_bytes)
        self._metadata.append(metadata)
        target = SampleTarget(
            key=f"{self._context.component_id} {len(self._metadata)}",
            view=_VIEW,
            lane=None,
            observer=_Unobserved(),
            metadata_interval=METADATA_INTERVAL,
            max_metadata=0,
            keep=partial(self._keep_samples, metadata),
        )
        return [target]

    def _keep_samples(self, metadata: "_Metadata", fragments: Sequence[Fragment]) -> None:
        series = [each for each in fragments if not each.encoding.startswith(METADATA)]
        metadata.keep([each.payload for each in fragments if each.encoding.startswith(METADATA)])
        for each in series:
            self._samples.add(each.payload, each.items)
            self._recorded[SAMPLES].inc(each.items)

    def outlets(self) -> Sequence[EntryOutlet]:
        """One for the positions of a source that has no other outlet."""
        return (self._outlet,)

    def take(self, batch: EntryBatch) -> list[Handover]:
        """Keep the entries."""
        self._entries.add(batch.entries)
        self._recorded[ENTRIES].inc(len(batch.entries))
        return [Handover(self._outlet)]

    def forget(self, source: bytes) -> None:
        """Nothing is held back for a reader."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be there until everything upstream has ended; give back what searches needed when nobody looks."""
        async with trio.open_nursery() as positions:
            await positions.start(partial(self._positions.run, stop=self._context.stop))
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


class _Metadata:
    """The latest metadata from one who makes samples; none if it is larger than ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.payloads: Sequence[bytes] = ()

    def keep(self, payloads: Sequence[bytes]) -> None:
        """Replace what was known; it comes whole, now and then."""
        if payloads and sum(map(len, payloads)) <= self._max_bytes:
            self.payloads = payloads


class _Unobserved:
    def on_handed(self, handed: Handed) -> None:
        """The recorder counts by itself."""


def _open_positions(context: BuildContext) -> Outbox:
    """An outbox in memory that holds positions and nothing else."""
    name = f"{context.component_id}/positions"
    return Outbox(
        replace(context.outbox, name=name, max_bytes=POSITIONS_BYTES, max_age=0.0, fsync="never"),
        store=Storage.memory().open(name),
        deliver=_deliver_nothing,
        split=lambda encoding, payload: [],
        telemetry=context.telemetry,
    )


async def _deliver_nothing(batch: Batch) -> None:
    await trio.lowlevel.checkpoint()
