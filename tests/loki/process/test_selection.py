"""drop, match and limit against their tables."""

from typing import Any

import pytest

from alloytrio.loki.process.selector import compile_selector
from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import NOW_NS, Bench, entry, lines

DROPPED = "loki_process_dropped_lines_total"
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("table", "subject", "dropped"),
    [
        ({"expression": "debug"}, {"line": "a debug line"}, True),
        ({"expression": "^debug"}, {"line": "a debug line"}, False),
        ({"longer_than": "3B"}, {"line": "abcd"}, True),
        ({"longer_than": "3B"}, {"line": "abc"}, False),
        ({"older_than": "1h"}, {"ts_ns": NOW_NS - HOUR - 1}, True),
        ({"older_than": "1h"}, {"ts_ns": NOW_NS - HOUR}, False),
        ({"source": "a"}, {"extracted": {"a": None}}, True),
        ({"source": "a"}, {"extracted": {"b": "x"}}, False),
        ({"source": "a,b"}, {"extracted": {"a": "1", "b": "2"}}, True),
        ({"source": "a,b"}, {"extracted": {"a": "1"}}, False),
        ({"source": "a", "value": "x"}, {"extracted": {"a": "x"}}, True),
        ({"source": "a", "value": "x"}, {"extracted": {"a": "xy"}}, False),
        ({"source": "a,b", "value": "x;y"}, {"extracted": {"a": "x", "b": "y"}}, True),
        ({"source": "a,b", "value": "x-y", "separator": "-"}, {"extracted": {"a": "x", "b": "y"}}, True),
        ({"source": "a", "expression": "x.z"}, {"extracted": {"a": "--xyz"}}, True),
        ({"source": "a", "expression": "x"}, {"extracted": {"a": None}}, False),
        ({"source": "a", "expression": "5"}, {"extracted": {"a": 5}}, True),
        ({"source": "a", "expression": "^$"}, {"extracted": {}}, True),
        ({"expression": "x", "longer_than": "3B"}, {"line": "xx"}, False),
        ({"expression": "x", "longer_than": "3B"}, {"line": "xxxx"}, True),
    ],
)
def test_drop(table: dict[str, object], subject: dict[str, Any], dropped: bool) -> None:
    """An entry is left out, and counted, if it meets all conditions."""
    bench = Bench({"drop": table})
    assert bool(bench.run(entry(**subject))) is not dropped
    assert bench.count(DROPPED, reason="drop_stage") == dropped


def test_drop_reason() -> None:
    """The reason in the metric can be given."""
    bench = Bench({"drop": {"expression": "x", "drop_counter_reason": "noise"}})
    assert lines(bench.run(entry("x"), entry("y"), entry("xx"))) == ["y"]
    assert bench.count(DROPPED, reason="noise") == 2


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ('{app="web"}', True),
        ('{app="we"}', False),
        ('{app!="x", level="info"}', True),
        ('{app=~"w.*"}', True),
        ('{app=~"w"}', False),
        ('{app!~"w.*"}', False),
        ('{missing=""}', True),
        ('{missing!="x"}', True),
        ('{ app = "web" , }', True),
        ('{app="web"} |= "error"', True),
        ('{app="web"} |= "nothing"', False),
        ('{app="web"} != "nothing" |~ "e.{3}r"', True),
        ('{app="web"} !~ "^an"', False),
        ('{app="web"} |= "\\"quoted\\""', True),
    ],
)
def test_selector(selector: str, selected: bool) -> None:
    """Labels match whole, lines anywhere, and all must hold."""
    subject = entry('an error "quoted"', labels={"app": "web", "level": "info"})
    assert compile_selector(selector)(subject) is selected


@pytest.mark.parametrize(
    "selector",
    ["", "{}", "{ }", 'app="x"', '{app="x"', "{app='x'}", "{app=x}", '{app="x" level="y"}', '{app="x"} | json',
     '{app="x"} | level="y"', '{app=~"("}', '{app="x"} |~ "("', '{a-b="x"}', '{app="\\q"}'],
)  # fmt: skip
def test_selector_refused(selector: str) -> None:
    """What cannot be read, or is not supported, is an error."""
    with pytest.raises(ValueError, match=r"selector|not a text|RE2"):
        compile_selector(selector)


