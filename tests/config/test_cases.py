"""Tests of users' configurations: how they are read, and what they find."""

import tomllib
from pathlib import Path

import pytest

from alloytrio.component import Signal
from alloytrio.config.cases import CaseFile, Outcome, read_cases, run_case, run_cases
from alloytrio.config.document import read_text
from alloytrio.config.load import load_document
from alloytrio.config.problems import InvalidConfigError
from alloytrio.config.simulation import Delivered, Simulation, SimulationError
from tests.config.simulated import COMPONENTS

ONE_INPUT = "test[0]: a test needs one of lines, targets, signal, points and records"
CONFIG = """
[otelcol.receiver.otlp.default]
output = { traces = ["otelcol.processor.batch.default"], metrics = ["otelcol.exporter.otlp.other"] }
[otelcol.processor.batch.default]
output = { traces = ["otelcol.exporter.otlp.tempo", "otelcol.exporter.otlp.other"] }
[otelcol.exporter.otlp.tempo]
client = { endpoint = "t:4317" }
[otelcol.exporter.otlp.other]
client = { endpoint = "o:4317" }

[discovery.docker.d]
[discovery.relabel.r]
targets = "discovery.docker.d"
[[discovery.relabel.r.rule]]
source_labels = ["__meta_name"]
regex = "/(.*)"
target_label = "container"
[[discovery.relabel.r.rule]]
source_labels = ["container"]
regex = "alloy"
action = "drop"
[discovery.relabel.only]
targets = []
[[discovery.relabel.only.rule]]
source_labels = ["__meta_docker_container_log_stream"]
target_label = "stream"
[loki.source.docker.s]
targets = "discovery.relabel.r.output"
relabel_rules = "discovery.relabel.only.rules"
labels = { job = "docker" }
forward_to = ["loki.process.p"]
[loki.process.p]
forward_to = ["loki.write.w", "loki.process.q"]
[[loki.process.p.stage]]
json = { expressions = { level = "" } }
[[loki.process.p.stage]]
labels = { values = { level = "" } }
[loki.process.q]
forward_to = ["loki.write.v"]
[[loki.process.q.stage]]
multiline = { firstline = "^a" }
[[loki.process.q.stage]]
drop = { expression = "secret" }
[loki.write.w]
external_labels = { host = "h", job = "other" }
endpoint = [{ url = "http://l" }]
[loki.write.v]
endpoint = [{ url = "http://l" }]
"""


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """The configuration above."""
    components = COMPONENTS
    document = read_text(CONFIG, name="c.toml", folder=Path())
    return Simulation(load_document(document, {}, in_container=False, components=components))


def test_targets(simulation: Simulation) -> None:
    """Targets go through rules, and are known at every component on their way."""
    reached = simulation.targets("", [{"__meta_name": "/web"}, {"__meta_name": "/alloy"}])
    assert reached["discovery.docker.d"] == [{"__meta_name": "/web"}, {"__meta_name": "/alloy"}]
    assert reached["loki.source.docker.s"] == [{"__meta_name": "/web", "container": "web"}]


def test_lines(simulation: Simulation) -> None:
    """Lines get the labels of source, stages and writer; hidden labels go, and each writer gets its own."""
    labels = {"container": "web", "job": "docker", "stream": "stdout"}
    found = simulation.lines("", {"__meta_name": "/web"}, ['{"level":"info"}', "a", "b secret", "a"])
    assert found == [
        Delivered("loki.write.w", '{"level":"info"}', {**labels, "level": "info", "host": "h"}),
        *(Delivered("loki.write.w", line, {**labels, "host": "h"}) for line in ["a", "b secret", "a"]),
        Delivered("loki.write.v", '{"level":"info"}', {**labels, "level": "info"}),
        Delivered("loki.write.v", "a", labels),
    ]


def test_lines_of_a_dropped_container(simulation: Simulation) -> None:
    """What the rules drop is not read."""
    assert simulation.lines("", {"__meta_name": "/alloy"}, ["x"]) == []


@pytest.mark.parametrize(
    ("at", "labels"),
    [
        ("loki.source.docker.s", {"stream": "stderr", "container": "c", "job": "docker", "host": "h"}),
        ("loki.process.p", {"container": "c", "host": "h", "job": "other"}),
        ("loki.write.w", {"container": "c", "host": "h", "job": "other"}),
    ],
)
def test_lines_enter_anywhere(simulation: Simulation, at: str, labels: dict[str, str]) -> None:
    """Lines can be given to a source, to stages, or to a writer alone."""
    found = simulation.lines(at, {"container": "c"}, ["x"], "stderr")
    assert [each.labels for each in found if each.at == "loki.write.w"] == [labels]


