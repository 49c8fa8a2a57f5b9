"""The configurations that we ship, and their own tests."""

from pathlib import Path

import pytest

from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.printer import print_body
from alloytrio.config.cases import run_cases

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
