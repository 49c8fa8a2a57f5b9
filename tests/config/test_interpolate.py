"""What is replaced inside texts, what is not, and what is wrong with a reference."""

from pathlib import Path

import pytest

from alloytrio.config.interpolate import (
    FILE_LIMIT_BYTES,
    InterpolationError,
    Surroundings,
    interpolate,
    interpolate_tree,
)
from tests.config.samples import CANARY, problems, read

ENVIRON = {"HOST": "tempo", "EMPTY": "", "DOLLAR": "${env:HOST}", "TOKEN": CANARY}


@pytest.mark.parametrize(
    ("text", "expected", "names"),
    [
        ("plain", "plain", ()),
        ("${env:HOST}:4317", "tempo:4317", ("env:HOST",)),
        ("${env:HOST}${env:HOST}", "tempotempo", ("env:HOST", "env:HOST")),
        ("${env:EMPTY}", "", ("env:EMPTY",)),
        ("${env:MISSING:-x:1}", "x:1", ("env:MISSING",)),
        ("${env:MISSING:-}", "", ("env:MISSING",)),
        ("${env:EMPTY:-x}", "x", ("env:EMPTY",)),
        ("${env:HOST:-x}", "tempo", ("env:HOST",)),
        ("${env:DOLLAR}", "${env:HOST}", ("env:DOLLAR",)),
        ("$1", "$1", ()),
        ("${1}-$2", "${1}-$2", ()),
        ("${name}", "${name}", ()),
        ("${ENV:HOST}", "${ENV:HOST}", ()),
        ("${sys:HOST}", "${sys:HOST}", ()),
        ("$env:HOST", "$env:HOST", ()),
        ("${envHOST}", "${envHOST}", ()),
        ("$${env:HOST}", "${env:HOST}", ()),
        ("$${file:/x}", "${file:/x}", ()),
        ("$${1}", "$${1}", ()),
        ("$$", "$$", ()),
        ("a$$b${", "a$$b${", ()),
    ],
)
def test_replaced(text: str, expected: str, names: tuple[str, ...]) -> None:
    """References to variables are replaced once; a doubled dollar keeps one; all else stays as it is."""
    assert interpolate(text, Surroundings(ENVIRON, Path())) == (expected, names)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "${env:HOTS}",
            "environment variable HOTS is not set",
            'did you mean "HOST"? a default is written ${env:HOTS:-default}',
        ),
        ("${env:}", "${env:…} needs the name of a variable", "write ${env:NAME} or ${env:NAME:-default}"),
        ("${env:1A}", "${env:…} needs the name of a variable", "write ${env:NAME} or ${env:NAME:-default}"),
        (f"${{env:A {CANARY}}}", "${env:…} needs the name of a variable", "write ${env:NAME} or ${env:NAME:-default}"),
        (f"${{env:A{CANARY}", "${env: without a closing brace", "to mean it literally, write $${"),
        ("${file:}", "${file:…} needs the name of a file", "write ${file:/run/secrets/name}"),
        ("${file:a\0b}", "${file:…} needs the name of a file", "write ${file:/run/secrets/name}"),
        ("${file:/no/such}", "file /no/such cannot be read: No such file or directory", ""),
    ],
)
def test_not_replaceable(text: str, message: str, hint: str) -> None:
    """A reference that cannot be replaced is an error that names it, without the rest of the text."""
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, Surroundings(ENVIRON, Path()))
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret", "s3cret"),
        (b"two\nlines\n\n", "two\nlines\n"),
        (b"\n", ""),
        (b"", ""),
        (b"x" * FILE_LIMIT_BYTES, "x" * FILE_LIMIT_BYTES),
    ],
)
def test_file(content: bytes, expected: str, tmp_path: Path) -> None:
    """A file's text is put in without its last line end; relative names start at the configuration's folder."""
    (tmp_path / "token").write_bytes(content)
    around = Surroundings({}, tmp_path)
    assert interpolate("${file:token}", around) == (expected, ("file:token",))
    assert interpolate(f"<${{file:{tmp_path}/token}}>", around)[0] == f"<{expected}>"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"x" * (FILE_LIMIT_BYTES + 1), f"is larger than {FILE_LIMIT_BYTES} bytes"), (b"\xff", "is not UTF-8")],
)
def test_file_not_usable(content: bytes, message: str, tmp_path: Path) -> None:
    """A file above the limit, or not text, is refused by name."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InterpolationError) as caught:
        interpolate("${file:token}", Surroundings({}, tmp_path))
    assert str(caught.value) == f"file {tmp_path / 'token'} {message}"


def test_tree() -> None:
    """All texts of a tree are looked at, keys are not, and other values are kept."""
    tree = {"a": ["${env:HOST}", 1, {"${env:HOST}": "${env:NOPE}"}], "b": True}
    result = interpolate_tree(tree, Surroundings(ENVIRON, Path()))
    assert result.data == {"a": ["tempo", 1, {"${env:HOST}": "${env:NOPE}"}], "b": True}
    assert result.references == {("a", 0): ("env:HOST",)}
    assert list(result.errors) == [("a", 2, "${env:HOST}")]
    assert tree["b"] is True


EXPORTER = '[otelcol.exporter.otlp.tempo]\ntimeout = "5s"\nclient = { endpoint = "${env:HOST}:4317" }\n'


def test_error_has_its_place() -> None:
    """A missing variable is reported at the key, once, and not again as a wrong value."""
    assert problems('[otelcol.exporter.otlp.tempo]\ntimeout = "${env:WAIT}"\nclient = { endpoint = "x" }\n') == [
        "c.toml:2:1: otelcol.exporter.otlp.tempo.timeout: environment variable WAIT is not set "
        "(a default is written ${env:WAIT:-default})"
    ]


def test_overridden_reference_may_be_missing() -> None:
    """A text that a variable replaces is not looked at."""
    loaded = read(EXPORTER, {"ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT": "b:1"})
    assert loaded.settings.components["otelcol.exporter.otlp.tempo"].model_dump()["client"]["endpoint"] == "b:1"


def test_numbers_and_booleans_from_references() -> None:
    """What a reference gives is read as the key's type."""
    text = (
        '[otelcol.processor.batch.b]\nsend_batch_size = "${env:SIZE}"\noutput = {}\n'
        '[otelcol.exporter.otlp.t]\nclient = { endpoint = "x", tls = { insecure = "${env:INSECURE:-true}" } }\n'
    )
    loaded = read(text, {"SIZE": "17"})
    assert loaded.settings.components["otelcol.processor.batch.b"].model_dump()["send_batch_size"] == 17
    assert loaded.settings.components["otelcol.exporter.otlp.t"].model_dump()["client"]["tls"]["insecure"] is True
    assert problems(text, {"SIZE": CANARY}) == [
        "c.toml:2:1: otelcol.processor.batch.b.send_batch_size: must be a whole number"
    ]
