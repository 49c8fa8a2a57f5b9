"""What loki.source.docker tells of the containers that it reads."""

import trio
from trio.testing import MockClock

from alloytrio.component import KnownTarget
from tests.loki.source.chain import Process, clock_ns, process, world


def known(run: Process) -> dict[str, KnownTarget]:
    """The targets by the names of their containers."""
    return {each.discovered["__meta_docker_container_name"].lstrip("/"): each for each in run.source.known_targets()}


async def test_how_far_each_container_is_read(autojump_clock: MockClock) -> None:
    """Its state, its latest line, how old that was when it was read, and up to where it is safe."""
    async with world() as it:
        web, done = it.add("web"), it.add("done")
        async with process(it) as run:
            await trio.sleep(1)
            assert known(run)["web"].state == "reading"
            assert (known(run)["web"].last_entry_ns, known(run)["web"].position_ns) == (0, 0)
            it.write(web, "a")
            written_ns = clock_ns()
            it.write(done, "b")
            it.stop(done)
            await trio.sleep(10)
            found = known(run)
            assert (found["web"].last_entry_ns, found["web"].position_ns) == (written_ns, written_ns)
            assert found["web"].labels == {"container": "web", "stream": "stdout"}
            assert 0 <= found["web"].lag < 1
            assert (found["done"].state, found["done"].position_ns) == ("read to the end", written_ns)


async def test_what_is_not_read(autojump_clock: MockClock) -> None:
    """Our own container, and one whose streams the rules drop, with the reason."""
    drop: dict[str, object] = {
        "source_labels": ["__meta_docker_container_name"], "regex": "/noisy", "action": "drop",
    }  # fmt: skip
    async with world(rules=[drop]) as it:
        it.own_id = it.add("self").id
        it.add("noisy")
        async with process(it) as run:
            await trio.sleep(1)
            found = known(run)
            assert {name: each.labels for name, each in found.items()} == {"self": None, "noisy": None}
            assert "own container" in found["self"].dropped_by
            assert found["noisy"].dropped_by == "relabel_rules"
