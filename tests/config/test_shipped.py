"""The configurations that we ship, and their own tests."""

import tomllib
from pathlib import Path

import pytest

from alloytrio.config.alloy.convert import convert
from alloytrio.config.alloy.evaluator import Surroundings
from alloytrio.config.alloy.load import any_machine
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.printer import print_body
from alloytrio.config.cases import run_cases
from alloytrio.config.registry import COMPONENTS

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("path", sorted((CONFIG / "tests").glob("*.toml")), ids=lambda path: path.stem)
def test_own_tests(path: Path) -> None:
    """What ``alloytrio test config/tests`` runs passes."""
    assert [f"{outcome.name}: {outcome.failure}" for outcome in run_cases(path) if outcome.failure] == []


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.alloy")), ids=lambda path: path.stem)
def test_alloy_files_are_canonical(path: Path) -> None:
    """Alloy files are as ``alloytrio fmt`` writes them."""
    text = path.read_text()
    assert print_body(parse(text, str(path)).body) == text


@pytest.mark.parametrize(
    "component_id",
    ["otelcol.receiver.otlp.default", "otelcol.processor.batch.default", "otelcol.exporter.otlp.tempo"],
)
def test_alloy_file_means_the_same(component_id: str) -> None:
    """The trace path of config.alloy settles to the same values as that of alloytrio.toml, but for where it leads."""
    models = {each.component_type: each for each in COMPONENTS}
    alloy = convert(parse((CONFIG / "config.alloy").read_text()), Surroundings(None, any_machine()))
    assert alloy.report == ()
    path = tuple(component_id.split("."))
    wanted: object = tomllib.loads((CONFIG / "alloytrio.toml").read_text())
    for key in path:
        assert isinstance(wanted, dict)
        wanted = wanted[key]
    assert isinstance(wanted, dict)
    settled = []
    for table in (dict(alloy.tables)[path], wanted):
        output: dict[str, object] = {"output": {}} if "output" in table else {}
        settled.append(models[component_id.rpartition(".")[0]].model_validate({**table, **output}))
    assert settled[0] == settled[1]
