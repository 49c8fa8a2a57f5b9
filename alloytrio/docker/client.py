"""Docker's Engine API: the calls that discovery and the log source make.

The version is what the daemon says in its ``Api-Version`` header, asked for before the first call and again after any
failure to reach it: it may have been replaced by another version. Every call is under a deadline, because a daemon can
hang; a stream is under one until its first bytes. Errors are ``DockerError``, whatever went wrong.
"""

import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx  # noqa: ASYNC127 - the client that we build on
import orjson
import trio
from pydantic import TypeAdapter, ValidationError

from alloytrio.docker.host import parse_host
from alloytrio.docker.http1 import Header
from alloytrio.docker.models import ContainerDetails, ContainerSummary, NetworkSummary
from alloytrio.docker.transport import Connect, DockerBody, DockerTransport
from alloytrio.errors import DockerError

MAX_ANSWER_BYTES = 256 * 1024 * 1024  # a list of ten thousand containers has some 50 MiB
MAX_EVENT_BYTES = 4 * 1024 * 1024  # one event holds all labels of its container
_CONTAINERS = TypeAdapter(list[ContainerSummary])
_NETWORKS = TypeAdapter(list[NetworkSummary])
_NANO = 1_000_000_000

T = TypeVar("T")
Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a container.

    Args:
        action: ``start``, ``die``, ``destroy``, …
        container_id: whose.
        time_ns: dockerd's clock, nanoseconds since 1970.
    """

    action: str
    container_id: str
    time_ns: int


class EventStream:
    """Events as they happen."""

    def __init__(self, body: DockerBody) -> None:
        self._body = body
        self._rest = b""

    async def receive(self) -> list[Event]:
        """The next events, at least one; empty when dockerd has ended the stream.

        Raises:
            DockerError: the stream broke.
        """
        while True:
            with _errors("events"):
                data = await self._body.receive()
            if not data:
                return []
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > MAX_EVENT_BYTES:
                raise DockerError("events: an event without end")
            events = [event for line in lines if line.strip() and (event := _event(line)) is not None]
            if events:
                return events


def _event(line: bytes) -> Event | None:
    try:
        record = orjson.loads(line)
        if record.get("Type") != "container":
            return None
        # "exec_start: /bin/sh" and "health_status: healthy" hold details behind the colon
        action = str(record["Action"]).partition(":")[0]
        return Event(action, str(record["Actor"]["ID"]), int(record.get("timeNano") or record["time"] * _NANO))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise DockerError(f"events: not an event: {line[:80]!r}") from exc


class LogStream:
    """The log of a container, as bytes.

    Attributes:
        tty: whether the bytes have no frames; None if the daemon did not say.
    """

    def __init__(self, body: DockerBody, tty: bool | None) -> None:
        self._body = body
        self.tty = tty

    async def receive(self) -> bytes:
        """What has come, at least one byte; empty at the end of the log.

        Raises:
            DockerError: the stream broke.
        """
        with _errors("logs"):
            return await self._body.receive()


class DockerClient:
    """One dockerd.

    Args:
        host: ``unix:///…``, ``tcp://…``, ``http://…``, ``https://…``.
        call_timeout: seconds for one call.
        context: TLS for ``tcp`` and ``https``; None = plain, or the system's authorities for ``https``.
        server_name: checked in the certificate; empty = the host's name.
        headers: added to each request, such as credentials.
        connect: opens a connection, instead of the way that ``host`` says.

    Raises:
        ValueError: ``host`` cannot be read.
    """

    def __init__(
        self,
        host: str,
        *,
        call_timeout: float,
        context: ssl.SSLContext | None = None,
        server_name: str = "",
        headers: Sequence[Header] = (),
        connect: Connect | None = None,
    ) -> None:
        parsed = parse_host(host)
        if parsed.tls and context is None:
            context = ssl.create_default_context()
        self.host = host
        self.version = ""
        self._call_timeout = call_timeout
        transport = DockerTransport(
            connect or partial(parsed.connect, context, server_name), [(b"Host", parsed.authority.encode()), *headers]
        )
        self._http = httpx.AsyncClient(transport=transport, base_url="http://docker", timeout=None)

    async def containers(self, filters: Filters, *, ended_too: bool) -> list[ContainerSummary]:
        """Containers that match all filters; each filter's values are alternatives.

        Raises:
            DockerError: as for all calls.
        """
        params = {"all": "1"} if ended_too else {}
        return _parse(_CONTAINERS, "containers/json", await self._get("containers/json", params | _filters(filters)))

    async def networks(self) -> list[NetworkSummary]:
        """All networks."""
        return _parse(_NETWORKS, "networks", await self._get("networks", {}))

    async def inspect(self, container_id: str) -> ContainerDetails:
        """One container.

        Raises:
            DockerError: with status 404 if there is none of that id.
        """
        path = f"containers/{container_id}/json"
        return _parse(TypeAdapter(ContainerDetails), path, await self._get(path, {}))

    @asynccontextmanager
    async def events(self, actions: Sequence[str], *, since_ns: int | None = None) -> AsyncIterator[EventStream]:
        """Events of containers, from now on or since a time (dockerd keeps the latest 256)."""
        params = _filters({"type": ["container"], "event": actions})
        if since_ns is not None:
            params["since"] = _seconds(since_ns)
        async with self._open("events", params) as response:
            yield EventStream(_body(response))

    @asynccontextmanager
    async def logs(
        self, container_id: str, *, since_ns: int, follow: bool, stdout: bool = True, stderr: bool = True
    ) -> AsyncIterator[LogStream]:
        """A container's log with times.

        Args:
            container_id: which.
            since_ns: begin with the first line that is not older, nanoseconds since 1970; 0 = all.
            follow: go on until the container ends.
            stdout: with its stdout.
            stderr: with its stderr.
        """
        params = {"timestamps": "1", "since": _seconds(since_ns) if since_ns else "0"}
        params |= {name: "1" for name, on in (("follow", follow), ("stdout", stdout), ("stderr", stderr)) if on}
        async with self._open(f"containers/{container_id}/logs", params) as response:
            yield LogStream(_body(response), self._is_tty(response))

    def _is_tty(self, response: httpx.Response) -> bool | None:
        kind = response.headers.get("content-type", "")
        if kind == "application/vnd.docker.multiplexed-stream":
            return False
        # Before API 1.42 this type was sent for both kinds of stream.
        major, _, minor = self.version.partition(".")
        new = major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (1, 42)
        return True if new and kind == "application/vnd.docker.raw-stream" else None

    async def _negotiate(self) -> None:
        """Ask which version the daemon speaks. One that does not say gets requests without a version."""
        with _errors("_ping"), self._deadline("_ping"):
            response = await self._http.get("/_ping")
        if response.status_code != 200:
            raise DockerError(f"_ping: {_words(response)}", status=response.status_code)
        version = response.headers.get("api-version", "")
        self.version = version if version.replace(".", "").isdigit() else "unversioned"

    async def _get(self, path: str, params: Mapping[str, str]) -> bytes:
        async with self._open(path, params) as response:
            body, pieces, size = _body(response), [], 0
            with _errors(path), self._deadline(path):
                while data := await body.receive():
                    pieces.append(data)
                    size += len(data)
                    if size > MAX_ANSWER_BYTES:
                        raise DockerError(f"{path}: answer larger than {MAX_ANSWER_BYTES} bytes")
            return b"".join(pieces)

    @asynccontextmanager
    async def _open(self, path: str, params: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """A response with status 200, its body not read. The head is under a deadline, the body is not."""
        response = await self._send(path, params)
        try:
            yield response
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await response.aclose()

    async def _send(self, path: str, params: Mapping[str, str]) -> httpx.Response:
        if not self.version:
            await self._negotiate()
        prefix = "" if self.version == "unversioned" else f"/v{self.version}"
        try:
            with _errors(path), self._deadline(path):
                request = self._http.build_request("GET", f"{prefix}/{path}", params=params)
                response = await self._http.send(request, stream=True)
                if response.status_code == 200:
                    return response
                await response.aread()
        except DockerError:
            self.version = ""
            raise
        if response.status_code == 400:
            self.version = ""  # perhaps the daemon was replaced by one that does not speak this version
        raise DockerError(f"{path}: {_words(response)}", status=response.status_code)

    @contextmanager
    def _deadline(self, path: str) -> Iterator[None]:
        try:
            with trio.fail_after(self._call_timeout):
                yield
        except trio.TooSlowError as exc:
            raise DockerError(f"{path}: no answer within {self._call_timeout:g} s") from exc


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """Turns httpx's errors into DockerError."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise DockerError(f"{path}: {exc or repr(exc)}") from exc


def _body(response: httpx.Response) -> DockerBody:
    body = response.extensions["body"]
    assert isinstance(body, DockerBody)
    return body


def _words(response: httpx.Response) -> str:
    """dockerd's own words, and the status."""
    try:
        message = str(orjson.loads(response.content)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = response.text[:200]
    return f"{message.strip() or 'no message'} (HTTP {response.status_code})"


def _filters(filters: Filters) -> dict[str, str]:
    if not filters:
        return {}
    return {"filters": json.dumps({name: dict.fromkeys(values, True) for name, values in filters.items()})}


def _seconds(time_ns: int) -> str:
    return f"{time_ns // _NANO}.{time_ns % _NANO:09d}"


def _parse(adapter: TypeAdapter[T], path: str, body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise DockerError(f"{path}: not the answer expected: {first['loc']}: {first['msg']}") from exc
