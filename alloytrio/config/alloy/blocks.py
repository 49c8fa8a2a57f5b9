"""One block of an Alloy file → one table, by its schema; what cannot be taken over goes to the report.

Source of the rules: Alloy ``syntax/vm/struct_decoder.go``.
"""

from dataclasses import dataclass, field, replace

from alloytrio.config.alloy.diagnostics import Diagnostic, Severity, nearest
from alloytrio.config.alloy.evaluator import Evaluator
from alloytrio.config.alloy.plain import Plain, Writing, is_equal, plain
from alloytrio.config.alloy.remarks import above, remarks
from alloytrio.config.alloy.schema.kinds import SAME, Argument, BlockSchema, Level, Support, Type
from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.alloy.tree import Array, Attribute, Block, Body, Object, Statement
from alloytrio.config.alloy.values import EvaluationError
from alloytrio.config.convert.toml import KeyPath, Remarks

STAGES_KEY = "stage"


@dataclass(slots=True)
class Taken:
    """What was taken over so far, of the whole file.

    Args:
        source: the file.
        spans: where each key and list element stands.
        comments: to be written beside each.
        report: what is wrong, and what was left out.
    """

    source: Source
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    comments: dict[KeyPath, Remarks] = field(default_factory=dict)
    report: list[Diagnostic] = field(default_factory=list)

    def say(self, span: Span, message: str, help: str = "", severity: Severity = Severity.ERROR) -> None:  # noqa: A002
        """Adds to the report."""
        self.report.append(Diagnostic(*self.source.within(span), message, help, severity))

    def leave_out(self, span: Span, what: str, support: Support) -> str:
        """Reports that something is left out, and why; returns the words."""
        verb = "is not supported" if support.level is Level.UNSUPPORTED else "is left out"
        severity = Severity.ERROR if support.level is Level.UNSUPPORTED else Severity.WARNING
        message = f"{what} {verb}: {support.why}"
        self.say(span, message, support.instead, severity)
        return message

    def comment(self, path: KeyPath, added: Remarks) -> None:
        """Adds comments at a path."""
        if added == Remarks():
            return
        known = self.comments.setdefault(path, Remarks())
        known.above += added.above
        known.behind = known.behind or added.behind
        known.below += added.below