def test_signals(simulation: Simulation) -> None:
    """A signal ends at the exporters that its edges lead to."""
    assert simulation.signal("", Signal.TRACES) == ["otelcol.exporter.otlp.other", "otelcol.exporter.otlp.tempo"]
    assert simulation.signal("", Signal.METRICS) == ["otelcol.exporter.otlp.other"]
    assert simulation.signal("", Signal.LOGS) == []


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("loki.process.nope", "there is no component loki.process.nope"),
        ("otelcol.receiver.otlp.default", "takes no log lines"),
    ],
)
def test_wrong_entry(simulation: Simulation, at: str, message: str) -> None:
    """What cannot enter where it should is said to be so."""
    with pytest.raises(SimulationError, match=message):
        simulation.lines(at, {}, [])


def case(text: str) -> str:
    """The failure of one test in TOML."""
    file = CaseFile.model_validate(tomllib.loads(f'config = "c"\n[[test]]\nname = "n"\n{text}'))
    loaded = load_document(
        read_text(CONFIG, name="c.toml", folder=Path()),
        {},
        in_container=False,
        components=COMPONENTS,
    )
    return run_case(file.test[0], Simulation(loaded))


@pytest.mark.parametrize(
    "text",
    [
        'at = "loki.process.q"\nlines = ["a", "b"]\nexpect = [{ line = "a\\nb", labels = {}, at = "loki.write.v" }]',
        'at = "loki.process.q"\nlines = ["a secret"]\nexpect = []',
        'at = "loki.write.w"\nlines = ["x"]\nexpect = [{}]',
        'at = "discovery.relabel.r"\ntargets = [{ __meta_name = "/web" }]\nexpect = [{ container = "web" }]',
        'at = "discovery.relabel.r"\ntargets = [{ __meta_name = "/w" }]\n'
        'expect = [{ container = "w", __meta_name = "/w" }]',
        'at = "discovery.relabel.r"\ntargets = [{ __meta_name = "/alloy" }]\nexpect = []',
        'signal = "metrics"\nexpect = ["otelcol.exporter.otlp.other"]',
    ],
)
def test_passing_cases(text: str) -> None:
    """What is expected comes; what is not mentioned is not compared."""
    assert case(text) == ""


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (
            'at = "loki.process.q"\nlines = ["x", "y"]\nexpect = [{}]',
            "expected 1 line, got 2 lines\n  loki.write.v {} 'x'\n  loki.write.v {} 'y'",
        ),
        (
            'at = "loki.write.w"\nlines = ["x"]\nexpect = [{ labels = { a = "b" } }]',
            'line 1: labels\n  expected {"a": "b"}\n  got      {"host": "h", "job": "other"}',
        ),
        (
            'at = "discovery.relabel.r"\ntargets = [{ __meta_name = "/web" }]\nexpect = []',
            '  expected []\n  got      [{"container": "web"}]',
        ),
        ('signal = "logs"\nexpect = ["x"]', '  expected ["x"]\n  got      []'),
        ('at = "x"\nsignal = "logs"\nexpect = []', "there is no component x; there are "),
    ],
)
def test_failing_cases(text: str, failure: str) -> None:
    """A failure says what was expected and what came."""
    assert case(text).startswith(failure)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = ", "not TOML: Invalid value"),
        ("test = []", "config: Field required"),
        ('config = "c"\ntest = []', "test: List should have at least 1 item"),
        (
            'config = "c"\n[[test]]\nname = "n"',
            ONE_INPUT,
        ),
        (
            'config = "c"\n[[test]]\nlines = []\ntargets = []',
            ONE_INPUT,
        ),
        ('config = "c"\n[[test]]\nname = "n"\nlines = []', "test[0].expect: Field required"),
        (
            'config = "c"\n[[test]]\nname = "n"\nlines = []\nexpect = [{ lin = 1 }]',
            "test[0].expect[0].lin: Extra inputs",
        ),
    ],
)
def test_files_that_are_not_right(tmp_path: Path, text: str, problem: str) -> None:
    """A file of tests with a mistake names the place."""
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(InvalidConfigError) as caught:
        read_cases(path)
    assert f"{path}: {problem}" in str(caught.value)


def test_files_and_folders(tmp_path: Path) -> None:
    """All files of a folder are run, each with its own configuration and environment; a folder without is an error."""
    with pytest.raises(InvalidConfigError, match="there are no tests"):
        run_cases(tmp_path)
    (tmp_path / "c.alloy").write_text('logging { level = sys.env("LEVEL") }\n')
    for name, level in (("a", "info"), ("b", "warn")):
        text = f'config = "c.alloy"\nenvironment = {{ LEVEL = "{level}" }}\n'
        text += '[[test]]\nname = "n"\nsignal = "logs"\nexpect = []\n'
        (tmp_path / f"{name}.toml").write_text(text)
    failure = "there is no otelcol.receiver.otlp: say where it enters with at"
    assert run_cases(tmp_path) == [Outcome(str(tmp_path / f"{name}.toml"), "n", failure) for name in "ab"]
