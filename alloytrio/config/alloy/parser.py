"""Text → syntax tree: ``parse(text)``.

Hand-written, for the sake of its errors: it says what was expected, knows the usual slips, and goes on behind an
error, so that one run shows them all (at most one per line).
Source: Alloy ``syntax/parser``.
"""

from dataclasses import dataclass, replace
from typing import NoReturn

from alloytrio.config.alloy.cursor import Cursor, Failure
from alloytrio.config.alloy.diagnostics import AlloySyntaxError, Diagnostic
from alloytrio.config.alloy.expressions import read_expression
from alloytrio.config.alloy.lexer import Lexer
from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.alloy.tokens import BINARY, CommentToken, Token, TokenKind
from alloytrio.config.alloy.tree import Attribute, Block, Body, Comment, Comments, Statement

MAX_PROBLEMS = 20
"""So many errors are shown; what follows is mostly their consequence."""

_OPENING = {TokenKind.LEFT_CURLY, TokenKind.LEFT_PAREN, TokenKind.LEFT_SQUARE}
_CLOSING = {TokenKind.RIGHT_CURLY, TokenKind.RIGHT_PAREN, TokenKind.RIGHT_SQUARE}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its text and its statements."""

    source: Source
    body: Body


def parse(text: str | bytes, name: str = "config.alloy") -> Document:
    """The syntax tree of a file.

    Args:
        text: all of it.
        name: how errors call it.

    Raises:
        AlloySyntaxError: with every error of the file, each with its place. Nothing else, whatever the text.
    """
    return parse_source(Source(text if isinstance(text, str) else text.decode("utf-8", "surrogateescape"), name))


def parse_source(source: Source) -> Document:
    """The same for a text that has its name already.

    Raises:
        AlloySyntaxError: with every error.
    """
    lexer = Lexer(source)
    lexer.run()
    source.hidden += _may_be_secret(lexer)
    parser = _Parser(source, lexer)
    body = parser.file()
    problems = _one_per_line(source, [*lexer.problems, *parser.problems])
    if problems:
        raise AlloySyntaxError(problems[:MAX_PROBLEMS])
    return Document(source, body)


def _may_be_secret(lexer: Lexer) -> list[Span]:
    """The texts of strings that are neither labels nor keys, and of comments; also of those that begin with ``#``."""
    spans = [Span(comment.span.start + 2, comment.span.end) for comment in lexer.comments]
    spans += lexer.skipped
    for token, following in zip(lexer.tokens, lexer.tokens[1:], strict=False):
        if token.kind is TokenKind.STRING and following.kind not in (TokenKind.LEFT_CURLY, TokenKind.ASSIGN):
            closed = token.span.end - (token.text[-1] == token.text[0] and len(token.text) > 1)
            spans.append(Span(token.span.start + 1, closed))
    return sorted(spans, key=lambda span: span.start)


def _one_per_line(source: Source, problems: list[Diagnostic]) -> list[Diagnostic]:
    """The first problem of each line, in order of place. Of equals the lexer's comes first."""
    seen: dict[int, Diagnostic] = {}
    for problem in problems:
        seen.setdefault(source.line_of(problem.span.start), problem)
    return [seen[line] for line in sorted(seen)]


