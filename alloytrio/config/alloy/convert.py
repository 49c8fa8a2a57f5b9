"""An Alloy file → the tables of our configuration, in the shape that a TOML file has.

Nothing is left out silently: what is not taken over is in the report, with its place, the reason, and what to do. It
is an error, unless leaving it out changes nothing for the data; then it is a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alloytrio.config.alloy.blocks import BlockReader, Taken
from alloytrio.config.alloy.components import Outline, Place, outline
from alloytrio.config.alloy.diagnostics import AlloyError, Diagnostic, Severity
from alloytrio.config.alloy.evaluator import Evaluator, Surroundings
from alloytrio.config.alloy.parser import Document
from alloytrio.config.alloy.plain import Plain, Writing
from alloytrio.config.alloy.remarks import above
from alloytrio.config.alloy.rewrites import rewrite
from alloytrio.config.alloy.schema.kinds import Level
from alloytrio.config.alloy.schema.service import LOCAL_FILE
from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.alloy.tree import Attribute, Block, Expression
from alloytrio.config.alloy.values import EvaluationError, FileContent, Reference, Template, Value
from alloytrio.config.convert.toml import KeyPath, Remarks, nest, write_toml


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted file.

    Args:
        source: the Alloy text.
        tables: path of a header and what stands below it, in the order of the file.
        spans: where each key and list element of the tables stands in the Alloy text.
        comments: what to write beside each.
        report: what is wrong and what was not taken over, in the order of the file.
    """

    source: Source
    tables: tuple[tuple[tuple[str, ...], dict[str, Plain]], ...]
    spans: Mapping[KeyPath, Span]
    comments: Mapping[KeyPath, Remarks]
    report: tuple[Diagnostic, ...]

    @property
    def data(self) -> dict[str, object]:
        """The tables as one tree, as ``tomllib`` would give it."""
        return nest(self.tables)

    @property
    def errors(self) -> list[Diagnostic]:
        """What keeps it from being used, unless errors are bypassed."""
        return [each for each in self.report if each.severity is Severity.ERROR]

    def toml(self) -> str:
        """The tables as a TOML file, with the comments."""
        return write_toml(self.tables, self.comments)

    def check(self, *, bypass_errors: bool = False) -> None:
        """Does nothing if the file could be taken over.

        Args:
            bypass_errors: go on without what is not supported.

        Raises:
            AlloyError: with all errors.
        """
        if self.errors and not bypass_errors:
            raise AlloyError(self.errors)


def finished(tables: Sequence[tuple[tuple[str, ...], dict[str, Plain]]], taken: Taken) -> Converted:
    """What was taken over, with the report in the order of the file."""
    report = sorted(taken.report, key=lambda each: (each.source.name, each.span.start, each.span.end))
    return Converted(taken.source, tuple(tables), taken.spans, taken.comments, tuple(report))


def convert(document: Document, surroundings: Surroundings, *, unset_is_empty: bool = False) -> Converted:
    """The tables of an Alloy file, and the report. Never raises.

    Args:
        document: the parsed file.
        surroundings: the environment; without one, values that depend on it cannot be computed with.
        unset_is_empty: an unset environment variable is the empty string, as in Alloy.
    """
    taken = Taken(document.source)
    found = outline(document, taken)
    evaluator = Evaluator(found.scope, surroundings)
    reader = BlockReader(evaluator, Writing(unset_is_empty, _Following(found, evaluator).live), taken)
    for file in found.files:
        found.scope[file.id] = {"content": _content(file, reader, taken)}
    tables = []
    lost: list[str | None] = []  # comments about components that were left out, for the next table
    for place in found.places:
        if place.path is None:
            lost += _left_out(place, reader, taken)
            continue
        table = reader.table(place.block, place.schema, place.path)
        for length in range(1, len(place.path)):  # an unknown type is reported at the table above its label
            taken.spans.setdefault(place.path[:length], place.block.name_span)
        rewrite(place.block.name, table, place.path, taken)
        tables.append((place.path, table))
        if lost:
            known = taken.comments.setdefault(place.path, Remarks())
            known.above[:0], lost = [*lost, None], []
    taken.comment((), Remarks(below=lost + above(document.body.dangling)))
    for span, old, new in evaluator.old_names:
        taken.say(span, f'"{old}" is an old name', f'write "{new}"', Severity.INFO)
    return finished(tables, taken)


def _left_out(place: Place, reader: BlockReader, taken: Taken) -> list[str | None]:
    """Reports a component that is left out, unless it says nothing; the comments that tell of it."""
    block = place.block
    if place.support.level is Level.HARMLESS and block.body.statements and reader.is_default(block.body, place.schema):
        return []
    what = taken.leave_out(block.name_span, f'"{block.name}"', place.support)
    return [*above(block.comments.leading), f"{taken.source.place(block.span.start)}: {what}"]


def _content(file: Block, reader: BlockReader, taken: Taken) -> Value:
    """The content of a ``local.file``, wherever it is used: ``${file:PATH}``."""
    table = reader.body(file.body, LOCAL_FILE, (), file.name_span)
    path = table.get("filename")
    if not isinstance(path, str) or "}" in path or "${" in path:
        if path is not None:
            message = "the name of the file must be plain text without braces"
            taken.say(file.name_span, message, "write ${file:PATH} into the values that need it")
        path = "unknown"
    return Template((FileContent(path),))


class _Following:
    """References through components that are left out, to what stands behind them."""

    def __init__(self, found: Outline, evaluator: Evaluator) -> None:
        self._left_out = found.left_out
        self._evaluator = evaluator

    def live(self, reference: Reference, signal: str) -> list[Reference]:
        """The components that a reference stands for.

        Args:
            reference: as evaluated.
            signal: the attribute that holds it; below ``output`` the signal that flows.
        """
        live: list[Reference] = []
        waiting, seen = [reference], {reference}
        while waiting:
            at = waiting.pop(0)
            block = self._left_out.get(at.component_id)
            if block is None:
                live.append(at)
                continue
            behind = [each for each in self._behind(block, signal) if each not in seen]
            seen.update(behind)
            waiting += behind
        return live

    def _behind(self, block: Block, signal: str) -> list[Reference]:
        """What a component that is left out passes its data on to."""
        found: list[Reference] = []
        for statement in block.body.statements:
            match statement:
                case Attribute(name="forward_to", value=value):
                    found += self._references(value)
                case Block(name="output", body=body):
                    for each in body.statements:
                        if isinstance(each, Attribute) and each.name == signal:
                            found += self._references(each.value)
        return found

    def _references(self, expression: Expression) -> list[Reference]:
        try:
            value = self._evaluator.evaluate(expression)
        except EvaluationError:
            return []  # of what is left out nothing else is reported
        return [each for each in value if isinstance(each, Reference)] if isinstance(value, list) else []
