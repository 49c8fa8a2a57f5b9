"""One request and its answer, between hypercorn and an ASGI app: the deadlines and bounds that are ours.

- The body must arrive within ``body_timeout`` and ``max_body_bytes``; the app sees ``BodyTimeoutError`` or
  ``BodyTooLargeError`` and may answer in its own format; if it does not, 408 or 413 in plain text is sent.
- A piece of the answer that the peer does not take within ``write_timeout`` ends the connection (over HTTP/2 the peer's
  flow control would let hypercorn wait for ever).
- An app that answers before it has read the whole body is allowed to: the rest is read and thrown away within bounds,
  so that the peer can read the answer, and because hypercorn waits for room in its queue of body parts before it ends.
- Anything but HTTP (WebSockets, CONNECT) is refused.

Errors: none leave; a bug in the app is logged once and answered with 500.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendEvent,
    HTTPScope,
)
from structlog.typing import FilteringBoundLogger

Send = Callable[[ASGISendEvent | None], Awaitable[None]]
"""hypercorn's send; None means that the app has ended."""


class BodyTimeoutError(Exception):
    """The request's body did not arrive in time; HTTP 408."""

    STATUS = 408


class BodyTooLargeError(Exception):
    """The request's body is above the limit; HTTP 413."""

    STATUS = 413


class PeerStalledError(Exception):
    """The peer did not take the answer in time; the connection is closed."""


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """Bounds of one request; times in seconds."""

    max_body_bytes: int
    body_timeout: float
    write_timeout: float
    drain_bytes: int
    drain_timeout: float


class Exchange:
    """Runs an app for one request.

    Args:
        scope: hypercorn's description of the request.
        receive: hypercorn's source of body parts.
        send: hypercorn's sink.
        close: closes the connection at once.
    """

    def __init__(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        send: Send,
        limits: ExchangeLimits,
        close: Callable[[], None],
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._close = close
        self._body_deadline = trio.current_time() + limits.body_timeout
        self._received_bytes = 0
        self._body_ended = False
        self._started = False
        self._finished = False

    async def run(self, app: ASGIFramework, log: FilteringBoundLogger) -> None:
        """Let the app answer; afterwards the request is answered or the connection closed."""
        failure: ExceptionGroup[Exception] | None = None
        try:
            await app(self._scope, self.receive, self.send)
        except* Exception as group:  # one request's bug must not end the others
            failure = group
        if failure is not None:
            await self._answer_failure(failure, log)
        if not self._finished:
            await self._while_discarding(self._send, None)

    async def _answer_failure(self, failure: ExceptionGroup[Exception], log: FilteringBoundLogger) -> None:
        refusal = first_of(failure, (BodyTimeoutError, BodyTooLargeError))
        if isinstance(refusal, BodyTimeoutError | BodyTooLargeError):
            await self._refuse(refusal.STATUS, str(refusal))
        elif first_of(failure, (PeerStalledError,)) is None:
            method, path = self._scope["method"], self._scope["path"]
            log.error("request failed", method=method, path=path, exc_info=failure.exceptions[0])
            await self._refuse(500, "internal error; the log says more")

    async def receive(self) -> ASGIReceiveEvent:
        """The app's ``receive``.

        Raises:
            BodyTimeoutError: the body is not complete at its deadline.
            BodyTooLargeError: more bytes came, or were announced, than allowed.
        """
        if self._body_ended:
            return await self._receive()
        self._check_announced_length()
        with trio.move_on_at(self._body_deadline) as scope:
            event = await self._receive()
        if scope.cancelled_caught:
            raise BodyTimeoutError(f"the body did not arrive within {self._limits.body_timeout:g} s")
        if event["type"] != "http.request":
            self._body_ended = True
            return event
        self._received_bytes += len(event["body"])
        self._body_ended = not event["more_body"]
        if self._received_bytes > self._limits.max_body_bytes:
            raise self._too_large()
        return event

    def _check_announced_length(self) -> None:
        for name, value in self._scope["headers"]:
            if name != b"content-length" or not value.isdigit():
                continue
            # Longer numbers than these are no lengths; int() of a very long one is slow (CVE-2020-10735).
            if len(value) > 18 or int(value) > self._limits.max_body_bytes:
                raise self._too_large()

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the body is larger than {self._limits.max_body_bytes} bytes")

    async def send(self, event: ASGISendEvent) -> None:
        """The app's ``send``.

        Raises:
            PeerStalledError: the peer did not take this piece in time.
        """
        if event["type"] == "http.response.start":
            self._started = True
        is_last = event["type"] == "http.response.body" and not event.get("more_body", False)
        if not is_last:
            await self._deliver(event)
            return
        self._finished = True
        if self._body_ended:
            await self._deliver(event)
            return
        if event["type"] == "http.response.body" and event.get("body"):
            await self._deliver({"type": "http.response.body", "body": event["body"], "more_body": True})
        await self._drain()
        await self._while_discarding(self._deliver, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, event: ASGISendEvent | None) -> None:
        with trio.move_on_after(self._limits.write_timeout) as scope:
            await self._send(event)
        if scope.cancelled_caught:
            self._close()
            raise PeerStalledError

    async def _drain(self) -> None:
        """Read what is left of the body, so that closing does not reset the connection under the answer."""
        drained = 0
        with trio.move_on_after(self._limits.drain_timeout):
            while not self._body_ended and drained <= self._limits.drain_bytes:
                event = await self._receive()
                if event["type"] == "http.request":
                    drained += len(event["body"])
                    self._body_ended = not event["more_body"]
                else:
                    self._body_ended = True

    async def _while_discarding(self, act: Send, event: ASGISendEvent | None) -> None:
        """Act while body parts are thrown away: hypercorn's reader may wait for room in its queue."""
        async with trio.open_nursery() as discarding:
            discarding.start_soon(self._discard)
            await act(event)
            discarding.cancel_scope.cancel()

    async def _discard(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                return

    async def _refuse(self, status: int, text: str) -> None:
        if self._started:
            self._close()  # half an answer is out: only the end of the connection can say that it is wrong
            return
        body = text.encode() + b"\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        if self._scope["http_version"] != "2":
            headers.append((b"connection", b"close"))
        try:
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body, "more_body": False})
        except PeerStalledError:
            pass  # closed already


def first_of(group: ExceptionGroup[Exception], kinds: tuple[type[Exception], ...]) -> Exception | None:
    """The first exception of these kinds at any depth: an app may wrap ours in the groups of its own nurseries."""
    found = group.subgroup(kinds)
    while found is not None:
        first = found.exceptions[0]
        if not isinstance(first, ExceptionGroup):
            return first
        found = first
    return None
