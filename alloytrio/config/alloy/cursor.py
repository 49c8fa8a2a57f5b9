"""A place in a list of tokens, with the comments that were passed on the way."""

from typing import NoReturn

from alloytrio.config.alloy.diagnostics import Diagnostic
from alloytrio.config.alloy.lexer import Lexer
from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.alloy.tokens import CommentToken, Token, TokenKind

MAX_NESTING = 100
"""Blocks, brackets and operators inside one another. Real files stay below 15; Python's stack ends near 1 000 calls."""


class Failure(Exception):
    """Inside the parser: this statement cannot be read further."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Cursor:
    """Walks over the tokens of one source.

    Args:
        source: the text.
        lexer: what has cut it already.
    """

    def __init__(self, source: Source, lexer: Lexer) -> None:
        self.source = source
        self.nesting = 0
        self.open_brackets = 0  # square, round and curly ones of the statement being read
        self._tokens = lexer.tokens
        self._comments = lexer.comments
        self._at = 0
        self._next_comment = 0

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    @property
    def kind(self) -> TokenKind:
        """What the token to be read next is."""
        return self._tokens[self._at].kind

    @property
    def previous(self) -> Token:
        """The last token that was read; at the start the first one."""
        return self._tokens[max(self._at - 1, 0)]

    def following(self, distance: int = 1) -> Token:
        """A token further on; behind the end, EOF."""
        return self._tokens[min(self._at + distance, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Reads one token. EOF stays."""
        token = self._tokens[self._at]
        if token.kind is not TokenKind.EOF:
            self._at += 1
        return token

    def accept(self, kind: TokenKind) -> bool:
        """Reads a token if it is of this kind; whether it was."""
        if self.kind is not kind:
            return False
        self.advance()
        return True

    def expect(self, kind: TokenKind, message: str, help: str = "") -> Token:  # noqa: A002
        """Reads a token of this kind; otherwise fails, saying what came instead.

        Raises:
            Failure: another token comes.
        """
        if self.kind is not kind:
            self.fail(f"{message}, got {self.kind.value}", help)
        return self.advance()

    def fail(self, message: str, help: str = "", span: Span | None = None) -> NoReturn:  # noqa: A002
        """Gives up this statement. Where the file ends too early, its last word is marked, not the empty lines below.

        Raises:
            Failure: always.
        """
        if span is None and self.kind is TokenKind.EOF:
            span = Span(self.previous.span.end, self.previous.span.end)
        raise Failure(Diagnostic(self.source, span or self.token.span, message, help))

    def descend(self) -> None:
        """One level of nesting more; the caller counts ``nesting`` down again.

        Raises:
            Failure: too many.
        """
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.fail(f"nested too deeply: at most {MAX_NESTING} levels")

    def line_of(self, offset: int) -> int:
        """The line of an offset."""
        return self.source.line_of(offset)

    def take_comments(self) -> list[CommentToken]:
        """All comments up to the token to be read next that nobody has taken yet."""
        first = self._next_comment
        while self._next_comment < len(self._comments) and self._comments[self._next_comment].before <= self._at:
            self._next_comment += 1
        return self._comments[first : self._next_comment]

    def take_trailing(self, line: int) -> CommentToken | None:
        """The next comment, if it begins on ``line`` and nothing but comments follows it on its last line."""
        if self._next_comment >= len(self._comments):
            return None
        comment = self._comments[self._next_comment]
        if comment.before > self._at or self.line_of(comment.span.start) != line:
            return None
        token = self.token
        if token.kind is not TokenKind.EOF and self.line_of(token.span.start) == self.line_of(comment.span.end):
            return None
        self._next_comment += 1
        return comment
