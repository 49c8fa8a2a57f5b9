"""The position scanner against tomllib, on documents of every shape that hypothesis can think of."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloytrio.config.positions import KeyPath, Position, TomlMap, scan

# Keys and scalars as they are written. Every quoting, and characters that end things elsewhere.
KEY_TOKENS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True),
    st.sampled_from(['"a b"', '"x.y"', "'q\"'", '"é"', '"\\u0041\\n"', '""', "''", '"#"', "'='", '"[t]"', "'it]'"]),
)
SCALAR_TOKENS = st.sampled_from(
    [
        "1",
        "-17",
        "0xff",
        "1_000",
        "6.5e3",
        "inf",
        "true",
        "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00",
        "07:32:00",
        '""',
        '"# no comment"',
        '"a = \\"b\\" ]"',
        "'C:\\'",
        "''",
        '"""one\nk = 1\n[t]\n"""',
        '"""a "quoted" ""word"" end"""',
        '"""ends in a quote""""',
        '"""ends in two"""""',
        '"""\\\n   folded \\""" on"""',
        "'''raw\n# text\n'''",
        "'''ends in a quote''''",
        "''''quoted'''''",
        '""""""',
        "''''''",
    ]
)
BLANKS = st.sampled_from(["", "", " ", "\t", "  "])
LINE_ENDS = st.sampled_from(["\n", "\n", "\n\n", " # a = [comment]\n", "\n# [also]\n", "\r\n"])


SHAPES = st.sampled_from(["scalar", "scalar", "list", "table"])


@dataclass(frozen=True)
class Written:
    """How the content of a table is written: its own statements, and the headers that follow."""

    statements: list[tuple[str, str]]
    headers: list[tuple[str, "Written | list[Written]"]]


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    """A value: a scalar, a list or an inline table."""
    shape = draw(SHAPES) if depth else "scalar"
    if shape == "scalar":
        return draw(SCALAR_TOKENS)
    blank = draw(BLANKS)
    if shape == "list":
        gap = draw(st.sampled_from(["", " ", "\n", " # note, ]\n  "]))
        elements = draw(st.lists(values(depth - 1), max_size=3))
        last_comma = draw(st.sampled_from(["", ","]))
        comma = last_comma if elements else ""
        return "[" + gap + f"{blank},{gap}".join(elements) + comma + gap + "]"
    keys = draw(distinct_keys(max_size=3))
    pairs = [f"{blank}{draw(dotted(key))}{blank}={blank}{draw(values(depth - 1))}" for key in keys]
    return "{" + ",".join(pairs) + blank + "}"


def distinct_keys(max_size: int) -> st.SearchStrategy[list[str]]:
    """Key tokens that stand for different keys."""
    return st.lists(KEY_TOKENS, max_size=max_size, unique_by=unquoted)


def unquoted(token: str) -> str:
    """The key that a token stands for."""
    (key,) = tomllib.loads(f"{token} = 0")
    return key


@st.composite
def dotted(draw: st.DrawFn, key: str) -> str:
    """A key, or a dotted key that begins with it."""
    more = draw(st.lists(KEY_TOKENS, max_size=2))
    dot = draw(st.sampled_from([".", " . ", ". "]))
    return dot.join([key, *more])


