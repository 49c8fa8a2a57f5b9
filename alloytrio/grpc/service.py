"""Services: what a handler sees of a call, and how grpclib's handlers are found and run.

Two kinds of handlers are served, both unary, both registered as a grpclib ``Handler`` in ``IServable.__mapping__``:

* grpclib's own, as betterproto generates them: ``async def method(stream)``, with the methods of ``grpclib``'s stream.
* raw: ``async def method(request: bytes, context: CallContext) -> bytes``. It is told from the other by its
  ``request_type``, which is ``bytes``: ``raw_handler(method)`` makes one. A service that subclasses a generated base
  overrides ``__mapping__`` and keeps the base's paths::

      class TraceService(TraceServiceBase):
          async def export_bytes(self, request: bytes, context: CallContext) -> bytes: ...

          def __mapping__(self) -> dict[str, Handler]:
              return {path: raw_handler(self.export_bytes) for path in super().__mapping__()}

A handler answers with an error by raising ``grpclib.exceptions.GRPCError``; ``details`` may be a list of
``status.StatusDetail`` (``retry_info(seconds)``).
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import trio
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.metadata import decode_metadata

from alloytrio.grpc.events import Headers
from alloytrio.grpc.message import Metadata, metadata_headers
from alloytrio.grpc.status import StatusDetail

RawMethod = Callable[[bytes, "CallContext"], Awaitable[bytes]]


class Servable(Protocol):
    """grpclib's ``IServable``."""

    def __mapping__(self) -> Mapping[str, Handler]:
        """Path → handler."""
        ...


class Message(Protocol):
    """What grpclib's codec needs of a message; google.protobuf and betterproto have it."""

    def SerializeToString(self) -> bytes:
        """Its encoding."""
        ...


class Peer:
    """Who calls: grpclib's ``Peer``.

    Args:
        address: (host, port), the path of a unix socket, or None when the connection is gone.
        certificate: of the client, as ``ssl.SSLSocket.getpeercert`` gives it; None without TLS or certificate.
    """

    def __init__(self, address: tuple[str, int] | str | None, certificate: Mapping[str, object] | None) -> None:
        self._address = address
        self._certificate = certificate

    def addr(self) -> tuple[str, int] | str | None:
        """(host, port), or the path of a unix socket."""
        return self._address

    def cert(self) -> Mapping[str, object] | None:
        """The client's certificate."""
        return self._certificate


class Deadline:
    """When the client stops waiting: grpclib's ``Deadline``, by trio's clock."""

    def __init__(self, at: float) -> None:
        self.at = at

    def time_remaining(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self.at - trio.current_time())


class CallContext:
    """What is known about a call besides its message.

    Args:
        path: ``/package.Service/Method``.
        headers: the request's header list.
        peer: asks for the other side's address and certificate.
        deadline: in trio's time; infinity = none.
    """

    def __init__(self, path: str, headers: Headers, peer: Callable[[], Peer], deadline: float) -> None:
        self.path = path
        self.headers = headers
        self._peer = peer
        self._deadline = deadline
        self.trailing_metadata: Headers = []

    @property
    def metadata(self) -> Metadata:
        """The client's metadata, a ``MultiDict``.

        Raises:
            GRPCError: INVALID_ARGUMENT, for a ``-bin`` value that is not base64.
        """
        try:
            decoded: Metadata = decode_metadata(
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers],
            )
        except ValueError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, "malformed metadata") from error
        return decoded

    @property
    def peer(self) -> Peer:
        """Who calls."""
        return self._peer()

    @property
    def deadline(self) -> Deadline | None:
        """When the client stops waiting; None = never."""
        return None if self._deadline == math.inf else Deadline(self._deadline)

    def header(self, name: bytes) -> bytes:
        """The value of a request header, by its lower-case name; empty when it is not there."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""


class UnaryStream:
    """grpclib's ``server.Stream`` for a unary call. The answer is sent when the handler returns."""

    def __init__(self, handler: Handler, request: bytes, context: CallContext) -> None:
        self.metadata = context.metadata
        self.deadline = context.deadline
        self.peer = context.peer
        self.user_agent = context.header(b"user-agent").decode("latin-1") or None
        self.reply: bytes | None = None
        self.failure: GRPCError | None = None
        self.initial_metadata: Headers = []
        self.trailing_metadata: Headers = []
        self._handler = handler
        self._request: bytes | None = request

    async def recv_message(self) -> Message | None:
        """The request; None when it was taken already.

        Raises:
            GRPCError: INTERNAL, for bytes that are not such a message.
        """
        await trio.lowlevel.checkpoint()
        if self._request is None:
            return None
        request, self._request = self._request, None
        try:
            message: Message = self._handler.request_type.FromString(request)
        except Exception as error:  # a codec of somebody else: whatever it raises, the bytes are to blame
            raise GRPCError(Status.INTERNAL, f"grpc: failed to unmarshal the received message: {error}") from error
        return message

    async def send_initial_metadata(self, *, metadata: Metadata | None = None) -> None:
        """Metadata to be sent before the answer."""
        await trio.lowlevel.checkpoint()
        self.initial_metadata = metadata_headers(metadata or {})

    async def send_message(self, message: Message) -> None:
        """The answer."""
        await trio.lowlevel.checkpoint()
        if self.reply is not None:
            raise GRPCError(Status.INTERNAL, "more than one answer in a unary call")
        self.reply = message.SerializeToString()

    async def send_trailing_metadata(
        self,
        *,
        status: Status = Status.OK,
        status_message: str | None = None,
        status_details: list[StatusDetail] | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        """The status and metadata to be sent behind the answer."""
        await trio.lowlevel.checkpoint()
        self.trailing_metadata = metadata_headers(metadata or {})
        self.failure = None if status is Status.OK else GRPCError(status, status_message, status_details)

    async def cancel(self) -> None:
        """Give the call up."""
        await trio.lowlevel.checkpoint()
        self.failure = GRPCError(Status.CANCELLED)


class Reply:
    """What a handler answered."""

    def __init__(self, message: bytes, metadata: Headers, trailers: Headers) -> None:
        self.message = message
        self.metadata = metadata
        self.trailers = trailers


def raw_handler(method: RawMethod) -> Handler:
    """Register a method that takes and gives encoded messages."""
    return Handler(method, Cardinality.UNARY_UNARY, bytes, bytes)


def routes(services: Iterable[Servable]) -> dict[bytes, Handler]:
    """Path → handler of all services.

    Raises:
        ValueError: two handlers for one path, or a streaming handler, which is not served.
    """
    found: dict[bytes, Handler] = {}
    for service in services:
        for path, handler in service.__mapping__().items():
            if handler.cardinality is not Cardinality.UNARY_UNARY:
                raise ValueError(f"{path} is a streaming method: only unary ones are served")
            if path.encode() in found:
                raise ValueError(f"{path} is served twice")
            found[path.encode()] = handler
    return found


async def run_handler(handler: Handler, request: bytes, context: CallContext) -> Reply:
    """Run one handler.

    Raises:
        GRPCError: the handler's own, or INTERNAL for a handler that did not answer.
    """
    if handler.request_type is bytes:
        return Reply(await handler.func(request, context), [], context.trailing_metadata)
    stream = UnaryStream(handler, request, context)
    await handler.func(stream)
    if stream.failure is not None:
        context.trailing_metadata = stream.trailing_metadata
        raise stream.failure
    if stream.reply is None:
        raise GRPCError(Status.INTERNAL, "the handler did not answer")
    return Reply(stream.reply, stream.initial_metadata, stream.trailing_metadata)
