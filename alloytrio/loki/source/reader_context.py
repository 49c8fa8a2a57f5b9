"""What the readers of one log source share, and how one of them may end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import trio

from alloytrio.docker import ContainerDetails, DockerClient
from alloytrio.entry import EntryConsumer, EntryOutlet
from alloytrio.loki.source.positions import ContainerPosition
from alloytrio.loki.source.source_metrics import SourceMetrics
from alloytrio.outbox import DeliveryHealth
from alloytrio.telemetry import Tap


class Ending(Enum):
    """Why a reader ended."""

    FINISHED = "read to the end"
    REMOVED = "removed"
    NOT_WANTED = "ended before the first start"


@dataclass(frozen=True, slots=True)
class ReaderContext:
    """What the readers of one source share.

    Args:
        client: of dockerd.
        consumers: where entries go.
        outlets: all that are behind the consumers.
        load: the position that an outlet has of a container.
        start_of: ``(outlet, details)`` → from which time an outlet wants a container that it has no position of,
            nanoseconds since 1970; 0 = from its beginning; None = not at all.
        position_key: where the position of a container is kept.
        max_line_bytes: longer lines are cut.
        opening: readers that open their streams at the same time.
        working: readers that decode and hand over at the same time. One at a time is as fast, since all share a core;
            it keeps the lines of one reading in memory instead of all readers', and leaves the senders their turns.
        metrics: of the source.
        health: of the source.
        tap: of the source.
        wall_ns: the clock.
    """

    client: DockerClient
    consumers: Sequence[EntryConsumer]
    outlets: Sequence[EntryOutlet]
    load: Callable[[EntryOutlet, str], ContainerPosition | None]
    start_of: Callable[[EntryOutlet, ContainerDetails], int | None]
    position_key: Callable[[str], bytes]
    max_line_bytes: int
    opening: trio.CapacityLimiter
    working: trio.CapacityLimiter
    metrics: SourceMetrics
    health: DeliveryHealth
    tap: Tap
    wall_ns: Callable[[], int] = field(default=time.time_ns)
