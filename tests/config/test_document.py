"""Files that cannot be read, and TOML that is not TOML."""

from pathlib import Path

import pytest

from alloytrio.config.document import read_file, read_text
from alloytrio.config.problems import InvalidConfigError
from tests.config.samples import CANARY

LENGTH = len(CANARY)


def errors(text: str) -> list[str]:
    """What reading a text complains about."""
    with pytest.raises(InvalidConfigError) as caught:
        read_text(text, name="c.toml", folder=Path())
    assert CANARY not in str(caught.value)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'[a\nx = "{CANARY}"', "c.toml:1:3: not TOML: expected ']' at the end of a table declaration"),
        (
            f"[a]\nx = {CANARY}",
            'c.toml:2:5: not TOML: invalid value (texts, durations and sizes need quotes, such as "5s")',
        ),
        (f'[a]\nx = "{CANARY}', f"c.toml:2:{6 + LENGTH}: not TOML: unterminated string"),
        (
            f'x = "{CANARY}\n"',
            f"c.toml:1:{6 + LENGTH}: not TOML: a text in single quotation marks must end on its line",
        ),
        (f"x = ['{CANARY}'", f"c.toml:1:{8 + LENGTH}: not TOML: unclosed array"),
        (f"x = {{ a = '{CANARY}'", f"c.toml:1:{13 + LENGTH}: not TOML: unclosed inline table"),
        (f"x '{CANARY}'", "c.toml:1:3: not TOML: expected '=' after a key in a key/value pair"),
        (
            f'x = "\\{CANARY}"',
            "c.toml:1:8: not TOML: unescaped '\\' in a string "
            "(in double quotes a backslash is written \\\\; in single quotes it stands for itself)",
        ),
        (f'x = "a" "{CANARY}"', "c.toml:1:9: not TOML: expected newline or end of document after a statement"),
        ("= 1", "c.toml:1:1: not TOML: invalid statement"),
        ("a = {}\n[a.b]", "c.toml:2:5: not TOML: defined twice"),
    ],
)
def test_syntax_errors(text: str, expected: str) -> None:
    """A text that is not TOML gives one error with its place, and nothing of its values."""
    assert errors(text) == [expected]


def test_a_table_defined_twice_names_both_lines() -> None:
    """Each repeated table and key is reported with the line of the first."""
    text = '[loki.write.a]\nurl = "x"\nurl = "y"\n\n[loki.write.b]\n[loki.write.a]\n'
    assert errors(text) == [
        "c.toml:3:1: loki.write.a.url: key defined twice; the first is in line 2",
        "c.toml:6:13: loki.write.a: table defined twice; the first is in line 1 "
        "(each component needs a label of its own)",
    ]


def test_deep_nesting() -> None:
    """A text nested deeper than the parser's stack is an error like any other."""
    assert errors("a = " + "[" * 100_000)[0].startswith("c.toml: nested too deeply")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ": cannot be read: No such file or directory"),
        (b"a = 1\nb = '\xff'", ":2:6: not UTF-8"),
    ],
)
def test_unreadable_files(content: bytes | None, expected: str, tmp_path: Path) -> None:
    """A file that is missing, or not text, is named with the reason."""
    path = tmp_path / "c.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidConfigError) as caught:
        read_file(path)
    assert str(caught.value) == f"{path}{expected}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in place of a file is named as one."""
    with pytest.raises(InvalidConfigError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


def test_byte_order_mark_and_line_ends(tmp_path: Path) -> None:
    """A byte order mark is skipped, and Windows line ends do not shift places."""
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = '''x\r\ny'''\r\nc = 1\r\n")
    document = read_file(path)
    assert document.data == {"a": 1, "b": "x\ny", "c": 1}
    place = document.position(("c",))
    assert place is not None
    assert (place.line, place.column) == (4, 1)


def test_the_place_of_what_is_not_there_is_its_table() -> None:
    """A path that the file lacks is placed at the nearest table above it."""
    document = read_text("[a.b]\nc = 1", name="c.toml", folder=Path())
    assert str(document.problem(("a", "b", "x", "y"), "wrong")) == "c.toml:1:4: a.b.x.y: wrong"
    assert str(document.problem(("z",), "wrong", "right")) == "c.toml: z: wrong (right)"
