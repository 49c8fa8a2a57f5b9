"""YAML mappings → our tables, by the same schema that Alloy's blocks have, with other names for the keys."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.diagnostics import nearest
from alloytrio.config.alloy.plain import Plain, Writing, is_equal, plain
from alloytrio.config.alloy.schema.kinds import SAME, BlockSchema, Support, Type
from alloytrio.config.alloy.source import Span
from alloytrio.config.alloy.values import EvaluationError, Reference, Template, Value
from alloytrio.config.convert.toml import KeyPath
from alloytrio.config.convert.yaml_tree import Node

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)[iI]?[bB]?")
_LONG_DURATION = re.compile(r"(\d+)(y|w|d|h|m|s|ms)")
_HOURS = {"y": 8760, "w": 168, "d": 24}


@dataclass(frozen=True, slots=True)
class Words:
    """How the keys of a mapping are called in the schema.

    Args:
        renamed: key → attribute, or a path of blocks and an attribute.
        refused: keys that the schema does not know: why they are left out.
        inner: words of the mappings below, by key.
    """

    renamed: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    refused: Mapping[str, Support] = field(default_factory=dict)
    inner: "Mapping[str, Words]" = field(default_factory=dict)


NO_WORDS = Words()


class MappingReader:
    """Reads the mappings of one file.

    Args:
        taken: collects places and the report.
        text: what a string of the file means: the environment in it.
        handler: the component that an authenticator of this name is; None if there is none.
    """

    def __init__(
        self,
        taken: Taken,
        text: Callable[[str], str | Template],
        handler: Callable[[str], Reference | None] = lambda _: None,
    ) -> None:
        self._taken = taken
        self._text = text
        self._handler = handler
        self._writing = Writing(unset_is_empty=False, follow=lambda reference, _: [reference])

    def table(
        self,
        node: Node,
        schema: BlockSchema,
        path: KeyPath,
        words: Words = NO_WORDS,
        into: dict[str, Plain] | None = None,
    ) -> dict[str, Plain]:
        """The table of a mapping. Problems go to the report.

        Args:
            node: the mapping; nothing is an empty one.
            schema: what may be in it.
            path: where the table will stand.
            words: other names.
            into: a table that is filled further.
        """
        table = {} if into is None else into
        if not isinstance(node.value, dict) and node.value is not None:
            self._taken.say(node.span, f"expected a mapping, got {node.kind}")
            return table
        for key, value in node.mapping.items():
            span = node.keys[key]
            if (support := words.refused.get(key)) is not None:
                if value.value is not False and value.value is not None:
                    self._taken.leave_out(span, f'"{key}"', support)
                continue
            target = words.renamed.get(key, key)
            names = (target,) if isinstance(target, str) else target
            self._entry(value, schema, names, path, words.inner.get(key, NO_WORDS), table, span)
        return table

    def _entry(
        self,
        value: Node,
        schema: BlockSchema,
        names: Sequence[str],
        path: KeyPath,
        words: Words,
        table: dict[str, Plain],
        span: Span,
    ) -> None:
        """Puts one value at a path of names into a table."""
        name, place = names[0], (*path, names[0])
        inner = schema.block(name)
        if len(names) > 1:
            assert inner is not None, "words lead to blocks of the schema"
            below = table.setdefault(name, {})
            assert isinstance(below, dict)
            self._taken.spans.setdefault(place, span)
            self._entry(value, inner, names[1:], place, words, below, span)
            return
        if inner is not None:
            self._block(value, inner, place, words, table, span)
            return
        argument = schema.argument(name)
        if argument is None:
            known = [*(each.name for each in schema.arguments), *(each.name for each in schema.blocks)]
            self._taken.say(span, f'unknown key "{self._key(span)}"', nearest(name, known))
            return
        if argument.type is Type.HANDLER and argument.support is not SAME:
            self._taken.leave_out(span, f'"{self._key(span)}"', argument.support)
            return
        try:
            written = self.value(value, argument.type)
        except EvaluationError as error:
            self._taken.say(value.span if value.span.end > value.span.start else span, error.message, error.help)
            return
        if argument.support is not SAME:
            if not is_equal(written, argument.default, argument.type):
                self._taken.leave_out(span, f'"{self._key(span)}"', argument.support)
            return
        table[name] = written
        self._taken.spans[place] = span

    def _block(
        self, value: Node, schema: BlockSchema, place: KeyPath, words: Words, table: dict[str, Plain], span: Span
    ) -> None:
        self._taken.spans[place] = span
        if schema.support is not SAME:
            self._taken.leave_out(span, f'"{self._key(span)}"', schema.support)
            return
        name = str(place[-1])
        if not schema.repeated:
            below = table.setdefault(name, {})
            assert isinstance(below, dict)
            self.table(value, schema, place, words, below)
            return
        if not isinstance(value.value, list):
            self._taken.say(value.span, f"expected a list, got {value.kind}")
            return
        entries: list[Plain] = []
        for index, each in enumerate(value.items):
            self._taken.spans[(*place, index)] = each.span
            entries.append(self.table(each, schema, (*place, index), words))
        table[name] = entries

    def _key(self, span: Span) -> str:
        return self._taken.source.text[span.start : span.end]

    def value(self, node: Node, wanted: Type) -> Plain:
        """A value of the type that an argument wants.

        Raises:
            EvaluationError: it has another.
        """
        if wanted is Type.HANDLER:
            return plain(self._authenticator(node), wanted, self._writing)
        value = self._evaluated(node)
        if wanted is Type.SIZE and isinstance(value, str):
            value = _size(value)
        if wanted is Type.DURATION and isinstance(value, str):
            value = _duration(value)
        if wanted is Type.DURATION and value == 0:
            value = "0s"
        if wanted in (Type.STRING, Type.SECRET) and isinstance(value, bool):
            value = "true" if value else "false"  # a string that YAML takes for a boolean
        if wanted in (Type.MAP, Type.SECRET_MAP) and isinstance(value, dict):
            value = {key: "true" if each is True else "false" if each is False else each for key, each in value.items()}
        if wanted is Type.STRINGS and isinstance(value, str):
            value = [value]
        return plain(value, wanted, self._writing)

    def _authenticator(self, node: Node) -> Reference:
        name = node.mapping.get("authenticator", node).value
        found = self._handler(name) if isinstance(name, str) else None
        if found is None:
            raise EvaluationError("this authenticator is not here", "basicauth and bearertokenauth are")
        return found

    def _evaluated(self, node: Node) -> Value:
        match node.value:
            case dict():
                return {key: self._evaluated(each) for key, each in node.value.items()}
            case list():
                return [self._evaluated(each) for each in node.value]
            case str():
                return self._text(node.value)
            case scalar:
                return scalar


def _size(text: str) -> str:
    """Sizes count by 1024 whatever their spelling: ``8kb`` → ``8KiB``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise EvaluationError("this is no size", 'write a number and a unit, such as "4MiB"')
    return f"{match[1]}{match[2].upper()}iB" if match[2] else f"{match[1]}B"


def _duration(text: str) -> str:
    """Prometheus' durations have days, weeks and years; Go's have not."""
    if not re.search(r"[dwy]", text):
        return text
    if not re.fullmatch(rf"(?:{_LONG_DURATION.pattern})+", text):
        raise EvaluationError("this is no duration", 'write numbers and units, such as "1m30s"')
    hours = sum(int(number) * _HOURS.get(unit, 0) for number, unit in _LONG_DURATION.findall(text))
    rest = "".join(f"{number}{unit}" for number, unit in _LONG_DURATION.findall(text) if unit not in _HOURS)
    return f"{hours}h{rest}"


def label_of(name: str, taken_labels: set[str]) -> str:
    """A label out of any name, unique among those taken; it is added to them."""
    label = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_") or "default"
    label = label if label[0].isalpha() else f"x_{label}"
    unique, number = label, 2
    while unique in taken_labels:
        unique, number = f"{label}_{number}", number + 1
    taken_labels.add(unique)
    return unique
