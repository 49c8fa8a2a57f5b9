"""stage.multiline and stage.truncate against their tables."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.entry import Origin
from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import NOW_NS, Bench, entry, lines, one

TABLE: dict[str, object] = {"multiline": {"firstline": "^S", "max_lines": 4, "max_wait_time": "3s"}}


def test_blocks() -> None:
    """A first line begins a block, others join it, the next first line ends it; lines before any pass."""
    bench = Bench(TABLE)
    assert lines(bench.run(*map(entry, ["x", "S1", "a", "b\r\n", "S2"]))) == ["x", "S1\na\nb"]
    assert lines(bench.run(entry("c"), ended=True)) == ["S2\nc"]


def test_first_line_gives_the_rest() -> None:
    """Time, labels, values and metadata are those of the first line."""
    bench = Bench(TABLE)
    bench.run(
        entry("S", ts_ns=NOW_NS + 1, extracted={"k": "1"}, metadata={"m": "1"}), entry("a", ts_ns=NOW_NS + 2, seq=1)
    )
    [block] = bench.run(ended=True)
    assert (block.ts_ns, block.extracted["k"], block.metadata) == (NOW_NS + 1, "1", {"m": "1"})


def test_a_block_that_waits_goes_on() -> None:
    """A block is held, its stream's position before it, until it waited long enough; then it is forgotten."""
    bench = Bench(TABLE)
    assert bench.run(entry("S", seq=5), entry("a", seq=6), now=1.0) == []
    assert (list(bench.last.held.values()), bench.last.wake_at) == ([5], 4.0)
    assert bench.run(entry("b", seq=7), now=3.9) == []
    assert bench.last.wake_at == pytest.approx(6.9)
    assert lines(bench.run(now=7.0)) == ["S\na\nb"]
    assert (bench.last.held, bench.last.wake_at) == ({}, math.inf)
    assert lines(bench.run(entry("c"), now=7.0)) == ["c"]


def test_max_lines() -> None:
    """A full block goes on; what follows is a new block with the first line's time and its own place."""
    bench = Bench(TABLE)
    subjects = [entry("S", ts_ns=NOW_NS - 7, seq=0), *[entry(str(n), seq=n) for n in range(1, 6)]]
    assert lines(bench.run(*subjects)) == ["S\n1\n2\n3"]
    assert list(bench.last.held.values()) == [4]
    [rest] = bench.run(ended=True)
    assert (rest.line, rest.ts_ns, rest.seq) == (b"4\n5", NOW_NS - 7, 4)


def test_max_block_size() -> None:
    """A block never grows beyond its size."""
    bench = Bench({"multiline": {"firstline": "^S", "max_block_size": "10B"}})
    assert lines(bench.run(*map(entry, ["S234", "67890", "x"]))) == ["S234\n67890"]
    assert lines(bench.run(ended=True)) == ["x"]


def test_streams_readers_and_labels_are_apart() -> None:
    """Blocks of other streams, labels and readers do not mix."""
    bench, err = Bench(TABLE), Origin("stderr", {"app": "web"})
    bench.run(entry("S out"), entry("S err", origin=err), entry("S other", labels={"x": "y"}))
    bench.run(entry("S reader"), source=b"c2")
    bench.run(entry("more err", origin=err))
    assert sorted(lines(bench.run(ended=True))) == ["S err\nmore err", "S other", "S out"]
    assert lines(bench.run(ended=True, source=b"c2")) == ["S reader"]


def test_forget() -> None:
    """A reader that is gone leaves nothing."""
    bench = Bench(TABLE)
    bench.run(entry("S"))
    bench.stages[0].forget(b"c1")
    assert bench.run(ended=True) == []


def test_keep_newlines() -> None:
    """Newlines at the end of lines stay if they should."""
    bench = Bench({"multiline": {"firstline": "^S", "trim_newlines": False}})
    assert lines(bench.run(entry("S\n"), entry("a\n"), ended=True)) == ["S\n\na\n"]


@given(st.lists(st.sampled_from(["S", "a", "b"]), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_no_line_is_lost(texts: list[str], cuts: list[int]) -> None:
    """All lines come out in order, however they are batched, and what is held comes after what is out."""
    bench, start, out = Bench(TABLE), 0, []
    subjects = [entry(text, seq=n) for n, text in enumerate(texts)]
    for end in [*sorted(cuts), len(texts)]:
        out += bench.run(*subjects[start:end])
        done = sum(each.line.count(b"\n") + 1 for each in out)
        assert done <= max(end, start)
        if bench.last.held:
            assert min(bench.last.held.values()) == done
        start = max(end, start)
    out += bench.run(ended=True)
    assert [text for line in lines(out) for text in line.split("\n")] == texts


@pytest.mark.parametrize(
    ("rule", "line", "expected"),
    [
        ({"limit": "5B"}, "abcdef", "abcde"),
        ({"limit": "5B"}, "abcde", "abcde"),
        ({"limit": "5B", "suffix": ".."}, "abcdef", "abc.."),
        ({"limit": "4B", "suffix": "!"}, "ééé", "é!"),
        ({"limit": "1B"}, "é", ""),
    ],
)
def test_truncate_line(rule: dict[str, object], line: str, expected: str) -> None:
    """A line is cut to its limit, suffix included, between characters."""
    assert one({"truncate": {"rule": [rule]}}, entry(line)).line.decode() == expected


def test_truncate_others() -> None:
    """Labels, metadata and extracted values are cut by name, and what was cut is counted."""
    rules = [
        {"limit": "2B", "source_type": "label", "sources": ["app", "x"]},
        {"limit": "2B", "source_type": "structured_metadata"},
        {"limit": "2B", "source_type": "extracted", "sources": ["e", "n"]},
    ]
    bench = Bench({"truncate": {"rule": rules}})
    [result] = bench.run(entry("line", extracted={"e": "abc", "n": 1234, "z": None}, metadata={"m": "abc"}))
    assert (result.labels, result.metadata, result.line) == ({"app": "we"}, {"m": "ab"}, b"line")
    assert (result.extracted["e"], result.extracted["n"]) == ("ab", "12")
    assert result.extracted["truncated"] == "label,structured_metadata,extracted"
    assert bench.count("loki_process_truncated_fields_total", field="extracted") == 2
    assert "truncated" not in one({"truncate": {"rule": rules}}, entry("x", labels={}, extracted={"e": "a"})).extracted


@pytest.mark.parametrize(
    "table",
    [
        {"multiline": {"firstline": "("}},
        {"multiline": {"firstline": "x", "max_wait_time": "0s"}},
        {"multiline": {"firstline": "x", "max_lines": 0}},
        {"truncate": {"rule": []}},
        {"truncate": {"rule": [{"limit": "0"}]}},
        {"truncate": {"rule": [{"limit": "2B", "suffix": "xx"}]}},
        {"truncate": {"rule": [{"limit": "2B", "sources": ["x"]}]}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate(table)
