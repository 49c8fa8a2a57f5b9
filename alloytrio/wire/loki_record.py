"""One OpenTelemetry log record, read as far as Loki wants it."""

from struct import Struct
from typing import Final

from mypy_extensions import i64

from alloytrio.wire.logfmt import read_logfmt
from alloytrio.wire.loki_attributes import HINTS, Attributes, content, flatten
from alloytrio.wire.otlp_values import json_value, read_text, value_text
from alloytrio.wire.protobuf import read_length, read_tag, read_varint, skip_value

NO_LEVEL: Final = 25  # the severity of a record whose severity has no name
_STRING: Final = 0x0A
_ARRAY: Final = 0x2A
_MAP: Final = 0x32

_unpack_fixed64 = Struct("<Q").unpack_from
_unpack_fixed32 = Struct("<I").unpack_from


class Record:
    """The fields of one encoded ``LogRecord``.

    Raises:
        DecodeError: it is broken.
    """

    def __init__(self, payload: bytes, at: i64, end: i64) -> None:
        self.payload: bytes = payload
        self.ts_ns: int = 0
        self.severity: int = 0
        self.severity_text: str = ""
        self.trace_id: str = ""
        self.span_id: str = ""
        self.flags: int = 0
        self.attributes: Attributes = Attributes(payload)
        self.body: tuple[int, int] = (0, 0)
        observed = 0
        while at < end:
            tag, value = read_tag(payload, at, "LogRecord")
            at = skip_value(payload, tag, value, end, "LogRecord")
            if tag & 7 == 2:
                self._text_or_message(tag, read_length(payload, value, end, "LogRecord")[0], at)
            elif tag == 0x09:
                self.ts_ns = _unpack_fixed64(payload, value)[0]
            elif tag == 0x59:
                observed = _unpack_fixed64(payload, value)[0]
            elif tag == 0x10:
                self.severity = min(read_varint(payload, value, "LogRecord")[0], NO_LEVEL)
            elif tag == 0x45:
                self.flags = _unpack_fixed32(payload, value)[0]
        self.ts_ns = self.ts_ns or observed
        self.is_hinted: bool = not HINTS.isdisjoint(self.attributes.keys)

    def _text_or_message(self, tag: i64, start: i64, stop: i64) -> None:
        payload = self.payload
        if tag == 0x1A:
            self.severity_text = read_text(payload, start, stop)
        elif tag == 0x2A:
            self.body = (start, stop)
        elif tag == 0x32:
            self.attributes.add(start, stop)
        elif tag == 0x4A:
            self.trace_id = _id(payload[start:stop])
        elif tag == 0x52:
            self.span_id = _id(payload[start:stop])

    def body_json(self) -> str:
        """The body; empty if there is none."""
        start, stop = self.body
        return json_value(self.payload, start, stop, 0) if content(self.payload, start, stop)[0] else ""

    def body_text(self) -> str:
        """The body alone: a text as it is."""
        return value_text(self.payload, self.body[0], self.body[1])

    def body_pairs(self) -> list[tuple[str, str]]:
        """The body as logfmt: what is logfmt already keeps its pairs."""
        start, stop = self.body
        tag = content(self.payload, start, stop)[0]
        if tag == _STRING:
            text = self.body_text()
            pairs, is_logfmt = read_logfmt(text)
            return pairs if is_logfmt and "\n" not in text else [("msg", text)]
        found: list[tuple[str, str]] = []
        if tag:
            flatten("" if tag == _MAP else "body" if tag == _ARRAY else "msg", self.payload, start, stop, 0, found)
        return found


def _id(encoded: bytes) -> str:
    """An id in hex; empty if it is all zeros."""
    return encoded.hex() if any(encoded) else ""
