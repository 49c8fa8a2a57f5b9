"""A configuration file as text that may be shown: every secret hidden, line by line where it was.

In: a text in TOML or in Alloy's language, and what was loaded from it. Out: the same number of lines.
Errors: none; what cannot be understood is hidden.

Four nets, one behind the other: a literal that stands where a secret belongs; a text that holds the value of a secret;
a password in a URL; a comment that may hold an assignment. For a file that cannot be loaded nobody knows what is a
secret: its lines are shown where they are those that run, elsewhere every literal is hidden.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from pydantic import SecretBytes, SecretStr

from alloytrio.config.alloy.files import is_alloy
from alloytrio.config.load import LoadedConfig
from alloytrio.config.positions import KeyPath, scan
from alloytrio.telemetry.render import SECRET

HIDDEN = "…"
MIN_SECRET_LENGTH = 4  # shorter ones are hidden where they stand, but not looked for everywhere

_USERINFO = re.compile(r"://[^/@\s\"'`]*@")
_IN_COMMENT = re.compile(r"[=:\"'`]")

Stretch = tuple[int, int]
"""Offsets in a text, the end exclusive."""

Parts = tuple[list[list[Stretch]], list[Stretch], bool]
"""Literals in groups (of TOML each a group of its own), comments, and whether all was read."""


def shown_source(loaded: LoadedConfig) -> str:
    """The text of a configuration that was loaded."""
    secrets = dict(secrets_of(loaded))
    text = loaded.source_text.replace("\r\n", "\n")
    keys = [position for path, position in loaded.positions().items() if path in secrets]
    starts = _line_starts(text)
    offsets = [starts[position.line - 1] + position.column - 1 for position in keys if position.line <= len(starts)]
    literals, comments = _parts(text, loaded.path)[:2]
    hidden = [stretch for offset in offsets for stretch in _behind(offset, literals)]
    return _finish(_hide(text, hidden, SECRET, comments), secrets.values())


def shown_broken_source(text: str, path: PurePath | None, running_text: str, running_shown: str) -> str:
    """The text of a file that cannot be loaded.

    Args:
        text: of the file.
        path: tells its language.
        running_text, running_shown: of what runs: its lines may be shown.
    """
    text = text.replace("\r\n", "\n")
    literals, comments, is_complete = _parts(text, path)
    everything = [stretch for group in literals for stretch in group]
    hidden_lines = _hide(text, everything, HIDDEN, comments).split("\n")
    known = dict(zip(running_text.replace("\r\n", "\n").split("\n"), running_shown.split("\n"), strict=False))
    lines = [
        known.get(line, hidden if is_complete else HIDDEN if line.strip() else "")
        for line, hidden in zip(text.split("\n"), hidden_lines, strict=True)
    ]
    return _finish("\n".join(lines), ())


def without_userinfo(text: str) -> str:
    """A text in which a URL's name and password are hidden."""
    return _USERINFO.sub(f"://{SECRET}@", text)


def secrets_of(loaded: LoadedConfig) -> Iterator[tuple[KeyPath, str]]:
    """Every secret of a configuration that is not empty: its path in the file, and its value."""
    settings = loaded.settings
    roots: dict[KeyPath, object] = {
        tuple(component_id.split(".")): config.model_dump(by_alias=True)
        for component_id, config in settings.components.items()
    }
    for table in ("service", "admin", "storage", "logging"):
        roots[(table,)] = getattr(settings, table).model_dump(by_alias=True)
    waiting: list[tuple[KeyPath, object]] = list(roots.items())
    while waiting:
        path, value = waiting.pop()
        match value:
            case SecretStr():
                if value.get_secret_value():
                    yield path, value.get_secret_value()
            case SecretBytes():
                if value.get_secret_value():
                    yield path, value.get_secret_value().decode("utf-8", "replace")
            case Mapping():
                waiting += [((*path, key), inner) for key, inner in value.items()]
            case list() | tuple():
                waiting += [((*path, index), inner) for index, inner in enumerate(value)]


def _line_starts(text: str) -> list[int]:
    return [0, *(index + 1 for index, character in enumerate(text) if character == "\n")]


def _parts(text: str, path: PurePath | None) -> Parts:
    if path is not None and is_alloy(path):
        from alloytrio.admin.alloy_parts import alloy_parts  # a language that most configurations do not use

        return alloy_parts(text)
    found = scan(text)
    literals = [[(span.start, span.end)] for span in found.scalars]
    return literals, [(span.start, span.end) for span in found.comments], found.complete


def _behind(offset: int, literals: Iterable[Sequence[Stretch]]) -> Sequence[Stretch]:
    """The first group of literals that begins at or behind a key."""
    return next((group for group in literals if group[0][0] >= offset), ())


def _hide(text: str, hidden: Collection[Stretch], mark: str, comments: Collection[Stretch]) -> str:
    """The text with stretches replaced; each keeps its line ends, so that every line stays where it was."""
    replaced: list[tuple[Stretch, str]] = [(stretch, f'"{mark}"') for stretch in hidden]
    for start, end in comments:
        if _IN_COMMENT.search(text, start, end):
            sign = "#" if text[start] == "#" else "//"
            replaced.append(((start, end), f"{sign} {HIDDEN}"))
    shown, at = "", 0
    for (start, end), words in sorted(set(replaced)):
        if start >= at:
            shown += text[at:start] + words + "\n" * text.count("\n", start, end)
            at = end
    return shown + text[at:]


def _finish(text: str, secrets: Iterable[str]) -> str:
    """Hide what slipped through: values of secrets wherever they stand, and passwords in URLs."""
    for value in sorted(set(secrets), key=len, reverse=True):
        if len(value) >= MIN_SECRET_LENGTH and "\n" not in value:
            text = text.replace(value, SECRET)
    return without_userinfo(text)
