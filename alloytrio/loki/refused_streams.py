"""Streams that Loki refuses for now, because there are too many or they are too fast, while it stores the others.

Without care, one program that logs with trace ids as labels would stop the logs of all others: Loki's limit of active
streams is reached, each batch holds a few new streams, and each is answered with 429. So the streams that were refused
wait in an outbox of their own, bounded in bytes, and are offered again; all others flow on.

Loki's answer is about the last stream of the request only (``pkg/ingester/instance.go``, Push): what it refused before
that one is not named, and if it took the last one it says nothing at all. So after a refusal, what may be refused is
sent apart. A stream that exists is never refused by the limit of streams: those that were taken before go first, new
ones by themselves. A stream that was too fast goes alone, and when streams are sent again the largest goes last. What
waits is offered in halves until each is known. Offering twice is harmless: Loki drops an entry that it has.

For the same reason a request never ends with a stream that was taken before while new ones stand before it: should the
limit be reached among them, nobody would be told. Then the new ones are put behind.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import snappy
import trio

from alloytrio.errors import QueueFullError
from alloytrio.loki.push_answer import STREAM_LIMIT, STREAM_RATE_LIMIT, Stored, StreamsRefused, parse_labels, stream_key
from alloytrio.loki.pusher import Pusher
from alloytrio.loki.write_metrics import WriteMetrics
from alloytrio.outbox import (
    Batch,
    BatchPolicy,
    DeliveryHealth,
    Fragment,
    Outbox,
    OutboxSettings,
    Put,
    Store,
    decode_body,
    put_all,
)
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.wire.loki import Stream, halve_push, stream_labels, streams_in

KNOWN_STREAMS = 20_000  # Loki's default limit is 5 000
LEARN_INTERVAL = 5.0  # seconds between two looks into a batch that was taken; a look costs 1 ms per MiB
LIMITED_FOR = 600.0  # seconds after the last refusal for which new streams are offered apart from known ones
OFFERS = 64  # requests for one waiting batch before the rest waits again
FAST_STREAMS = 100  # that are sent alone; more than a few means that the limit is set too low
ROUNDS = 8  # how often a batch is sent again without the streams that were named
FIRST_PAUSE, LAST_PAUSE = 1.0, 10.0  # seconds between offers that are refused
_DROP_REASONS = {STREAM_LIMIT: "stream_limited", STREAM_RATE_LIMIT: "rate_limited"}


def tenant_of(encoding: str) -> str:
    """The tenant of an encoding such as ``push:tenant/snappy``."""
    return encoding.partition(":")[2].rpartition("/")[0]


def encoding_of(tenant: str, kind: str = "push") -> str:
    """Batches never mix tenants, nor streams that wait for different reasons."""
    return f"{kind}:{tenant}/snappy"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stream cut out of a request: its label string, its entries, its encoded field."""

    labels: bytes
    entries: int
    payload: bytes


def pieces_of(payload: bytes) -> list[Piece]:
    """The streams of a request."""
    return [_piece(payload, stream) for stream in streams_in(payload)]


def _piece(payload: bytes, stream: Stream) -> Piece:
    return Piece(stream.labels, stream.entries, payload[stream.start : stream.end])


