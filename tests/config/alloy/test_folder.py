"""A folder of Alloy files is one configuration; errors show the file in which they are."""

from pathlib import Path

import pytest

from alloytrio.admin.source_text import shown_source
from alloytrio.config.alloy.diagnostics import AlloyError, render
from alloytrio.config.alloy.files import text_of
from alloytrio.config.convert.languages import convert_folder
from alloytrio.config.load import load
from alloytrio.config.problems import InvalidConfigError
from tests.config.samples import SAMPLES

RECEIVER = """// What comes in.
otelcol.receiver.otlp "default" {
	grpc { }

	output {
		traces = [otelcol.exporter.otlp.tempo.input]
	}
}
"""
EXPORTER = """otelcol.exporter.otlp "tempo" {
	client {
		endpoint = "tempo:4317"
		headers  = { token = "hunter22" }
	}
}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that need each other, and files that do not count."""
    (tmp_path / "b.alloy").write_text(RECEIVER)
    (tmp_path / "a.alloy").write_text("\ufeff" + EXPORTER)
    (tmp_path / "readme.md").write_text("no Alloy")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.alloy").write_text("no Alloy either")
    return tmp_path


def refused(folder: Path) -> str:
    """What is shown of a folder with errors, without its path."""
    with pytest.raises(AlloyError) as caught:
        load(folder, {}, in_container=False, components=SAMPLES)
    return render(caught.value.diagnostics).replace(f"{folder}/", "")


def test_files_are_merged(folder: Path) -> None:
    """Components of one file are known in the others, in the order of the files' names."""
    loaded = load(folder, {}, in_container=False, components=SAMPLES)
    assert list(loaded.settings.components) == ["otelcol.exporter.otlp.tempo", "otelcol.receiver.otlp.default"]
    assert [(edge.source_id, edge.target_id) for edge in loaded.edges] == [
        ("otelcol.receiver.otlp.default", "otelcol.exporter.otlp.tempo")
    ]


def test_variables_override(folder: Path) -> None:
    """ALLOYTRIO_… stands over a folder as well."""
    environ = {"ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT": "elsewhere:4317"}
    loaded = load(folder, environ, in_container=False, components=SAMPLES)
    client = loaded.settings.components["otelcol.exporter.otlp.tempo"].model_dump()["client"]
    assert client["endpoint"] == "elsewhere:4317"


def test_the_page_shows_all_files_without_secrets(folder: Path) -> None:
    """The shown text has each file below its name; a value that is a secret is hidden, and places fit that text."""
    loaded = load(folder, {}, in_container=False, components=SAMPLES)
    shown = shown_source(loaded)
    assert "// a.alloy\n\notelcol.exporter.otlp" in shown
    assert "// b.alloy\n\n// What comes in.\notelcol.receiver.otlp" in shown
    assert "hunter22" not in shown
    origin = loaded.settings.provenance("otelcol.exporter.otlp.tempo.client.endpoint")
    assert "endpoint" in loaded.source_text.splitlines()[int(str(origin).rpartition(":")[2]) - 1]


@pytest.mark.parametrize(
    ("file", "text", "heads"),
    [
        ("a.alloy", "\ufeff" + EXPORTER + "\nx {", ["a.alloy:7:1: expected"]),
        ("b.alloy", RECEIVER + "a b", ["b.alloy:9:3: expected"]),
        ("b.alloy", RECEIVER + 'loki.ecko "x" { }\n', ['b.alloy:9:1: there is no component "loki.ecko" here']),
        ("b.alloy", RECEIVER.replace("grpc {", "grpx {"), ['b.alloy:3:2: unrecognized block name "grpx"']),
        ("b.alloy", RECEIVER.replace("tempo.input", "temp.input"), ["b.alloy:6:13: "]),
        ("b.alloy", RECEIVER + EXPORTER, ['b.alloy:9:1: block "otelcol.exporter.otlp.tempo" already declared']),
        ("a.alloy", EXPORTER.replace('"tempo:4317"', "1 + true"), ["a.alloy:3:14: "]),
        (
            "a.alloy",
            EXPORTER.replace("}\n}", '}\n\n\ttimeout = "5 parsecs"\n}'),
            ["a.alloy:7:2: otelcol.exporter.otlp.tempo.timeout: "],
        ),
        ("c.alloy", "\n\n  = ", ["c.alloy:3:3: "]),
        ("c.alloy", 'tracing {\n}\nlogging {\n\tlevel = "loud"\n}\n', ["c.alloy:4:2: logging.level: "]),
    ],
)
def test_errors_name_the_file(folder: Path, file: str, text: str, heads: list[str]) -> None:
    """Each error of the text, of the schema and of the models has file, line and column of its own file."""
    (folder / file).write_text(text)
    shown = refused(folder)
    found = [line.removeprefix("Error: ") for line in shown.splitlines() if line.startswith("Error: ")]
    assert [line[: len(head)] for line, head in zip(found, heads, strict=True)] == heads
    if "already declared" in shown:
        assert "first in a.alloy:1" in shown


def test_errors_of_all_files_at_once(folder: Path) -> None:
    """Two files with syntax errors are both listed."""
    (folder / "a.alloy").write_text("a =\n\n")
    (folder / "b.alloy").write_text("b = // soon\n")
    shown = refused(folder)
    assert "Error: a.alloy:1:4: " in shown
    assert "Error: b.alloy:1:4: " in shown


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without Alloy files is refused."""
    with pytest.raises(InvalidConfigError, match=r"there are no files \*\.alloy in this folder"):
        load(tmp_path, {}, in_container=False)


def test_folder_is_converted(folder: Path) -> None:
    """``convert`` writes one TOML file, with each file's name above its first table."""
    toml = convert_folder(folder).toml()
    assert toml.index("# a.alloy") < toml.index("[otelcol.exporter.otlp.tempo") < toml.index("# b.alloy")
    assert toml.index("# What comes in.") < toml.index("[otelcol.receiver.otlp.default")


def test_text_of_a_folder(folder: Path) -> None:
    """A folder that cannot be loaded has its text in the form of one that runs: the page compares their lines."""
    loaded = load(folder, {}, in_container=False, components=SAMPLES)
    assert text_of(folder) == loaded.source_text
    assert text_of(folder / "b.alloy") == RECEIVER
    (folder / "b.alloy").write_text("broken {")
    assert text_of(folder).endswith("// b.alloy\n\nbroken {\n")
    with pytest.raises(FileNotFoundError):
        text_of(folder / "none.alloy")
