"""Attacks on the HTTP receiver: each is answered or cut off within its bound, and honest requests go on meanwhile."""

import gzip
import io
import json
import socket
import time
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import snappy
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.hostile.serving import PROTOBUF, HttpService, one_span
from tests.integration.service import ALLOWANCE

MIB = 1 << 20
LIMIT = 20 * MIB  # max_request_body_size
BOMB = 128 * MIB  # what each bomb stands for
JSON = {"content-type": "application/json"}
BLOCK = bytes(MIB)


def gzip_bomb() -> bytes:
    """About 128 KB."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        for _ in range(BOMB // MIB):
            file.write(BLOCK)
    return out.getvalue()


def zlib_bomb() -> bytes:
    """About 128 KB."""
    compressor = zlib.compressobj(9)
    return b"".join(compressor.compress(BLOCK) for _ in range(BOMB // MIB)) + compressor.flush()


def zstd_bomb() -> bytes:
    """About 12 KB in one frame."""
    return zstandard.ZstdCompressor().compress(bytes(BOMB))


def many_gzip_members() -> bytes:
    """A member for each MiB."""
    return gzip.compress(BLOCK) * (BOMB // MIB)


def snappy_frames() -> bytes:
    """Framed snappy."""
    stream = snappy.StreamCompressor()
    return b"".join(bytes(stream.compress(BLOCK)) for _ in range(BOMB // MIB))


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip", gzip_bomb),
    "gzip members": ("gzip", many_gzip_members),
    "zlib": ("zlib", zlib_bomb),
    "deflate": ("deflate", zlib_bomb),
    "zstd": ("zstd", zstd_bomb),
    "lz4": ("lz4", lambda: lz4.frame.compress(bytes(BOMB))),
    "snappy": ("snappy", lambda: snappy.compress(bytes(BOMB))),
    "snappy frames": ("snappy", snappy_frames),
}


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bomb(service: HttpService, name: str) -> None:
    """A bomb of each codec is refused, and makes no more than its limit and a copy of it."""
    coding, make = BOMBS[name]
    bomb = make()
    if len(bomb) > LIMIT:
        pytest.skip("this format does not compress zeros that well")
    service.answers_within()
    before = service.peak_rss()
    status, _ = service.send(bomb, PROTOBUF | {"content-encoding": coding})
    assert status == 413
    assert service.peak_rss() - before < 2.2 * LIMIT + len(bomb)
    assert service.answers_within() < ALLOWANCE


@pytest.mark.parametrize(
    ("coding", "body"),
    [("snappy", b"\xff\xff\xff\xff\x09"), ("snappy", b"\xff\xff\xff\xff\x0f\x00"),
     ("zstd", b"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\xf0\x01\x00\x00"),
     ("zstd", b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00")],
)  # fmt: skip
def test_declared_length(service: HttpService, coding: str, body: bytes) -> None:
    """A few bytes that claim gigabytes are refused, and nothing is allocated for them."""
    before = service.peak_rss()
    status, _ = service.send(body, PROTOBUF | {"content-encoding": coding})
    assert status in (400, 413)
    assert service.peak_rss() - before < 4 * MIB


@pytest.mark.parametrize("length", ["21000000", "999999999999", "9" * 5000])
def test_announced_body(service: HttpService, length: str) -> None:
    """A Content-Length above the limit is refused before the body comes."""
    with service.connect() as peer:
        head = (
            f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}"
        )
        peer.sendall(f"{head}\r\n\r\n".encode())
        answer = peer.recv(65536)
    assert answer.split(b" ")[1] in (b"400", b"413")


def nested_value(depth: int) -> bytes:
    """A span whose attribute is lists in lists, encoded from the inside out."""

    def field(tag: int, value: bytes) -> bytes:
        out, size = bytearray([tag]), len(value)
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        return bytes(out) + bytes([size]) + value

    value = b"\x18\x01"
    for _ in range(depth):
        value = field(0x2A, field(0x0A, value))
    attribute = field(0x0A, b"deep") + field(0x12, value)
    span = field(0x0A, b"\x01" * 16) + field(0x12, b"\x02" * 8) + field(0x4A, attribute)
    return field(0x0A, field(0x12, field(0x12, span)))


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_deep_values(service: HttpService, depth: int) -> None:
    """A protobuf value nested this deep harms nothing, whether it is refused or passed on."""
    status, _ = service.send(nested_value(depth), PROTOBUF)
    assert status in (200, 400)
    assert service.answers_within() < ALLOWANCE


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
     json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "k", "value": "@"}]}]}]}]})
     .replace('"@"', '{"arrayValue":{"values":[' * 10_000 + "]}}" * 10_000).encode()],
    ids=["open lists", "open objects", "lists", "values"],
)  # fmt: skip
def test_deep_json(service: HttpService, body: bytes) -> None:
    """JSON nested this deep is refused."""
    status, _ = service.send(body, JSON)
    assert status == 400
    assert service.answers_within() < ALLOWANCE


@pytest.mark.parametrize("coding", ["gzip", "zstd", "zlib", "deflate", "snappy", "lz4"])
def test_garbage(service: HttpService, coding: str) -> None:
    """Bytes that are in no coding, and cut ones, are 400: never a fault of ours."""
    for body in (b"", b"\xff", b"garbage" * 100, gzip.compress(b"x" * 1000)[:-5]):
        status, _ = service.send(body, PROTOBUF | {"content-encoding": coding})
        assert status in (200, 400) if not body else status == 400, body[:10]


def closed_after(peer: socket.socket) -> float:
    """Seconds until the service closes a connection."""
    began = time.monotonic()
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/tra", b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
     b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ids=["nothing", "half a line", "half a head", "half a body", "half HTTP/2"],
)  # fmt: skip
def test_slow_request(service: HttpService, sent: bytes) -> None:
    """A request that stops is cut off after the configured second."""
    with service.connect() as peer:
        peer.sendall(sent)
        assert closed_after(peer) < 1.0 + 2 * ALLOWANCE


def test_dripping_body(service: HttpService) -> None:
    """A body that comes byte by byte has one deadline for all of it."""
    with service.connect() as peer:
        peer.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
        )
        began = time.monotonic()
        peer.settimeout(0.1)
        while time.monotonic() - began < 20:
            try:
                peer.sendall(b" ")
                if not peer.recv(65536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 1.0 + 3 * ALLOWANCE


INJECTIONS = {
    "bare newline in a header": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: a\nhost: y\r\n\r\n",
    "nul in a header": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
    "two lengths": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "length and chunks": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length : 5\r\n\r\nabcde",
    "negative length": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "two hosts": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "huge head": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
    "tunnel": b"CONNECT backend:80 HTTP/1.1\r\nhost: backend:80\r\n\r\n",
}


@pytest.mark.parametrize("name", INJECTIONS)
def test_header_injection(service: HttpService, name: str) -> None:
    """A head that two parsers could read in two ways is refused, and there is one answer at most."""
    answer = b""
    with service.connect() as peer:
        peer.sendall(INJECTIONS[name])
        try:
            while data := peer.recv(65536):
                answer += data
        except ConnectionResetError:
            pass
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b" 2" not in answer[:12]
    assert service.answers_within() < ALLOWANCE


def test_reader_that_stops(service: HttpService) -> None:
    """A peer that pipelines requests and reads no answers is cut off, and memory stays where it was."""
    request = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" * 1000
    before = service.peak_rss()
    with service.connect() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(2)
        began = time.monotonic()
        try:
            while time.monotonic() - began < 15:
                peer.sendall(request)
        except OSError:
            pass
    assert service.peak_rss() - before < 32 * MIB
    assert service.answers_within() < ALLOWANCE


def test_it_still_works(service: HttpService) -> None:
    """After all that the service is the same process, is healthy, and has logged no fault of its own."""
    assert service.process.poll() is None
    assert service.get("/-/healthy")[0] == 200
    assert ExportTraceServiceRequest.FromString(one_span()).resource_spans
    faults = [line for line in service.log.splitlines() if "request failed" in line or "Traceback" in line]
    assert not faults, faults[0].replace("\\n", "\n")
