"""regex, logfmt, docker and cri against their tables."""

import pytest

from alloytrio.entry import Origin
from alloytrio.loki.process.stages import StageEntry
from alloytrio.wire.logfmt import read_logfmt
from tests.loki.process.support import NOW_NS, Bench, entry, lines, one


def test_regex() -> None:
    """Named groups of the first match are extracted, those that took no part as empty."""
    table: dict[str, object] = {"regex": {"expression": r"(?P<m>GET|POST) (?P<p>/\S*)(?: (?P<s>\d+))?"}}
    assert one(table, entry("x GET /a GET /b 200", labels={})).extracted == {"m": "GET", "p": "/a", "s": ""}
    assert one(table, entry("nothing", labels={})).extracted == {}


def test_regex_labels_and_source() -> None:
    """Groups can become labels, and a value can be searched instead of the line."""
    table: dict[str, object] = {"regex": {"expression": "(?P<app>k.)", "source": "v", "labels_from_groups": True}}
    result = one(table, entry("kx", extracted={"v": "ky"}))
    assert (result.labels, result.extracted["app"]) == ({"app": "ky"}, "ky")
    assert one(table, entry("kx", extracted={"v": None})).labels == {"app": "web"}


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ('level=info msg="hello world" n=5', [("level", "info"), ("msg", "hello world"), ("n", "5")]),
        ("bare k= x=1", [("bare", ""), ("k", ""), ("x", "1")]),
        (r'a="q\"uo\\te\n\u00e9"', [("a", 'q"uo\\te\né')]),
        ('a=1 b="unended', [("a", "1")]),
        ("a=1 b=c=d e=2", [("a", "1")]),
        ('a=1 b=c"d e=2', [("a", "1")]),
        ('a=1 "b" c=2', [("a", "1")]),
        ("a=1 =x", [("a", "1")]),
        ("\ta=1\x01b=2 ", [("a", "1"), ("b", "2")]),
        ('a="" b=2', [("a", ""), ("b", "2")]),
        ("", []),
    ],
)
def test_read_logfmt(line: str, pairs: list[tuple[str, str]]) -> None:
    """Pairs are read up to where the line stops being logfmt."""
    assert read_logfmt(line)[0] == pairs


def test_logfmt() -> None:
    """Keys are taken by name or by expression."""
    table: dict[str, object] = {"logfmt": {"mapping": {"l": "level", "n": "", "again": "n"}, "regex": "^x_"}}
    assert one(table, entry("level=info n=5 x_a=1 y=2", labels={})).extracted == {
        "l": "info", "n": "5", "again": "5", "x_a": "1",
    }  # fmt: skip
    with_source = one({"logfmt": {"mapping": {"a": ""}, "source": "v"}}, entry("a=1", extracted={"v": "a=2"}))
    assert with_source.extracted["a"] == "2"


def test_docker() -> None:
    """A record of the json-file driver gives line, stream and time; anything else passes."""
    result = one({"docker": {}}, entry('{"log":"hello\\n","stream":"stderr","time":"2023-11-14T22:13:20.5Z"}'))
    assert (result.line, result.labels, result.ts_ns) == (
        b"hello\n", {"app": "web", "stream": "stderr"}, NOW_NS + 500_000_000,
    )  # fmt: skip
    assert (result.extracted["output"], result.extracted["stream"]) == ("hello\n", "stderr")
    for line in ("text", '{"log":""}', '{"log":5}', "[]"):
        assert one({"docker": {}}, entry(line)).line == line.encode()
    assert one({"docker": {}}, entry('{"log":"x","time":"bad"}')).ts_ns == NOW_NS


def test_cri() -> None:
    """Pieces are joined; the last one gives the time."""
    bench = Bench({"cri": {}})
    assert bench.run(entry("2023-11-14T22:13:20Z stdout P one ", seq=4)) == []
    assert list(bench.last.held.values()) == [4]
    [whole] = bench.run(entry("2023-11-14T22:13:21.1Z stdout F two", seq=5))
    assert (whole.line, whole.labels["stream"], whole.ts_ns) == (b"one two", "stdout", NOW_NS + 1_100_000_000)
    assert bench.last.held == {}
    assert (whole.extracted["flags"], whole.extracted["content"]) == ("F", "two")


def test_cri_keeps_streams_apart() -> None:
    """Pieces of another stream or reader are not joined."""
    bench = Bench({"cri": {}})
    bench.run(entry("2023-11-14T22:13:20Z stdout P out-"), entry("2023-11-14T22:13:20Z stderr P err-"))
    bench.run(entry("2023-11-14T22:13:20Z stdout P other-"), source=b"c2")
    done = bench.run(entry("2023-11-14T22:13:20Z stderr F end"), entry("2023-11-14T22:13:20Z stdout F end"))
    assert lines(done) == ["err-end", "out-end"]


def test_cri_other_lines() -> None:
    """What is not in the format passes; without a flag the line is whole."""
    for line in ("text", "2023 stdout F x", "2023-11-14T22:13:20Z stdin F x"):
        assert lines(Bench({"cri": {}}).run(entry(line))) == [line]
    assert lines(Bench({"cri": {}}).run(entry("2023-11-14T22:13:20Z stdout whole line"))) == ["whole line"]


def test_cri_bounds() -> None:
    """When too many pieces wait, all go on, counted; a line that grows too long is cut, counted."""
    bench = Bench({"cri": {"max_partial_lines": 2}})
    piece = "2023-11-14T22:13:20Z stdout P x"
    assert bench.run(entry(piece), entry(piece)) == []
    assert lines(bench.run(entry(piece))) == ["xx"]
    assert bench.count("loki_process_cri_partial_lines_flushed_total") == 1
    bench = Bench({"cri": {"max_partial_line_size": 3, "max_partial_line_size_truncate": True}})
    assert lines(bench.run(entry(piece), entry(piece), entry("2023-11-14T22:13:20Z stdout F xx"))) == ["xxx"]
    assert bench.count("loki_process_cri_lines_truncated_total") == 1


def test_cri_at_the_end() -> None:
    """When a container has ended its pieces go on; when a reader is forgotten they are dropped."""
    bench = Bench({"cri": {}})
    bench.run(entry("2023-11-14T22:13:20Z stdout P x", origin=Origin("stdout", {})))
    assert lines(bench.run(ended=True)) == ["x"]
    bench.run(entry("2023-11-14T22:13:20Z stdout P x"))
    bench.stages[0].forget(b"c1")
    assert bench.run(ended=True) == []


@pytest.mark.parametrize(
    "table",
    [
        {"regex": {"expression": "(x)"}},
        {"regex": {"expression": "(?P<a>"}},
        {"logfmt": {}},
        {"logfmt": {"regex": "("}},
        {"docker": {"x": 1}},
        {"cri": {"max_partial_lines": 0}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate(table)
