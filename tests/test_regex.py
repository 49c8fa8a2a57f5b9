"""Expressions mean the same on RE2 and on its stand-in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.regex import Regex, compile_regex, group_of
from alloytrio.regex_fallback import compile_with_re


def both(pattern: str) -> list[Regex]:
    names, groups, search, fullmatch = compile_with_re(pattern, pattern)
    return [compile_regex(pattern), Regex(pattern, names, groups, search, fullmatch)]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a+", "xaay", "aa"),
        ("a$", "a\n", None),
        ("(?m)a$", "a\nb", "a"),
        (r"a\z", "ba", "a"),
        (r"\s", "\v", None),
        (r"[\s]", "\v", None),
        (r"\S+", " é\v ", "é\v"),
        (r"\d+", "٣4", "4"),
        (r"\w+", "é_x9", "_x9"),
        ("foo(?i)bar", "fooBAR", "fooBAR"),
        ("(foo(?i)bar)x", "fooBARX", None),
        ("(?i:foo)bar", "FOObar", "FOObar"),
        (r"\Qa.b\E+", "a.bb", "a.bb"),
        (r"\Qa.b", "a.b", "a.b"),
        ("[[:alpha:]]+", "1ab2", "ab"),
        ("[^[:digit:]x]", "1xa", "a"),
        ("[]a]+", "x]a", "]a"),
        ("[a&&b]+", "&a", "&a"),
        (r"\x41\x{42}", "AB", "AB"),
        (r"\101", "A", "A"),
        ("a{2,3}", "aaaa", "aaa"),
        ("a{2}?", "aaaa", "aa"),
        ("a{,2}", "a{,2}", "a{,2}"),
        ("x.y", "x\ny", None),
        ("(?s)x.y", "x\ny", "x\ny"),
        ("é+", "aéé", "éé"),
        (r"a\.b", "a.b", "a.b"),
        ("a*?b", "aab", "aab"),
        ("", "abc", ""),
    ],
)
def test_search(pattern: str, text: str, found: str | None) -> None:
    """The leftmost match is the same whichever engine is there."""
    data = text.encode()
    for regex in both(pattern):
        spans = regex.search(data, 0)
        assert (None if spans is None else group_of(data, spans, 0).decode()) == found


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", r"(a)\1", "(?>a)", "a++", "a*+", "a**", "(?P=a)", "(?(1)a)", "(?#x)",
        "a{1001}", r"\C", r"\Z", r"\y", "(", ")", "[a", "a\\", "(?P<a.b>x)", r"\x{110000}", "*",
    ],
)  # fmt: skip
def test_refused(pattern: str) -> None:
    """What RE2 does not have is refused, by the stand-in as well, and the message names the expression."""
    with pytest.raises(ValueError, match="not an RE2 expression"):
        compile_regex(pattern)
    if pattern != r"\C":
        with pytest.raises(ValueError, match="not an RE2 expression"):
            compile_with_re(pattern, pattern)


def test_groups() -> None:
    """Groups have numbers, names and byte offsets; one that took no part is empty."""
    data = "äkey=välue".encode()
    for regex in both("(?P<key>k[a-z]+)(!)?=(?<value>.*)"):
        spans = regex.search(data, 0)
        assert spans is not None
        assert (regex.groups, regex.names) == (3, {"key": 1, "value": 3})
        assert [group_of(data, spans, n).decode() for n in range(5)] == ["key=välue", "key", "", "välue", ""]
        assert regex.search(data, 5) is None


def test_whole_value() -> None:
    """fullmatch wants all of the value, newlines included."""
    for regex in both("a|ab"):
        assert regex.fullmatch(b"ab") is not None
        assert regex.fullmatch(b"ab\n") is None
    assert compile_regex("a.b", dot_matches_newline=True).fullmatch(b"a\nb") is not None


_atoms = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\s", "(a)", "(b|c)", "(?:ab)", "^", "$", r"\b", "c*", "a?"]
)


@given(st.lists(_atoms, max_size=6).map("".join), st.text(alphabet="abc1 \n", max_size=8))
def test_engines_agree(pattern: str, text: str) -> None:
    """On any mix of the common pieces, both engines find the same spans."""
    data = text.encode()
    ours, stand_in = both(pattern)
    assert [ours.search(data, 0), ours.fullmatch(data)] == [stand_in.search(data, 0), stand_in.fullmatch(data)]
