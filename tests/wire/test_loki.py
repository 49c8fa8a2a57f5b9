"""The push format against known bytes and against protobuf's own reader."""

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.wire.entry import Entry, Origin
from alloytrio.wire.loki import LabelShape, PushEncoder, entries_in, halve_push, quote, stream_labels, streams_in

NO_LABELS: frozenset[str] = frozenset()


def push_request() -> type[Message]:
    """protobuf's class for PushRequest, with bytes where Loki has strings, so that any bytes can be read."""
    file = descriptor_pb2.FileDescriptorProto(name="push.proto", package="push", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name: str, *fields: tuple[str, int, int, str]) -> None:
        added = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            repeated = of.startswith("*")
            added.field.add(
                name=field, number=number, type=kind, type_name=of.lstrip("*") or None,
                label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
            )  # fmt: skip

    message("Stamp", ("seconds", 1, kinds.TYPE_INT64, ""), ("nanos", 2, kinds.TYPE_INT32, ""))
    message("Pair", ("name", 1, kinds.TYPE_BYTES, ""), ("value", 2, kinds.TYPE_BYTES, ""))
    message(
        "Entry", ("timestamp", 1, kinds.TYPE_MESSAGE, ".push.Stamp"), ("line", 2, kinds.TYPE_BYTES, ""),
        ("metadata", 3, kinds.TYPE_MESSAGE, "*.push.Pair"),
    )  # fmt: skip
    message("Stream", ("labels", 1, kinds.TYPE_BYTES, ""), ("entries", 2, kinds.TYPE_MESSAGE, "*.push.Entry"))
    message("Push", ("streams", 1, kinds.TYPE_MESSAGE, "*.push.Stream"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("push.Push"))


Push: Any = push_request()


def entry(ts_ns: int = 0, line: bytes = b"", metadata: dict[str, str] | None = None) -> Entry:
    made = Entry(Origin("stdout", {}), ts_ns, line, 0)
    made.metadata = metadata
    return made


def test_known_bytes() -> None:
    """One entry is written as Loki's own client writes it."""
    shape = LabelShape(("a",), {}, NO_LABELS)
    one = entry(1_700_000_000 * 10**9 + 5, b"hi", {"k": "v"})
    assert PushEncoder().push([one], [shape.stream({"a": "b"})]) == bytes.fromhex(
        "0a210a077b613d2262227d12160a080880e2cfaa061005120268691a060a016b120176"
    )


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("plain text", '"plain text"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("a\nb\tc\rd", r'"a\nb\tc\rd"'),
        ("\a\b\f\v", r'"\a\b\f\v"'),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("\u00a0", r'"\u00a0"'),
        ("é", '"é"'),
        ("\ufeff", r'"\ufeff"'),
        ("\u2028", r'"\u2028"'),
        ("\U0010ffff", r'"\U0010ffff"'),
        ("😀", '"😀"'),
        (b"\xff".decode(errors="surrogateescape"), r'"\xff"'),
        ("it's 100 %s", '"it\'s 100 %s"'),
        ("", '""'),
    ],
)
def test_quote(value: str, quoted: str) -> None:
    """Values are quoted as Go quotes them."""
    assert quote(value) == quoted
    if value:
        assert LabelShape(("x",), {}, NO_LABELS).stream({"x": value}) == f"{{x={quoted}}}".encode()


def test_label_string() -> None:
    """Names are sorted; names with two underscores and empty values are left out; entry labels win."""
    labels = {"c": "d", "__meta": "x", "a": "b", "e": ""}
    shape = LabelShape(tuple(labels), {"a": "external", "b": "100%"}, NO_LABELS)
    assert shape.stream(labels) == b'{a="b", b="100%", c="d"}'
    assert shape.stream(labels | {"e": "f"}) == b'{a="b", b="100%", c="d", e="f"}'
    assert LabelShape((), {}, NO_LABELS).stream({}) == b"{}"


def test_moved_labels() -> None:
    """Labels that become structured metadata are not in the label string."""
    shape = LabelShape(("a", "trace_id", "__tenant_id__"), {}, frozenset({"trace_id"}))
    assert shape.stream({"a": "b", "trace_id": "x", "__tenant_id__": "t"}) == b'{a="b"}'
    assert (shape.moved, shape.names, shape.tenant) == (["trace_id"], ["a"], True)


def test_streams_are_grouped() -> None:
    """Entries of one label string are in one stream, in their order."""
    entries = [entry(n, b"%d" % n) for n in range(4)]
    payload = PushEncoder().push(entries, [b"{a}", b"{b}", b"{a}", b"{a}"])
    push = Push.FromString(payload)
    assert [(s.labels, [e.line for e in s.entries]) for s in push.streams] == [
        (b"{a}", [b"0", b"2", b"3"]),
        (b"{b}", [b"1"]),
    ]


_entries = st.lists(
    st.tuples(
        st.integers(0, 2**61),
        st.one_of(st.binary(max_size=50), st.integers(2000, 20_000).map(lambda size: b"x" * size)),
        st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        st.sampled_from([b"{a}", b"{b}", b"{c}"]),
    ),
    min_size=1,
    max_size=6,
)


def read(payload: bytes) -> list[tuple[bytes, int, bytes, dict[str, str]]]:
    return [
        (stream.labels, each.timestamp.seconds * 10**9 + each.timestamp.nanos, each.line,
         {pair.name.decode(): pair.value.decode() for pair in each.metadata})
        for stream in Push.FromString(payload).streams for each in stream.entries
    ]  # fmt: skip


@given(_entries)
def test_round_trip(rows: list[tuple[int, bytes, dict[str, str], bytes]]) -> None:
    """protobuf reads back what was written, whatever the times, lines and metadata."""
    payload = PushEncoder().push([entry(*row[:3]) for row in rows], [row[3] for row in rows])
    expected = [(row[3], row[0], row[1], row[2]) for row in rows]
    assert sorted(read(payload), key=repr) == sorted(expected, key=repr)
    assert sum(stream.entries for stream in streams_in(payload)) == len(rows)
    labels = [stream.labels for stream in streams_in(payload)]
    assert stream_labels(payload, False) == labels
    assert stream_labels(payload, True) == labels[-1:]


@given(_entries)
def test_halves(rows: list[tuple[int, bytes, dict[str, str], bytes]]) -> None:
    """Cutting loses nothing, and ends at single entries."""
    payload = PushEncoder().push([entry(*row[:3]) for row in rows], [row[3] for row in rows])
    parts, singles = [payload], []
    while parts:
        halves = halve_push(parts.pop(0))
        if len(halves) == 1:
            singles.append(halves[0])
        else:
            assert all(items > 0 for items, _ in halves)
            parts += [half for _, half in halves]
    assert [items for items, _ in singles] == [1] * len(rows)
    assert sorted([row for _, part in singles for row in read(part)], key=repr) == sorted(read(payload), key=repr)


def test_broken_requests() -> None:
    """Bytes that are no push request raise DecodeError."""
    payload = PushEncoder().push([entry(1, b"x"), entry(2, b"y")], [b"{a}", b"{b}"])
    for size in range(1, len(payload)):
        if size != streams_in(payload)[0].end:
            with pytest.raises(DecodeError):
                streams_in(payload[:size])
            with pytest.raises(DecodeError):
                stream_labels(payload[:size], False)
    with pytest.raises(DecodeError, match="2 streams"):
        entries_in(payload)
    assert halve_push(b"") == [(0, b"")]