class _Parser:
    def __init__(self, source: Source, lexer: Lexer) -> None:
        self.problems: list[Diagnostic] = []
        self._source = source
        self._cursor = Cursor(source, lexer)
        self._end_line = 0  # where the last statement ends, its comment included

    def file(self) -> Body:
        cursor, statements = self._cursor, list[Statement]()
        while True:
            body = self._body(line=0)
            statements.extend(body.statements)
            if cursor.kind is TokenKind.EOF:
                return replace(body, statements=tuple(statements))
            self.problems.append(
                Diagnostic(self._source, cursor.token.span, 'unexpected "}": no block is open', "remove it")
            )
            cursor.advance()
            self._skip()

    def _body(self, line: int) -> Body:
        """Statements up to ``}`` or EOF, which stays. ``line`` is where the text before them ends; 0 is no text."""
        cursor, statements = self._cursor, list[Statement]()
        while True:
            comments = cursor.take_comments()
            if cursor.kind in (TokenKind.EOF, TokenKind.RIGHT_CURLY):
                return Body(tuple(statements), self._hang(comments, line if statements else 0)[0])
            first = cursor.token
            try:
                statement = self._statement()
                leading, gap_line = self._hang(comments, line if statements else 0)
                statement = self._finish(statement, leading, first, gap_line, statements[-1] if statements else None)
                statements.append(statement)
                line = self._end_line
            except Failure as failure:
                self.problems.append(failure.diagnostic)
                self._skip()
                cursor.take_comments()

    def _hang(self, tokens: list[CommentToken], line: int) -> tuple[tuple[Comment, ...], int]:
        """Comments as lines of their own behind line ``line`` (0: nothing before), and the line where they end."""
        comments = []
        for token in tokens:
            blank = line > 0 and self._cursor.line_of(token.span.start) > line + 1
            comments.append(Comment(token.text, blank))
            line = self._cursor.line_of(token.span.end)
        return tuple(comments), line

    def _finish(
        self, statement: Statement, leading: tuple[Comment, ...], first: Token, line: int, before: Statement | None
    ) -> Statement:
        """Reads the end of a statement's line, and hangs comments and blank lines on the statement."""
        cursor = self._cursor
        inner = tuple(Comment(token.text) for token in cursor.take_comments() if token.span.start < statement.span.end)
        if cursor.kind is TokenKind.TERMINATOR:
            cursor.advance()
        elif cursor.kind not in (TokenKind.EOF, TokenKind.RIGHT_CURLY):
            self._junk(statement)
        trailing = cursor.take_trailing(cursor.line_of(statement.span.end))
        self._end_line = cursor.line_of(trailing.span.end if trailing else statement.span.end)
        blank = line > 0 and cursor.line_of(first.span.start) > line + 1
        if before is not None and (isinstance(before, Block) or isinstance(statement, Block)):
            if leading:
                leading = (replace(leading[0], blank_before=True), *leading[1:])
            elif inner:
                inner = (replace(inner[0], blank_before=True), *inner[1:])
            else:
                blank = True
        if inner and not leading:
            inner = (replace(inner[0], blank_before=inner[0].blank_before or blank), *inner[1:])
        comments = Comments(leading + inner, Comment(trailing.text) if trailing else None)
        return replace(statement, comments=comments, blank_before=blank and not inner)

    def _junk(self, statement: Statement) -> None:
        cursor = self._cursor
        what = "attribute" if isinstance(statement, Attribute) else "block"
        help_ = f"each {what} ends with its line"
        if cursor.kind is TokenKind.ASSIGN and isinstance(statement, Attribute):
            if cursor.line_of(statement.name_span.end) < cursor.line_of(statement.value.span.start):
                cursor.fail(f'the attribute "{statement.name}" has no value', "", statement.name_span)
            help_ = 'compare with "=="'
        elif cursor.kind is TokenKind.COMMA:
            help_ = "what is in a block stands on lines of its own, without commas"
        cursor.fail(f"expected the end of the line behind the {what}, got {cursor.kind.value}", help_)

    def _skip(self) -> None:
        """Behind an error: on to the next statement. Brackets that are open are skipped to their end."""
        cursor, depth = self._cursor, self._cursor.open_brackets
        cursor.open_brackets = cursor.nesting = 0
        while cursor.kind is not TokenKind.EOF:
            kind = cursor.kind
            if kind is TokenKind.TERMINATOR and (depth <= 0 or self._is_top_level(cursor.following())):
                cursor.advance()
                return
            if kind is TokenKind.RIGHT_CURLY and depth <= 0:
                return
            depth += (kind in _OPENING) - (kind in _CLOSING and depth > 0)
            cursor.advance()

    def _is_top_level(self, token: Token) -> bool:
        """A name in the first column surely begins a new block: a bracket before it was never closed."""
        return token.kind is TokenKind.IDENT and self._source.position(token.span.start).column == 1

    def _statement(self) -> Statement:
        cursor = self._cursor
        cursor.open_brackets = 0
        nesting = cursor.nesting
        if cursor.kind is not TokenKind.IDENT:
            self._no_name(cursor.token)
        names = [cursor.advance()]
        while cursor.accept(TokenKind.DOT):
            names.append(cursor.expect(TokenKind.IDENT, 'expected IDENT behind "."'))
        match cursor.kind:
            case TokenKind.ASSIGN:
                statement: Statement = self._attribute(names)
            case TokenKind.LEFT_CURLY | TokenKind.STRING:
                statement = self._block(names)
            case _:
                self._no_statement(names)
        cursor.nesting = nesting
        return statement

    def _attribute(self, names: list[Token]) -> Attribute:
        cursor = self._cursor
        if len(names) > 1:
            message = 'attribute names may only consist of a single identifier with no "."'
            cursor.fail(message, "", names[0].span.to(names[-1].span))
        cursor.advance()
        value = read_expression(cursor)
        return Attribute(names[0].text, value, name_span=names[0].span, span=names[0].span.to(value.span))

    def _block(self, names: list[Token]) -> Block:
        cursor, label = self._cursor, ""
        name = ".".join(token.text for token in names)
        name_span = names[0].span.to(names[-1].span)
        if cursor.kind is TokenKind.STRING:
            label = self._label(cursor.advance())
        if cursor.kind is TokenKind.ASSIGN:
            cursor.fail("attribute names may not have labels", "", cursor.previous.span)
        if cursor.kind is TokenKind.TERMINATOR and cursor.following().kind is TokenKind.LEFT_CURLY:
            self._brace_too_late()
        brace = cursor.expect(TokenKind.LEFT_CURLY, 'expected "{" behind the name of a block')
        cursor.descend()
        line = cursor.line_of(brace.span.start)
        opening = cursor.take_trailing(line)
        body = self._body(line)
        if cursor.kind is TokenKind.EOF:
            place = self._source.position(brace.span.start)
            message = (
                f'expected "}}" for the block "{".".join(token.text for token in names)}", got the end of the file'
            )
            cursor.fail(message, f"the block was opened at line {place.line}, column {place.column}", name_span)
        close = cursor.advance()
        span = name_span.to(close.span)
        comment = Comment(opening.text) if opening else None
        return Block(name, label, body, opening=comment, name_span=name_span, span=span)

    def _label(self, token: Token) -> str:
        if token.text[:1] != '"':
            self._cursor.fail("a block label is written in double quotes", "", token.span)
        label = token.text[1:-1]
        if label and not _is_identifier(label):
            help_ = "letters, digits and _, the first no digit"
            self._cursor.fail("expected block label to be a valid identifier", help_, token.span)
        return label

    def _brace_too_late(self) -> NoReturn:
        span = self._cursor.following().span
        self._cursor.fail('"{" must be on the same line as the name of its block', "", span)

    def _no_name(self, token: Token) -> NoReturn:
        message, help_ = f"expected the name of an attribute or a block, got {token.kind.value}", ""
        if token.kind in BINARY or token.kind in (TokenKind.DOT, TokenKind.COMMA):
            help_ = f"a line cannot begin with {token.kind.value}: put it at the end of the line before"
        elif token.kind in (TokenKind.BOOL, TokenKind.NULL):
            help_ = f'"{token.text}" is a value and cannot be a name'
        elif token.kind is TokenKind.LEFT_CURLY:
            help_ = "a block has a name on the same line"
        elif token.kind is TokenKind.STRING:
            help_ = "names are written without quotes"
        self._cursor.fail(message, help_)

    def _no_statement(self, names: list[Token]) -> NoReturn:
        cursor = self._cursor
        name = ".".join(token.text for token in names)
        match cursor.kind, cursor.following().kind:
            case TokenKind.IDENT, _:
                cursor.fail("expected block label, got IDENT", f'write it in quotes: {name} "{cursor.token.text}"')
            case TokenKind.TERMINATOR, TokenKind.LEFT_CURLY:
                self._brace_too_late()
            case TokenKind.TERMINATOR, TokenKind.ASSIGN:
                cursor.fail('"=" must be on the same line as the name of its attribute', "", cursor.following().span)
            case TokenKind.MINUS, TokenKind.IDENT:
                span = names[0].span.to(cursor.following().span)
                cursor.fail(f'a name cannot contain "-": {name}-{cursor.following().text}', "write _ instead", span)
        message = f'expected "=" (an attribute) or "{{" (a block) behind "{name}", got {cursor.kind.value}'
        cursor.fail(message)


def _is_identifier(text: str) -> bool:
    first, rest = text[0], text[1:]
    return (first == "_" or first.isalpha()) and all(c == "_" or c.isalpha() or c.isdecimal() for c in rest)
