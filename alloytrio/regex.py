"""Regular expressions with RE2's syntax and semantics, on bytes.

Every expression in a configuration (relabel rules, stages, selectors) is compiled here. Where ``google-re2`` has no
wheel, Python's ``re`` stands in behind a translation that refuses what RE2 does not have, so that a configuration
which loads on one machine loads on the other.

Source: https://github.com/google/re2/wiki/Syntax, Go's ``regexp``.
"""

from collections.abc import Callable, Mapping, Sequence

from alloytrio.regex_fallback import compile_with_re

try:
    import re2
except ImportError:  # no wheel for this platform
    re2 = None

Span = tuple[int, int]
"""Start and end of a group in bytes; ``(-1, -1)`` for a group that took no part."""

Spans = Sequence[Span]
"""Of the whole match, then of each group."""

_NO_MATCH: Span = (-1, -1)


class Regex:
    """A compiled expression. Make one with :func:`compile_regex`.

    Args:
        pattern: as the user wrote it.
        names: group names and their numbers.
        groups: number of groups.
        search: ``(data, start)`` → the spans of the leftmost match from ``start`` on, or None.
        fullmatch: ``data`` → the spans if all of it matches, or None.
    """

    __slots__ = ("fullmatch", "groups", "names", "pattern", "search")

    def __init__(
        self,
        pattern: str,
        names: Mapping[str, int],
        groups: int,
        search: Callable[[bytes, int], Spans | None],
        fullmatch: Callable[[bytes], Spans | None],
    ) -> None:
        self.pattern = pattern
        self.names = dict(names)
        self.groups = groups
        self.search = search
        self.fullmatch = fullmatch

    def __repr__(self) -> str:
        return f"Regex({self.pattern!r})"


def group_of(data: bytes, spans: Spans, number: int) -> bytes:
    """The bytes of a group; empty for one that took no part or does not exist."""
    if number >= len(spans):
        return b""
    start, end = spans[number]
    return data[start:end] if start >= 0 else b""


def compile_regex(pattern: str, *, dot_matches_newline: bool = False) -> Regex:
    """Compile an expression.

    Args:
        pattern: RE2 syntax.
        dot_matches_newline: as if wrapped in ``(?s:…)``, which is what relabel rules do.

    Raises:
        ValueError: RE2 does not take it; the message says why.
    """
    if "\\C" in pattern.replace("\\\\", ""):
        raise ValueError(f"not an RE2 expression: {pattern!r}: \\C (a single byte) is not supported")
    text = f"(?s:{pattern})" if dot_matches_newline else pattern
    if re2 is None:
        names, groups, search, fullmatch = compile_with_re(text, pattern)
        return Regex(pattern, names, groups, search, fullmatch)
    return _compile_with_re2(text, pattern)


def _compile_with_re2(text: str, pattern: str) -> Regex:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text.encode(), options)
    except re2.error as exc:
        reason = exc.args[0]
        raise ValueError(
            f"not an RE2 expression: {pattern!r}: {reason.decode() if isinstance(reason, bytes) else reason}"
        ) from exc
    # The public methods make a generator and a match object per call: 6 µs; the matcher below them takes 2 µs.
    match = compiled._regexp.Match
    unanchored, both = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_BOTH

    def search(data: bytes, start: int = 0) -> Spans | None:
        spans: Spans = match(unanchored, data, start, len(data))
        return None if spans[0] == _NO_MATCH else spans

    def fullmatch(data: bytes) -> Spans | None:
        spans: Spans = match(both, data, 0, len(data))
        return None if spans[0] == _NO_MATCH else spans

    names = {name.decode(): number for name, number in compiled.groupindex.items()}
    return Regex(pattern, names, compiled.groups, search, fullmatch)
