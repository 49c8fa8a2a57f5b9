"""Compressed calls: other libraries' messages are inflated and ours read by them; bombs and broken ones are refused."""

import gzip
import zlib
from collections.abc import Callable

import pytest
import snappy
import zstandard
from grpclib.const import Status

from alloytrio.grpc.message import PREFIX_BYTES
from alloytrio.grpc.settings import ServerSettings
from tests.grpc.harness import Probe, call, headers_for, serving
from tests.grpc.raw import data, request
from tests.grpc.test_server_calls import ask


def compressed(stream: int, payload: bytes, encoding: bytes = b"gzip") -> bytes:
    """A call of echo whose message is compressed already."""
    body = b"\x01" + len(payload).to_bytes(4, "big") + payload
    parts = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
    return request(stream, headers_for("echo", (b"grpc-encoding", encoding))) + b"".join(
        data(stream, part, ends=part is parts[-1]) for part in parts
    )


Coder = Callable[[bytes], bytes]
OTHERS: dict[str, tuple[Coder, Coder]] = {  # by other libraries than ours, or the standard one
    "gzip": (gzip.compress, gzip.decompress),
    "zstd": (zstandard.compress, zstandard.decompress),
    "snappy": (lambda plain: bytes(snappy.StreamCompressor().compress(plain)),
               lambda body: bytes(snappy.StreamDecompressor().decompress(body))),
}  # fmt: skip


@pytest.mark.parametrize("encoding", OTHERS)
async def test_compression_both_ways(encoding: str) -> None:
    """A compressed message is inflated for the handler; a long answer to it is compressed alike, a short one is not."""
    compress, decompress = OTHERS[encoding]
    long = b"0123456789" * 1000
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, compressed(1, compress(long), encoding.encode()))
        assert dict(answer.headers[0])[b"grpc-encoding"] == encoding.encode()
        assert answer.body[0] == 1
        assert decompress(answer.body[PREFIX_BYTES:]) == long
        answer = await ask(peer, 3, compressed(3, compress(b"short"), encoding.encode()))
        assert answer.message == b"short"
        assert answer.body[0] == 0


@pytest.mark.parametrize("encoding", OTHERS)
async def test_bomb_in_a_call(encoding: str) -> None:
    """A message that stands for ten times the limit is RESOURCE_EXHAUSTED, and the connection serves the next call."""
    async with serving([Probe()], ServerSettings(max_recv_msg_size=100_000)) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, compressed(1, OTHERS[encoding][0](bytes(1_000_000)), encoding.encode()))
        assert answer.status[0] is Status.RESOURCE_EXHAUSTED
        assert (await ask(peer, 3, call(3, "echo", b"x"))).message == b"x"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"no gzip at all",
        gzip.compress(b"x" * 1000, mtime=0)[:-4],
        gzip.compress(b"x", mtime=0) + b"y",
        zlib.compress(b"x"),
    ],
)
async def test_broken_gzip(broken: bytes) -> None:
    """Bytes that do not inflate are INTERNAL, and nothing worse."""
    async with serving([Probe()]) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, compressed(1, broken))
        assert answer.status[0] is Status.INTERNAL
        assert "failed to decompress" in answer.status[1]
        assert (await ask(peer, 3, call(3, "echo", b"x"))).message == b"x"


@pytest.mark.parametrize(("size", "status"), [(1 << 20, Status.OK), ((1 << 20) + 1, Status.RESOURCE_EXHAUSTED)])
async def test_inflated_size(size: int, status: Status) -> None:
    """A message may inflate to max_recv_msg_size, exactly."""
    async with serving([Probe()], ServerSettings(max_recv_msg_size=1 << 20)) as running:
        peer = await running.connect()
        answer = await ask(peer, 1, compressed(1, gzip.compress(bytes(size), mtime=0)))
        assert answer.status[0] is status
