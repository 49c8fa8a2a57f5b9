"""How problems are told."""

import pytest

from alloytrio.config.problems import (
    NAMES_SHOWN,
    InvalidConfigError,
    Problem,
    dotted,
    in_reading_order,
    name_hint,
    nearest,
    printable,
)
from alloytrio.errors import ConfigError


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("c", 1, 2, "a.b", "wrong", "right"), "c:1:2: a.b: wrong (right)"),
        (Problem("c", 1, 2, "", "wrong"), "c:1:2: wrong"),
        (Problem("c", 0, 0, "", "wrong"), "c: wrong"),
        (Problem("", 0, 0, "a", "wrong", "", "X"), "environment variable X: a: wrong"),
        (Problem("c\x1b[2J", 1, 2, "a\nb", "wrong"), "c\\u001b[2J:1:2: a\\u000ab: wrong"),
    ],
)
def test_one_line(problem: Problem, expected: str) -> None:
    """A problem is one line in which nothing can fool a terminal."""
    assert str(problem) == expected


def test_error_lists_all() -> None:
    """The error is the service's own, and its text has one line per problem."""
    error = InvalidConfigError([Problem("c", 1, 1, "a", "x"), Problem("c", 2, 1, "b", "y")])
    assert isinstance(error, ConfigError)
    assert str(error) == "c:1:1: a: x\nc:2:1: b: y"


def test_reading_order() -> None:
    """Problems go by place, variables last; of two about the same thing the first found counts."""
    first, second = Problem("c", 9, 1, "a", "x"), Problem("c", 10, 1, "a", "x")
    variable = Problem("", 0, 0, "a", "x", "", "V")
    assert in_reading_order([variable, second, first, Problem("c", 9, 1, "a", "y")]) == [first, second, variable]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("endpiont", "endpoint"), ("ENDPOINT", "endpoint"), ("zzz", None), ("", None)],
)
def test_nearest(name: str, expected: str | None) -> None:
    """The nearest name is found without regard to case, if it is near."""
    assert nearest(name, ["timeout", "endpoint"]) == expected


def test_long_lists_of_names_are_cut() -> None:
    """A hint lists names only as far as they can be read."""
    names = [f"name_{index}" for index in range(NAMES_SHOWN + 1)]
    assert name_hint("zzz", names[:-1]).endswith(names[-2])
    assert name_hint("zzz", names).endswith(", …")
    assert name_hint("name_3", names) == 'did you mean "name_3"?'
    assert name_hint("zzz", []) == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), ""), (("a",), "a"), (("a", 0, 1, "b"), "a[0][1].b"), (("a", "x.y", "é", ""), 'a."x.y".é.""')],
)
def test_dotted(path: tuple[str | int, ...], expected: str) -> None:
    """Keys are joined by dots, indices in brackets, and unusual keys are quoted."""
    assert dotted(path) == expected


def test_printable() -> None:
    """Printable text is kept, a tab becomes a blank, the rest is written as an escape."""
    assert printable("a é →") == "a é →"
    assert printable("a\tb\x9b") == "a b\\u009b"
