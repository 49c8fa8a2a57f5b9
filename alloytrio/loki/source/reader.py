"""Reads the log of one container and hands its lines over, until the container is gone.

In: Docker's log stream. Out: entries to the consumers, and their results with positions to the outboxes, in one record
each. Errors: a stream that breaks is opened again where reading was; what Docker refuses is tried again, slowly.

One turn of the loop: bytes → entries → those that are new → stages and encoding → outboxes, and only then the next
bytes. So while an outbox is full nothing is read, and Docker keeps the lines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import trio

from alloytrio.docker import ContainerDetails, LogStream
from alloytrio.entry import EntryBatch, Handover, Origin
from alloytrio.entry_fanout import fan_out
from alloytrio.entry_seen import show_entries
from alloytrio.errors import DockerError, OversizeError, QueueFullError
from alloytrio.loki.source.oversize import apart
from alloytrio.loki.source.positions import REPLAY_NS, ContainerPosition
from alloytrio.loki.source.progress import OutletProgress, Progress
from alloytrio.loki.source.reader_context import Ending, ReaderContext
from alloytrio.loki.source.rotation import RotationWatch, retained_bytes
from alloytrio.loki.source.source_positions import POSITIONS
from alloytrio.loki.source.turn import Turn
from alloytrio.outbox import Fragment, Put, put_all
from alloytrio.wire.docker import LogDecoder

READ_PAUSE = 0.05  # seconds between readings of little: a line then costs a fraction of a wake-up
MUCH = 32_768  # bytes; there is more where they came from
SILENCE = 5.0  # seconds without a line after which nothing more is replayed
OPENING = 2.0  # seconds that a reader may keep others from opening their streams
FIRST_RETRY, LAST_RETRY = 0.2, 5.0  # seconds between attempts to read
REFUSED_RETRY = 300.0  # seconds until Docker is asked again for a log that it cannot read
CLOCK_CHECK = 30.0  # seconds between looks at the clock
HELD_UP = 1.0  # seconds that handing over may take before the reader counts as held up


class ContainerReader:
    """One container's reader.

    Args:
        container_id: which.
        labels: of the entries of each stream; None = that stream is not wanted.
        context: shared.

    Attributes:
        last_error: why the last attempt ended; empty for none.
        last_line_ns: time of the last line.
        lag_ns: how old the last line was when it was read.
        is_held_up: an outbox has no room.
        is_open: a stream is open.
    """

    def __init__(
        self, container_id: str, labels: Mapping[str, Mapping[str, str] | None], context: ReaderContext
    ) -> None:
        self.container_id = container_id
        self.last_error = ""
        self.last_line_ns = 0
        self.lag_ns = 0
        self.is_held_up = False
        self.is_open = False
        self._context = context
        self._source = container_id.encode()
        self._holds = any(consumer.holds for consumer in context.consumers)
        self._labels = labels
        self._decoder: LogDecoder | None = None
        self._seq = 0
        smallest = min([each.lane.outbox.settings.max_bytes for each in context.outlets], default=1 << 30)
        self._max_put = max(smallest // 8, 1)
        self._retry = FIRST_RETRY
        self._wake_at = math.inf
        self._since_ns = 0

    def set_labels(self, labels: Mapping[str, Mapping[str, str] | None]) -> None:
        """Other labels from the next line on. Which streams are wanted must not change."""
        self._labels = labels
        if self._decoder is not None:
            self._decoder.set_origins(*self._origins())

    @property
    def state(self) -> str:
        """A word for what it does."""
        if self.is_held_up:
            return "held up"
        return "reading" if self.is_open else "waiting"

    @property
    def wanted(self) -> tuple[bool, bool]:
        """Whether stdout and stderr are read."""
        return self._labels["stdout"] is not None, self._labels["stderr"] is not None

    def _origins(self) -> tuple[Origin, Origin]:
        stdout, stderr = self._labels["stdout"], self._labels["stderr"]
        return Origin("stdout", dict(stdout or {})), Origin("stderr", dict(stderr or {}))

    async def run(self) -> Ending:
        """Read until the container's log is at its end or gone."""
        context = self._context
        progress: Progress | None = None
        try:
            while True:
                try:
                    async with context.opening:
                        details = await context.client.inspect(self.container_id)
                    progress = progress or self._begin(details)
                    if progress is None:
                        return Ending.NOT_WANTED
                    if not details.running and all(o.finished == details.state.finished_at for o in progress.outlets):
                        return Ending.FINISHED
                    if await self._read(details, progress) and not details.running:
                        await self._finish(progress, details.state.finished_at)
                        return Ending.FINISHED
                except DockerError as exc:
                    if exc.status == 404:
                        return Ending.REMOVED
                    await self._failed(exc)
                else:
                    await self._pause()
        finally:
            context.health.report(self.container_id, "")
            for consumer in context.consumers:
                consumer.forget(self._source)

    def _begin(self, details: ContainerDetails) -> Progress | None:
        outlets = []
        for outlet in self._context.outlets:
            stored = self._context.load(outlet, self.container_id)
            start = self._context.start_of(outlet, details) if stored is None else 0
            if start is not None:
                outlets.append(OutletProgress(outlet, stored, start))
        return Progress(outlets) if outlets else None

    async def _failed(self, error: DockerError) -> None:
        """Docker did not do what was asked; wait before it is asked again."""
        self.last_error = str(error)
        self._context.metrics.reopened.inc()
        if error.status == 501:  # the logging driver cannot be read
            self._context.health.report(self.container_id, f"container {self.container_id[:12]}: {error}")
            await trio.sleep(REFUSED_RETRY)
            return
        if self._retry >= LAST_RETRY:
            self._context.health.report(self.container_id, f"container {self.container_id[:12]}: {error}")
        await self._pause()

    async def _pause(self) -> None:
        await trio.sleep(self._retry)
        self._retry = min(self._retry * 2, LAST_RETRY)

    # Reading

    async def _read(self, details: ContainerDetails, progress: Progress) -> bool:
        """Read one log stream; whether it came to its end (or must be opened again: False).

        Raises:
            DockerError: the stream cannot be opened, or broke.
        """
        context = self._context
        progress.begin()
        self._since_ns = max(min(progress.since_ns, context.wall_ns() - REPLAY_NS), 0)
        stdout, stderr = self.wanted
        limiter = Turn(context.opening)
        await limiter.acquire()
        try:
            async with context.client.logs(
                self.container_id, since_ns=self._since_ns, follow=True, stdout=stdout, stderr=stderr
            ) as log:
                tty = details.tty if log.tty is None else log.tty
                self._decoder = LogDecoder(tty, context.max_line_bytes, *self._origins(), self._seq)
                self.is_open = True
                context.metrics.open_streams.inc()
                try:
                    return await self._pump(log, progress, self._decoder, limiter, details)
                finally:
                    self.is_open = False
                    context.metrics.open_streams.dec()
                    self._seq = self._decoder.seq
                    self._decoder = None
        finally:
            limiter.release()

    async def _pump(
        self, log: LogStream, progress: Progress, decoder: LogDecoder, limiter: Turn, details: ContainerDetails
    ) -> bool:
        context = self._context
        options = details.host_config.log_config
        watch = RotationWatch(retained_bytes(options.type, options.config or {}))
        limiter.release_at(trio.current_time() + OPENING)
        while True:
            data = await self._receive(log, progress, limiter)
            if data is None:
                if progress.is_lost or context.wall_ns() < self._since_ns:
                    return False
                if trio.current_time() < self._wake_at:
                    continue
                data = b""
            elif not data:
                return await self._end(progress, decoder, details)
            before, size = trio.current_time(), len(data)
            await self._work(data, progress, decoder)
            del data  # not kept while this reader waits for more
            if decoder.error:
                raise DockerError(f"logs: {decoder.error}")
            watch.note(size, self.last_line_ns)
            if trio.current_time() - before > HELD_UP and watch.suspects(context.wall_ns()):
                context.metrics.suspect_gap(self.container_id)
            if size < MUCH:
                await trio.sleep(READ_PAUSE)

    async def _work(self, data: bytes, progress: Progress, decoder: LogDecoder) -> None:
        """Decode what was read and hand it over, when it is this reader's turn."""
        context = self._context
        turn = Turn(context.working)
        await turn.acquire()
        try:
            truncated, unstamped = decoder.truncated, decoder.unstamped
            entries = decoder.feed(data)
            context.metrics.note_lines(decoder.truncated - truncated, decoder.unstamped - unstamped)
            if entries:
                self._retry = FIRST_RETRY
                self._recovered()
            # A put must fit into the outbox; with outboxes of a usual size this is one round.
            part = max(len(entries) * self._max_put // max(len(data), 1), 1)
            for start in range(0, max(len(entries), 1), part):
                batch = EntryBatch(self._source, entries[start : start + part], context.wall_ns(), trio.current_time())
                await self._hand_over(progress, batch, turn)
        finally:
            turn.release()

    async def _receive(self, log: LogStream, progress: Progress, limiter: Turn) -> bytes | None:
        """The next bytes; None when it is time to look at something else: stages, what was replayed, the clock."""
        now = trio.current_time()
        until = min(self._wake_at, now + (CLOCK_CHECK if progress.is_settled else SILENCE), limiter.until)
        with trio.move_on_at(until) as scope:
            data = await log.receive()
            limiter.release()
            return data
        assert scope.cancelled_caught
        if trio.current_time() >= limiter.until:
            limiter.release()
        elif not progress.is_settled and until == now + SILENCE:
            progress.conclude()
        return None

    def _recovered(self) -> None:
        if self.last_error:
            self.last_error = ""
            self._context.health.report(self.container_id, "")

    async def _end(self, progress: Progress, decoder: LogDecoder, details: ContainerDetails) -> bool:
        """The stream is at its end. If the container had ended before it was opened, so is the log."""
        progress.conclude()
        if progress.is_lost:
            return False
        if not details.running:
            entries = decoder.finish()
            now, now_ns = trio.current_time(), self._context.wall_ns()
            await self._hand_over(progress, EntryBatch(self._source, entries, now_ns, now, ended=True), None)
        return True

    # Handing over

    async def _hand_over(self, progress: Progress, batch: EntryBatch, turn: Turn | None) -> None:
        """Run a batch through the consumers and put the result, with positions, into the outboxes.

        Args:
            progress: of the outlets.
            batch: what was read.
            turn: given back if a stage makes this reader wait.
        """
        context = self._context
        read = batch.entries
        if read:
            self.last_line_ns = read[-1].ts_ns
            self.lag_ns = max(0, batch.now_ns - self.last_line_ns)
        fresh = progress.new_entries(read)
        if len(fresh) != len(read):
            context.metrics.replayed.inc(len(read) - len(fresh))
        if not fresh and not batch.ended and trio.current_time() < self._wake_at:
            return
        progress.note(fresh, self._holds)
        batch = replace(batch, entries=fresh, skip=progress.skip())
        context.metrics.entries.inc(len(fresh))
        if context.tap.is_watched:
            show_entries(context.tap, fresh)
        handovers = fan_out(context.consumers, batch)
        self._wake_at = min([each.wake_at for each in handovers], default=math.inf)
        wait_until = max([each.wait_until for each in handovers], default=0.0)
        if turn is not None and wait_until > trio.current_time():
            turn.release()
        await trio.sleep_until(wait_until)
        puts = []
        for outlet in progress.outlets:
            mine = [each for each in handovers if each.outlet.key == outlet.outlet.key]
            puts.append(
                self._put(outlet, mine, outlet_position(outlet, mine, self.last_line_ns, batch.now_ns, self._holds))
            )
        await self._put_all(puts)
        progress.end_skipping()

    def _put(self, progress: OutletProgress, handovers: Sequence[Handover], position: ContainerPosition) -> Put:
        fragments = [fragment for each in handovers for fragment in each.fragments]
        positions = {self._context.position_key(self.container_id): position.encode()}
        if fragments:
            fragments[-1] = replace(fragments[-1], positions=positions)
        else:
            fragments = [Fragment(0, b"", POSITIONS, positions)]
        return Put(progress.outlet.lane, fragments)

    async def _put_all(self, puts: Sequence[Put]) -> None:
        """Put until there is room; meanwhile nothing is read. What no outbox can hold is left out."""
        while True:
            try:
                await put_all(puts)
            except OversizeError as exc:
                for put in apart(puts, str(exc), self._context.metrics):
                    await self._put_all([put])
                return
            except QueueFullError as exc:
                self.is_held_up = True
                self._context.metrics.held_up.inc()
                self._context.health.report("outbox", f"reading has stopped: {exc}")
                await trio.sleep(min(exc.retry_after, 1.0))
            else:
                self.is_held_up = False
                self._context.health.report("outbox", "")
                return

    async def _finish(self, progress: Progress, finished_at: str) -> None:
        """The log of a container that has ended is read: remember when it ended."""
        now_ns = self._context.wall_ns()
        await self._put_all(
            [self._put(each, [], each.position(self.last_line_ns, now_ns, finished_at)) for each in progress.outlets]
        )


def outlet_position(
    progress: OutletProgress, handovers: Sequence[Handover], last_ns: int, now_ns: int, holds: bool
) -> ContainerPosition:
    """An outlet's position after a batch: before whatever is still held on any way to it."""
    if holds:
        held: dict[str, int] = {}
        for each in handovers:
            for stream, seq in each.held.items():
                held[stream] = min(seq, held.get(stream, seq))
        progress.settle(held)
    return progress.position(last_ns, now_ns)
