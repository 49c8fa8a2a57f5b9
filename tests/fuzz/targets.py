"""What reads bytes or texts of others: each with some good inputs, and the errors that it may raise."""

import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hpack
import lz4.frame
import snappy
import zstandard

from alloytrio.config.alloy.diagnostics import AlloySyntaxError
from alloytrio.config.alloy.parser import parse
from alloytrio.config.positions import scan
from alloytrio.docker.http1 import BodyDecoder, decode_head
from alloytrio.errors import DecodeError
from alloytrio.grpc import compression
from alloytrio.grpc.message import parse_timeout
from alloytrio.inflate import inflate
from alloytrio.loki.process.golayout import compile_layout
from alloytrio.loki.process.gotemplate import Template
from alloytrio.loki.process.gotemplate_functions import TemplateError
from alloytrio.loki.push_answer import named_streams, parse_labels
from alloytrio.outbox.files import MemoryFile
from alloytrio.outbox.reader import RecordReader
from alloytrio.regex import compile_regex
from alloytrio.wire import count_data_points, count_items, count_log_records, count_spans, halve, split
from alloytrio.wire.chunked import ChunkedDecoder
from alloytrio.wire.convert import Converter
from alloytrio.wire.docker import LogDecoder
from alloytrio.wire.entry import Origin
from alloytrio.wire.families import ConvertSettings
from alloytrio.wire.logfmt import read_logfmt, write_logfmt
from alloytrio.wire.loki import halve_push, streams_in
from alloytrio.wire.loki_logs import LogConverter
from alloytrio.wire.otlp_json import encode_request
from alloytrio.wire.otlp_read import read_request, skim_request
from alloytrio.wire.otlp_to_json import decode_request
from alloytrio.wire.samples_read import read_metadata, read_samples
from alloytrio.wire.status import partial_success, status_message
from tests.grpc.raw import HELLO, REQUEST, SERVER_HELLO, block, data, request
from tests.grpc.test_http2_properties import run as run_http2
from tests.hostile.serving import one_span
from tests.outbox.journals import fragment
from tests.outbox.test_reader import encoded
from tests.wire.test_loki_logs import request as log_request

ROOT = Path(__file__).parents[2]
LIMIT = 1 << 16  # bytes that anything may inflate to
TEXT = b"the same words again and again, " * 40
NOW_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Target:
    """A reader. Args: ``seeds``: inputs to change. ``allowed``: what it may raise; anything else is a crash."""

    name: str
    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    allowed: tuple[type[Exception], ...] = (DecodeError,)


def text_of(raw: bytes) -> str:
    """Text as lines come: bytes that are not UTF-8 are kept."""
    return raw.decode("utf-8", "surrogateescape")


def _counted(signal: str, count: Callable[[bytes], int]) -> Callable[[bytes], object]:
    """All walks of one signal; what was counted is what the parts hold."""

    def read(raw: bytes) -> None:
        items = count(raw)
        read_request(signal, raw)
        skim_request(signal, raw)
        assert count_items(signal, raw) == items
        for parts in (split(signal, raw, 1, LIMIT), halve(signal, raw)):
            assert sum(number for number, _ in parts) == items, "items were lost"

    return read


def _convert(raw: bytes) -> None:
    count_data_points(raw)
    settings = ConvertSettings(lambda labels: labels, adds_only=True, include_target_info=True)
    for _, _, payload in Converter(settings).convert(raw, 1):
        read_samples(payload)


def _logs(raw: bytes) -> None:
    count_log_records(raw)
    for structured in (False, True):
        LogConverter(structured).convert(raw, 1)


def _to_json(raw: bytes) -> None:
    for signal in ("traces", "metrics", "logs"):
        try:
            json.loads(decode_request(signal, raw))
        except DecodeError:
            continue


def _inflate(coding: str) -> Callable[[bytes], object]:
    def read(raw: bytes) -> None:
        assert len(inflate(coding, raw, LIMIT)) <= LIMIT

    return read


def _message(coding: str) -> Callable[[bytes], object]:
    def read(raw: bytes) -> None:
        assert len(compression.CODECS[coding].decompress([raw], LIMIT)) <= LIMIT

    return read


def _docker(raw: bytes) -> None:
    origin = Origin("stdout", {})
    for tty in (False, True):
        whole, cut = (LogDecoder(tty, 1000, origin, origin, 0) for _ in range(2))
        lines = [each.line for each in whole.feed(raw)]
        half = len(raw) // 2
        assert [each.line for part in (raw[:half], raw[half:]) for each in cut.feed(part)] == lines, "a cut matters"
        whole.finish()


def _http1(raw: bytes) -> None:
    found = decode_head(raw)
    if found is not None:
        body = BodyDecoder(found[0])
        body.feed(found[1])
        body.end()


def _toml(raw: bytes) -> None:
    text = raw.decode()
    tomllib.loads(text)
    scan(text)


def _regex(raw: bytes) -> None:
    pattern, _, subject = raw.partition(b"\n")
    regex = compile_regex(text_of(pattern[:60]))
    regex.fullmatch(subject[:20])


class _Names:
    def value(self, name: str) -> str | None:
        """The text of a name."""
        return {"a": "ä", "Value": "1"}.get(name)


def _template(raw: bytes) -> None:
    Template(text_of(raw)).render(_Names())


def _logfmt(raw: bytes) -> None:
    pairs, _ = read_logfmt(text_of(raw))
    again = [(key, value) for key, value in pairs if key]
    assert read_logfmt(write_logfmt(again))[1], "what was written is not logfmt"


def _layout(raw: bytes) -> None:
    layout, _, text = text_of(raw).partition("\n")
    compile_layout(layout)(text, NOW_NS)


