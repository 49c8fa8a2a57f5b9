"""Where strings and comments stand in a text in Alloy's language."""

from alloytrio.config.alloy.lexer import Lexer
from alloytrio.config.alloy.source import Source
from alloytrio.config.alloy.tokens import Token, TokenKind


def alloy_parts(text: str) -> tuple[list[list[tuple[int, int]]], list[tuple[int, int]], bool]:
    """The strings of each statement or list element, comments, and whether all was read. Keys are left out."""
    lexer = Lexer(Source(text))
    lexer.run()
    groups: list[list[tuple[int, int]]] = [[]]
    for token, following in zip(lexer.tokens, lexer.tokens[1:], strict=False):
        if token.kind in (TokenKind.TERMINATOR, TokenKind.COMMA):
            groups.append([])
        elif token.kind is TokenKind.STRING and not _is_name(following):
            groups[-1].append((token.span.start, token.span.end))
    comments = [(comment.span.start, comment.span.end) for comment in lexer.comments]
    return [group for group in groups if group], comments, not lexer.problems


def _is_name(following: Token) -> bool:
    """A string before ``{`` is a label, one before ``=`` a key."""
    return following.kind in (TokenKind.LEFT_CURLY, TokenKind.ASSIGN)
