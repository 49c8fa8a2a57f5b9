"""The functions of ``encoding``.

Source: Alloy ``syntax/internal/stdlib/stdlib.go``; Go ``encoding/json``, ``net/url``.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote_plus, unquote_to_bytes

import yaml

from alloytrio.config.alloy.literals import from_bytes, to_bytes
from alloytrio.config.alloy.values import EvaluationError, Function, Reference, Template, TextReader, Value, type_name

MAX_VALUES = 100_000
"""In one text. YAML's aliases can make billions of a few lines."""

_ESCAPED_IN_JSON = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")


def from_json(text: str) -> Value:
    """A JSON value; numbers become floats, as in Go."""
    try:
        return _plain(json.loads(text, parse_int=float, parse_constant=_no_constant), _Budget(MAX_VALUES))
    except (ValueError, RecursionError):
        raise EvaluationError("encoding.from_json: the text is no JSON") from None


def from_yaml(text: str) -> Value:
    """A YAML value."""
    try:
        return _plain(yaml.safe_load(text), _Budget(MAX_VALUES))
    except (yaml.YAMLError, RecursionError, ValueError):
        raise EvaluationError("encoding.from_yaml: the text is no YAML") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left


def _plain(value: object, budget: _Budget) -> Value:
    budget.left -= 1
    if budget.left < 0:
        raise ValueError("too many values")
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_plain(each, budget) for each in value]
        case dict():
            return {str(key): _plain(each, budget) for key, each in value.items()}
        case _:
            return str(value)  # YAML's dates


def to_json(reader: TextReader, arguments: Sequence[Value]) -> Value:
    """An object as compact JSON with sorted keys, safe inside HTML, as Go writes it."""
    if len(arguments) != 1 or not isinstance(arguments[0], dict):
        got = type_name(arguments[0]) if len(arguments) == 1 else f"{len(arguments)} arguments"
        raise EvaluationError(f"encoding.to_json expects an object, got {got}")
    data = _for_json(arguments[0], reader.text)
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPED_IN_JSON)


def _for_json(value: Value, known: Callable[[str | Template], str]) -> object:
    match value:
        case Template():
            return known(value)
        case list():
            return [_for_json(each, known) for each in value]
        case dict():
            return {key: _for_json(each, known) for key, each in value.items()}
        case Function() | Reference():
            raise EvaluationError(f"encoding.to_json: a {type_name(value)} has no JSON form")
        case float() if value.is_integer() and abs(value) < 1e21:
            return int(value)
        case _:
            return value


def base64_encoder(*, url: bool) -> Callable[[str], str]:
    """Padded base64 in the standard or the URL alphabet."""
    encode = base64.urlsafe_b64encode if url else base64.standard_b64encode
    return lambda text: encode(to_bytes(text)).decode()


def base64_decoder(*, url: bool) -> Callable[[str], str]:
    """The way back; anything outside the alphabet is an error."""
    name = "encoding.from_URLbase64" if url else "encoding.from_base64"

    def decode(text: str) -> str:
        try:
            data = text.replace("\r", "").replace("\n", "").encode("ascii")  # Go skips line breaks
            return from_bytes(base64.b64decode(data, altchars=b"-_" if url else None, validate=True))
        except (binascii.Error, UnicodeEncodeError):
            raise EvaluationError(f"{name}: the text is no base64") from None

    return decode


def url_encode(text: str) -> str:
    """Percent-encoding for a query: a blank becomes ``+``."""
    return quote_plus(to_bytes(text), safe="")


def url_decode(text: str) -> str:
    """The way back."""
    if _PERCENT.search(text):
        raise EvaluationError("encoding.url_decode: a % without two hexadecimal digits")
    return from_bytes(unquote_to_bytes(to_bytes(text.replace("+", " "))))