def _journal(raw: bytes) -> None:
    file = MemoryFile()
    file.append([raw])
    reader = RecordReader(file, 0, len(raw))
    end = 0
    while (found := reader.next()) is not None:
        assert found.end > end, "the reader does not advance"
        end = found.end
        reader.names(found)
        reader.body(found)


def _hpack(raw: bytes) -> None:
    hpack.Decoder(max_header_list_size=LIMIT).decode(raw, raw=True)


SPAN = one_span()
LOGS = log_request({"a": 1, "loki.attribute.labels": "a", "m": {"x": [1.5, "y"]}}, {"service.name": "web"})
METRICS = encode_request(
    "metrics",
    b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},'
    b'"scopeMetrics":[{"metrics":[{"name":"m","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":'
    b'[{"asInt":"5","timeUnixNano":"1700000000000000000"}]}},{"name":"h","histogram":{"aggregationTemporality":2,'
    b'"dataPoints":[{"count":"3","sum":1.5,"bucketCounts":["1","2"],"explicitBounds":[1],'
    b'"timeUnixNano":"1700000000000000000"}]}}]}]}]}',
)
JSON_SPAN = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":'
    b'"0202020202020202","name":"x","kind":2,"startTimeUnixNano":"17","attributes":[{"key":"a","value":'
    b'{"arrayValue":{"values":[{"doubleValue":"NaN"},{"bytesValue":"YWJj"}]}}}]}]}]}]}'
)
PUSH = bytes.fromhex("0a210a077b613d2262227d12160a080880e2cfaa061005120268691a060a016b120176")
FRAMES = b"".join(
    bytes((stream, 0, 0, 0)) + len(line).to_bytes(4, "big") + line
    for stream, line in ((1, b"2023-11-14T22:13:20.000000001Z hello\n"), (2, b"2023-11-14T22:13:21Z part"), (1, b"\n"))
)
ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
TOML = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.toml"))]
ALLOY = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.alloy"))]
FRAMED = bytes(snappy.StreamCompressor().compress(TEXT))

TARGETS = [
    Target(
        "http2 server", lambda raw: run_http2(False, HELLO + raw, [7]), [request(1) + data(1, b"x"), request(3)], ()
    ),
    Target("http2 client", lambda raw: run_http2(True, SERVER_HELLO + raw, [7]), [data(1, b"x", ends=True)], ()),
    Target("hpack", _hpack, [block(REQUEST)], (hpack.HPACKError,)),
    *(
        Target(f"grpc {name}", _message(name), [codec.compress(TEXT)], (DecodeError, compression.TooLargeError))
        for name, codec in compression.CODECS.items()
    ),
    Target("grpc timeout", parse_timeout, [b"10S", b"5m", b"100n"], (DecodeError, ValueError)),
    Target("otlp traces", _counted("traces", count_spans), [SPAN, SPAN * 2]),
    Target("otlp metrics", _counted("metrics", count_data_points), [METRICS]),
    Target("otlp logs", _counted("logs", count_log_records), [LOGS, LOGS * 2]),
    Target("metrics to samples", _convert, [METRICS, METRICS * 2]),
    Target("logs to entries", _logs, [LOGS, LOGS * 2]),
    Target("otlp to json", _to_json, [SPAN, METRICS, LOGS]),
    Target("otlp json", lambda raw: encode_request("traces", raw), [JSON_SPAN]),
    Target("loki push", lambda raw: (streams_in(raw), halve_push(raw)), [PUSH, PUSH * 2]),
    Target(
        "loki answer", lambda raw: (named_streams(text_of(raw)), parse_labels(text_of(raw))), [b'{a="b", c="\\n"}'], ()
    ),
    Target(
        "samples",
        lambda raw: (read_samples(raw), read_metadata(raw)),
        [next(Converter(ConvertSettings(lambda labels: labels, adds_only=True)).convert(METRICS, 1).__iter__())[2]],
    ),
    Target("status", lambda raw: (status_message(raw), partial_success(raw)), [b"\x08\x03\x12\x02no"]),
    *(
        Target(f"inflate {coding}", _inflate(coding), [body])
        for coding, body in {
            "gzip": compression.CODECS["gzip"].compress(TEXT),
            "zstd": zstandard.compress(TEXT),
            "snappy": bytes(snappy.compress(TEXT)),
            "x-snappy-framed": FRAMED,
            "lz4": lz4.frame.compress(TEXT),
        }.items()
    ),
    Target("docker frames", _docker, [FRAMES, FRAMES * 3], ()),
    Target("docker http", _http1, [ANSWER, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"]),
    Target("chunked", lambda raw: ChunkedDecoder().feed(raw), [ANSWER.partition(b"\r\n\r\n")[2]]),
    Target("toml positions", _toml, TOML, (tomllib.TOMLDecodeError, UnicodeDecodeError)),
    Target("alloy", parse, ALLOY, (AlloySyntaxError,)),
    Target("regex", _regex, [b"(a|b)+[^c]?\\d{1,3}\nab1", b"(?i)/(.*)\n/x"], (ValueError,)),
    Target("template", _template, [b'{{ .a | ToUpper }}{{ if eq .Value "1" }}x{{ end }}'], (ValueError, TemplateError)),
    Target("logfmt", _logfmt, [b'level=info msg="hello \\"world\\"" a= b'], ()),
    Target("time layout", _layout, [b"2006-01-02T15:04:05Z07:00\n2023-11-14T22:13:20Z"], (ValueError,)),
    Target("journal", _journal, [encoded(fragment(b"abc"), 0) + encoded(fragment(b"de"), 1)], ()),
]
