"""Handing entries to several consumers."""

from collections.abc import Sequence

from alloytrio.entry import EntryBatch, EntryConsumer, EntryOutlet, Handover


def outlets_of(consumers: Sequence[EntryConsumer]) -> list[EntryOutlet]:
    """All outlets behind the consumers, each once."""
    return list({outlet.key: outlet for consumer in consumers for outlet in consumer.outlets()}.values())


def positioned(outlets: Sequence[EntryOutlet]) -> list[EntryOutlet]:
    """The outlets that keep positions: those that outlive a restart, or all if none does."""
    return [outlet for outlet in outlets if not outlet.is_transient] or list(outlets)


def fan_out(consumers: Sequence[EntryConsumer], batch: EntryBatch) -> list[Handover]:
    """Give each consumer the batch; all but the last get copies, since a consumer may change what it gets."""
    handovers: list[Handover] = []
    for consumer in consumers[:-1]:
        handovers += consumer.take(batch.with_entries([entry.copy() for entry in batch.entries]))
    if consumers:
        handovers += consumers[-1].take(batch)
    return handovers
