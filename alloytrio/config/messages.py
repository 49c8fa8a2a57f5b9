"""Pydantic's findings in our words, without the values that it found.

Pydantic's own messages are used for nothing: some quote the input. A message that a validator of ours raised as
`ValueError` is kept, with any text of the input that it quotes taken out again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from alloytrio.config.positions import KeyPath
from alloytrio.config.problems import name_hint
from alloytrio.config.slots import Slot, fields, options_at
from alloytrio.values import format_duration, format_size

QUOTED_LENGTH = 4  # shorter texts of the input are too common in any message to be taken out, and no secrets


class Finding:
    """What is wrong at one path of a table.

    Args:
        path: from the table that was validated.
        message: what is wrong there, without values.
        hint: what is allowed there.
    """

    def __init__(self, path: KeyPath, message: str, hint: str = "") -> None:
        self.path = path
        self.message = message
        self.hint = hint


def findings(model: type[BaseModel], table: object, errors: Sequence[ErrorDetails]) -> list[Finding]:
    """Pydantic's errors about one table, one per path.

    A list whose elements are wrong is to pydantic also one that lacks elements: that is left out.

    Args:
        model: the model of the table.
        table: what was validated.
        errors: with ``loc`` relative to the table.
    """
    by_path: dict[KeyPath, list[Finding]] = {}
    for error in errors:
        path = _real_path(error, table)
        by_path.setdefault(path, []).append(_finding(model, table, path, error))
    wrong_inside = {path[:length] for path in by_path for length in range(len(path))}
    lacking = {_real_path(error, table) for error in errors if error["type"] == "too_short"}
    return [_merged(several) for path, several in by_path.items() if path not in lacking & wrong_inside]


def mistyped(model: type[BaseModel], table: object) -> Iterator[Finding]:
    """What pydantic would convert though a user can hardly have meant it: ``size = true``, ``count = "5"``."""
    yield from _mistyped(Slot(model), table, ())


def _mistyped(slot: Slot, value: object, path: KeyPath) -> Iterator[Finding]:
    options = list(slot.options())
    if isinstance(value, Mapping):
        for key, inner in value.items():
            for option in options:
                below = fields(option.model).get(key) if option.model is not None else option.map_value
                if below is not None:
                    yield from _mistyped(below, inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for option in options:
                if option.element is not None:
                    yield from _mistyped(option.element, inner, (*path, index))
    elif options and all(_would_convert(option, value) for option in options):
        yield Finding(path, _merged([Finding(path, f"must be {_described(option)}") for option in options]).message)


def _would_convert(option: Slot, value: object) -> bool:
    if isinstance(value, bool):
        return option.annotation in (int, float)
    if isinstance(value, (int, float)):
        return option.annotation is bool
    return isinstance(value, str) and option.annotation in (int, float, bool) and not _written_with_unit(option)


def _real_path(error: ErrorDetails, table: object) -> KeyPath:
    """Where an error is, without what pydantic adds to ``loc`` for unions and validators."""
    path: KeyPath = ()
    value = table
    for index, part in enumerate(error["loc"]):
        missing = error["type"] == "missing" and index + 1 == len(error["loc"])
        if missing or _has(value, part):
            path = (*path, part)
            value = _at(value, (part,))
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        path = (*path, _tag_key(error))
    return path


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _tag_key(error: ErrorDetails) -> str:
    """The key by which one of several models is chosen."""
    return str(error.get("ctx", {}).get("discriminator", "")).strip("'").removesuffix("()")


def _merged(several: list[Finding]) -> Finding:
    """One finding of those about the same place, as a union of types gives."""
    messages = list(dict.fromkeys(each.message for each in several))
    first = several[0]
    if len(messages) == 1 or not all(message.startswith("must be ") for message in messages):
        return first
    message = " or ".join([messages[0], *(message.removeprefix("must be ") for message in messages[1:])])
    return Finding(first.path, message, first.hint)


def _finding(model: type[BaseModel], table: object, path: KeyPath, error: ErrorDetails) -> Finding:
    kind = error["type"]
    if kind == "missing":
        return Finding(path, "is required, but missing")
    if kind == "extra_forbidden":
        allowed = [key for option in options_at(model, path[:-1]) if option.model for key in fields(option.model)]
        return Finding(path, "unknown key", name_hint(str(path[-1]), dict.fromkeys(allowed)))
    options = options_at(model, path)
    if kind in ("value_error", "assertion_error"):
        cause = error.get("ctx", {}).get("error")
        return Finding(path, _unquoted(str(cause), _at(table, path)) or "is not valid")
    if kind == "union_tag_not_found":
        return Finding(path, "is required, but missing")
    if kind == "union_tag_invalid":
        expected = str(error.get("ctx", {}).get("expected_tags", "")).replace("'", '"')
        return Finding(path, f"must be one of {expected}")
    if kind in _BOUNDS:
        text, key = _BOUNDS[kind]
        return Finding(path, text.format(_bound(options, error.get("ctx", {}).get(key))))
    described = " or ".join(dict.fromkeys(_described(option) for option in options)) or "of another type"
    return Finding(path, f"must be {described}", _list_hint(options, _at(table, path)))


_BOUNDS = {
    "greater_than": ("must be greater than {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "multiple_of": ("must be a multiple of {}", "multiple_of"),
    "string_too_short": ("must have {} or more characters", "min_length"),
    "string_too_long": ("must have {} or fewer characters", "max_length"),
    "too_short": ("must have {} or more elements", "min_length"),
    "too_long": ("must have {} or fewer elements", "max_length"),
    "string_pattern_mismatch": ("must match the pattern {}", "pattern"),
}


def _bound(options: list[Slot], limit: object) -> str:
    for option in options:
        written = _written_with_unit(option)
        if written is not None and isinstance(limit, (int, float)):
            return written(limit)
    return f"{limit:.15g}" if isinstance(limit, float) else str(limit)


def _written_with_unit(option: Slot) -> Callable[[float], str] | None:
    """How a number in this place is written, if not as a plain number."""
    for entry in option.metadata:
        writer: object = getattr(entry, "func", None)
        if writer is format_duration:
            return format_duration
        if writer is format_size:
            return lambda size: format_size(int(size))
    return None


def _described(option: Slot) -> str:
    if option.model is not None or option.map_value is not None:
        return "a table"
    if option.element is not None:
        return "a list"
    written = _written_with_unit(option)
    if written is not None:
        return 'a duration, such as "5s"' if written is format_duration else 'a size, such as "4MiB"'
    if get_origin(option.annotation) is Literal:
        return _one_of([str(value) for value in get_args(option.annotation)])
    members = getattr(option.annotation, "__members__", None)
    if members:
        return _one_of([str(member.value) for member in members.values()])
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(option.annotation, "a text")


def _one_of(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return f"one of {', '.join(quoted)}" if len(quoted) > 1 else quoted[0]


def _list_hint(options: list[Slot], value: object) -> str:
    if isinstance(value, Mapping) and any(option.element is not None for option in options):
        return "a list of tables is written with double brackets, [[…]]"
    return ""


def _at(table: object, path: KeyPath) -> object:
    value = table
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _unquoted(message: str, value: object) -> str:
    """A message without any text of the value it is about."""
    for text in sorted(_texts(value), key=len, reverse=True):
        for form in (text, repr(text)[1:-1]):
            if len(form) >= QUOTED_LENGTH:
                message = message.replace(form, "…")
    return message
