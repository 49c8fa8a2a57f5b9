"""The overview while one looks at it: samples, and updates for everyone who has the page open.

In: the service. Out: server-sent events, until the service stops or the reader goes.
Errors: a reader that is too slow misses updates and is then sent everything again.

``Live.run`` takes a sample every two seconds; cells are made only while somebody watches, once for all.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Mapping
from types import TracebackType

import orjson
import trio

from alloytrio.admin.overview import Cell, Overview, overview, totals
from alloytrio.admin.sampler import INTERVAL, Sampler
from alloytrio.admin.view import ServiceView

HEARTBEAT = 15.0  # seconds of silence after which a comment is sent, so that a reader that is gone is noticed
PENDING_UPDATES = 4  # that wait for one reader
MAX_READERS = 32  # pages open at once; a browser's EventSource tries again by itself


def event(name: str, value: object) -> bytes:
    """One event of a stream: its name, and JSON on one line."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n"


COMMENT = b": still here\n\n"


class Live:
    """Made once per service; ``run`` is its task.

    Args:
        view: the service.
        stop: ends ``run`` and all readers.
        interval: seconds between samples.
    """

    def __init__(self, view: ServiceView, stop: trio.Event, interval: float = INTERVAL) -> None:
        self.sampler = Sampler()
        self.stop = stop
        self._view = view
        self._interval = interval
        self._readers: set[LiveEvents] = set()
        self._sent: Mapping[str, Cell] = {}

    async def run(self) -> None:
        """Sample and publish until the stop."""
        while not self.stop.is_set():
            self.tick(trio.current_time())
            with trio.move_on_after(self._interval):
                await self.stop.wait()
        for reader in self._readers:
            reader.end()

    def tick(self, now: float) -> None:
        """One sample, and, if somebody watches, one update."""
        self.sampler.add(now, totals(self._view))
        if not self._readers:
            self._sent = {}
            return
        shown = self.overview()
        everything = {key: cell.as_json() for key, cell in shown.cells.items()}
        changed = {key: cell for key, cell in everything.items() if shown.cells[key] != self._sent.get(key)}
        self._sent = shown.cells
        whole = event("cells", {"shape": shown.shape, "cells": everything})
        update = event("cells", {"shape": shown.shape, "cells": changed})
        for reader in self._readers:
            reader.offer(whole, update)

    def overview(self) -> Overview:
        """The page at this moment."""
        return overview(self._view, self.sampler)

    def events(self) -> "LiveEvents | None":
        """A new reader; None when there are too many."""
        return None if len(self._readers) >= MAX_READERS else LiveEvents(self)

    def begin(self, reader: "LiveEvents") -> None:
        """From now on the reader gets updates."""
        if self.stop.is_set():
            reader.end()
        else:
            self._readers.add(reader)

    def finish(self, reader: "LiveEvents") -> None:
        """The reader is gone."""
        self._readers.discard(reader)


class LiveEvents:
    """One reader's stream; a context manager, entered when the stream begins."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._send, self._receive = trio.open_memory_channel[bytes](PENDING_UPDATES)
        self._needs_everything = True

    def __enter__(self) -> "LiveEvents":
        self._live.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.finish(self)
        self._send.close()
        self._receive.close()

    def offer(self, whole: bytes, update: bytes) -> None:
        """Take an update, or everything after updates were missed."""
        try:
            self._send.send_nowait(whole if self._needs_everything else update)
            self._needs_everything = False
        except trio.WouldBlock:
            self._needs_everything = True

    def end(self) -> None:
        """The stream ends behind what waits in it."""
        self._send.close()

    async def next(self) -> bytes | None:
        """The next piece of the stream; None at its end."""
        with trio.move_on_after(HEARTBEAT):
            try:
                return await self._receive.receive()
            except trio.EndOfChannel:
                return None
        return COMMENT
