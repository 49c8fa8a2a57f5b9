"""A Docker daemon in a thread, on a unix socket: containers that write numbered lines, come and go; broken streams."""

import random
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from tests.chaos.backends import text_of
from tests.docker.fake import FakeContainer, FakeDocker

LINES_AT_ONCE = 5
PAUSE = 0.02  # seconds between writes
MAX_RUNNING = 4


class Containers:
    """Runs the daemon and its containers.

    Args:
        socket: where the daemon listens.
        seed: of the choice of who writes.

    Attributes:
        written: the numbers of all lines that are in a container's log.
    """

    def __init__(self, socket: Path, seed: int) -> None:
        self.written: set[int] = set()
        self._socket = socket
        self._random = random.Random(seed)
        self._token: trio.lowlevel.TrioToken | None = None
        self._docker: FakeDocker | None = None
        self._scope = trio.CancelScope()
        self._stop_writing: trio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="docker")
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._token is not None
        trio.from_thread.run_sync(self._scope.cancel, trio_token=self._token)
        self._thread.join(10)

    def stop(self) -> None:
        """No more lines."""
        assert self._token is not None
        trio.from_thread.run_sync(self._stop_writing.set, trio_token=self._token)

    def break_streams(self) -> None:
        """All streams end in the middle, as when the daemon is killed."""
        assert self._token is not None
        assert self._docker is not None
        trio.from_thread.run(self._docker.break_connections, trio_token=self._token)

    def churn(self) -> None:
        """One container ends and another one starts, which ends at once after its first lines."""
        assert self._token is not None
        trio.from_thread.run_sync(self._churn, trio_token=self._token)

    def _churn(self) -> None:
        assert self._docker is not None
        running = [container for container in self._docker.containers.values() if container.running]
        self._docker.mutable_clock_ns = time.time_ns()
        if len(running) >= MAX_RUNNING:
            self._docker.stop(self._random.choice(running))
        self._add()
        moment = self._add()
        self._write(moment)
        self._docker.stop(moment)

    def _add(self) -> FakeContainer:
        assert self._docker is not None
        self._docker.mutable_clock_ns = time.time_ns()
        return self._docker.add(f"writer-{len(self._docker.containers)}")

    def _write(self, container: FakeContainer) -> None:
        for _ in range(LINES_AT_ONCE):
            number = len(self.written) + 1
            container.write(text_of(number), ts_ns=time.time_ns(), stream=self._random.choice((1, 2)))
            self.written.add(number)

    async def _serve(self) -> None:
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(str(self._socket))
        listener.listen(64)
        with self._scope:
            async with trio.open_nursery() as connections:
                self._docker = FakeDocker(connections)
                self._token = trio.lowlevel.current_trio_token()
                self._stop_writing = trio.Event()
                self._add()
                self._add()
                connections.start_soon(self._write_lines)
                self._ready.set()
                await trio.serve_listeners(self._docker.serve, [trio.SocketListener(listener)])

    async def _write_lines(self) -> None:
        assert self._docker is not None
        while not self._stop_writing.is_set():
            running = [container for container in self._docker.containers.values() if container.running]
            self._write(self._random.choice(running))
            with trio.move_on_after(PAUSE):
                await self._stop_writing.wait()
