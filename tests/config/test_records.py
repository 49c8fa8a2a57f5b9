"""What log records become on their way to Loki, told without running anything."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from alloytrio.config.cases import CaseFile, run_case
from alloytrio.config.document import read_text
from alloytrio.config.load import load_document
from alloytrio.config.records import LogRecord
from alloytrio.config.simulation import Simulation, SimulationError

CONFIG = """
[otelcol.receiver.otlp.default]
grpc = {}
output = { logs = ["otelcol.exporter.loki.line", "otelcol.exporter.loki.beside"] }
[otelcol.exporter.loki.line]
forward_to = ["loki.write.w"]
[otelcol.exporter.loki.beside]
structured_metadata = true
forward_to = ["loki.process.p"]
[loki.process.p]
forward_to = ["loki.write.w"]
[[loki.process.p.stage]]
drop = { expression = "noise" }
[[loki.process.p.stage]]
label_drop = { values = ["exporter"] }
[loki.write.w]
external_labels = { host = "h" }
endpoint = [{ url = "http://l/" }]
"""


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """The configuration above."""
    return Simulation(load_document(read_text(CONFIG, name="c.toml", folder=Path()), {}, in_container=False))


def test_lines_and_labels(simulation: Simulation) -> None:
    """Resource and severity become labels; the rest is in the line, or beside it; stages and writers do their part."""
    record = LogRecord(
        body="no stock", severity="ERROR", attributes={"user": "ann"}, trace_id="ab" * 16, span_id="cd" * 8
    )
    whole, alone = simulation.records("", [record], {"service.name": "web"})
    labels = {"job": "web", "level": "ERROR", "host": "h"}
    assert whole.labels == {**labels, "exporter": "OTLP"}
    assert '"body":"no stock"' in whole.line
    assert '"user":"ann"' in whole.line
    assert alone.at == "loki.write.w"
    assert (alone.line, alone.labels) == ("no stock", labels)
    assert alone.structured_metadata["trace_id"] == "ab" * 16


def test_stages_drop(simulation: Simulation) -> None:
    """A stage that drops lines drops records as well."""
    found = simulation.records("", [LogRecord(body="noise"), LogRecord(body="kept")], {})
    assert [each.line for each in found] == ['{"body":"noise"}', '{"body":"kept"}', "kept"]


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (
            'records = [{ body = "a", severity = "INFO" }]\nexpect = [{}, { line = "a", labels = { level = "INFO", '
            'host = "h" } }]',
            "",
        ),
        ("records = []\nexpect = []", ""),
        ('records = [{ body = "noise" }]\nexpect = []', "expected no lines, got 1 line"),
        ('at = "x"\nrecords = []\nexpect = []', "there is no component x"),
    ],
)
def test_cases(simulation: Simulation, text: str, failure: str) -> None:
    """The same as tests in TOML; a failure says what came."""
    file = CaseFile.model_validate(tomllib.loads(f'config = "c"\n[[test]]\nname = "n"\n{text}'))
    said = run_case(file.test[0], simulation)
    assert said.startswith(failure)
    assert failure or said == ""


@pytest.mark.parametrize("key", ["trace_id", "span_id"])
def test_ids_are_hexadecimal(key: str) -> None:
    """An id of another length is refused."""
    with pytest.raises(ValidationError):
        LogRecord.model_validate({"body": "", key: "abc"})


def test_wrong_entry(simulation: Simulation) -> None:
    """A receiver that is not there is named."""
    with pytest.raises(SimulationError, match="there is no component x"):
        simulation.records("x", [], {})