def test_match_keep() -> None:
    """Selected entries run the stages; the others pass; the order stays."""
    bench = Bench(
        {
            "match": {
                "selector": '{app="web"} |= "a"',
                "stage": [{"static_labels": {"values": {"hit": "1"}}}, {"drop": {"expression": "ab"}}],
            }
        }
    )
    result = bench.run(entry("a1", seq=1), entry("b", seq=2), entry("ab", seq=3), entry("a2", seq=4))
    assert [(e.line, e.labels.get("hit")) for e in result] == [(b"a1", "1"), (b"b", None), (b"a2", "1")]


def test_match_copies_labels() -> None:
    """Nested stages see the labels among the extracted values, as they are now."""
    nested = [{"labels": {"values": {"copy": "app"}}}]
    bench = Bench(
        {"static_labels": {"values": {"app": "new"}}}, {"match": {"selector": '{app="new"}', "stage": nested}}
    )
    [result] = bench.run(entry("x"))
    assert result.labels == {"app": "new", "copy": "new"}


def test_match_drop() -> None:
    """Selected entries are left out and counted."""
    bench = Bench({"match": {"selector": '{app="web"} |= "a"', "action": "drop"}})
    assert lines(bench.run(entry("a"), entry("b"))) == ["b"]
    assert bench.count(DROPPED, reason="match_stage") == 1


def test_match_nests() -> None:
    """A match inside a match, with a stage that holds entries back."""
    inner = {"match": {"selector": '{app="web"}', "stage": [{"multiline": {"firstline": "^S"}}]}}
    bench = Bench({"match": {"selector": '{app="web"}', "stage": [inner]}})
    assert bench.run(entry("S", seq=7)) == []
    assert list(bench.last.held.values()) == [7]
    bench.stages[0].forget(b"c1")
    assert bench.run(ended=True) == []


def test_limit_waits() -> None:
    """Without drop, what is too much waits as long as its tokens take."""
    bench = Bench({"limit": {"rate": 10, "burst": 20}})
    assert len(bench.run(*[entry("x") for _ in range(20)])) == 20
    assert bench.last.wait_until == 0.0
    assert len(bench.run(*[entry("x") for _ in range(30)])) == 30
    assert bench.last.wait_until == 3.0
    bench.run(entry("x"), now=3.0)
    assert bench.last.wait_until == pytest.approx(3.1)
    bench.run(entry("x"), now=100.0)
    assert bench.last.wait_until == 100.0


def test_limit_drops() -> None:
    """With drop, what is too much is left out and counted; a pause lets the burst pass again."""
    bench = Bench({"limit": {"rate": 1, "burst": 2, "drop": True}})
    assert lines(bench.run(*[entry(str(n)) for n in range(5)])) == ["0", "1"]
    assert bench.count(DROPPED, reason="ratelimit_drop_stage") == 3
    assert lines(bench.run(*[entry(str(n)) for n in range(5)], now=1.0)) == ["0"]
    assert lines(bench.run(*[entry(str(n)) for n in range(5)], now=100.0)) == ["0", "1"]


def test_limit_by_label() -> None:
    """Each value of a label has its own limit; entries without it have none."""
    bench = Bench({"limit": {"rate": 1, "burst": 1, "drop": True, "by_label_name": "user"}})
    subjects = [entry(user, labels={"user": user} if user else {}) for user in ("a", "a", "b", "", "")]
    assert lines(bench.run(*subjects)) == ["a", "b", "", ""]
    assert bench.count("loki_process_dropped_lines_by_label_total", label_name="user", label_value="a") == 1


def test_limit_forgets_old_labels() -> None:
    """At most two generations of values are kept."""
    bench = Bench({"limit": {"rate": 1, "burst": 1, "drop": True, "by_label_name": "user"}})
    for start in range(0, 30_000, 10_000):
        bench.run(*[entry("x", labels={"user": str(n)}) for n in range(start, start + 10_000)])
    assert lines(bench.run(entry("first", labels={"user": "0"}))) == ["first"]
    assert lines(bench.run(entry("last", labels={"user": "29999"}))) == []


@pytest.mark.parametrize(
    "table",
    [
        {"drop": {}},
        {"drop": {"source": "a", "value": "x", "expression": "y"}},
        {"drop": {"value": "x", "longer_than": "1B"}},
        {"drop": {"expression": "("}},
        {"match": {"selector": "{}", "action": "drop"}},
        {"match": {"selector": '{a="b"}'}},
        {"match": {"selector": '{a="b"}', "action": "drop", "stage": [{"decolorize": {}}]}},
        {"match": {"selector": '{a="b"}', "stage": [{"luhn": {}}]}},
        {"limit": {"rate": 0, "burst": 1}},
        {"limit": {"rate": 1, "burst": 1, "by_label_name": "x"}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate(table)
