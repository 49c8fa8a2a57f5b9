"""Spellings of strings and numbers, and what they mean.

A string is a Python ``str``; bytes that are no UTF-8 (``"\\x80"``) are lone surrogates, as
``surrogateescape`` makes them.
Source: Go ``strconv.Unquote``, ``strconv.ParseInt(text, 0, 64)``; Alloy ``syntax/vm/vm.go``.
"""

import re

INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1

_ESCAPED = re.compile(r'\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\"]))')
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_QUOTED = {chr(code): f"\\{letter}" for letter, code in _SIMPLE.items()}


def to_bytes(text: str) -> bytes:
    """The bytes of a string value."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(data: bytes) -> str:
    """The string value of bytes; what is no UTF-8 survives a round trip."""
    return data.decode("utf-8", "surrogateescape")


def unquote(raw: str) -> str:
    """The value of a checked STRING token, quotes or backticks included."""
    body = raw[1:-1]
    if raw[0] == "`":
        return body.replace("\r", "")
    if "\\" not in body:
        return body
    result, at = bytearray(), 0
    for match in _ESCAPED.finditer(body):
        result += to_bytes(body[at : match.start()])
        octal, hexadecimal, short, long, simple = match.groups()
        if octal or hexadecimal:
            result.append(int(octal, 8) if octal else int(hexadecimal, 16))
        elif simple:
            result.append(_SIMPLE[simple])
        else:
            result += chr(int(short or long, 16)).encode()
        at = match.end()
    result += to_bytes(body[at:])
    return from_bytes(bytes(result))


def quote(value: str) -> str:
    """The double-quoted spelling of a string value: ``unquote(quote(x)) == x``."""
    return '"' + "".join(_quoted(character) for character in value) + '"'


def _quoted(character: str) -> str:
    if character in _QUOTED:
        return _QUOTED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def parse_number(text: str) -> int | float:
    """The value of a NUMBER token. A leading zero means octal; ``08`` is not octal and thus a float, as in Alloy."""
    octal = len(text) > 1 and text[0] == "0"
    try:
        value = int(text, 8 if octal else 10)
    except ValueError:
        return float(text)
    return value if value <= UINT64_MAX else float(value)
