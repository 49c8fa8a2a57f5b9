"""Outboxes in memory, for tests that need somewhere to put entries."""

from alloytrio.entry import EntryOutlet
from alloytrio.outbox import Batch, BatchPolicy, Lane, Outbox, OutboxSettings, Storage
from alloytrio.telemetry import Telemetry
from alloytrio.wire.loki import halve_push


class Backend:
    """An outbox whose batches are kept."""

    def __init__(self, name: str = "test", storage: Storage | None = None, **settings: object) -> None:
        self.batches: list[Batch] = []
        self.outbox = Outbox(
            OutboxSettings(name, **settings),  # type: ignore[arg-type]
            store=(storage or Storage.memory()).open(name),
            deliver=self._deliver,
            split=lambda encoding, payload: halve_push(payload),
            telemetry=Telemetry().component(name),
        )
        self.lane: Lane = self.outbox.lane(BatchPolicy())
        self.outlet = EntryOutlet(name, self.lane)

    async def _deliver(self, batch: Batch) -> None:
        self.batches.append(batch)
