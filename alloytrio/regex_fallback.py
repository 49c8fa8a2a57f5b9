r"""RE2 expressions on Python's ``re``, for platforms without ``google-re2``.

An expression is translated token by token. What RE2 refuses (lookaround, back-references, possessive repetition,
more than 1 000 repetitions) is refused here too; what ``re`` cannot do (``(?U)``, ``\pL``) is refused with a clear
message. One difference remains: with ``(?i)`` only ASCII letters are folded.

Matching works on bytes: they are read as UTF-8, and bytes that are none pass as lone surrogates.
"""

import re
from collections.abc import Callable, Mapping

_MAX_REPEAT = 1000  # RE2's limit, refused at load so that no expression depends on the engine

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\x0b\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SPACE = "\\t\\n\\f\\r "  # RE2's \s has no vertical tab
_FLAGS = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAME = re.compile(r"\?P?<([A-Za-z_]\w*)>", re.ASCII)
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")

_Spans = list[tuple[int, int]]
_Compiled = tuple[Mapping[str, int], int, Callable[[bytes, int], _Spans | None], Callable[[bytes], _Spans | None]]


class _Translation:
    """Walks one expression; ``out`` collects the pieces of its translation."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        # Per open group: how many brackets close it, and whether (?m) holds outside of it.
        self.groups: list[tuple[int, bool]] = [(0, False)]
        self.multi_line = False

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            step = _STEPS.get(char)
            if step is not None:
                step(self)
            else:
                self.out.append(char)
                self.at += 1
        self.out.append(")" * self.groups[0][0])
        return "".join(self.out)

    def refuse(self, what: str) -> ValueError:
        return ValueError(f"{what} at position {self.at}")

    def escape(self) -> None:
        if self.pattern.startswith("\\Q", self.at):
            end = self.pattern.find("\\E", self.at)
            literal = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.out.append(re.escape(literal))
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return
        char = self.pattern[self.at + 1 : self.at + 2]
        special = {"s": f"[{_SPACE}]", "S": f"[^{_SPACE}]", "z": "\\Z"}
        if char in special:
            self.out.append(special[char])
            self.at += 2
        elif char and char in "AbBdDwW":
            self.out.append(f"\\{char}")
            self.at += 2
        else:
            self.out.append(self.character())

    def character(self) -> str:
        """The escape at ``at`` that stands for one character, valid in and out of a class."""
        char = self.pattern[self.at + 1 : self.at + 2]
        if char == "x":
            match = re.compile(r"\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2})").match(self.pattern, self.at + 2)
            if match is None or int(match[1] or match[2], 16) > 0x10FFFF:
                raise self.refuse("invalid \\x escape")
            self.at = match.end()
            return re.escape(chr(int(match[1] or match[2], 16)))
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self.pattern, self.at + 1)
        if octal is not None:
            self.at = octal.end()
            return re.escape(chr(int(octal[0], 8)))
        if char == "":
            raise self.refuse("trailing backslash")
        if char.isascii() and char.isalnum() and char not in "afnrtv":
            raise self.refuse(f"\\{char} is not supported")
        self.at += 2
        return f"\\{char}"

    def bracket(self) -> None:
        self.out.append("[")
        self.at += 1
        if self.pattern.startswith("^", self.at):
            self.out.append("^")
            self.at += 1
        first = True
        while first or not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                raise self.refuse("missing closing ]")
            self.out.append(self.member())
            first = False
        self.out.append("]")
        self.at += 1

    def member(self) -> str:
        """One member of a bracket expression, translated."""
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at)
        if posix is not None:
            if posix[2] not in _POSIX or posix[1]:
                raise self.refuse(f"character class {posix[0]} is not supported")
            self.at = posix.end()
            return _POSIX[posix[2]]
        char = self.pattern[self.at]
        if char == "\\":
            kind = self.pattern[self.at + 1 : self.at + 2]
            if kind == "s":
                self.at += 2
                return _SPACE
            if kind and kind in "dDwW":
                self.at += 2
                return f"\\{kind}"
            return self.character()
        self.at += 1
        return f"\\{char}" if char in "[]&~|" else char

    def open(self) -> None:
        outside = self.multi_line
        if not self.pattern.startswith("(?", self.at):
            self.out.append("(")
            self.at += 1
            self.groups.append((1, outside))
            return
        if name := _NAME.match(self.pattern, self.at + 1):
            self.out.append(f"(?P<{name[1]}>")
            self.at = name.end()
            self.groups.append((1, outside))
            return
        flags = _FLAGS.match(self.pattern, self.at + 1)
        if flags is None or set((flags[1] or "") + (flags[2] or "")) - set("ims"):
            raise self.refuse(f"{self.pattern[self.at : self.at + 4]} is not supported")
        on, off, end = flags[1], flags[2], flags[3]
        self.out.append("(?" + on + (f"-{off}" if off else "") + ":")
        if end == ":":
            self.groups.append((1, outside))
        else:  # flags for the rest of this group: open one that ends together with it
            brackets, before = self.groups[-1]
            self.groups[-1] = (brackets + 1, before)
        self.multi_line = (self.multi_line or "m" in on) and "m" not in (off or "")
        self.at = flags.end()

    def close(self) -> None:
        if len(self.groups) == 1:
            raise self.refuse("unexpected )")
        brackets, self.multi_line = self.groups.pop()
        self.out.append(")" * brackets)
        self.at += 1

    def repeat(self) -> None:
        if self.pattern[self.at] == "{":
            match = _REPEAT.match(self.pattern, self.at)
            if match is None:
                self.out.append("\\{")
                self.at += 1
                return
            if max(int(match[1]), int(match[3] or 0)) > _MAX_REPEAT:
                raise self.refuse(f"more than {_MAX_REPEAT} repetitions")
            self.out.append(match[0])
            self.at = match.end()
        else:
            self.out.append(self.pattern[self.at])
            self.at += 1
        if self.pattern.startswith("?", self.at):
            self.out.append("?")
            self.at += 1
        if self.pattern[self.at : self.at + 1] in ("*", "+", "?"):
            raise self.refuse("bad repetition operator")

    def dollar(self) -> None:
        self.out.append("$" if self.multi_line else "\\Z")
        self.at += 1


_STEPS: dict[str, Callable[[_Translation], None]] = {
    "\\": _Translation.escape,
    "[": _Translation.bracket,
    "(": _Translation.open,
    ")": _Translation.close,
    "*": _Translation.repeat,
    "+": _Translation.repeat,
    "?": _Translation.repeat,
    "{": _Translation.repeat,
    "$": _Translation.dollar,
}


def compile_with_re(text: str, pattern: str) -> _Compiled:
    """Compile ``text``, which is ``pattern`` as the user wrote it with what was put around it.

    Returns:
        Group names, number of groups, search and fullmatch as in :class:`alloytrio.regex.Regex`.

    Raises:
        ValueError: RE2 would refuse it, or it cannot be translated.
    """
    try:
        compiled = re.compile(_Translation(text).run(), re.ASCII)
    except (ValueError, re.error, RecursionError, OverflowError) as exc:
        raise ValueError(f"not an RE2 expression: {pattern!r}: {exc}") from exc

    def spans_in(data: bytes, string: str, match: re.Match[str] | None) -> _Spans | None:
        if match is None:
            return None
        spans = [match.span(group) for group in range(compiled.groups + 1)]
        if len(string) == len(data):
            return spans
        return [(_byte_offset(string, start), _byte_offset(string, end)) for start, end in spans]

    def search(data: bytes, start: int = 0) -> _Spans | None:
        string = data.decode(errors="surrogateescape")
        at = len(data[:start].decode(errors="surrogateescape")) if start else 0
        return spans_in(data, string, compiled.search(string, at))

    def fullmatch(data: bytes) -> _Spans | None:
        string = data.decode(errors="surrogateescape")
        return spans_in(data, string, compiled.fullmatch(string))

    return compiled.groupindex, compiled.groups, search, fullmatch


def _byte_offset(string: str, index: int) -> int:
    return len(string[:index].encode(errors="surrogateescape")) if index >= 0 else -1
