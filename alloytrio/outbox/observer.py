"""What an outbox tells its owner (for metrics), and what it can be asked (for the page)."""

from dataclasses import dataclass
from typing import Protocol

from alloytrio.errors import ExportError
from alloytrio.outbox.fragment import Batch


class OutboxObserver(Protocol):
    """Called on the event loop; must neither block nor raise."""

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """The backend took a batch."""

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """An attempt failed. It will be repeated, or its halves, unless ``on_rejected`` or ``on_dropped`` follows."""

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Items that the backend refuses for good were set aside; ``reason`` is in its words."""

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Accepted items were given up: ``max_age``, ``retries exhausted`` or ``damaged``."""

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """A put failed and its sender was told so, with ``reason``. ``encoding`` is its first one."""


class SilentObserver:
    """Does nothing."""

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """Ignored."""

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """Ignored."""

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Ignored."""

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Ignored."""

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """Ignored."""


@dataclass(slots=True)
class OutboxCounts:
    """Items since the start of the process, and the last of each event.

    Args:
        accepted_items: put into the journal.
        sent_items: taken by the backend.
        failed_attempts: requests that the backend did not take.
        rejected_items: refused for good and set aside.
        dropped_items: given up by age, by ``max_elapsed_time``, or damaged.
        refused_items: not accepted; their senders know.
        last_success_ns: wall clock; 0 = never.
        last_error: the backend's words; empty = none yet.
        last_error_ns: wall clock; 0 = never.
    """

    accepted_items: int = 0
    sent_items: int = 0
    failed_attempts: int = 0
    rejected_items: int = 0
    dropped_items: int = 0
    refused_items: int = 0
    last_success_ns: int = 0
    last_error: str = ""
    last_error_ns: int = 0


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """The state of an outbox at one moment.

    Args:
        capacity_bytes: of the journal, above which nothing is accepted.
        counts: since the start.
        queued_items: accepted and not settled, those being sent included.
        queued_bytes: their records' bytes.
        used_bytes: of all journal files.
        memory_bytes: of payloads in memory.
        batches_in_flight: being sent or waiting to be tried again.
        batches_waiting: of those, waiting to be tried again.
        puts_waiting: senders that wait for room.
        oldest_age: seconds since the oldest queued fragment was accepted; 0 = nothing queued.
        retry_wait: seconds until the next batch is tried again; None = none waits.
        write_error: why nothing can be written to the journal, such as a full disk; empty = it can.
    """

    capacity_bytes: int
    counts: OutboxCounts
    queued_items: int = 0
    queued_bytes: int = 0
    used_bytes: int = 0
    memory_bytes: int = 0
    batches_in_flight: int = 0
    batches_waiting: int = 0
    puts_waiting: int = 0
    oldest_age: float = 0.0
    retry_wait: float | None = None
    write_error: str = ""
