"""How one of our own log lines looks: logfmt or JSON, always one line of printable text.

In: an event dictionary of structlog. Out: a line without its newline.
A value may come from a peer (a backend's words, a container's name), so every control character, line separator and
direction mark is escaped: nothing that is logged can forge a line or drive a terminal.
Source: https://brandur.org/logfmt; key names and order are Alloy's (``ts``, ``level``, ``msg``).
"""

import json
import re
from collections.abc import Mapping

from pydantic import SecretStr

SECRET = "(secret)"
"""What is shown in place of a secret, as in Alloy."""

FIRST_KEYS = ("ts", "level", "msg")

# C0 and C1 controls, DEL, line and paragraph separators, direction marks, zero-width characters, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_BARE = re.compile(r"[^\s\"=\\]+")
_NOT_KEY = re.compile(r"[^A-Za-z0-9_.\-]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    """The text with each unprintable character written as ``\\n``, ``\\x1b`` or ``\\u2028``."""
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def plain(value: object, max_length: int) -> str:
    """The value as text of at most ``max_length`` characters; a secret at any depth is hidden.

    What was cut off is said: ``"abc… (12 more)"``.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, SecretStr):
        text = SECRET
    elif isinstance(value, bytes | bytearray | memoryview):
        text = bytes(value[: max_length + 1]).decode("utf-8", "backslashreplace")
    elif isinstance(value, BaseException):
        text = f"{type(value).__name__}: {value}" if str(value) else type(value).__name__
    else:
        text = str(value)  # SecretStr inside a container shows its stars
    if len(text) > max_length:
        text = f"{text[:max_length]}… ({len(text) - max_length} more)"
    return text


def logfmt(fields: Mapping[str, str]) -> str:
    """``ts=… level=info msg="queue is full" component_id=otelcol.exporter.otlp.tempo``."""
    return " ".join(f"{_NOT_KEY.sub('_', key)}={_logfmt_value(value)}" for key, value in _ordered(fields))


def _logfmt_value(value: str) -> str:
    if _BARE.fullmatch(value) and not _UNPRINTABLE.search(value):
        return value
    return '"' + escape(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def json_line(fields: Mapping[str, str]) -> str:
    """The same as one JSON object, ASCII only, so that no terminal or log store can stumble."""
    return json.dumps(dict(_ordered(fields)))


def _ordered(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    first = [(key, fields[key]) for key in FIRST_KEYS if key in fields]
    return first + [(key, value) for key, value in fields.items() if key not in FIRST_KEYS]
