"""The bounds and the retry policy of one outbox. Developers set them; users' configurations are mapped to them."""

from dataclasses import dataclass, field
from typing import Literal

Fsync = Literal["interval", "always", "never"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a batch is tried again; the fields and their meaning are the OpenTelemetry collector's.

    Args:
        enabled: False: a batch has one attempt, and is given up after it.
        initial_interval: seconds before the second attempt.
        multiplier: of the interval from one attempt to the next.
        randomization_factor: each wait is uniform in interval × (1 ± this).
        max_interval: seconds above which the interval does not grow.
        max_elapsed_time: seconds from the first attempt after which a batch is given up; 0 = never.
    """

    enabled: bool = True
    initial_interval: float = 5.0
    multiplier: float = 1.5
    randomization_factor: float = 0.5
    max_interval: float = 30.0
    max_elapsed_time: float = 0.0


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Bounds of one outbox.

    Args:
        name: says in logs and errors which outbox it is.
        max_bytes: bytes on disk (in memory mode: in memory) above which nothing is accepted.
        max_age: seconds since acceptance after which an undelivered fragment is dropped and counted; 0 = never.
        memory_bytes: of payloads kept in memory so that they need not be read back. What the senders are working on
            counts, and one batch per encoding may be beyond it.
        segment_bytes: size at which a new segment file begins; at most an eighth of ``max_bytes`` is used.
        fsync: ``interval``: acknowledged data survives the death of the process at once, and a power cut after
            ``fsync_interval``; ``always``: acknowledged data survives a power cut; ``never``: the kernel decides.
        fsync_interval: seconds.
        put_timeout: seconds that a put waits for room.
        retry_after: seconds after which a refused sender is asked to try again.
        batch_max_bytes: plain bytes that a batch never exceeds: the backend's message limit, less its own framing.
        senders: requests at the same time, in all; and batches of one encoding that are being sent or retried.
        in_order: never more than one batch of an encoding at a time, so that order is kept. (1 sender does it too.)
        attempt_timeout: seconds for one attempt; 0 = no limit.
        retry: when a failed batch is tried again.
        rejected_max_bytes: disk space for what the backend refuses for good; the oldest goes first; 0 = keep nothing.
    """

    name: str
    max_bytes: int = 1024**3
    max_age: float = 0.0
    memory_bytes: int = 8 * 1024**2
    segment_bytes: int = 8 * 1024**2
    fsync: Fsync = "interval"
    fsync_interval: float = 1.0
    put_timeout: float = 5.0
    retry_after: float = 5.0
    batch_max_bytes: int = 3_500_000
    senders: int = 10
    in_order: bool = False
    attempt_timeout: float = 5.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    rejected_max_bytes: int = 64 * 1024**2
