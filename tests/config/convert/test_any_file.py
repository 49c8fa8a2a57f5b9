"""Files as people have them, with mistakes anywhere: a report with places, TOML that can be read, never a surprise."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.config.alloy.diagnostics import AlloyError, Format, render
from alloytrio.config.convert.languages import Language, convert_file

DATA = Path(__file__).parents[2] / "data"
DEPLOYMENT = Path(__file__).parents[3] / "config" / "config.alloy"
FILES: list[tuple[Language, Path]] = [
    *(("promtail", path) for path in sorted((DATA / "promtail").glob("*.yaml"))),
    *(("otelcol", path) for path in sorted((DATA / "otelcol").glob("*.yaml"))),
    *(("alloy", path) for path in [*sorted((DATA / "alloy").glob("*.alloy")), DEPLOYMENT]),
]
_WORD = re.compile(r"[\w./-]+|[^\w\s]|\n[ \t]*")
FORMS: tuple[Format, ...] = ("text", "json", "github")
# What replaces a word of a file: of another type, of another place, or nothing.
WORDS = st.sampled_from(
    ["", "1", "-1", "1e400", "true", "null", "[]", "{}", '"s"', "otlp", "a.b.c", "x", "${env:X", "$", "~", "é"]
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Language, str]:
    """A file in which some words were changed, lost, or moved."""
    language, path = draw(st.sampled_from(FILES))
    text = path.read_text()
    for _ in range(draw(st.integers(1, 4))):
        words = list(_WORD.finditer(text))
        word = draw(st.sampled_from(words))
        other = draw(st.sampled_from(words))
        replacement = draw(WORDS | st.just(other[0]))
        text = text[: word.start()] + replacement + text[word.end() :]
    return language, text


@settings(max_examples=200)
@given(damaged())
def test_damaged_files(file: tuple[Language, str]) -> None:
    """A file with mistakes is converted or refused; the report can be shown in every form, and TOML be read."""
    language, text = file
    try:
        converted = convert_file(text, "file", language, Path("/nowhere"))
    except AlloyError as error:
        diagnostics = error.diagnostics
    else:
        diagnostics = converted.report
        assert tomllib.loads(converted.toml()) == converted.data
    assert all(render(diagnostics, form) or not diagnostics for form in FORMS)


@pytest.mark.parametrize(("language", "path"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_cut_files(language: Language, path: Path) -> None:
    """A file that ends too early, after any of its lines, is converted or refused as well."""
    lines = path.read_text().splitlines(keepends=True)
    for count in range(0, len(lines), 7):
        with suppress(AlloyError):
            convert_file("".join(lines[:count]), "file", language, Path("/nowhere"))