class KnownStreams:
    """Label strings that Loki has taken lately, the latest ones. No I/O."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[int, None] = OrderedDict()

    def add(self, labels: bytes) -> None:
        """A stream was taken."""
        key = hash(labels)
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > self._size:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, labels: object) -> bool:
        return hash(labels) in self._known


class RefusedStreams:
    """Sends batches for one endpoint so that refused streams wait apart.

    Args:
        pusher: sends a request.
        settings: of the waiting outbox: ``max_bytes`` bounds it.
        store: of the waiting outbox.
        telemetry: of the component.
        metrics: of the endpoint.
        health: of the component.
    """

    def __init__(
        self,
        pusher: Pusher,
        *,
        settings: OutboxSettings,
        store: Store,
        telemetry: ComponentTelemetry,
        metrics: WriteMetrics,
        health: DeliveryHealth,
    ) -> None:
        self._pusher = pusher
        self._metrics = metrics
        self._health = health
        self._log = telemetry.log
        self._known = KnownStreams(KNOWN_STREAMS)
        self._learn_at = 0.0
        self._limited_until = 0.0
        self._fast: dict[bytes, float] = {}  # streams that were too fast, and until when they are sent alone
        self._pauses = dict.fromkeys(_DROP_REASONS, 0.0)
        self._dropped_logged_at = -LIMITED_FOR
        # One sender offers, one batch at a time; the time limit is that of each request.
        self.outbox = Outbox(
            replace(settings, put_timeout=0.0, senders=2, in_order=True, attempt_timeout=0.0),
            store=store,
            deliver=self._offer_batch,
            split=lambda encoding, payload: halve_push(payload),
            telemetry=telemetry,
            health=health,
        )
        self._lanes = {
            reason: self.outbox.lane(BatchPolicy(reason, timeout=1.0, send_batch_size=1 << 40))
            for reason in (STREAM_LIMIT, STREAM_RATE_LIMIT)
        }

    async def send(self, batch: Batch) -> None:
        """Deliver a batch of the main outbox: to Loki, or what Loki refuses for now to the waiting outbox.

        Raises:
            RetryableExportError, PermanentExportError: nothing was stored, or nobody knows.
        """
        tenant = tenant_of(batch.encoding)
        now = trio.current_time()
        self._fast = {labels: until for labels, until in self._fast.items() if now < until}
        if now < self._limited_until or self._fast:
            await self._send_apart(tenant, pieces_of(decode_body(batch.encoding, batch.body)))
            return
        plain = decode_body(batch.encoding, batch.body)
        body = batch.body
        if self._hides_new(plain):
            plain = self._new_last(plain)
            body = snappy.compress(plain)
        answer = await self._pusher.push(tenant, body, batch.items)
        if isinstance(answer, Stored):
            self._tell_ignored(answer)
            if now >= self._learn_at:
                self._learn_at = now + LEARN_INTERVAL
                self._learn(stream_labels(plain, False))
            return
        await self._sort_out(tenant, pieces_of(plain), answer)

    def _hides_new(self, plain: bytes) -> bool:
        """Whether a request may have new streams, and does not end with one."""
        if not self._known:
            return True
        return all(labels in self._known for labels in stream_labels(plain, True)) and not all(
            labels in self._known for labels in stream_labels(plain, False)
        )

    def _new_last(self, plain: bytes) -> bytes:
        """A request with its new streams behind the others; of the new ones, the smallest are the newest probably.

        The parts of one stream stay in their order.
        """
        pieces = pieces_of(plain)
        entries: Counter[bytes] = Counter()
        for piece in pieces:
            entries[piece.labels] += piece.entries
        pieces.sort(key=lambda piece: (piece.labels not in self._known, -entries[piece.labels]))
        return b"".join([piece.payload for piece in pieces])

    async def _send_apart(self, tenant: str, pieces: Sequence[Piece]) -> None:
        """Known streams first, so that new ones, which may be refused, do not hide among them."""
        fast = [[piece] for piece in pieces if piece.labels in self._fast]
        rest = [piece for piece in pieces if piece.labels not in self._fast]
        known = [piece for piece in rest if piece.labels in self._known]
        new = [piece for piece in rest if piece.labels not in self._known]
        for group in (known, new, *fast):
            if group:
                answer = await self._push(tenant, group)
                if isinstance(answer, StreamsRefused):
                    await self._sort_out(tenant, group, answer)

    async def _push(self, tenant: str, pieces: Sequence[Piece]) -> Stored | StreamsRefused:
        body = snappy.compress(b"".join([piece.payload for piece in pieces]))
        answer = await self._pusher.push(tenant, body, sum([piece.entries for piece in pieces]))
        if isinstance(answer, Stored):
            self._tell_ignored(answer)
            self._learn([piece.labels for piece in pieces])
        return answer

    def _learn(self, streams: Sequence[bytes]) -> None:
        for labels in streams:
            self._known.add(labels)

    async def _sort_out(self, tenant: str, pieces: Sequence[Piece], answer: StreamsRefused) -> None:
        """A request was refused in part: let the streams wait that were refused, or may have been."""
        if answer.reason == STREAM_LIMIT:
            self._limited_until = trio.current_time() + LIMITED_FOR
            waiting = [piece for piece in pieces if piece.labels not in self._known]
            await self._wait(tenant, waiting or _named(pieces, answer), answer)
            return
        sizes: Counter[bytes] = Counter()
        for piece in pieces:
            sizes[piece.labels] += len(piece.payload)
        rest = sorted(pieces, key=lambda piece: sizes[piece.labels])
        for _ in range(ROUNDS):
            named = _named(rest, answer)
            until = trio.current_time() + LIMITED_FOR
            self._fast |= {piece.labels: until for piece in named[:FAST_STREAMS]}
            await self._wait(tenant, named, answer)
            rest = [piece for piece in rest if piece not in named]
            if not rest:
                return
            again = await self._push(tenant, rest)
            if isinstance(again, Stored):
                return
            answer = again
        await self._wait(tenant, rest, answer)

    async def _wait(self, tenant: str, pieces: Sequence[Piece], answer: StreamsRefused) -> None:
        """Put streams into the waiting outbox; what does not fit is given up and counted."""
        if not pieces:
            return
        entries = sum([piece.entries for piece in pieces])
        payload = b"".join([piece.payload for piece in pieces])
        fragment = Fragment(entries, payload, encoding_of(tenant, answer.reason))
        try:
            await put_all([Put(self._lanes[answer.reason], [fragment])])
        except QueueFullError as exc:
            self._metrics.dropped(tenant, _DROP_REASONS[answer.reason], entries, len(payload))
            now = trio.current_time()
            if now >= self._dropped_logged_at + LIMITED_FOR:
                self._dropped_logged_at = now
                self._log.error("entries of refused streams are given up", reason=str(exc), loki=answer.words)
        self._report(answer)

    def _report(self, answer: StreamsRefused | None) -> None:
        waiting = self.outbox.stats().queued_items
        name = f"{self.outbox.settings.name}: {STREAM_LIMIT}"
        if answer is None:
            self._health.report(name, "")
        else:
            self._health.report(name, f"{waiting} entries wait whose streams Loki refuses for now: {answer.words}")

    def _tell_ignored(self, answer: Stored) -> None:
        if answer.ignored:
            counts = ", ".join(f"{count} {reason}" for reason, count in answer.ignored.items())
            self._log.warning("Loki threw entries away", entries=counts, loki=answer.words)

    # The waiting outbox

    async def _offer_batch(self, batch: Batch) -> None:
        """Offer waiting streams again; those that are still refused go to the end of the queue."""
        tenant, reason = tenant_of(batch.encoding), batch.encoding.partition(":")[0]
        await trio.sleep(self._pauses[reason])
        refused, last = await self._offer(tenant, pieces_of(decode_body(batch.encoding, batch.body)))
        if last is None:
            self._pauses[reason] = 0.0
            self._report(None)
            return
        self._pauses[reason] = min(max(self._pauses[reason] * 2, FIRST_PAUSE, last.retry_after or 0.0), LAST_PAUSE)
        await self._wait(tenant, refused, last)

    async def _offer(self, tenant: str, pieces: Sequence[Piece]) -> tuple[list[Piece], StreamsRefused | None]:
        """Find out which streams are refused; the last refusal, if there was one."""
        groups: list[Sequence[Piece]] = [pieces]
        refused: list[Piece] = []
        last: StreamsRefused | None = None
        offers = 0
        while groups:
            group = groups.pop()
            if offers >= OFFERS:
                refused += group
                continue
            offers += 1
            answer = await self._push(tenant, group)
            if isinstance(answer, Stored):
                continue
            last = answer
            named = _named(group, answer)
            refused += named
            rest = [piece for piece in group if piece not in named]
            half = (len(rest) + 1) // 2
            groups += [part for part in (rest[half:], rest[:half]) if part]
        return refused, last

    async def run(  # noqa: ASYNC128 - the outbox calls started()
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run the waiting outbox until cancelled. What waits then stays for the next start."""
        await self.outbox.run(stop=trio.Event(), task_status=task_status)


def _named(pieces: Sequence[Piece], answer: StreamsRefused) -> list[Piece]:
    """The streams that an answer names; all, if it names none of them."""
    found = []
    for piece in pieces:
        parsed = parse_labels(piece.labels.decode(errors="surrogateescape"))
        if parsed is not None and stream_key(parsed[0]) in answer.streams:
            found.append(piece)
    return found or list(pieces)
