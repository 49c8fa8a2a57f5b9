"""A small dockerd over memory streams: containers with logs, events, and the ways in which a daemon fails."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import trio
from trio.testing import memory_stream_pair

SECOND = 1_000_000_000
PIECE = 16_384


def stamp(ts_ns: int) -> str:
    """RFC 3339 with nine decimals, as dockerd writes it."""
    when = datetime.fromtimestamp(ts_ns // SECOND, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{ts_ns % SECOND:09d}Z"


@dataclass(eq=False)
class FakeContainer:
    """One container; ``messages`` are (time, stream, text, whether its line ends here)."""

    id: str
    name: str
    created_ns: int
    labels: dict[str, str] = field(default_factory=dict)
    tty: bool = False
    running: bool = True
    finished_ns: int = 0
    networks: dict[str, dict[str, str]] = field(default_factory=dict)
    ports: list[dict[str, object]] = field(default_factory=list)
    mode: str = "none"
    messages: list[tuple[int, int, bytes, bool]] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    def notify(self) -> None:
        """Wake whoever follows the log."""
        self.changed.set()
        self.changed = trio.Event()

    def write(self, text: bytes | str, *, ts_ns: int, stream: int = 1) -> None:
        """Log one line, cut into pieces as dockerd cuts it."""
        data = text.encode() if isinstance(text, str) else text
        for at in range(0, len(data) + 1, PIECE):
            self.messages.append((ts_ns, stream, data[at : at + PIECE], at + PIECE > len(data)))
        self.notify()

    def frame(self, message: tuple[int, int, bytes, bool]) -> bytes:
        """A message as the API sends it."""
        ts_ns, stream, text, whole = message
        payload = stamp(ts_ns).encode() + b" " + text + ((b"\r\n" if self.tty else b"\n") if whole else b"")
        return payload if self.tty else bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload

    def summary(self) -> dict[str, object]:
        return {
            "Id": self.id, "Names": [f"/{self.name}"], "Labels": self.labels, "Image": "img:1", "ImageID": "sha256:1",
            "State": "running" if self.running else "exited", "Ports": self.ports,
            "HostConfig": {"NetworkMode": self.mode}, "NetworkSettings": {"Networks": self.networks},
        }  # fmt: skip

    def details(self) -> dict[str, object]:
        finished = stamp(self.finished_ns) if self.finished_ns else "0001-01-01T00:00:00Z"
        return {
            "Id": self.id, "Created": stamp(self.created_ns), "Name": f"/{self.name}",
            "State": {"Running": self.running, "StartedAt": stamp(self.created_ns), "FinishedAt": finished},
            "Config": {"Tty": self.tty, "Hostname": self.id[:12]},
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
        }  # fmt: skip


class FakeDocker:
    """The daemon.

    Args:
        nursery: where its connections run.
        version: what ``/_ping`` says; empty = nothing.

    Attributes:
        refuse: connecting fails.
        hang: requests are read and never answered.
        fail: path → (status, message) that is answered instead.
        mutable_clock_ns: dockerd's clock, for events.
    """

    def __init__(self, nursery: trio.Nursery, version: str = "1.47") -> None:
        self.containers: dict[str, FakeContainer] = {}
        self.networks: list[dict[str, object]] = []
        self.version = version
        self.refuse = False
        self.hang = False
        self.fail: dict[str, tuple[int, str]] = {}
        self.requests: list[str] = []
        self.mutable_clock_ns = 1_700_000_000 * SECOND
        self._nursery = nursery
        self._events: list[dict[str, object]] = []
        self._event = trio.Event()
        self._connections: set[trio.abc.Stream] = set()

    async def connect(self) -> trio.abc.Stream:
        """For ``DockerClient(connect=…)``."""
        await trio.lowlevel.checkpoint()
        if self.refuse:
            raise ConnectionRefusedError("connection refused")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self.serve, theirs)
        return ours

    def add(self, name: str, **settings: object) -> FakeContainer:
        """A container that runs."""
        # Distinct in its first twelve digits, which logs show, for any number of containers.
        container_id = f"{len(self.containers) + 1:012x}".ljust(64, name.encode().hex()[-1])
        container = FakeContainer(container_id, name, self.mutable_clock_ns, **settings)  # type: ignore[arg-type]
        self.containers[container_id] = container
        self.emit("start", container)
        return container

    def emit(self, action: str, container: FakeContainer) -> None:
        """Tell those who listen to events."""
        self._events.append({
            "Type": "container", "Action": action, "Actor": {"ID": container.id, "Attributes": {}},
            "time": self.mutable_clock_ns // SECOND, "timeNano": self.mutable_clock_ns,
        })  # fmt: skip
        self._event.set()
        self._event = trio.Event()

    def stop(self, container: FakeContainer) -> None:
        """The container ends."""
        container.running, container.finished_ns = False, self.mutable_clock_ns
        container.notify()
        self.emit("die", container)

    def start(self, container: FakeContainer) -> None:
        """The container runs again."""
        container.running = True
        self.emit("start", container)

    def remove(self, container: FakeContainer) -> None:
        """The container and its log are gone."""
        del self.containers[container.id]
        container.running = False
        container.notify()
        self.emit("destroy", container)

    async def break_connections(self) -> None:
        """All open streams end in the middle, as when the daemon is killed."""
        for stream in list(self._connections):
            await stream.aclose()

    def paths(self, part: str = "") -> list[str]:
        """The targets asked for that hold a text."""
        return [request.split(" ")[1] for request in self.requests if part in request]

    async def serve(self, stream: trio.abc.Stream) -> None:
        self._connections.add(stream)
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                more = await stream.receive_some(65536)
                if not more:
                    return
                data += more
            request = data.split(b"\r\n")[0].decode()
            self.requests.append(request)
            if self.hang:
                await trio.sleep_forever()
            await self._answer(stream, request.split(" ")[1])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._connections.discard(stream)
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.abc.Stream, target: str) -> None:
        url = urlsplit(target)
        path = url.path.removeprefix(f"/v{self.version}") if self.version else url.path
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        filters = json.loads(query.get("filters", "{}"))
        for part, (status, message) in self.fail.items():
            if part in path:
                await self._json(stream, {"message": message}, status)
                return
        parts = path.strip("/").split("/")
        container = self.containers.get(parts[1]) if len(parts) == 3 else None
        if path == "/_ping":
            await self._json(stream, "OK")
        elif path == "/containers/json":
            chosen = [c for c in self.containers.values() if c.running or query.get("all") == "1"]
            wanted = list(filters.get("id", {}))
            await self._json(stream, [c.summary() for c in chosen if not wanted or c.id in wanted])
        elif path == "/networks":
            await self._json(stream, self.networks)
        elif path == "/events":
            await self._stream_events(stream, query)
        elif container is None:
            await self._json(stream, {"message": f"No such container: {path}"}, 404)
        elif parts[2] == "json":
            await self._json(stream, container.details())
        else:
            await self._stream_log(stream, container, query)

    def _head(self, status: int, *headers: str) -> bytes:
        version = [f"Api-Version: {self.version}"] if self.version else []
        return "\r\n".join([f"HTTP/1.1 {status} X", *version, *headers, "", ""]).encode()

    async def _json(self, stream: trio.abc.Stream, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        await stream.send_all(self._head(status, f"Content-Length: {len(body)}") + body)

    async def _stream_events(self, stream: trio.abc.Stream, query: dict[str, str]) -> None:
        since = int(float(query["since"]) * SECOND) if "since" in query else None
        at = len(self._events)
        if since is not None:
            at = next((n for n, e in enumerate(self._events) if int(str(e["timeNano"])) >= since), len(self._events))
        await stream.send_all(self._head(200, "Transfer-Encoding: chunked"))
        wanted = json.loads(query.get("filters", "{}")).get("event", {})
        while True:
            event = self._event
            for record in self._events[at:]:
                if not wanted or record["Action"] in wanted:
                    line = json.dumps(record).encode() + b"\n"
                    await stream.send_all(b"%x\r\n%b\r\n" % (len(line), line))
            at = len(self._events)
            await event.wait()

    async def _stream_log(self, stream: trio.abc.Stream, container: FakeContainer, query: dict[str, str]) -> None:
        seconds, _, nanos = query.get("since", "0").partition(".")
        since = int(seconds) * SECOND + int((nanos or "0").ljust(9, "0"))
        streams = {n for n, name in ((1, "stdout"), (2, "stderr")) if query.get(name) == "1"}
        at = next((n for n, m in enumerate(container.messages) if m[0] >= since), len(container.messages))
        kind = "raw-stream" if container.tty else "multiplexed-stream"
        head = [f"Content-Type: application/vnd.docker.{kind}"] if self.version >= "1.42" else []
        await stream.send_all(self._head(200, "Transfer-Encoding: chunked", *head))
        while True:
            changed = container.changed
            data = b""
            for message in container.messages[at:]:
                if message[1] in streams or container.tty:
                    frame = container.frame(message)
                    data += b"%x\r\n%b\r\n" % (len(frame), frame)
            at = len(container.messages)
            if data:
                await stream.send_all(data)
            elif not container.running or query.get("follow") != "1":
                await stream.send_all(b"0\r\n\r\n")
                return
            else:
                await changed.wait()
