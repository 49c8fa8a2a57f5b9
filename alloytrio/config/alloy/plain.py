"""Values of expressions → what stands in a TOML file, by the type of the argument.

Source: Alloy ``syntax/internal/value/decode.go``: numbers become strings and strings numbers, but nothing becomes a
list, and a bool is only a bool; null is the type's zero.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from alloytrio.config.alloy.go_format import format_float
from alloytrio.config.alloy.operators import is_number
from alloytrio.config.alloy.schema.kinds import EDGES, Type
from alloytrio.config.alloy.values import EvaluationError, Reference, Template, Value, escape, type_name
from alloytrio.values import parse_duration, parse_size

Plain = bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What a TOML file can hold (dates left out)."""

_ELEMENTS = {Type.STRINGS: Type.STRING, Type.DURATIONS: Type.DURATION, Type.NUMBERS: Type.NUMBER}
_FIELDS = {Type.MAP: Type.STRING, Type.SECRET_MAP: Type.SECRET, Type.LISTS_MAP: Type.STRINGS}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ZEROS: dict[Type, Plain] = {Type.BOOL: False, Type.NUMBER: 0, Type.DURATION: "0s", Type.SIZE: "0B"}
SHORT_EXPORTS = ("input", "receiver", "handler")
"""An edge to one of these is written without it, as our own examples do."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How values are written.

    Args:
        unset_is_empty: an unset environment variable is empty, as in Alloy, and no error.
        follow: what a reference in an attribute of this name stands for, behind components that are left out.
        attribute: the name.
    """

    unset_is_empty: bool
    follow: Callable[[Reference, str], list[Reference]]
    attribute: str = ""

    def live(self, reference: Reference) -> list[Reference]:
        """What a reference stands for."""
        return self.follow(reference, self.attribute)


def plain(value: Value, wanted: Type, writing: Writing) -> Plain:
    """A value as it stands in a TOML file.

    Raises:
        EvaluationError: it has another type; the error has no span.
    """
    if wanted in EDGES:
        return _edges(value, wanted, writing)
    if wanted in _ELEMENTS:
        elements = [] if value is None else value
        if not isinstance(elements, list):
            raise _expected(wanted, value)
        return [plain(each, _ELEMENTS[wanted], writing) for each in elements]
    if wanted in _FIELDS:
        fields = {} if value is None else value
        if not isinstance(fields, dict):
            raise _expected(wanted, value)
        return {_key(key): plain(each, _FIELDS[wanted], writing) for key, each in fields.items()}
    if value is None:
        return _ZEROS.get(wanted, "")
    return _scalar(value, wanted, writing)


def _key(key: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in key):
        raise EvaluationError("a key that is not UTF-8 cannot be written")
    return key


def _expected(wanted: Type, value: Value) -> EvaluationError:
    return EvaluationError(f"expected {wanted.value}, got {type_name(value)}")


def _scalar(value: Value, wanted: Type, writing: Writing) -> Plain:
    if isinstance(value, Template):
        if wanted is Type.BOOL:
            raise _expected(wanted, value)
        return value.written(unset_is_empty=writing.unset_is_empty)
    match wanted:
        case Type.BOOL if isinstance(value, bool):
            return value
        case Type.NUMBER if is_number(value):
            return int(value) if value == int(value) else value
        case Type.NUMBER if isinstance(value, str):
            return _number(value)
        case Type.DURATION if is_number(value):
            raise EvaluationError("a duration needs a unit", 'write it as a string, such as "5s"')
        case Type.STRING | Type.SECRET | Type.DURATION | Type.SIZE if isinstance(value, str):
            return escape(_utf8(value))
        case Type.STRING | Type.SECRET | Type.SIZE if is_number(value):
            return str(value) if isinstance(value, int) else format_float(value)
    raise _expected(wanted, value)


def _number(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    raise EvaluationError("expected a number, got a string that is none")


def _utf8(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise EvaluationError("a string that is not UTF-8 cannot be written")
    return text


def _edges(value: Value, wanted: Type, writing: Writing) -> Plain:
    if wanted in (Type.RULES, Type.HANDLER):
        if not isinstance(value, Reference):
            raise _expected(wanted, value)
        return next((edge(found) for found in writing.live(value)), "")
    if isinstance(value, Reference):
        if wanted is not Type.TARGETS:
            raise EvaluationError(f"expected {wanted.value}, got one", f"put it into brackets: [{_source(value)}]")
        live = [edge(each) for each in writing.live(value)]
        return live[0] if len(live) == 1 else list(live)
    if not isinstance(value, list):
        raise EvaluationError(f"expected {wanted.value}, got {type_name(value)}", _export_hint(value))
    found: list[Plain] = []
    for each in value:
        if not isinstance(each, Reference):
            message = f"expected {wanted.value}, one element is {type_name(each)}"
            literal = wanted is Type.TARGETS and isinstance(each, dict)
            help_ = (
                "targets come from discovery.docker; fixed ones are not supported" if literal else _export_hint(each)
            )
            raise EvaluationError(message, help_)
        found += [edge(target) for target in writing.live(each)]
    return list(dict.fromkeys(map(str, found)))


def _export_hint(value: Value) -> str:
    """A component without its export is an object of references."""
    if isinstance(value, dict) and value and all(isinstance(each, Reference) for each in value.values()):
        return f"a component is named with what it exports: {', '.join(map(_source, value.values()))}"
    return ""


def _source(value: Value) -> str:
    return f"{value.component_id}.{value.export}" if isinstance(value, Reference) else ""


def edge(reference: Reference) -> str:
    """A reference as an edge of our configuration."""
    return reference.component_id if reference.export in SHORT_EXPORTS else _source(reference)


def is_equal(value: Plain, default: object, wanted: Type) -> bool:
    """Whether a value is the default, however it is written."""
    try:
        if wanted is Type.DURATION and isinstance(value, str) and isinstance(default, str):
            return parse_duration(value) == parse_duration(default)
        if wanted is Type.SIZE and isinstance(value, str) and isinstance(default, str):
            return parse_size(value) == parse_size(default)
    except ValueError:
        return False
    if default is None:
        return value in ("", [], {})
    return value == default