@st.composite
def tables(draw: st.DrawFn, depth: int = 2) -> Written:
    """The content of a table."""
    keys = draw(distinct_keys(max_size=5))
    cut = draw(st.integers(0, len(keys)))
    statements = [(draw(dotted(key)), draw(values())) for key in keys[:cut]]
    headers: list[tuple[str, Written | list[Written]]] = []
    for key in keys[cut:] if depth else []:
        if draw(st.booleans()):
            headers.append((key, draw(tables(depth - 1))))
        else:
            headers.append((key, draw(st.lists(tables(depth - 1), min_size=1, max_size=3))))
    return Written(statements, headers)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A TOML text."""

    def write(table: Written, path: list[str]) -> Iterator[str]:
        for key, value in table.statements:
            blank = draw(BLANKS)
            yield f"{blank}{key}{blank}={blank}{value}{draw(LINE_ENDS)}"
        for key, below in table.headers:
            inner, blank = [*path, key], draw(BLANKS)
            name = f"{blank}.{blank}".join(inner)
            if isinstance(below, list):
                for element in below:
                    yield f"{blank}[[{blank}{name}{blank}]]{draw(LINE_ENDS)}"
                    yield from write(element, inner)
            else:
                if below.statements or not below.headers or draw(st.booleans()):
                    yield f"{blank}[{blank}{name}{blank}]{draw(LINE_ENDS)}"
                yield from write(below, inner)

    return draw(st.sampled_from(["", "\n", "# first\n"])) + "".join(write(draw(tables()), []))


def paths(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every key and list element that tomllib found."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def token(toml_map: TomlMap, path: KeyPath) -> str:
    """The text that the scanner found for a path."""
    span = toml_map.spans[path]
    return toml_map.text[span.start : span.end]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_every_path_has_the_place_of_its_key(text: str) -> None:
    """Whatever tomllib finds in a text has a place, and the text at that place reads as its key or value."""
    data = tomllib.loads(text)
    toml_map = scan(text)
    assert toml_map.complete
    assert toml_map.repetitions == []
    found = dict(paths(data))
    assert set(toml_map.spans) == set(found)
    for path, value in found.items():
        written = token(toml_map, path)
        key = path[-1]
        if isinstance(key, str):
            assert unquoted(written) == key
        elif isinstance(value, (dict, list)):
            assert written in ("[", "{") or unquoted(written) == path[-2]
        else:
            assert repr(tomllib.loads(f"x = {written}")["x"]) == repr(value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_scalars_cover_all_values(text: str) -> None:
    """Each scalar that tomllib finds is one of the scanner's scalars, so that none is shown by mistake."""
    toml_map = scan(text)
    scalars = [value for _, value in paths(tomllib.loads(text)) if not isinstance(value, (dict, list))]
    read = [tomllib.loads(f"x = {toml_map.text[span.start : span.end]}")["x"] for span in toml_map.scalars]
    assert sorted(map(repr, read)) == sorted(map(repr, scalars))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab.=[]{}\"'#,\\ \t\n1", max_size=40))
def test_any_text_is_survived(text: str) -> None:
    """The scanner ends on any text, and reads to its end whatever tomllib reads."""
    toml_map = scan(text)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert toml_map.complete


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a = 1", ("a",), (2, 3)),
        ("é = 1", ("é",), None),
        ("[a.b.c]", ("a",), (1, 2)),
        ("[a.b.c]", ("a", "b", "c"), (1, 6)),
        ("[a.b]\n[a]\nx=1", ("a",), (2, 2)),
        ("[[a]]\nx=1\n[[a]]\nx=2", ("a",), (1, 3)),
        ("[[a]]\nx=1\n[[a]]\nx=2", ("a", 1, "x"), (4, 1)),
        ("[[a]]\n[a.b]\n[[a]]\n[a.b]\nc=1", ("a", 1, "b", "c"), (5, 1)),
        ("a.b.c = 1\r\na.b.d = 2", ("a", "b", "d"), (2, 5)),
        ("a = [1,\n  [2, {b = 3}]]", ("a", 1, 1, "b"), (2, 8)),
        ("a = '''x\ny''' # c\nb = 1", ("b",), (3, 1)),
    ],
)
def test_places(text: str, path: KeyPath, place: tuple[int, int] | None) -> None:
    """Lines and columns count from 1, in characters; a table is where its own header is, else where first named."""
    assert scan(text).positions().get(path) == (Position(*place) if place else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\n[b]\n[a]", [(("a",), 1, 3, True)]),
        ("x = 1\ny = 2\nx = 3", [(("x",), 1, 3, False)]),
        ("[a.b]\nc = 1\n[a]\nb.c = 2", [(("a", "b", "c"), 2, 4, False)]),
        ("a.b = 1\n[a]", [(("a",), 1, 2, True)]),
        ("a = [{b = 1, b = 2}]", [(("a", 0, "b"), 1, 1, False)]),
        ("[a]\n[[a]]", [(("a",), 1, 2, True)]),
        ("[a]\n[a]\n[b]\n[b]", [(("a",), 1, 2, True), (("b",), 3, 4, True)]),
        ("[[a]]\n[a.b]\n[[a]]\n[a.b]", []),
    ],
)
def test_repetitions(text: str, expected: list[tuple[KeyPath, int, int, bool]]) -> None:
    """What is defined twice is found with both lines."""
    found = scan(text).repetitions
    assert [(each.path, each.first.line, each.second.line, each.is_table) for each in found] == expected


def test_deep_nesting_ends() -> None:
    """A text nested deeper than Python's stack does not end the process."""
    assert not scan("a = " + "[" * 100_000).complete
