"""``json_path``: Goessner's JSONPath without filters and scripts. The result is always an array."""

import json
import re
from collections.abc import Iterator

from alloytrio.config.alloy.values import EvaluationError, Value

_STEP = re.compile(
    r"""(?P<deep>\.\.)? (?: \.?(?P<name>[\w-]+) | \.?(?P<any>\*) | \[ \s* (?P<inside>[^\[\]]*?) \s* \] )""", re.VERBOSE
)
_QUOTED = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|(-?\d+))\s*""")
_SLICE = re.compile(r"(-?\d*)\s*:\s*(-?\d*)(?:\s*:\s*(-?\d*))?")

Step = tuple[bool, "list[str | int] | slice | None"]
"""(search below too, what to take: names and indexes, a slice, or None for everything)."""


def find(text: str, path: str) -> Value:
    """All values in a JSON text that a path leads to, in order.

    Raises:
        EvaluationError: no JSON, or a path of another form.
    """
    try:
        found: list[Value] = [json.loads(text, parse_int=float)]
    except (ValueError, RecursionError):
        raise EvaluationError("json_path: the text is no JSON") from None
    for deep, wanted in _steps(path):
        start = [below for value in found for below in _below(value)] if deep else found
        found = [taken for value in start for taken in _take(value, wanted)]
    return found


def _steps(path: str) -> Iterator[Step]:
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (match["name"] and path[at] != "." and at > 0):
            raise _unsupported()
        yield bool(match["deep"]), _wanted(match)
        at = match.end()


def _wanted(match: re.Match[str]) -> list[str | int] | slice | None:
    if match["name"]:
        return [match["name"]]
    if match["any"] or match["inside"] == "*":
        return None
    if cut := _SLICE.fullmatch(match["inside"]):
        return slice(*(int(part) if part else None for part in cut.groups()))
    wanted: list[str | int] = []
    for part in match["inside"].split(","):
        one = _QUOTED.fullmatch(part)
        if one is None:
            raise _unsupported()
        wanted.append(int(one[3]) if one[3] else one[1] or one[2] or "")
    return wanted


def _unsupported() -> EvaluationError:
    return EvaluationError(
        "json_path: this path is not understood", 'supported: $ .name ["name"] [0] [-1] [0:2] [0,1] [*] .* ..name'
    )


def _below(value: Value) -> Iterator[Value]:
    """A value and all that is inside it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _below(each)


def _take(value: Value, wanted: list[str | int] | slice | None) -> Iterator[Value]:
    match value, wanted:
        case dict(), None:
            yield from value.values()
        case list(), None:
            yield from value
        case list(), slice():
            yield from value[wanted]
        case dict(), list():
            yield from (value[key] for key in wanted if isinstance(key, str) and key in value)
        case list(), list():
            for index in wanted:
                if isinstance(index, int) and -len(value) <= index < len(value):
                    yield value[index]
