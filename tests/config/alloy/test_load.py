"""An Alloy file takes the way of a TOML file: overrides, checks, edges; errors show the Alloy text."""

from pathlib import Path

import pytest

from alloytrio.config.alloy.diagnostics import AlloyError, AlloySyntaxError, render
from alloytrio.config.load import LoadedConfig, load
from alloytrio.config.problems import InvalidConfigError
from tests.config.samples import SAMPLES, Batch, Exporter

GOOD = """// Traces.
otelcol.receiver.otlp "default" {
	grpc {
		endpoint = sys.env("LISTEN")
	}

	output {
		traces = [otelcol.processor.batch.default.input]
	}
}

otelcol.processor.batch "default" {
	timeout         = "5s"
	send_batch_size = 1024

	output {
		traces = [otelcol.exporter.otlp.tempo.input]
	}
}

otelcol.exporter.otlp "tempo" {
	client {
		endpoint = coalesce(sys.env("TEMPO"), "tempo:4317")

		tls {
			insecure = true
		}
	}
}
"""


def load_text(tmp_path: Path, text: str, **environ: str) -> LoadedConfig:
    """Loads a text from a file."""
    path = tmp_path / "config.alloy"
    path.write_text(text)
    return load(path, environ, in_container=False, components=SAMPLES)


def refused(tmp_path: Path, text: str, **environ: str) -> str:
    """What is shown of a text with errors, without the folder."""
    with pytest.raises(AlloyError) as caught:
        load_text(tmp_path, text, **environ)
    return render(caught.value.diagnostics).replace(f"{tmp_path}/", "")


def test_good_file(tmp_path: Path) -> None:
    """Values, environment, defaults of variables and edges arrive in the settings."""
    loaded = load_text(tmp_path, GOOD, LISTEN="127.0.0.1:1")
    batch = loaded.settings.components["otelcol.processor.batch.default"]
    exporter = loaded.settings.components["otelcol.exporter.otlp.tempo"]
    assert isinstance(batch, Batch)
    assert isinstance(exporter, Exporter)
    assert (batch.timeout, batch.send_batch_size, batch.send_batch_max_size) == (5.0, 1024, 3000)
    assert exporter.client.endpoint == "tempo:4317"
    assert [(edge.source_id, edge.target_id) for edge in loaded.edges] == [
        ("otelcol.receiver.otlp.default", "otelcol.processor.batch.default"),
        ("otelcol.processor.batch.default", "otelcol.exporter.otlp.tempo"),
    ]


def test_old_suffix(tmp_path: Path) -> None:
    """A file of Grafana Agent's flow mode is in the same language."""
    path = tmp_path / "config.river"
    path.write_text(GOOD)
    assert len(load(path, {"LISTEN": "a:1"}, in_container=False, components=SAMPLES).settings.components) == 3


def test_variables_override(tmp_path: Path) -> None:
    """ALLOYTRIO_… stands over an Alloy file as over a TOML file, and provenance knows both."""
    name = "ALLOYTRIO_OTELCOL__PROCESSOR__BATCH__DEFAULT__TIMEOUT"
    loaded = load_text(tmp_path, GOOD, LISTEN="127.0.0.1:1", **{name: "7s"})
    settings = loaded.settings
    batch = settings.components["otelcol.processor.batch.default"]
    assert isinstance(batch, Batch)
    assert batch.timeout == 7.0
    assert str(settings.provenance("otelcol.processor.batch.default.timeout")) == name
    assert str(settings.provenance("otelcol.processor.batch.default.send_batch_size")).endswith("config.alloy:14")


def test_errors_of_models_show_the_alloy_text(tmp_path: Path) -> None:
    """A value that the model refuses is marked where the Alloy file says it; values stay hidden."""
    text = GOOD.replace('"5s"', '"5 parsecs"').replace("1024", "-1")
    assert (
        refused(tmp_path, text, LISTEN="127.0.0.1:1")
        == (
            "Error: config.alloy:13:2: otelcol.processor.batch.default.timeout: not a duration: write a number with "
            'a unit (ns, us, ms, s, m, h), such as "5s" or "1m30s"\n'
            "\n"
            '12 | otelcol.processor.batch "default" {\n'
            '13 |     timeout         = "…"\n'
            "   |     ^^^^^^^\n"
            "14 |     send_batch_size = -1\n"
            "\n"
            "Error: config.alloy:14:2: otelcol.processor.batch.default.send_batch_size: must be at least 0\n"
            "\n"
            '13 |     timeout         = "…"\n'
            "14 |     send_batch_size = -1\n"
            "   |     ^^^^^^^^^^^^^^^\n"
            "15 | "
        ).rstrip()
    )


def test_errors_of_variables_show_no_text(tmp_path: Path) -> None:
    """A wrong override names the variable, not a line."""
    shown = refused(tmp_path, GOOD, LISTEN="x:1", ALLOYTRIO_OTELCOL__PROCESSOR__BATCH__DEFAULT__TIMEOUT="x")
    assert shown.startswith(
        "Error: environment variable ALLOYTRIO_OTELCOL__PROCESSOR__BATCH__DEFAULT__TIMEOUT: "
        "otelcol.processor.batch.default.timeout: not a duration"
    )


def test_syntax_errors(tmp_path: Path) -> None:
    """All errors of the text, and nothing else."""
    with pytest.raises(AlloySyntaxError) as caught:
        load_text(tmp_path, "a = \nb = 'x'\n")
    assert len(caught.value.problems) == 2
    assert "config.alloy:2:5: illegal single-quoted string; use double quotes" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is said to be so."""
    with pytest.raises(InvalidConfigError, match=r"nope\.alloy: cannot be read: No such file or directory"):
        load(tmp_path / "nope.alloy", {}, in_container=False)


def test_unset_variables_are_empty(tmp_path: Path) -> None:
    """As in Alloy, an unset variable is the empty string."""
    loaded = load_text(tmp_path, GOOD.replace("sys.env", "env"))
    receiver = loaded.settings.components["otelcol.receiver.otlp.default"]
    assert receiver.model_dump()["grpc"]["endpoint"] == ""
    assert [problem.message for problem in loaded.warnings] == ['"env" is an old name'] * 2
