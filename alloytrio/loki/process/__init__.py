"""``loki.process``: runs log entries through stages.

In: entries from ``loki.source.*`` or another ``loki.process``. Out: entries to ``forward_to``, in the same order but
for what ``multiline`` and ``cri`` hold back. Errors: none at run time; an entry that a stage cannot read passes
unchanged unless the stage says otherwise, and whatever is left out is counted with a reason.

Source: Alloy ``internal/component/loki/process``. On purpose different: stages run in the reader's task, so there is
no queue between them and nothing to lose; the unknown stages are named when the configuration is read.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import trio
from pydantic import Field

from alloytrio.component import BuildContext, Component, ComponentConfig
from alloytrio.entry import EntryBatch, EntryConsumer, EntryOutlet, Handover
from alloytrio.entry_fanout import fan_out, outlets_of
from alloytrio.loki.process.stage import Pass, Stage, StageContext
from alloytrio.loki.process.stages import StageEntry
from alloytrio.loki.process.watched import run_watched
from alloytrio.telemetry import ComponentTelemetry, HealthState
from alloytrio.values import EntriesEdge, Kind


class LokiProcessConfig(ComponentConfig):
    """``[loki.process.<label>]``"""

    component_type: ClassVar[str] = "loki.process"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.ENTRIES}

    forward_to: tuple[EntriesEdge, ...] = Field(min_length=1, description="Where entries go.")
    stage: tuple[StageEntry, ...] = Field((), description="Stages, run in this order; each table has one key.")

    def build(self, context: BuildContext) -> Component:
        """The component, not yet running."""
        consumers = [cast(EntryConsumer, context.resolve(edge)) for edge in self.forward_to]
        stages = [entry.build(StageContext(context.telemetry)) for entry in self.stage]
        names = [entry.name for entry in self.stage]
        return LokiProcess(stages, consumers, context.telemetry, context.stop, names)


class LokiProcess:
    """Stages, and where their result goes. It has no work of its own: readers call ``take``.

    Args:
        stages: in order.
        consumers: who takes the result.
        telemetry: of the component.
        stop: end.
        names: of the stages, for those who watch; without them stages are numbered.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        consumers: Sequence[EntryConsumer],
        telemetry: ComponentTelemetry,
        stop: trio.Event,
        names: Sequence[str] = (),
    ) -> None:
        self._stages = list(stages)
        self._named = [(names[number] if names else str(number), stage) for number, stage in enumerate(stages)]
        self._tap = telemetry.tap
        self._consumers = list(consumers)
        self.holds = any(stage.holds for stage in stages) or any(each.holds for each in consumers)
        self._health = telemetry.health
        self._stop = stop

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing but being there until everything upstream has ended."""
        self._health.set(HealthState.HEALTHY)
        task_status.started()
        await self._stop.wait()

    def outlets(self) -> Sequence[EntryOutlet]:
        """All outlets behind this component."""
        return outlets_of(self._consumers)

    def take(self, batch: EntryBatch) -> list[Handover]:
        """Run the stages and hand the result on."""
        entries = batch.entries
        for entry in entries:
            entry.extracted = dict(entry.labels)
        run = Pass(batch.source, batch.now_ns, batch.now, batch.ended)
        if self._tap.is_watched and self._tap.has_room():
            entries = run_watched(self._named, entries, run, self._tap)
        else:
            for stage in self._stages:
                entries = stage.process(entries, run)
        handovers = fan_out(self._consumers, batch.with_entries(entries))
        for handover in handovers:
            handover.note(run.held, run.wait_until, run.wake_at)
        return handovers

    def forget(self, source: bytes) -> None:
        """Drop what is held for a reader that is gone."""
        for stage in self._stages:
            stage.forget(source)
        for consumer in self._consumers:
            consumer.forget(source)
