"""logfmt: ``level=info msg="hello world"``, read and written as go-logfmt does."""

import json
import re
from json.encoder import encode_basestring

_PLAIN = re.compile(r'[^\x00-\x20="\ufffd]*')  # what needs no quotes as a value and may stand in a key


def read_logfmt(text: str) -> tuple[list[tuple[str, str]], bool]:
    """The pairs of a line up to where it stops being logfmt, and whether all of it is. A key alone has no value."""
    pairs: list[tuple[str, str]] = []
    at, size = 0, len(text)
    while True:
        while at < size and text[at] <= " ":
            at += 1
        start = at
        while at < size and text[at] > " " and text[at] not in '="':
            at += 1
        key = text[start:at]
        if not key or (at < size and text[at] == '"'):
            return pairs, at >= size
        if at >= size or text[at] != "=":
            pairs.append((key, ""))
            continue
        at += 1
        if text.startswith('"', at):
            value, at = _quoted(text, at)
            if value is None or (at < size and text[at] > " "):
                return pairs, False
        else:
            start = at
            while at < size and text[at] > " " and text[at] not in '="':
                at += 1
            if at < size and text[at] > " ":
                return pairs, False
            value = text[start:at]
        pairs.append((key, value))


def _quoted(text: str, at: int) -> tuple[str | None, int]:
    """The value in quotes that begins at ``at``, and the position behind it; None if it does not end."""
    end = at + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        return None, end
    raw = text[at : end + 1]
    if "\\" not in raw:
        return raw[1:-1], end + 1
    try:
        return str(json.loads(raw, strict=False)), end + 1
    except ValueError:
        return None, end


def write_logfmt(pairs: list[tuple[str, str]]) -> str:
    """A line of pairs. What cannot stand in a key is left out of it; a pair whose key is then empty is left out."""
    parts = []
    for key, value in pairs:
        name = key if _PLAIN.fullmatch(key) else "".join([char for char in key if _PLAIN.fullmatch(char)])
        if name:
            parts.append(f"{name}={value if _PLAIN.fullmatch(value) and value != 'null' else encode_basestring(value)}")
    return " ".join(parts)
