"""Tries what a configuration needs: backends, the Docker socket, the data directory. Sends no data.

A backend answers if its port speaks the protocol: HTTP/2 for gRPC, any HTTP answer otherwise; where samples and lines
go something must be at the path. Prometheus says only to a POST whether it takes remote write, so it gets an empty one.
Errors are findings.
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import trio

from alloytrio.config.load import LoadedConfig

DEADLINE = 5.0
"""Seconds for each probe; all run at once."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS_FRAME = 4
_EMPTY_WRITE = b"\0"  # snappy of an empty WriteRequest
_NO_RECEIVER = "nothing takes remote write there; Prometheus must run with --web.enable-remote-write-receiver"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one probe.

    Args:
        what: the component and its key, or the table.
        answered: it is as it should be.
        message: what was found, without secrets.
    """

    what: str
    answered: bool
    message: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One address to try.

    Args:
        what: the component and its key.
        host: name or address; a path for a unix socket.
        port: 0 for a unix socket.
        context: for TLS; None is plaintext.
        grpc: HTTP/2 is spoken from the first byte.
        path: of an HTTP request.
        absent: what is wrong if the answer is 404; empty: nothing is.
        body: POST this instead of GET; empty: GET.
    """

    what: str
    host: str
    port: int
    context: ssl.SSLContext | None
    grpc: bool
    path: str = "/"
    absent: str = ""
    body: bytes = b""


async def probe(loaded: LoadedConfig) -> list[Finding]:
    """Tries everything at once; the findings are in the order of the file."""
    findings: dict[str, Finding] = {}
    targets = list(backends(loaded))

    async def try_one(backend: Backend) -> None:
        findings[backend.what] = await _try(backend)

    async with trio.open_nursery() as probes:
        for backend in targets:
            probes.start_soon(try_one, backend)
    storage = loaded.settings.storage
    first = [_directory(storage.path)] if storage.mode == "disk" else []
    return [*first, *(findings[backend.what] for backend in targets)]


def backends(loaded: LoadedConfig) -> Iterator[Backend]:
    """What the exporters, writers and Docker components connect to."""
    for component_id, config in loaded.settings.components.items():
        client = getattr(config, "client", None)
        if client is not None and hasattr(client, "endpoint"):
            grpc = config.component_type == "otelcol.exporter.otlp"
            yield _backend(f"{component_id}.client.endpoint", client.endpoint, client, grpc)
        for index, endpoint in enumerate(getattr(config, "endpoint", ())):
            found = _backend(f"{component_id}.endpoint[{index}].url", str(endpoint.url), endpoint, False)
            if config.component_type == "prometheus.remote_write":
                yield replace(found, absent=_NO_RECEIVER, body=_EMPTY_WRITE)
            else:
                yield replace(found, absent="nothing is at this path")
        if config.component_type in ("discovery.docker", "loki.source.docker") and hasattr(config, "host"):
            yield _backend(f"{component_id}.host", str(config.host), config, False, "/_ping")


def _backend(what: str, address: str, config: object, grpc: bool, path: str = "/") -> Backend:
    if "://" not in address:
        address = f"//{address}"
    parts = urlsplit(address.replace("dns:///", "//"))
    if parts.scheme == "unix":
        return Backend(what, parts.path, 0, None, grpc, path)
    context = _context(config, parts.scheme, grpc)
    port = parts.port or (4317 if grpc else _DEFAULT_PORTS.get(parts.scheme, 80))
    return Backend(what, parts.hostname or "", port, context, grpc, parts.path or path)


def _context(config: object, scheme: str, grpc: bool) -> ssl.SSLContext | None:
    """TLS as the component would do it, as far as its tables say."""
    tls = getattr(config, "tls", None) or getattr(config, "tls_config", None)
    make = getattr(tls, "context", None) or getattr(config, "context", None)
    if grpc:
        return make() if make is not None else None
    if scheme != "https":
        return None
    context = make() if make is not None else None
    return context if isinstance(context, ssl.SSLContext) else ssl.create_default_context()


