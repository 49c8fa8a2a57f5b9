"""Counting the values of labels."""

from alloytrio.loki.cardinality import WINDOW, LabelValues
from alloytrio.wire.loki import LabelShape

SHAPE = LabelShape(("app", "id", "__x"), {"env": "prod"}, frozenset())


def sets(start: int, count: int) -> dict[LabelShape, list[dict[str, str]]]:
    return {SHAPE: [{"app": "web", "id": str(n), "__x": str(n)} for n in range(start, start + count)]}


def test_warning_at_the_limit() -> None:
    """A label with more values than the limit is named once, and what is kept does not grow."""
    warnings: list[tuple[str, int]] = []
    values = LabelValues(10, lambda name, count: warnings.append((name, count)))
    assert not values.note(sets(0, 10), 0.0)
    assert (warnings, values.high) == ([], frozenset())
    assert values.note(sets(10, 1), 1.0)
    assert warnings == [("id", 11)]
    assert list(values.high) == ["id"]
    assert not values.note(sets(11, 1000), 2.0)
    assert values.counts() == {"app": 1, "id": 11}
    assert len(warnings) == 1


def test_window() -> None:
    """Values are forgotten after the window; a label that is still high is named again, but is not new."""
    warnings: list[str] = []
    values = LabelValues(10, lambda name, count: warnings.append(name))
    values.note(sets(0, 9), 0.0)
    values.note(sets(9, 9), WINDOW)
    assert warnings == []
    values.note(sets(0, 9), WINDOW + 1)
    assert warnings == ["id"]
    assert not values.note(sets(0, 20), 2 * WINDOW)
    assert warnings == ["id", "id"]
