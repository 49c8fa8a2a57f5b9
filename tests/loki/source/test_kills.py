"""Killed anywhere, any number of times: each line is in Loki once, and nothing was read twice."""

import random

import pytest
import trio
from trio.testing import MockClock

from alloytrio.outbox import OutboxSettings
from tests.docker.fake import FakeContainer
from tests.loki.source.chain import World, process, world


async def write_all(it: World, containers: list[FakeContainer], lines: int, pause: float, done: trio.Event) -> None:
    """Each container writes its numbered lines, both streams in turn, some long."""
    for n in range(lines):
        for container in containers:
            text = f"{n} " + "x" * (20_000 if n % 37 == 5 else 10)
            it.write(container, text, stream=1 + n % 3 // 2)
        await trio.sleep(pause)
    done.set()


def numbers(lines: list[str]) -> list[int]:
    return sorted(int(line.partition(" ")[0]) for line in lines)


@pytest.mark.parametrize("seed", range(6))
async def test_kills_while_containers_write(autojump_clock: MockClock, seed: int) -> None:
    """However often the process is killed, and dockerd's connections break, each line is there exactly once."""
    chance = random.Random(seed)
    async with world() as it:
        containers = [it.add(f"c{n}", tty=n == 2) for n in range(3)]
        done = trio.Event()
        it.nursery.start_soon(write_all, it, containers, 300, 0.1, done)
        while not done.is_set():
            async with process(it):
                with trio.move_on_after(chance.uniform(0.1, 6)):
                    await done.wait()
                if chance.random() < 0.3:
                    await it.docker.break_connections()
                await trio.sleep(chance.uniform(0, 0.3))
        async with process(it):
            await trio.sleep(10)
        for container in containers:
            assert numbers(it.loki.lines(container=container.name)) == list(range(300))
        assert it.loki.problems == []


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_read_twice(autojump_clock: MockClock, seed: int) -> None:
    """With Loki's answers never lost, a kill sends no entry a second time but those that were in flight."""
    chance = random.Random(seed)
    async with world() as it:
        container, done = it.add("web"), trio.Event()
        it.nursery.start_soon(write_all, it, [container], 200, 0.05, done)
        while not done.is_set():
            async with process(it):
                with trio.move_on_after(chance.uniform(0.5, 4)):
                    await done.wait()
        async with process(it):
            await trio.sleep(10)
        assert numbers(it.loki.lines(container="web")) == list(range(200))
        assert it.loki.duplicates == 0


@pytest.mark.parametrize("seed", range(4))
async def test_two_outboxes(autojump_clock: MockClock, seed: int) -> None:
    """With two Lokis, one of them down at times, a kill between the two outboxes repeats nothing in either."""
    chance = random.Random(seed)
    async with world(endpoints=2) as it:
        container, done = it.add("web"), trio.Event()
        it.nursery.start_soon(write_all, it, [container], 200, 0.05, done)
        while not done.is_set():
            it.lokis[chance.randrange(2)].down = chance.random() < 0.5
            async with process(it):
                with trio.move_on_after(chance.uniform(0.2, 3)):
                    await done.wait()
        for loki in it.lokis:
            loki.down = False
        async with process(it):
            await trio.sleep(60)
        for loki in it.lokis:
            assert numbers(loki.lines(container="web")) == list(range(200))
            assert loki.duplicates == 0


async def test_a_new_endpoint_gets_what_the_old_has(autojump_clock: MockClock) -> None:
    """An endpoint that is added later is filled from the beginning; the first one gets nothing twice."""
    async with world() as it:
        container = it.add("web")
        async with process(it):
            for n in range(20):
                it.write(container, f"{n}")
            await trio.sleep(5)
        it.endpoints = 2
        it.lokis.append(type(it.loki)(it.loki.clock_ns))
        async with process(it):
            it.write(container, "20")
            await trio.sleep(5)
            it.write(container, "21")
            await trio.sleep(5)
        for loki in it.lokis:
            assert numbers(loki.lines(container="web")) == list(range(22))
            assert loki.duplicates == 0


@pytest.mark.parametrize("seed", range(4))
async def test_blocks_of_lines(autojump_clock: MockClock, seed: int) -> None:
    """A block that was open when the process was killed is read again from its first line, and is whole."""
    chance = random.Random(seed)
    stages: list[dict[str, object]] = [{"multiline": {"firstline": "^BEGIN", "max_wait_time": "2s"}}]
    async with world(stages=stages) as it:
        container, done = it.add("web"), trio.Event()

        async def write_blocks() -> None:
            for n in range(60):
                it.write(container, f"BEGIN {n}")
                for k in range(n % 4):
                    await trio.sleep(0.05)
                    it.write(container, f"  at {k}")
                await trio.sleep(0.1)
            done.set()

        it.nursery.start_soon(write_blocks)
        while not done.is_set():
            async with process(it):
                with trio.move_on_after(chance.uniform(0.1, 2)):
                    await done.wait()
        async with process(it):
            await trio.sleep(10)
        expected = ["\n".join([f"BEGIN {n}", *[f"  at {k}" for k in range(n % 4)]]) for n in range(60)]
        assert it.loki.lines(container="web") == expected
        assert it.loki.duplicates == 0


async def test_dropped_lines_move_the_position(autojump_clock: MockClock) -> None:
    """Lines that a stage drops are not read again after a restart."""
    async with world(stages=[{"drop": {"expression": "noise"}}]) as it:
        container = it.add("web")
        async with process(it):
            for n in range(50):
                it.write(container, f"noise {n}")
            await trio.sleep(10)
        await trio.sleep(100)
        async with process(it) as run:
            await trio.sleep(10)
            assert run.count("loki_source_docker_target_entries_total") == 0
        assert it.loki.lines() == []


async def test_a_rate_limit_slows_reading(autojump_clock: MockClock) -> None:
    """A limit without drop makes the reader wait; all lines arrive."""
    async with world(stages=[{"limit": {"rate": 10, "burst": 10}}]) as it:
        container = it.add("web")
        for n in range(100):
            it.write(container, f"{n}")
        async with process(it):
            await trio.sleep(2)
            for n in range(100, 200):
                it.write(container, f"{n}")
            await trio.sleep(12)
            assert len(it.loki.lines()) == 100
            await trio.sleep(20)
            assert len(it.loki.lines()) == 200


async def test_a_reader_that_waits_holds_up_no_other(autojump_clock: MockClock) -> None:
    """Readers work one at a time, but one that a stage makes wait lets the others work meanwhile."""
    limited = {"match": {"selector": '{container="slow"}', "stage": [{"limit": {"rate": 1, "burst": 1}}]}}
    async with world(stages=[limited]) as it:
        slow, quick = it.add("slow"), it.add("quick")
        async with process(it):
            for n in range(60):
                it.write(slow, f"{n}")
                it.write(quick, f"{n}")
                await trio.sleep(0.1)
            await trio.sleep(3)
            assert it.loki.lines(container="quick") == [f"{n}" for n in range(60)]
            assert len(it.loki.lines(container="slow")) < 20
            await trio.sleep(80)
            assert it.loki.lines(container="slow") == [f"{n}" for n in range(60)]


async def test_one_reading_at_a_time(autojump_clock: MockClock) -> None:
    """While an outbox has no room, the lines of one container are decoded; the others wait with their bytes."""
    async with world(outbox=OutboxSettings("", max_bytes=256 * 1024, put_timeout=1.0)) as it:
        containers = [it.add(f"c{n}") for n in range(10)]
        it.loki.down = True
        async with process(it) as run:
            for _ in range(30):
                for container in containers:
                    for n in range(20):
                        it.write(container, f"{n} " + f"{random.random()}" * 100)
                await trio.sleep(1)
            read = run.count("loki_source_docker_target_entries_total")
            assert run.count("alloytrio_docker_held_up_total") > 0
            assert run.count("alloytrio_docker_open_streams") == 10
            await trio.sleep(10)
            assert run.count("loki_source_docker_target_entries_total") == read
            it.loki.down = False
            await trio.sleep(600)
            for container in containers:
                assert len(it.loki.lines(container=container.name)) == 600
        assert it.loki.duplicates == 0