async def _try(backend: Backend) -> Finding:
    place = backend.host if not backend.port else f"{backend.host}:{backend.port}"
    try:
        with trio.fail_after(DEADLINE):
            return Finding(backend.what, True, f"{place} {await _answer(backend)}")
    except trio.TooSlowError:
        return Finding(backend.what, False, f"{place} did not answer within {DEADLINE:g}s")
    except ssl.SSLError as exc:
        return Finding(backend.what, False, f"{place}: TLS: {exc.reason or type(exc).__name__}")
    except (OSError, trio.BrokenResourceError) as exc:
        return Finding(backend.what, False, f"{place}: {_words(exc)}")
    except _NoAnswerError as exc:
        return Finding(backend.what, False, f"{place} {exc}")


def _words(exc: BaseException) -> str:
    """The system's words: Trio wraps the errors of several addresses, and of TLS, into others."""
    cause = exc.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return _words(cause.exceptions[0])
    if isinstance(cause, (OSError, ssl.SSLError)):
        return _words(cause)
    if isinstance(exc, OSError) and exc.errno and not isinstance(exc, (socket.gaierror, ssl.SSLError)):
        return os.strerror(exc.errno)
    return getattr(exc, "strerror", None) or str(exc) or "the connection was closed"


class _NoAnswerError(Exception):
    """The other side answered, but not in its protocol."""


async def _answer(backend: Backend) -> str:
    """Connects and asks; says what came back.

    Raises:
        _NoAnswerError: something else than the protocol.
        OSError: no connection.
        trio.BrokenResourceError: the connection ended, or TLS failed.
    """
    stream = await _connect(backend)
    try:
        if backend.grpc:
            await stream.send_all(_PREFACE)
            answer = bytes(await stream.receive_some(4096))
            if len(answer) < 4 or answer[3] != _SETTINGS_FRAME:
                raise _NoAnswerError("does not speak gRPC" if answer else "closed the connection")
            return "answers in HTTP/2"
        await stream.send_all(_request(backend))
        answer = bytes(await stream.receive_some(4096))
        if not answer.startswith(b"HTTP/"):
            raise _NoAnswerError("does not speak HTTP" if answer else "closed the connection")
        status = answer.split(b" ", 2)[1].decode("ascii", "replace")
        if status == "404" and backend.absent:
            raise _NoAnswerError(f"answers with status 404: {backend.absent}")
        return f"answers with status {status}"
    finally:
        with trio.move_on_after(1, shield=True):
            await trio.aclose_forcefully(stream)


def _request(backend: Backend) -> bytes:
    head = [f"{'POST' if backend.body else 'GET'} {backend.path} HTTP/1.1", f"Host: {backend.host or 'localhost'}"]
    if backend.body:
        head += ["Content-Type: application/x-protobuf", "Content-Encoding: snappy"]
        head += ["X-Prometheus-Remote-Write-Version: 0.1.0", f"Content-Length: {len(backend.body)}"]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode("ascii", "replace") + backend.body


async def _connect(backend: Backend) -> trio.abc.Stream:
    if not backend.port:
        return await trio.open_unix_socket(backend.host)
    stream = await trio.open_tcp_stream(backend.host, backend.port)
    if backend.context is None:
        return stream
    secure = trio.SSLStream(stream, backend.context, server_hostname=backend.host, https_compatible=True)
    await secure.do_handshake()
    return secure


def _directory(path: Path) -> Finding:
    """Whether files can be made in the data directory; one that is missing is not made."""
    what = "storage.path"
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        return Finding(what, False, f"{existing} is no directory")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as exc:
        return Finding(what, False, f"{existing}: {exc.strerror or type(exc).__name__} (user id {os.getuid()})")
    return Finding(what, True, f"{path} can be written" if existing == path else f"{path} can be made in {existing}")
