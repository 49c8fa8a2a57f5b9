"""A short run of ``scripts/chaos``: whatever fails, nothing that was accepted is missing at the end."""

import pytest

from tests.chaos.run import run

SECONDS = 20.0


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
def test_everything_that_was_accepted_arrives(seed: int) -> None:
    """For each signal: accepted = delivered + set aside, once nothing is queued any more."""
    said: list[str] = []
    tallies, happened = run(SECONDS, seed, said.append)
    assert {name: tally.missing for name, tally in tallies.items()} == {name: [] for name in tallies}, said
    assert all(tally.accepted > 100 for tally in tallies.values()), "too little to prove anything"
    assert happened.total() >= 5
    assert any(name.startswith("kill -9") for name in happened)
