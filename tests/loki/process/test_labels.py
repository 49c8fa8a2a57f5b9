"""Stages that set and remove labels, metadata and the line, against their tables."""

import pytest

from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import Bench, entry, one

EXTRACTED: dict[str, object] = {"level": "INFO", "n": 5, "f": 1.0, "none": None, "empty": ""}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({"level": ""}, {"app": "web", "level": "INFO"}),
        ({"lvl": "level", "n": ""}, {"app": "web", "lvl": "INFO", "n": "5"}),
        ({"app": "level", "f": ""}, {"app": "INFO", "f": "1"}),
        ({"app": "none", "x": "missing"}, {"app": "web"}),
        ({"app": "empty"}, {"app": ""}),
    ],
)
def test_labels(values: dict[str, str], labels: dict[str, str]) -> None:
    """Extracted values become labels; a missing or null one changes nothing; others' labels stay as they are."""
    subject, shared = entry(extracted=EXTRACTED), {"app": "web"}
    assert one({"labels": {"values": values}}, subject).labels == labels
    assert subject.origin.labels == shared


def test_labels_from_metadata() -> None:
    """Structured metadata can be the source."""
    table: dict[str, object] = {"labels": {"values": {"pod": ""}, "source_type": "structured_metadata"}}
    assert one(table, entry(metadata={"pod": "a"}, extracted={"pod": "b"})).labels == {"app": "web", "pod": "a"}
    assert one(table, entry()).labels == {"app": "web"}


def test_static_labels() -> None:
    """Constants are set; empty ones are not."""
    table: dict[str, object] = {"static_labels": {"values": {"env": "prod", "app": "x", "none": ""}}}
    assert one(table, entry()).labels == {"app": "x", "env": "prod"}


def test_label_drop_and_keep() -> None:
    """Labels are removed by exact name."""
    subject = {"a": "1", "ab": "2", "c": "3"}
    assert one({"label_drop": {"values": ["a", "x"]}}, entry(labels=subject)).labels == {"ab": "2", "c": "3"}
    assert one({"label_keep": {"values": ["a", "x"]}}, entry(labels=subject)).labels == {"a": "1"}


def test_structured_metadata() -> None:
    """Extracted values are copied, labels moved; both by name or by expression."""
    table: dict[str, object] = {
        "structured_metadata": {"values": {"trace_id": "", "who": "user", "x": "none"}, "regex": "^pod_"}
    }
    result = one(
        table,
        entry(
            labels={"app": "web", "user": "u1", "pod_a": "p"},
            extracted={"trace_id": "t", "none": None, "pod_b": 7},
            metadata={"old": "o"},
        ),
    )
    assert result.metadata == {"old": "o", "trace_id": "t", "who": "u1", "pod_a": "p", "pod_b": "7"}
    assert result.labels == {"app": "web"}
    assert result.extracted["trace_id"] == "t"


def test_structured_metadata_drop() -> None:
    """Metadata is removed by exact name."""
    table: dict[str, object] = {"structured_metadata_drop": {"values": ["a", "x"]}}
    assert one(table, entry(metadata={"a": "1", "b": "2"})).metadata == {"b": "2"}
    assert one(table, entry()).metadata is None


@pytest.mark.parametrize(
    ("table", "tenant"),
    [
        ({"value": "t1"}, "t1"),
        ({"source": "n"}, "5"),
        ({"label": "app"}, "web"),
        ({"source": "missing"}, None),
        ({"source": "empty"}, None),
        ({"label": "missing"}, None),
    ],
)
def test_tenant(table: dict[str, object], tenant: str | None) -> None:
    """The tenant is a label that the writer takes away; a missing one sets nothing."""
    assert one({"tenant": table}, entry(extracted=EXTRACTED)).labels.get("__tenant_id__") == tenant


def test_output() -> None:
    """An extracted value becomes the line; a missing or null one does not."""
    for source, line in [("level", b"INFO"), ("n", b"5"), ("none", b"old"), ("missing", b"old"), ("empty", b"")]:
        assert one({"output": {"source": source}}, entry("old", extracted=EXTRACTED)).line == line


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m text", "red text"),
        ("\x1b[1;38;5;196mx\x1b[m", "x"),
        ("\u009b32mgreen", "green"),
        ("\x1b]8;;http://a/b\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x1b[2K\x1b[1Gprogress", "progress"),
        ("\x1b", "\x1b"),
    ],
)
def test_decolorize(line: str, plain: str) -> None:
    """Escape sequences go, text stays."""
    assert one({"decolorize": {}}, entry(line)).line.decode() == plain


@pytest.mark.parametrize(
    "table",
    [
        {"labels": {"values": {}}},
        {"labels": {"values": {"a-b": ""}}},
        {"labels": {"values": {"a": ""}, "source_type": "x"}},
        {"static_labels": {"values": {"é": "x"}}},
        {"label_drop": {"values": []}},
        {"label_keep": {}},
        {"structured_metadata": {}},
        {"tenant": {}},
        {"tenant": {"label": "a", "value": "b"}},
        {"output": {}},
        {"decolorize": {"x": 1}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate(table)


def test_nothing_held() -> None:
    """None of these stages holds an entry back."""
    bench = Bench({"labels": {"values": {"a": ""}}}, {"label_drop": {"values": ["a"]}})
    assert len(bench.run(entry("x"))) == 1
    assert (bench.last.held, bench.last.wait_until) == ({}, 0.0)
    for stage in bench.stages:
        stage.forget(b"c1")
