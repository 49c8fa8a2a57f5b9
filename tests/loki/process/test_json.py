"""stage.json against its table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.loki.process.stage import text_of
from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import Bench, entry, one


def extracted(line: str | bytes, **table: object) -> dict[str, object]:
    before: dict[str, object] = {"old": "kept"}
    found = one({"json": table}, entry(line, labels={}, extracted=before)).extracted
    assert found.pop("old", "kept") == "kept"
    return found


@pytest.mark.parametrize(
    ("line", "expressions", "expected"),
    [
        ('{"level":"INFO"}', {"level": ""}, {"level": "INFO"}),
        ('{"level":"INFO"}', {"l": "level", "x": ""}, {"l": "INFO", "x": None}),
        ('{"a":{"b":{"c":"deep"}}}', {"c": "a.b.c", "d": "a.x.c"}, {"c": "deep", "d": None}),
        ('{"a":"text"}', {"c": "a.b.c"}, {"c": None}),
        ('{"@t":"x","a-b":"y"}', {"t": '"@t"', "u": '"a-b"', "a-b": ""}, {"t": "x", "u": "y", "a-b": "y"}),
        ('{"n":1,"f":2.5,"t":true,"x":null}', dict.fromkeys("nftx", ""), {"n": 1, "f": 2.5, "t": True, "x": None}),
        ('{"n":12345678901234567890}', {"n": ""}, {"n": 12345678901234567890}),
        ('{"n":123456789012345678901234567890}', {"n": ""}, {"n": 123456789012345678901234567890}),
        ('{"o":{"z":1,"a":[1, 2]},"l":[]}', {"o": "", "l": ""}, {"o": '{"z":1,"a":[1,2]}', "l": "[]"}),
        ('{"o":{"h":"<&>\u2028"}}', {"o": ""}, {"o": '{"h":"\\u003c\\u0026\\u003e\\u2028"}'}),
        ('{"a":[{"b":"x"},{"b":"y"}]}', {"b": "a[1].b", "c": "a[*].b"}, {"b": "y", "c": '["x","y"]'}),
        ('{"a":"abc"}', {"u": "upper(a)"}, {"u": "ABC"}),
        ('{"a":5}', {"u": "upper(a)"}, {"u": None}),
        ('{"a":1,"a":2}', {"a": ""}, {"a": 2}),
        ("null", {"a": ""}, {"a": None}),
        ("[1]", {"a": ""}, {}),
        ('"text"', {"a": ""}, {}),
        ("plain text", {"a": ""}, {}),
        ('{"a":1} rest', {"a": ""}, {}),
        ('{"a":NaN}', {"a": ""}, {}),
        ('{"a":1e999}', {"a": ""}, {}),
        ('{"a":"x\ny"}', {"a": ""}, {}),
        ("", {"a": ""}, {}),
        (b'{"a":"x\xffy"}', {"a": ""}, {"a": "x\ufffdy"}),
        ('{"a":"\\ud800x"}', {"a": ""}, {"a": "\ufffdx"}),
    ],
)
def test_expressions(line: str | bytes, expressions: dict[str, str], expected: dict[str, object]) -> None:
    """Values are taken as Alloy takes them, and what is no JSON object adds nothing."""
    assert extracted(line, expressions=expressions) == expected


def test_regex() -> None:
    """Top-level keys that match come under their own name."""
    assert extracted('{"http_a":1,"http_b":"x","c":2}', regex="^http_") == {"http_a": 1, "http_b": "x"}


def test_source() -> None:
    """An extracted value is read instead of the line; a missing one leaves the entry alone."""
    table: dict[str, object] = {"json": {"expressions": {"a": ""}, "source": "body", "drop_malformed": True}}
    assert one(table, entry("no", extracted={"body": '{"a":"x"}'})).extracted["a"] == "x"
    assert "a" not in one(table, entry('{"a":1}')).extracted


def test_drop_malformed() -> None:
    """With drop_malformed, lines that are no objects are left out; without, they pass untouched."""
    table: dict[str, Any] = {"expressions": {"a": ""}}
    given_lines = ['{"a":1}', "text", "null", "[]"]
    assert [e.line for e in Bench({"json": table}).run(*map(entry, given_lines))] == [x.encode() for x in given_lines]
    kept = Bench({"json": table | {"drop_malformed": True}}).run(*map(entry, given_lines))
    assert [e.line for e in kept] == [b'{"a":1}', b"null"]


@pytest.mark.parametrize(
    "table",
    [{}, {"expressions": {}}, {"expressions": {"a": "a["}}, {"regex": "("}, {"expressions": {"a": ""}, "source": ""}],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="json"):
        StageEntry.model_validate({"json": table})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), (True, "true"), (False, "false"), (5, "5"), (125.0, "125"), (1e-7, "0.0000001"),
        (1e22, "1" + "0" * 22), (-0.0, "-0"), (1.5, "1.5"), (None, None), ([], None), ({}, None),
    ],
)  # fmt: skip
def test_text_of(value: object, text: str | None) -> None:
    """Numbers are written without exponent and trailing zeros; null has no text."""
    assert text_of(value) == text


@given(st.binary(max_size=80))
def test_any_line(line: bytes) -> None:
    """No line makes the stage fail, and the line stays as it is."""
    assert one({"json": {"expressions": {"a": "", "b": "a.b[0]"}, "regex": "x"}}, entry(line)).line == line
