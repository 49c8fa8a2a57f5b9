"""``string.format``: Go's ``fmt.Sprintf`` for the values that Alloy has.

Where Go would write ``%!d(string=x)`` into the text, this is an error: such a text helps nobody.
"""

import math
import re
from collections.abc import Callable, Sequence

from alloytrio.config.alloy.literals import quote, to_bytes
from alloytrio.config.alloy.values import EvaluationError, Template, Value, join, type_name

_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d*))?(.?)", re.DOTALL)
_MAX_WIDTH = 1000
"""Wider is a slip, and a way to fill memory."""
_INTEGERS = {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}


def format_text(form: str, arguments: Sequence[Value], known: Callable[[str | Template], str]) -> str | Template:
    """The text of a format.

    Args:
        form: with verbs such as ``%s``.
        arguments: one for each verb but ``%%``.
        known: puts the environment into a text; plain ``%s`` and ``%v`` do without.

    Raises:
        EvaluationError: wrong verb, wrong type, too many or too few arguments.
    """
    parts: list[str | Template] = []
    rest = list(arguments)
    at = 0
    for match in _VERB.finditer(form):
        parts.append(form[at : match.start()])
        at = match.end()
        flags, width, precision, verb = match.groups()
        if verb == "%":
            parts.append("%")
            continue
        if not verb:
            raise EvaluationError("string.format: the format ends within a verb", "write %% for a percent sign")
        if not rest:
            raise EvaluationError(f"string.format: there is no value for %{verb}")
        value = rest.pop(0)
        if isinstance(value, Template) and verb in "sv" and not flags + width and precision is None:
            parts.append(value)
            continue
        shown = _verb(verb, flags, precision, known(value) if isinstance(value, Template) else value)
        parts.append(_pad(shown, flags, int(width or 0), value))
    parts.append(form[at:])
    if rest:
        raise EvaluationError(f"string.format: {len(rest)} values more than verbs")
    return join(parts)


def _verb(verb: str, flags: str, precision: str | None, value: Value) -> str:
    digits = int(precision or 0) if precision is not None else None
    if digits is not None and digits > _MAX_WIDTH:
        raise EvaluationError(f"string.format: a precision above {_MAX_WIDTH}")
    match value:
        case str() if verb in "sv":
            return value[:digits]
        case str() if verb == "q":
            return quote(value[:digits])
        case str() if verb in "xX":
            text = to_bytes(value[:digits]).hex()
            return text.upper() if verb == "X" else text
        case bool() if verb in "tv":
            return "true" if value else "false"
        case int() if not isinstance(value, bool) and verb == "v":
            return _signed(str(value), flags)
        case int() if not isinstance(value, bool) and verb in _INTEGERS:
            prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
            sign = "-" if value < 0 else ""
            return _signed(f"{sign}{prefix}{format(abs(value), _INTEGERS[verb]).zfill(digits or 0)}", flags)
        case float() if verb in "vgGeEfF":
            return _signed(_float(verb, digits, value), flags)
        case list() | dict() | None if verb == "v":
            return _go_value(value)
    raise EvaluationError(f"string.format: %{verb} does not fit a value of type {type_name(value)}")


def _float(verb: str, digits: int | None, value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if verb in "fFeE":
        text = format(value, f".{6 if digits is None else digits}{verb.lower()}")
        return text.upper() if verb == "E" else text
    if digits is None:
        return format_float(value)
    text = format(value, f".{digits or 1}g")
    return text.upper() if verb == "G" else text


def format_float(value: float) -> str:
    """A float as Go's ``%v`` writes it: shortest digits, an exponent below 1e-4 and from 1e21."""
    mantissa, _, exponent = format(value, ".17e").partition("e")
    shortest = repr(value)
    if value == 0 or -4 <= int(exponent) < 21:
        text = shortest if "e" not in shortest else format(value, "f" if abs(value) >= 1 else f".{20}f").rstrip("0")
        return text.removesuffix(".0").rstrip(".") if "." in text else text
    digits = next(text for precision in range(18) if float(text := format(value, f".{precision}e")) == value)
    mantissa, _, exponent = digits.partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0').zfill(2)}"


def _go_value(value: Value) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(map(_go_value, value))}]"
        case dict():
            return "map[" + " ".join(f"{key}:{_go_value(value[key])}" for key in sorted(value)) + "]"
        case float():
            return format_float(value)
        case str() | int():
            return str(value)
    raise EvaluationError(f"string.format: %v does not fit a value of type {type_name(value)}")


def _signed(text: str, flags: str) -> str:
    if text[0] in "+-":
        return text
    return f"+{text}" if "+" in flags else f" {text}" if " " in flags else text


def _pad(text: str, flags: str, width: int, value: Value) -> str:
    if width > _MAX_WIDTH:
        raise EvaluationError(f"string.format: a width above {_MAX_WIDTH}")
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and isinstance(value, (int, float)):
        return text.zfill(width)
    return text.rjust(width)
