"""Encoding batches for an endpoint: tenants, sizes, and what is left out with which reason."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.wire.entry import Entry, Origin
from alloytrio.wire.loki_encode import EncodedPush, PushLimits, StreamEncoder
from tests.wire.test_loki import read

NOW = 1_700_000_000 * 10**9
HOUR = 3600 * 10**9
LIMITS = PushLimits(
    max_line_bytes=100, max_label_names=3, max_label_name_bytes=20, max_label_value_bytes=30,
    max_age_ns=HOUR, max_ahead_ns=HOUR // 6, max_metadata_bytes=50, max_metadata_pairs=3,
)  # fmt: skip


def entry(labels: dict[str, str], line: bytes = b"x", *, age: int = 0, metadata: dict[str, str] | None = None) -> Entry:
    made = Entry(Origin("stdout", labels), NOW - age, line, 0)
    made.metadata = metadata
    return made


def encode(entries: Sequence[Entry], **settings: object) -> tuple[list[EncodedPush], dict[str, int]]:
    encoder = StreamEncoder({}, LIMITS, "", 1 << 20, **settings)  # type: ignore[arg-type]
    pushes = encoder.encode(list(entries), NOW)
    return pushes, {reason: refused.entries for (_, reason), refused in encoder.refused.items()}


def test_one_push() -> None:
    """Entries of several streams are one request, grouped, in order."""
    a, b = {"s": "a"}, {"s": "b"}
    [push], refused = encode([entry(a, b"1"), entry(b, b"2"), entry(a, b"3")])
    assert [(labels, line) for labels, _, line, _ in read(push.payload)] == [
        (b'{s="a"}', b"1"), (b'{s="a"}', b"3"), (b'{s="b"}', b"2"),
    ]  # fmt: skip
    assert (push.tenant, push.entries, refused) == ("", 3, {})


def test_tenants() -> None:
    """Entries go to the tenant that they name, or to the endpoint's; the label that names it is taken away."""
    encoder = StreamEncoder({"env": "prod"}, LIMITS, "main", 1 << 20)
    pushes = encoder.encode([entry({"s": "a"}), entry({"s": "a", "__tenant_id__": "t1"})], NOW)
    assert [(push.tenant, read(push.payload)[0][0]) for push in pushes] == [
        ("main", b'{env="prod", s="a"}'), ("t1", b'{env="prod", s="a"}'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (entry({"s": "a"}, b"x" * 101), "line_too_long"),
        (entry({"s": "a"}, age=HOUR + 1), "greater_than_max_sample_age"),
        (entry({"s": "a"}, age=-(HOUR // 6) - 1), "too_far_in_future"),
        (entry({"a": "1", "b": "2", "c": "3", "d": "4"}), "max_label_names_per_series"),
        (entry({"a-b": "x"}), "invalid_labels"),
        (entry({"a.b": "x"}), "invalid_labels"),
        (entry({"": "x"}), "invalid_labels"),
        (entry({"a" * 21: "x"}), "label_name_too_long"),
        (entry({"s": "x" * 31}), "label_value_too_long"),
        (entry({"s": "é" * 300}), "label_value_too_long"),
        (entry({"s": "a", "__tenant_id__": "a/b"}), "invalid_tenant"),
        (entry({"s": "a"}, metadata=dict.fromkeys("abcd", "x")), "structured_metadata_too_many"),
        (entry({"s": "a"}, metadata={"a": "x" * 50}), "structured_metadata_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(subject: Entry, reason: str) -> None:
    """What Loki would refuse is left out with Loki's reason; its neighbours go through."""
    [push], refused = encode([entry({"s": "ok"}), subject, entry({"s": "ok"})])
    assert (refused, push.entries) == ({reason: 1}, 2)


@pytest.mark.parametrize(
    "subject",
    [
        entry({"s": "a"}, b"x" * 100),
        entry({"s": "a"}, age=HOUR),
        entry({"s": "a"}, age=-(HOUR // 6)),
        entry({"a": "1", "b": "2", "c": "3", "service_name": "4", "__x": "5"}),
        entry({"a" * 20: "x" * 30}),
        entry({"s": "a"}, metadata=dict.fromkeys("abc", "x")),
        entry({}),
    ],
)
def test_at_the_limit(subject: Entry) -> None:
    """What is exactly at a limit is taken."""
    [push], refused = encode([subject])
    assert (refused, push.entries) == ({}, 1)


def test_limits_can_be_off() -> None:
    """Without limits only what Loki could not even read is left out."""
    encoder = StreamEncoder({}, PushLimits(), "", 1 << 20)
    labels = {f"l{n}": "x" * 5000 for n in range(40)}
    [push] = encoder.encode([entry(labels, b"x" * 300_000, age=100 * HOUR), entry({"a-b": "c"})], NOW)
    assert (push.entries, [key[1] for key in encoder.refused]) == (1, ["invalid_labels"])


def test_refused_bytes() -> None:
    """Left out lines are counted with their bytes, by tenant."""
    encoder = StreamEncoder({}, LIMITS, "t", 1 << 20)
    encoder.encode([entry({"s": "a"}, b"x" * 101), entry({"s": "a"}, b"x" * 200)], NOW)
    refused = encoder.refused[("t", "line_too_long")]
    assert (refused.entries, refused.line_bytes) == (2, 301)


def test_max_streams() -> None:
    """Streams beyond the limit are left out; those before go on."""
    subjects = [entry({"s": str(n % 4)}) for n in range(8)]
    [push], refused = encode(subjects, max_streams=3)
    assert (push.entries, refused) == (6, {"stream_limited": 2})


def test_moved_labels() -> None:
    """Labels that are moved become structured metadata; the entry's own metadata wins."""
    encoder = StreamEncoder({}, LIMITS, "", 1 << 20)
    encoder.encode([entry({"s": "a", "id": "1"})], NOW)
    encoder.move(frozenset({"id"}))
    [push] = encoder.encode([entry({"s": "a", "id": "1"}), entry({"s": "a", "id": ""}, metadata={"m": "x"})], NOW)
    assert [(labels, metadata) for labels, _, _, metadata in read(push.payload)] == [
        (b'{s="a"}', {"id": "1"}), (b'{s="a"}', {"m": "x"}),
    ]  # fmt: skip


def test_label_sets() -> None:
    """The labels of the entries are there to be counted, by their names."""
    encoder = StreamEncoder({}, LIMITS, "", 1 << 20)
    shared = {"s": "a"}
    encoder.encode([entry(shared), entry(shared), entry({"s": "b"}), entry({"t": "c"})], NOW)
    assert [(shape.names, sets) for shape, sets in encoder.label_sets.items()] == [
        (["s"], [{"s": "a"}, {"s": "b"}]), (["t"], [{"t": "c"}]),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3000)), max_size=20))
def test_sizes(rows: list[tuple[str, int]]) -> None:
    """No request is much larger than the limit unless a single entry is, and nothing is lost."""
    encoder = StreamEncoder({}, PushLimits(), "", 2000)
    pushes = encoder.encode([entry({"s": name}, b"x" * size) for name, size in rows], NOW)
    for push in pushes:
        assert push.entries == 1 or len(push.payload) <= 2000 + 3000 + 100
    assert sum(push.entries for push in pushes) == len(rows)
    assert sorted(len(row[2]) for push in pushes for row in read(push.payload)) == sorted(size for _, size in rows)
