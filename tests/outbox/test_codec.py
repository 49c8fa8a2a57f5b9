"""Codecs: what is joined from pieces reads as one body, by decoders that nobody here wrote."""

import gzip
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.outbox import decode_body
from alloytrio.outbox.codec import PIECE_MIN_BYTES, Codec, GzipCodec, Part, codec_of
from alloytrio.outbox.crc import combine_in_python, crc32, crc32_combine, load_deflate

CODECS = ["gzip", "zlib", "deflate", "snappy", "zstd", "identity", "none"]

payloads = st.lists(
    st.tuples(st.binary(max_size=200), st.integers(1, 300), st.booleans()).map(
        lambda drawn: (drawn[0] * drawn[1], drawn[2])
    ),
    min_size=1,
    max_size=8,
)
"""Plain payloads, and for each whether it is packed alone."""


def parts_of(codec: Codec, drawn: list[tuple[bytes, bool]]) -> list[Part]:
    """Parts as the journal keeps them."""
    return [codec.pack(plain) if packed else Part(plain, len(plain)) for plain, packed in drawn]


def inflate_gzip(body: bytes) -> bytes:
    """By zlib, which must find the end of the member at the end of the body."""
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    plain = decoder.decompress(body)
    assert decoder.eof
    assert decoder.unused_data == b""
    return plain


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=100, deadline=None)
@given(payloads)
def test_joined_body_is_all_payloads_in_order(name: str, drawn: list[tuple[bytes, bool]]) -> None:
    """A body decodes to the payloads laid end to end, whichever of them were packed alone."""
    codec = codec_of(f"t/{name}")
    body = codec.join(parts_of(codec, drawn))
    assert decode_body(f"t/{name}", body) == b"".join(plain for plain, _ in drawn)


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_zlib_body_is_one_stream(drawn: list[tuple[bytes, bool]]) -> None:
    """zlib reads the whole body as a single stream with the right checksum."""
    codec = codec_of("zlib")
    decoder = zlib.decompressobj()
    assert decoder.decompress(codec.join(parts_of(codec, drawn))) == b"".join(payload for payload, _ in drawn)
    assert decoder.eof
    assert decoder.unused_data == b""


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_gzip_body_is_one_member(drawn: list[tuple[bytes, bool]]) -> None:
    """zlib, Python's gzip and isal read the whole body as a single gzip member with the right CRC and length."""
    codec = codec_of("gzip")
    plain = b"".join(payload for payload, _ in drawn)
    body = codec.join(parts_of(codec, drawn))
    assert inflate_gzip(body) == plain
    assert gzip.decompress(body) == plain
    isal_zlib = pytest.importorskip("isal.isal_zlib")
    decoder = isal_zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert decoder.decompress(body) == plain
    assert decoder.eof
    assert decoder.unused_data == b""


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_snappy_body_is_one_block(drawn: list[tuple[bytes, bool]]) -> None:
    """Another decoder of the block format reads the whole body."""
    codec = codec_of("snappy")
    body = codec.join(parts_of(codec, drawn))
    assert bytes(cramjam.snappy.decompress_raw(body)) == b"".join(payload for payload, _ in drawn)


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 50))
def test_a_piece_unpacks(name: str, unit: bytes, times: int) -> None:
    """What was packed unpacks to the same bytes."""
    codec = codec_of(name)
    assert codec.unpack(codec.pack(unit * times)) == unit * times


@pytest.mark.parametrize("name", ["gzip", "snappy", "zstd"])
def test_a_damaged_piece_is_an_error(name: str) -> None:
    """A piece with a wrong byte, a wrong length or a missing end is not unpacked to something else."""
    codec = codec_of(name)
    good = codec.pack(b"some payload " * 100)
    for damaged in (
        Part(b"\xff" + good.payload[1:], good.plain_bytes, good.plain_crc, True),
        Part(good.payload, good.plain_bytes - 1, good.plain_crc, True),
        Part(good.payload, good.plain_bytes + 1, good.plain_crc, True),
        Part(good.payload[:-20], good.plain_bytes, good.plain_crc, True),
    ):
        with pytest.raises(ValueError, match=r"damaged|not a|not zstd"):
            codec.unpack(damaged)


@pytest.mark.parametrize("encoding", ["traces/gzip", "gzip", "push:a/b/gzip"])
def test_the_last_part_names_the_codec(encoding: str) -> None:
    """Whatever is before the last slash is the exporter's own."""
    assert codec_of(encoding) is codec_of("gzip")


@pytest.mark.parametrize("encoding", ["traces/lz4", "", "gzip/", "gzip/traces"])
def test_an_unknown_codec_is_an_error(encoding: str) -> None:
    """An encoding that ends in no codec is refused with the ones that exist."""
    with pytest.raises(ValueError, match="known are gzip, zlib, deflate, snappy, zstd, identity"):
        codec_of(encoding)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc_of_joined_bytes(first: bytes, second: bytes) -> None:
    """The CRC of two strings laid end to end follows from their CRCs, in plain Python and by isal."""
    expected = zlib.crc32(first + second)
    assert combine_in_python(zlib.crc32(first), zlib.crc32(second), len(second)) == expected
    assert crc32_combine(crc32(first), crc32(second), len(second)) == expected


def test_without_isal_the_format_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where isal is not built, zlib makes pieces that join to the same kind of body."""
    monkeypatch.setitem(sys.modules, "isal", None)
    assert load_deflate() is zlib
    codec = GzipCodec(zlib)
    body = codec.join([codec.pack(b"one" * 9), Part(b"two", 3), codec.pack(b"three")])
    assert inflate_gzip(body) == b"one" * 9 + b"two" + b"three"


def test_small_parts_are_compressed_together() -> None:
    """A run of small fragments takes much less room than the same fragments packed one by one."""
    codec = codec_of("gzip")
    spans = [
        b'{"name": "GET /orders", "trace_id": "%032x", "status": "OK", "kind": 2}' % number for number in range(64)
    ]
    assert max(map(len, spans)) < PIECE_MIN_BYTES
    together = codec.join([Part(span, len(span)) for span in spans])
    alone = codec.join([codec.pack(span) for span in spans])
    assert len(together) * 3 < len(alone)


GO_READER = """
package main

import (
	"compress/gzip"
	"io"
	"os"
)

func main() {
	reader, err := gzip.NewReader(os.Stdin)
	if err != nil {
		panic(err)
	}
	reader.Multistream(false)
	if _, err := io.Copy(os.Stdout, reader); err != nil {
		panic(err)
	}
	if rest, _ := io.ReadAll(os.Stdin); len(rest) != 0 {
		panic("bytes behind the first member")
	}
}
"""


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("go") is None, reason="needs a Go toolchain")
def test_go_reads_one_member(tmp_path: Path) -> None:
    """Go's gzip reader, told to stop after the first member, reads everything."""
    codec = codec_of("gzip")
    plain = [bytes([number % 7 + 65]) * number * 1000 for number in range(1, 40)]
    parts = [codec.pack(payload) if number % 3 else Part(payload, len(payload)) for number, payload in enumerate(plain)]
    (tmp_path / "read.go").write_text(GO_READER)
    environment = {"PATH": str(Path(shutil.which("go") or "").parent), "HOME": str(tmp_path), "GOFLAGS": "-mod=mod"}
    done = subprocess.run(
        ["go", "run", str(tmp_path / "read.go")],
        input=codec.join(parts),
        capture_output=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"".join(plain)
