"""The configurations that we ship, and their own tests."""

from pathlib import Path

import pytest

from alloytrio.component import ComponentConfig
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.printer import print_body
from alloytrio.config.cases import run_cases
from alloytrio.config.load import LoadedConfig, load
from alloytrio.config.slots import edge_texts

CONFIG = Path(__file__).parents[2] / "config"
LABELS = {
    "discovery.docker.default": "discovery.docker.containers",
    "discovery.relabel.docker_logs": "discovery.relabel.logs",
    "loki.source.docker.default": "loki.source.docker.containers",
    "loki.process.default": "loki.process.logs",
    "loki.write.default": "loki.write.loki",
}
"""What config.alloy calls otherwise than alloytrio.toml."""
FLAGS = {"ALLOYTRIO_ADMIN__LISTEN_ADDR": "0.0.0.0:12345", "ALLOYTRIO_STORAGE__PATH": "/var/lib/alloytrio/data"}
"""What an Alloy file cannot say: there it is in options, which become these variables."""


def own_values(config: ComponentConfig) -> dict[str, object]:
    """All values of a component, defaults filled in, without the keys that name other components."""
    edges = {edge.path[0] for edge in edge_texts(type(config), config)}
    assert edges <= {"targets", "forward_to", "output"}
    return {key: value for key, value in config.model_dump().items() if key not in edges}


def edges_of(loaded: LoadedConfig) -> set[tuple[str, ...]]:
    """All edges, by the labels of alloytrio.toml."""
    return {
        (LABELS.get(edge.source_id, edge.source_id), LABELS.get(edge.target_id, edge.target_id), edge.kind.value,
         str(edge.signal), edge.export)
        for edge in loaded.edges
    }  # fmt: skip


@pytest.mark.parametrize("path", sorted((CONFIG / "tests").glob("*.toml")), ids=lambda path: path.stem)
def test_own_tests(path: Path) -> None:
    """What ``alloytrio test config/tests`` runs passes."""
    assert [f"{outcome.name}: {outcome.failure}" for outcome in run_cases(path) if outcome.failure] == []


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.alloy")), ids=lambda path: path.stem)
def test_alloy_files_are_canonical(path: Path) -> None:
    """Alloy files are as ``alloytrio fmt`` writes them."""
    text = path.read_text()
    assert print_body(parse(text, str(path)).body) == text


@pytest.mark.parametrize("in_container", [True, False])
def test_alloy_file_means_the_same(in_container: bool) -> None:
    """config.alloy settles to the same values and edges as alloytrio.toml, for every table, component and default."""
    alloy = load(CONFIG / "config.alloy", FLAGS, in_container=in_container)
    wanted = load(CONFIG / "alloytrio.toml", {}, in_container=in_container)
    assert alloy.warnings == ()
    renamed = {LABELS.get(name, name): config for name, config in alloy.settings.components.items()}
    assert sorted(renamed) == sorted(wanted.settings.components)
    for name, config in wanted.settings.components.items():
        assert type(renamed[name]) is type(config)
        assert own_values(renamed[name]) == own_values(config), name
    assert edges_of(alloy) == edges_of(wanted)
    for table in ("service", "admin", "storage", "logging"):
        assert getattr(alloy.settings, table) == getattr(wanted.settings, table)
