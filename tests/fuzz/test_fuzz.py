"""The fuzzer itself, and a few inputs for each reader."""

from pathlib import Path

import pytest

from tests.fuzz.run import fuzz, run
from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 15


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_inputs(target: Target) -> None:
    """Each reader takes the inputs that the fuzzer begins with, so that damage gets deep into it."""
    read = 0
    for raw in target.seeds:
        try:
            target.read(raw)
        except target.allowed:
            continue
        read += 1
    assert read


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_inputs(target: Target) -> None:
    """No damaged input raises anything but what the reader may raise. ``scripts/fuzz`` tries for longer."""
    assert fuzz(target, 1, EXAMPLES, lambda: None) is None


def _breaks(raw: bytes) -> None:
    if b"\xff" in raw:
        raise KeyError("found")


def test_a_crash_is_found(tmp_path: Path) -> None:
    """A reader that breaks is named, and an input that breaks it is kept."""
    target = Target("planted", _breaks, [b"good"])
    assert run([target], 0.0, 0, tmp_path / "crashes") == {"planted": 1}
    assert b"\xff" in (tmp_path / "crashes" / "planted").read_bytes()
