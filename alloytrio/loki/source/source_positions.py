"""Where the positions of one source are kept: in the outboxes of its outlets, under keys of its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import orjson
import trio

from alloytrio.docker import ContainerDetails, DockerClient
from alloytrio.entry import EntryOutlet
from alloytrio.errors import DockerError, QueueFullError
from alloytrio.loki.source.positions import ContainerPosition, decode_position
from alloytrio.outbox import Fragment, Put, put_all
from alloytrio.values import parse_duration
from alloytrio.wire.docker import parse_time

POSITIONS = "positions/identity"  # the encoding of a record without entries
REMOVED_CHECK = 60.0  # seconds between looks for containers that were removed, at least
RETRY = 1.0  # seconds until a position is put again into an outbox that has no room


@dataclass(frozen=True, slots=True)
class StartAt:
    """What is read of containers that run at the very first start.

    Args:
        seconds: how far back; inf = from the beginning, 0 = from then on.
    """

    seconds: float


def parse_start_at(text: str) -> StartAt:
    """Read ``beginning``, ``now`` or a duration.

    Raises:
        ValueError: it is none of these.
    """
    if text == "beginning":
        return StartAt(math.inf)
    if text == "now":
        return StartAt(0.0)
    try:
        return StartAt(parse_duration(text))
    except ValueError as exc:
        raise ValueError(f'start_at is "beginning", "now" or how far back, such as "1h"; {text!r} is {exc}') from exc


class SourcePositions:
    """The positions of one source.

    Args:
        component_id: of the source: two sources may read the same container.
        outlets: of the source.
        start_at: what is read of containers that run at the very first start.
    """

    def __init__(self, component_id: str, outlets: Sequence[EntryOutlet], start_at: StartAt) -> None:
        self.outlets = list(outlets)
        self._start_at = start_at
        self._first_start_key = f"{component_id}\0first start".encode()
        self._prefix = f"{component_id}\0container\0".encode()
        self._removed: dict[bytes, float] = {}

    def key(self, container_id: str) -> bytes:
        """Under which the position of a container is kept."""
        return self._prefix + container_id.encode()

    def _positions(self, outlet: EntryOutlet) -> Mapping[bytes, bytes]:
        return outlet.lane.outbox.positions

    def load(self, outlet: EntryOutlet, container_id: str) -> ContainerPosition | None:
        """What an outlet has of a container."""
        data = self._positions(outlet).get(self.key(container_id))
        return None if data is None else decode_position(data)

    def latest_ns(self, container_id: str) -> int:
        """Time of the last line of a container that every outlet has; 0 if one has none."""
        stored = [self.load(outlet, container_id) for outlet in self.outlets]
        times = [
            max((cursor.max_ns for cursor in each.streams.values()), default=0) if each is not None else 0
            for each in stored
        ]
        return min(times, default=0)

    @property
    def is_first_start(self) -> bool:
        """No outlet was used by this source before."""
        return not any(self._first_start_key in self._positions(outlet) for outlet in self.outlets)

    async def begin(self, now_ns: int, since: Mapping[str, int] = MappingProxyType({})) -> None:
        """Note the very first start in the outlets that do not know it.

        Args:
            now_ns: the clock.
            since: containers that somebody else has read, and from when on they are to be read, nanoseconds since 1970.
        """
        first = {self._first_start_key: orjson.dumps(now_ns)}
        taken = {self.key(name): ContainerPosition(since_ns, {}).encode() for name, since_ns in since.items()}
        for outlet in self.outlets:
            if self._first_start_key not in self._positions(outlet):
                await self._put(outlet, first | taken)

    async def _put(self, outlet: EntryOutlet, positions: Mapping[bytes, bytes]) -> None:
        while True:
            try:
                await put_all([Put(outlet.lane, [Fragment(0, b"", POSITIONS, positions)])])
            except QueueFullError:
                await trio.sleep(RETRY)
            else:
                return

    def first_start_ns(self, outlet: EntryOutlet) -> int:
        """When an outlet was first used by this source; 0 if that is not known."""
        try:
            return int(orjson.loads(self._positions(outlet).get(self._first_start_key, b"0")))
        except (orjson.JSONDecodeError, TypeError, ValueError):
            return 0

    def start_of(self, outlet: EntryOutlet, details: ContainerDetails) -> int | None:
        """From which time on an outlet wants a container that it has no position of; 0 = all, None = nothing."""
        first = self.first_start_ns(outlet)
        if parse_time(details.created.encode()) >= first:
            return 0
        if not details.running and parse_time(details.state.finished_at.encode()) < first:
            return None
        if math.isinf(self._start_at.seconds):
            return 0
        return max(first - int(self._start_at.seconds * 1e9), 1)

    async def forget_removed(self, client: DockerClient, ttl: float) -> None:
        """Again and again: drop the positions of containers that have been gone for ``ttl`` seconds."""
        while True:
            await trio.sleep(max(min(ttl / 4, 3600.0), REMOVED_CHECK))
            try:
                there = {container.id for container in await client.containers({}, ended_too=True)}
            except DockerError:
                continue
            await self.forget(there, trio.current_time(), ttl)

    async def forget(self, there: set[str], now: float, ttl: float) -> None:
        """Drop the positions of containers that are not there and were not for ``ttl`` seconds.

        Args:
            there: ids of all containers.
            now: seconds on the event loop's clock.
            ttl: seconds.
        """
        kept = {self.key(container_id) for container_id in there}
        gone = {
            key
            for outlet in self.outlets
            for key in self._positions(outlet)
            if key.startswith(self._prefix) and key not in kept
        }
        self._removed = {key: self._removed.get(key, now) for key in gone}
        expired = {key for key, since in self._removed.items() if now - since >= ttl}
        for outlet in self.outlets:
            mine = {key: b"" for key in expired if key in self._positions(outlet)}
            if mine:
                await self._put(outlet, mine)