class BlockReader:
    """Reads the blocks of one file.

    Args:
        evaluator: gives values to expressions.
        writing: how values are written.
        taken: collects what was found.
    """

    def __init__(self, evaluator: Evaluator, writing: Writing, taken: Taken) -> None:
        self._evaluator = evaluator
        self._writing = writing
        self._taken = taken
        self._notes: list[str] = []  # what was left out, as comments for the table

    def table(self, block: Block, schema: BlockSchema, path: KeyPath) -> dict[str, Plain]:
        """The table of a block. Its own comments go to ``path``; problems to the report."""
        taken = self._taken
        taken.spans[path] = block.name_span
        taken.comment(path, remarks(block.comments.leading, (block.opening, block.comments.trailing)))
        return self.body(block.body, schema, path, block.name_span)

    def body(self, body: Body, schema: BlockSchema, path: KeyPath, name_span: Span) -> dict[str, Plain]:
        """The table of what stands between the braces."""
        table: dict[str, Plain] = {}
        seen: dict[str, Span] = {}
        lost: list[str | None] = []  # comments about what was left out, for the next key
        for statement in body.statements:
            if self._is_repeated(statement, schema, seen):
                continue
            if isinstance(statement, Attribute):
                place = self._attribute(statement, schema, table, path)
            else:
                place = self._block(statement, schema, table, path)
            if place is None:
                kept = remarks(statement.comments.leading, (statement.comments.trailing,))
                lost += [*kept.above, *([kept.behind] if kept.behind else []), *self._notes]
                self._notes.clear()
            elif lost:
                known = self._taken.comments.setdefault(place, Remarks())
                known.above[:0], lost = lost, []
        self._taken.comment(path, Remarks(below=lost + above(body.dangling)))
        self._check_required(schema, seen, name_span)
        return table

    def _is_repeated(self, statement: Statement, schema: BlockSchema, seen: dict[str, Span]) -> bool:
        first = seen.get(statement.name)
        seen.setdefault(statement.name, statement.name_span)
        inner = schema.block(statement.name)
        may_repeat = isinstance(statement, Block) and (inner is None or inner.repeated)
        if first is None or may_repeat:
            return False
        what = "attribute" if isinstance(statement, Attribute) else "block"
        self._taken.say(
            statement.name_span,
            f'{what} "{statement.name}" may only be given once',
            f"first in {self._taken.source.place(first.start)}",
        )
        return True

    def _attribute(
        self, attribute: Attribute, schema: BlockSchema, table: dict[str, Plain], path: KeyPath
    ) -> KeyPath | None:
        argument = schema.argument(attribute.name)
        if argument is None:
            self._unknown(attribute, schema)
            return None
        place = (*path, attribute.name)
        try:
            value = self._value(attribute, argument)
        except EvaluationError as error:
            self._taken.say(error.span or attribute.value.span, error.message, error.help)
            return None
        if argument.support is not SAME:
            if not is_equal(value, argument.default, argument.type):
                self._leave_out(attribute.span, attribute.name, argument.support)
            return None
        table[attribute.name] = value
        self._note(attribute, place)
        return place

    def _value(self, attribute: Attribute, argument: Argument) -> Plain:
        writing = replace(self._writing, attribute=attribute.name)
        return plain(self._evaluator.evaluate(attribute.value), argument.type, writing)

    def _note(self, attribute: Attribute, place: KeyPath) -> None:
        """Places and comments of an attribute, and of the elements in it."""
        taken = self._taken
        taken.spans[place] = attribute.name_span
        taken.comment(place, remarks(attribute.comments.leading, (attribute.comments.trailing,)))
        match attribute.value:
            case Array(items=items, dangling=dangling):
                entries = [((*place, index), item.span, item.comments) for index, item in enumerate(items)]
            case Object(fields=fields, dangling=dangling):
                entries = [((*place, each.name), each.name_span, each.comments) for each in fields]
            case _:
                return
        for inner, span, comments in entries:
            taken.spans[inner] = span
            taken.comment(inner, remarks(comments.leading, (comments.trailing,)))
        taken.comment(place, Remarks(below=above(dangling)))

    def _block(self, block: Block, schema: BlockSchema, table: dict[str, Plain], path: KeyPath) -> KeyPath | None:
        inner = schema.block(block.name)
        if inner is None:
            self._unknown(block, schema)
            return None
        if block.label:
            self._taken.say(block.name_span, f'block "{block.name}" takes no label', f"write {block.name} {{")
        if inner.support is not SAME:
            if not self.is_default(block.body, inner):
                self._leave_out(block.name_span, block.name, inner.support)
            return None
        if schema.ordered and block.name.startswith(f"{STAGES_KEY}."):
            stages = table.setdefault(STAGES_KEY, [])
            assert isinstance(stages, list), "no attribute is called stage"
            place = (*path, STAGES_KEY, len(stages))
            kind = block.name.partition(".")[2]
            self._taken.spans.setdefault(place[:-1], block.name_span)
            self._taken.spans[place] = block.name_span
            stages.append({kind: self.table(block, inner, (*place, kind))})
            self._lift((*place, kind), place)
            return place
        if inner.repeated:
            blocks = table.setdefault(block.name, [])
            assert isinstance(blocks, list), "an attribute and a block never have one name"
            place = (*path, block.name, len(blocks))
            self._taken.spans.setdefault(place[:-1], block.name_span)
            blocks.append(self.table(block, inner, place))
            return place
        place = (*path, block.name)
        table[block.name] = self.table(block, inner, place)
        return place

    def _lift(self, inner: KeyPath, outer: KeyPath) -> None:
        """The comment above a stage stands above its header."""
        if known := self._taken.comments.get(inner):
            self._taken.comment(outer, Remarks(known.above))
            known.above = []
            if known == Remarks():
                del self._taken.comments[inner]

    def is_default(self, body: Body, schema: BlockSchema) -> bool:
        """Whether a body says nothing but what holds anyway."""
        for statement in body.statements:
            if isinstance(statement, Block):
                inner = schema.block(statement.name)
                if inner is None or not self.is_default(statement.body, inner):
                    return False
                continue
            argument = schema.argument(statement.name)
            if argument is None or not self._has_default(statement, argument):
                return False
        return True

    def _has_default(self, attribute: Attribute, argument: Argument) -> bool:
        try:
            value = self._value(attribute, argument)
        except EvaluationError:
            return False
        return argument.type is not Type.HANDLER and is_equal(value, argument.default, argument.type)

    def _unknown(self, statement: Statement, schema: BlockSchema) -> None:
        name = statement.name
        if isinstance(statement, Attribute):
            if schema.block(name):
                message, help_ = f'"{name}" must be a block, but is used as an attribute', f"write {name} {{ … }}"
            else:
                names = [each.name for each in schema.arguments]
                message, help_ = f'unrecognized attribute name "{name}"', nearest(name, names) or _allowed(names)
        elif schema.argument(name):
            message, help_ = f'"{name}" must be an attribute, but is used as a block', f"write {name} = …"
        else:
            names = [each.name for each in schema.blocks]
            message, help_ = f'unrecognized block name "{name}"', nearest(name, names) or _allowed(names)
        span = statement.span if isinstance(statement, Attribute) else statement.name_span
        self._taken.say(span, message, help_)

    def _check_required(self, schema: BlockSchema, seen: dict[str, Span], span: Span) -> None:
        for argument in schema.arguments:
            if argument.required and argument.name not in seen:
                self._taken.say(span, f'missing required attribute "{argument.name}"', f"a {argument.type.value}")
        for block in schema.blocks:
            if block.required and block.name not in seen:
                self._taken.say(span, f'missing required block "{block.name}"')

    def _leave_out(self, span: Span, name: str, support: Support) -> None:
        what = self._taken.leave_out(span, f'"{name}"', support)
        self._notes.append(f"{self._taken.source.place(span.start)}: {what}")


def _allowed(names: list[str]) -> str:
    return f"allowed: {', '.join(names)}" if names else "nothing is allowed here"
