"""The HTTP server of a receiver: an ASGI app that turns OTLP/HTTP requests into the same bytes as gRPC brings.

In: ``POST /v1/traces`` and so on, protobuf or JSON, in any of the configured content codings.
Out: the answer in the encoding of the request; errors as ``google.rpc.Status``.
Errors: a status for each, see ``_refuse`` and ``_accept``; nothing a client sends ends the server.
Source: the collector's OTLP/HTTP receiver, with the OTLP specification where the two differ: 413 for a body above the
limit, an empty answer instead of an empty ``partial_success``.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import orjson
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from pydantic import BaseModel, ConfigDict, Field, field_validator

from alloytrio.auth import Authenticator
from alloytrio.component import BuildContext, Signal
from alloytrio.errors import DecodeError, OversizeError, QueueFullError
from alloytrio.handshake import tls_port
from alloytrio.http import BodyTimeoutError, BodyTooLargeError, HttpSettings, serve_http
from alloytrio.inflate import DECODERS, TooLargeError, inflate
from alloytrio.otelcol.receiver.otlp.cors import Cors, CorsConfig, Headers
from alloytrio.otelcol.receiver.otlp.intake import Intake
from alloytrio.tls import TlsServerConfig
from alloytrio.values import AuthEdge, ByteSize, Duration, ListenAddress
from alloytrio.wire.otlp_json import encode_request
from alloytrio.wire.protobuf import bytes_field, varint

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
Coding = Literal["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4", "x-snappy-framed"]
_CODINGS: list[Coding] = ["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4"]
# gRPC codes, and the HTTP statuses that say the same.
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _INTERNAL, _UNAUTHENTICATED = 3, 8, 13, 16
_STOP_GRACE = 2.0  # seconds for requests in flight


class HttpConfig(BaseModel):
    """The HTTP server; without this table it is not started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: ListenAddress = Field(default="0.0.0.0:4318", description="host:port to listen on")
    traces_url_path: str = Field(default="/v1/traces", description="path of the traces")
    metrics_url_path: str = Field(default="/v1/metrics", description="path of the metrics")
    logs_url_path: str = Field(default="/v1/logs", description="path of the log records")
    max_request_body_size: ByteSize = Field(default=20 << 20, gt=0, description="largest body, also after inflating")
    compression_algorithms: list[Coding] = Field(default=_CODINGS, description='accepted codings; "" = none')
    keep_alives_enabled: bool = Field(default=True, description="false: each connection has one request")
    idle_timeout: Duration = Field(default=60, gt=0, description="close a connection without requests")
    read_header_timeout: Duration = Field(default=60, gt=0, description="for the headers of a request")
    read_timeout: Duration = Field(default=60, gt=0, description="for the body of a request")
    write_timeout: Duration = Field(default=30, gt=0, description="for a client to take the answer")
    max_connections: int = Field(default=4096, gt=0, description="beyond it the longest idle connection makes room")
    cors: CorsConfig = Field(default=CorsConfig(), description="which web pages may send telemetry")
    auth: AuthEdge | None = Field(default=None, description="credentials that each request must have")
    tls: TlsServerConfig | None = Field(default=None, description="without it the port speaks plaintext")

    @field_validator("traces_url_path", "metrics_url_path", "logs_url_path")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError('must be a path, such as "/v1/traces"')
        return path


