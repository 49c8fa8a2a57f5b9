"""The canonical form."""

import pytest

from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.printer import print_body


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("a=1", "a = 1\n"),
        ("a = 1\nlonger = 2\n\nb = 3", "a      = 1\nlonger = 2\n\nb = 3\n"),
        ("a = 1\n// c\nlonger = 2", "a = 1\n// c\nlonger = 2\n"),
        ("a = {\nx = 1,\n}\nlonger = 2", "a      = {\n\tx = 1,\n}\nlonger = 2\n".replace("a      ", "a ")),
        ("lo = 1\na = [\n1,\n]\nlonger = 2", "lo = 1\na  = [\n\t1,\n]\nlonger = 2\n"),
        ("a\t{}\nb {}", "a { }\n\nb { }\n"),
        ("a{b=1}\nc=2", "a {\n\tb = 1\n}\n\nc = 2\n"),
        ('a "l" { // c\n}', 'a "l" { // c\n}\n'),
        ("a {\n\n\n  // c\n}", "a {\n\t// c\n}\n"),
        ("a = 1\n\n\n\n\nb = 2", "a = 1\n\nb = 2\n"),
        ("a = [1,2,\n]", "a = [1, 2]\n"),
        ("a = [\n1,2,]", "a = [\n\t1,\n\t2,\n]\n"),
        ("a = {x=1,longer=2}", "a = { x = 1, longer = 2 }\n"),
        ("a = {\nx=1,longer=2}", "a = {\n\tx      = 1,\n\tlonger = 2,\n}\n"),
        ("a = {\nx={\ny=1,\n},\n}", "a = {\n\tx = {\n\t\ty = 1,\n\t},\n}\n"),
        ("a = f( 1,2 , )[ 0 ].x", "a = f(1, 2)[0].x\n"),
        ("a = f(\n1,)", "a = f(\n\t1,\n)\n"),
        ("a = - 1+ ! b&&(c)", "a = -1 + !b && (c)\n"),
        ("a = 1 +\n\n 2", "a = 1 + 2\n"),
        ("a = `x\n  y`", "a = `x\n  y`\n"),
        ("a = /* c */ 1", "/* c */\na = 1\n"),
        ("a = 1 /* c */ // d", "a = 1 /* c */\n// d\n"),
        ("// a\n\n// b\nc = 1\n\n// d", "// a\n\n// b\nc = 1\n\n// d\n"),
        ("a = 1\r\n// c\r\n", "a = 1\n// c\n"),
    ],
)
def test_canonical_form(text: str, printed: str) -> None:
    """One space, tabs, aligned names, blank lines around blocks; comments and the reader's line breaks are kept."""
    assert print_body(parse(text).body) == printed
