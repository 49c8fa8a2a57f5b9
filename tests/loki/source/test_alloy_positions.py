"""Positions of Grafana Alloy are taken over at the first start in its data directory."""

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from alloytrio.errors import DecodeError
from alloytrio.loki.source.alloy_positions import MAX_BYTES, read_file, read_positions
from tests.loki.source.chain import START_NS, process, world

SECOND = 1_000_000_000
ENTRY = """
  ? path: cursor-{id}
    labels: '{{__address__="172.18.0.2:443", __meta_docker_container_id="{id}", app="{app}"}}'
  : "{seconds}"
"""


def file_of(*entries: tuple[str, str, object]) -> str:
    """A file as Alloy writes it: (container id, a label, seconds)."""
    return "positions:" + "".join([ENTRY.format(id=name, app=app, seconds=at) for name, app, at in entries])


def test_newest_of_each_container() -> None:
    """Of a container with several label sets the latest time counts; what is no time or no container is left out."""
    text = file_of(("a" * 64, "x", 1700000000), ("a" * 64, "y", 1700000005), ("b" * 64, "x", 7), ("c", "x", "1.5"))
    text += '  /var/log/syslog: "4711"\n  cursor-d: "9"\n  ? [cursor-e]\n  : "5"\n'
    assert read_positions(text) == {"a" * 64: 1700000005 * SECOND, "b" * 64: 7 * SECOND, "d": 9 * SECOND}


@pytest.mark.parametrize("text", ["", "positions:", "positions: {}", "other: 1", "[]", "positions: [1]"])
def test_nothing_in_it(text: str) -> None:
    """A file without positions has none."""
    assert read_positions(text) == {}


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever stands in it, it is read or refused."""
    try:
        read_positions(text)
    except DecodeError:
        pass


def test_files(tmp_path: Path) -> None:
    """A missing file has no positions; one that is too large, no UTF-8 or no YAML is refused, without its words."""
    assert read_file(tmp_path / "none.yml") == {}
    file = tmp_path / "positions.yml"
    for content in (b"positions: {\n  secret", b"\xff\xfe\xfd", b"#" * (MAX_BYTES + 1)):
        file.write_bytes(content)
        with pytest.raises(DecodeError) as refused:
            read_file(file)
        assert "secret" not in str(refused.value)
    file.write_bytes(b"#" * MAX_BYTES)
    assert read_file(file) == {}


async def test_reading_goes_on_where_alloy_was(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Containers that Alloy read are read from its last second on, also ended ones; others as at any first start."""
    async with world(alloy_file=tmp_path / "positions.yml") as it:
        lasting, ended, other = it.add("lasting"), it.add("ended"), it.add("other")
        for n in range(10):
            for container in (lasting, ended, other):
                it.write(container, f"{n}")
            await trio.sleep(1)
        it.stop(ended)
        at = START_NS // SECOND + 6
        (tmp_path / "positions.yml").write_text(file_of((lasting.id, "x", at), (ended.id, "x", at + 1)))
        async with process(it):
            await trio.sleep(10)
        assert it.loki.lines(container="lasting") == ["6", "7", "8", "9"]
        assert it.loki.lines(container="ended") == ["7", "8", "9"]
        assert it.loki.lines(container="other") == [f"{n}" for n in range(10)]
        # Alloy's file is read once: what it says later does not count.
        (tmp_path / "positions.yml").write_text(file_of((lasting.id, "x", 1)))
        async with process(it):
            it.write(lasting, "10")
            await trio.sleep(10)
        assert it.loki.lines(container="lasting") == ["6", "7", "8", "9", "10"]
        assert it.loki.duplicates == 0


async def test_a_broken_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    """If Alloy's file cannot be read, that is told, and start_at counts."""
    (tmp_path / "positions.yml").write_text("positions: {")
    async with world(alloy_file=tmp_path / "positions.yml") as it:
        container = it.add("web")
        it.write(container, "0")
        async with process(it) as run:
            await trio.sleep(10)
            assert any("Alloy's positions" in line.text for line in run.service.recent_logs.lines())
        assert it.loki.lines(container="web") == ["0"]
