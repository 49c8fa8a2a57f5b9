"""The functions that templates have: Alloy's own, Go's for conditions, and the text functions of sprig.

Each entry is (fewest arguments, most arguments, function). The argument that is piped in comes last, so sprig's
``replace`` is ``replace(old, new, text)`` while Alloy's ``Replace`` is ``Replace(text, old, new, n)``.
Source: Alloy ``stages/template.go``, https://masterminds.github.io/sprig/strings.html.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from functools import lru_cache

from alloytrio.regex import Regex, compile_regex
from alloytrio.relabel import Expansion

_MANY = 100
_MAX_TEXT = 1 << 20  # a repeat or an indent must not make a line of any size


class TemplateError(Exception):
    """A function was given what it cannot take. The stage leaves the entry as it was, as in Alloy."""


class MissingType:
    """The type of ``Missing``."""

    def __repr__(self) -> str:
        return "<no value>"

    def __bool__(self) -> bool:
        return False


Missing = MissingType()
"""What a name that does not exist evaluates to."""


def to_text(value: object) -> str:
    """How a value prints."""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)


def _text(value: object) -> str:
    if type(value) is not str:
        raise TemplateError(f"wrong type of value: {value!r}, a text is needed")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TemplateError(f"wrong type of value: {value!r}, a whole number is needed")
    return value


@lru_cache(maxsize=64)
def _regex(pattern: str) -> Regex:
    try:
        return compile_regex(pattern)
    except ValueError as exc:
        raise TemplateError(str(exc)) from exc


def _regex_replace(pattern: object, text: object, replacement: object, *, literal: bool) -> str:
    regex = _regex(_text(pattern))
    expansion = Expansion(_text(replacement), regex)
    data, out, at, start = _text(text).encode(errors="surrogateescape"), [], 0, 0
    while start <= len(data):
        spans = regex.search(data, start)
        if spans is None:
            break
        begin, end = spans[0]
        out.append(data[at:begin])
        new = _text(replacement) if literal else expansion.expand(data, spans)
        out.append(new.encode(errors="surrogateescape"))
        at = end
        start = end if end > begin else end + 1
    out.append(data[at:])
    return b"".join(out).decode(errors="surrogateescape")


def _replace(text: object, old: object, new: object, count: object) -> str:
    return _text(text).replace(_text(old), _text(new), _whole(count))


def _sha3(salt: object, text: object) -> str:
    return hashlib.sha3_256((_text(salt) + _text(text)).encode(errors="surrogateescape")).hexdigest()


def _sha2(salt: object, text: object) -> str:
    return hashlib.sha256((_text(salt) + _text(text)).encode(errors="surrogateescape")).hexdigest()


def _trunc(size: object, text: object) -> str:
    count = _whole(size)
    return _text(text)[count:] if count < 0 else _text(text)[:count]


def _substr(start: object, end: object, text: object) -> str:
    first, last, whole = _whole(start), _whole(end), _text(text)
    return whole[max(first, 0) : len(whole) if last < 0 else last]


def _default(fallback: object, value: object = Missing) -> object:
    return value or fallback


def _coalesce(*values: object) -> object:
    return next((value for value in values if value), Missing)


def _equal(first: object, *others: object) -> bool:
    return any(first == other for other in others)


def _and(*values: object) -> object:
    return next((value for value in values if not value), values[-1])


def _or(*values: object) -> object:
    return next((value for value in values if value), values[-1])


def _repeat(count: object, text: object) -> str:
    times = max(_whole(count), 0)
    if times * len(_text(text)) > _MAX_TEXT:
        raise TemplateError(f"repeat would make more than {_MAX_TEXT} characters")
    return _text(text) * times


def _b64dec(text: object) -> str:
    try:
        return base64.b64decode(_text(text), validate=True).decode(errors="surrogateescape")
    except binascii.Error as exc:
        raise TemplateError(str(exc)) from exc


def _quote(*texts: object) -> str:
    return " ".join('"' + to_text(text).replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)


def _title(text: object) -> str:
    return " ".join([word[:1].upper() + word[1:] for word in _text(text).split(" ")])


Function = Callable[..., object]

FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    # Alloy
    "ToLower": (1, 1, lambda text: _text(text).lower()),
    "ToUpper": (1, 1, lambda text: _text(text).upper()),
    "Replace": (4, 4, _replace),
    "Trim": (2, 2, lambda text, cutset: _text(text).strip(_text(cutset))),
    "TrimLeft": (2, 2, lambda text, cutset: _text(text).lstrip(_text(cutset))),
    "TrimRight": (2, 2, lambda text, cutset: _text(text).rstrip(_text(cutset))),
    "TrimPrefix": (2, 2, lambda text, prefix: _text(text).removeprefix(_text(prefix))),
    "TrimSuffix": (2, 2, lambda text, suffix: _text(text).removesuffix(_text(suffix))),
    "TrimSpace": (1, 1, lambda text: _text(text).strip()),
    "regexReplaceAll": (3, 3, lambda *args: _regex_replace(*args, literal=False)),
    "regexReplaceAllLiteral": (3, 3, lambda *args: _regex_replace(*args, literal=True)),
    "Hash": (2, 2, _sha3),
    "Sha2Hash": (2, 2, _sha2),
    # sprig
    "lower": (1, 1, lambda text: _text(text).lower()),
    "upper": (1, 1, lambda text: _text(text).upper()),
    "title": (1, 1, _title),
    "trim": (1, 1, lambda text: _text(text).strip()),
    "trimAll": (2, 2, lambda cutset, text: _text(text).strip(_text(cutset))),
    "trimPrefix": (2, 2, lambda prefix, text: _text(text).removeprefix(_text(prefix))),
    "trimSuffix": (2, 2, lambda suffix, text: _text(text).removesuffix(_text(suffix))),
    "replace": (3, 3, lambda old, new, text: _text(text).replace(_text(old), _text(new))),
    "contains": (2, 2, lambda part, text: _text(part) in _text(text)),
    "hasPrefix": (2, 2, lambda prefix, text: _text(text).startswith(_text(prefix))),
    "hasSuffix": (2, 2, lambda suffix, text: _text(text).endswith(_text(suffix))),
    "trunc": (2, 2, _trunc),
    "substr": (3, 3, _substr),
    "repeat": (2, 2, _repeat),
    "nospace": (1, 1, lambda text: "".join(_text(text).split())),
    "quote": (1, _MANY, _quote),
    "squote": (1, 1, lambda text: f"'{to_text(text)}'"),
    "cat": (1, _MANY, lambda *values: " ".join(to_text(value) for value in values if value is not Missing)),
    "default": (1, 2, _default),
    "coalesce": (1, _MANY, _coalesce),
    "empty": (1, 1, lambda value: not value),
    "ternary": (3, 3, lambda yes, no, test: yes if test else no),
    "b64enc": (1, 1, lambda text: base64.b64encode(_text(text).encode(errors="surrogateescape")).decode()),
    "b64dec": (1, 1, _b64dec),
    "sha256sum": (1, 1, lambda text: _sha2("", text)),
    # Go, for conditions
    "eq": (2, _MANY, _equal),
    "ne": (2, 2, lambda first, second: first != second),
    "not": (1, 1, lambda value: not value),
    "and": (1, _MANY, _and),
    "or": (1, _MANY, _or),
    "len": (1, 1, lambda text: len(_text(text).encode(errors="surrogateescape"))),
}