class HttpServing:
    """Runs the app on its listeners."""

    def __init__(self, config: HttpConfig, intake: Intake, context: BuildContext) -> None:
        self._config = config
        self._context = context
        auth = None if config.auth is None else cast(Authenticator, context.resolve(config.auth))
        self._app = OtlpHttpApp(config, intake, auth)
        self._listeners = context.listeners.open(config.endpoint)
        self._tls = None
        if config.tls is not None:
            self._tls = tls_port(config.tls, context.telemetry, "http", ["h2", "http/1.1"])

    async def run(  # noqa: ASYNC128 - the server tells
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until ``stop``; requests in flight are answered."""
        config = self._config
        await serve_http(
            self._app,
            self._listeners,
            settings=HttpSettings(
                max_connections=config.max_connections,
                max_body_bytes=config.max_request_body_size,
                header_timeout=min(config.idle_timeout, config.read_header_timeout),
                body_timeout=config.read_timeout,
                write_timeout=config.write_timeout,
            ),
            stop=self._context.stop,
            grace=_STOP_GRACE,
            log=self._context.telemetry.log,
            tls=self._tls,
            task_status=task_status,
        )


class OtlpHttpApp:
    """The ASGI app."""

    def __init__(self, config: HttpConfig, intake: Intake, auth: Authenticator | None = None) -> None:
        self._config = config
        self._auth = auth
        self._intake = intake
        self._cors = Cors(config.cors)
        paths = {
            Signal.TRACES: config.traces_url_path,
            Signal.METRICS: config.metrics_url_path,
            Signal.LOGS: config.logs_url_path,
        }
        self._signals = {paths[signal]: signal for signal in intake.signals}
        self._unconnected = {paths[signal]: signal for signal in intake.unconnected}

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # hypercorn offers websockets and a lifespan; this app has neither
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if self._cors.is_on and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _answer(send, _Answer(204, b"", "", self._cors.preflight(headers)))
            return
        answer = await self._handle(scope, headers, receive)
        if self._cors.is_on:
            answer.headers += self._cors.answer_headers(headers)
        if not self._config.keep_alives_enabled and scope["http_version"] != "2":
            answer.headers.append((b"connection", b"close"))
        await _answer(send, answer)

    async def _handle(
        self, scope: HTTPScope, headers: Mapping[bytes, bytes], receive: ASGIReceiveCallable
    ) -> "_Answer":
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        coding = headers.get(b"content-encoding", b"").strip().lower().decode("latin-1")
        if self._auth is not None and not self._auth.accepts(_reader(headers)):
            return _unauthenticated(media_type, self._auth.challenge)
        refusal = self._refuse(scope, media_type, coding)
        if refusal is not None:
            return refusal
        try:
            body = await _read_body(receive)
        except BodyTooLargeError as exc:
            return _status(413, _RESOURCE_EXHAUSTED, str(exc), media_type)
        except BodyTimeoutError as exc:
            return _status(408, _INVALID_ARGUMENT, str(exc), media_type)
        except DecodeError as exc:
            return _status(400, _INVALID_ARGUMENT, str(exc), media_type)
        return await self._accept(self._signals[scope["path"]], body, coding, media_type)

    def _refuse(self, scope: HTTPScope, media_type: str, coding: str) -> "_Answer | None":
        """The answer to a request whose head says already that it cannot be taken."""
        if coding not in self._config.compression_algorithms or not (coding in DECODERS or coding == ""):
            allowed = ", ".join(each for each in self._config.compression_algorithms if each)
            return _status(400, _INVALID_ARGUMENT, f"unsupported Content-Encoding, supported: [{allowed}]", media_type)
        if scope["path"] in self._unconnected:
            self._intake.note_unrouted(self._unconnected[scope["path"]])
        if scope["path"] not in self._signals:
            return _text(404, "404 page not found")
        if scope["method"] != "POST":
            return _text(405, "405 method not allowed, supported: [POST]", [(b"allow", b"POST")])
        if media_type not in (PROTOBUF, JSON):
            return _text(415, f"415 unsupported media type, supported: [{JSON}, {PROTOBUF}]")
        return None

    async def _accept(self, signal: Signal, body: bytes, coding: str, media_type: str) -> "_Answer":
        limit = self._config.max_request_body_size
        try:
            payload = inflate(coding, body, limit)
            if media_type == JSON:
                payload = encode_request(signal.value, payload)
            await self._intake.accept(signal, payload)
        except (TooLargeError, OversizeError) as exc:
            return _status(413, _RESOURCE_EXHAUSTED, str(exc), media_type)
        except DecodeError as exc:
            return _status(400, _INVALID_ARGUMENT, str(exc), media_type)
        except QueueFullError as exc:
            wait = str(max(1, math.ceil(exc.retry_after))).encode()
            return _status(429, _RESOURCE_EXHAUSTED, str(exc), media_type, [(b"retry-after", wait)])
        return _Answer(200, b"{}" if media_type == JSON else b"", media_type)


class _Answer:
    """Status, body, media type and more headers of an answer."""

    def __init__(self, status: int, body: bytes, media_type: str, headers: Headers | None = None) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers: Headers = headers if headers is not None else []


def _text(status: int, text: str, headers: Headers | None = None) -> _Answer:
    return _Answer(status, text.encode(), "text/plain; charset=utf-8", headers)


def _status(status: int, code: int, message: str, media_type: str, headers: Headers | None = None) -> _Answer:
    """A ``google.rpc.Status`` in the encoding of the request; without a usable one the collector answers 500."""
    if media_type == PROTOBUF:
        return _Answer(status, b"\x08" + varint(code) + bytes_field(0x12, message.encode()), PROTOBUF, headers)
    if media_type in (JSON, ""):
        return _Answer(status, orjson.dumps({"code": code, "message": message}), JSON, headers)
    return _Answer(500, orjson.dumps({"code": _INTERNAL, "message": "failed to marshal error message"}), JSON)


def _unauthenticated(media_type: str, challenge: str) -> _Answer:
    wanted = [(b"www-authenticate", challenge.encode())]
    message = "the credentials are missing or wrong"
    if media_type not in (PROTOBUF, JSON, ""):
        return _text(401, message, wanted)
    return _status(401, _UNAUTHENTICATED, message, media_type, wanted)


def _reader(headers: Mapping[bytes, bytes]) -> Callable[[str], str]:
    """Reads a header by its lower-case name."""
    return lambda name: headers.get(name.encode(), b"").decode("latin-1")


async def _read_body(receive: ASGIReceiveCallable) -> bytes:
    parts: list[bytes] = []
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise DecodeError("the client went away")
        parts.append(event["body"])
        if not event["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: ASGISendCallable, answer: _Answer) -> None:
    headers: Sequence[tuple[bytes, bytes]] = [
        *([(b"content-type", answer.media_type.encode())] if answer.media_type else []),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    if answer.status == 204:
        headers = answer.headers
    await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
