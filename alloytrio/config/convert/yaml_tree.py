"""YAML with the place of every key and value, and the comments above keys.

Bounded: aliases are followed, but not into themselves, and only so far.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from alloytrio.config.alloy.diagnostics import AlloyError, Diagnostic
from alloytrio.config.alloy.source import Source, Span

MAX_NODES = 50_000
"""Values in a file, aliases counted as often as they are used; real files have some hundreds."""

_BEHIND_KEY = re.compile(r"^[ \t-]*(?:[\w./-]+:(?=\s|$))?[ \t]*([^\r\n]*)", re.MULTILINE)
_QUOTED = re.compile(r"'([^']*)'")
_TOKEN = re.compile(r"<[a-z ]+>|\\.+|[^\w\s]+")  # what it expected or found, an escaped sign, punctuation

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Args:
        value: a scalar, nodes by key, or a list of nodes.
        span: of the value.
        keys: for a mapping: where each key stands.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    span: Span
    keys: dict[str, Span] = field(default_factory=dict)

    @property
    def mapping(self) -> "dict[str, Node]":
        """The nodes by key; of anything else none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> "list[Node]":
        """The nodes of a list; of anything else none."""
        return self.value if isinstance(self.value, list) else []

    @property
    def kind(self) -> str:
        """How messages call the value."""
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case None:
                return "nothing"
            case bool():
                return "a boolean"
            case int() | float():
                return "a number"
            case _:
                return "a string"


class YamlError(AlloyError):
    """The text is not YAML, or not as a configuration has it."""


def read_yaml(text: str, name: str) -> tuple[Source, Node]:
    """The tree of a YAML text.

    Raises:
        YamlError: no YAML, several documents, an unusual key, a value inside itself, or too many values.
    """
    source = Source(text, name)
    source.hidden += _all_but_keys(text)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        node = _Building(source, loader).node(root) if root else Node({}, Span(0, 0))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        at = min(mark.index, len(text)) if mark else 0
        words = _QUOTED.sub(_shown, exc.problem or exc.context or "")
        raise YamlError([Diagnostic(source, Span(at, at), f"not YAML: {words}")]) from exc
    except yaml.reader.ReaderError as exc:
        raise YamlError([Diagnostic(source, Span(exc.position, exc.position), f"not YAML: {exc.reason}")]) from exc
    except (RecursionError, ValueError) as exc:
        raise YamlError(
            [Diagnostic(source, Span(0, 0), "not YAML that can be read: nested too deeply, or a bad value")]
        ) from exc
    source.hidden[:] = _may_be_secret(node, text)
    return source, node


class _Building:
    def __init__(self, source: Source, loader: yaml.SafeLoader) -> None:
        self._source = source
        self._loader = loader
        self._left = MAX_NODES
        self._open: set[int] = set()

    def node(self, node: yaml.Node) -> Node:
        span = Span(node.start_mark.index, node.end_mark.index)
        self._left -= 1
        if self._left < 0:
            raise self._error(span, f"more than {MAX_NODES} values")
        if id(node) in self._open:
            raise self._error(span, "a value that contains itself")
        self._open.add(id(node))
        try:
            return self._built(node, span)
        finally:
            self._open.discard(id(node))

    def _built(self, node: yaml.Node, span: Span) -> Node:
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(each) for each in node.value], span)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, span)
        value = self._loader.construct_object(node)
        return Node(value if value is None or isinstance(value, (str, int, float)) else str(node.value), span)

    def _mapping(self, node: yaml.MappingNode, span: Span) -> Node:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(Span(key.start_mark.index, key.end_mark.index), "a key must be a word")
            if key.value in seen and key.value != "<<":
                raise self._error(Span(key.start_mark.index, key.end_mark.index), "this key is there twice")
            seen.add(str(key.value))
        self._loader.flatten_mapping(node)
        values: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        for key, value in node.value:
            keys[key.value] = Span(key.start_mark.index, key.end_mark.index)
            values[key.value] = self.node(value)
        return Node(values, span, keys)

    def _error(self, span: Span, message: str) -> YamlError:
        return YamlError([Diagnostic(self._source, span, message)])


def _all_but_keys(text: str) -> list[Span]:
    """What of a text may be secret as long as it is not read: of each line all behind its key."""
    return [Span(match.start(1), match.end(1)) for match in _BEHIND_KEY.finditer(text) if match[1]]


def _shown(quoted: re.Match[str]) -> str:
    """What the YAML reader quotes: signs and its own words, not those of the file."""
    return quoted[0] if len(quoted[1]) < 2 or _TOKEN.fullmatch(quoted[1]) else "'…'"


def _scalars(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        at = waiting.pop()
        inner = list(at.mapping.values()) + at.items
        waiting += inner
        if not inner:
            yield at


def _may_be_secret(node: Node, text: str) -> list[Span]:
    """The texts of strings, and comments."""
    spans = {each.span for each in _scalars(node) if isinstance(each.value, str) and each.span.end > each.span.start}
    spans |= {Span(start + 1, end) for start, end in _comment_spans(node, text)}
    return sorted(spans, key=lambda span: span.start)


def _comment_spans(node: Node, text: str) -> Iterator[tuple[int, int]]:
    """Where comments stand: a ``#`` at the start of a line or behind a blank, outside of scalars."""
    scalars = sorted((each.span for each in _scalars(node)), key=lambda span: span.start)
    at = 0
    for match in re.finditer(r"(?:^|(?<=[ \t]))#[^\n]*", text, re.MULTILINE):
        while at < len(scalars) and scalars[at].end <= match.start():
            at += 1
        if at == len(scalars) or not scalars[at].start <= match.start() < scalars[at].end:
            yield match.start(), match.end()


def comments_above(source: Source, root: Node) -> dict[int, list[str]]:
    """The comments that stand on lines of their own, by the line of what follows them."""
    by_line: dict[int, str] = {}
    for start, end in _comment_spans(root, source.text):
        line = source.line_of(start)
        if not source.text[source.line_start(line) : start].strip():
            by_line[line] = source.text[start + 1 : end].removeprefix(" ").rstrip()
    found: dict[int, list[str]] = {}
    pending: list[str] = []
    for line in range(1, source.line_count + 2):
        if line in by_line:
            pending.append(by_line[line])
        elif line > source.line_count or source.line_text(line).strip():
            if pending:
                found[line] = pending
            pending = []
    return found
