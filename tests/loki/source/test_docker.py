"""loki.source.docker in a whole pipeline: what is read, what is not, and that nothing is read twice."""

import random

import pytest
import trio
from trio.testing import MockClock

from alloytrio.loki.source.docker import LokiSourceDockerConfig
from alloytrio.outbox import OutboxSettings
from tests.docker.fake import SECOND
from tests.loki.source.chain import Fixed, clock_ns, process, world


async def test_lines_arrive(autojump_clock: MockClock) -> None:
    """Lines of running containers arrive in order with their labels, from the beginning of their logs on."""
    async with world() as it:
        web, db = it.add("web"), it.add("db", tty=True)
        it.write(web, "before")
        async with process(it) as run:
            await trio.sleep(1)
            it.write(web, "out")
            it.write(web, "err", stream=2)
            it.write(db, "tty")
            await trio.sleep(3)
            assert it.loki.lines(container="web", stream="stdout") == ["before", "out"]
            assert it.loki.lines(container="web", stream="stderr") == ["err"]
            assert it.loki.lines(container="db", stream="stdout") == ["tty"]
            assert it.loki.rows(container="web")[0][0] == clock_ns() - 4 * SECOND
            assert run.count("loki_source_docker_target_entries_total") == 4
            assert run.count("alloytrio_docker_open_streams") == 2
        assert it.loki.problems == []


async def test_short_lived_containers(autojump_clock: MockClock) -> None:
    """A container that lives for a moment is read to its end; so is one that ended while nobody was there."""
    async with world() as it:
        async with process(it):
            await trio.sleep(1)
            short = it.add("short")
            it.write(short, "one")
            it.write(short, "x" * 40_000)
            it.stop(short)
            await trio.sleep(5)
            assert [len(line) for line in it.loki.lines(container="short")] == [3, 40_000]
            running = it.add("running")
            it.write(running, "a")
            await trio.sleep(5)
        it.write(running, "b")
        it.stop(running)
        born_and_died = it.add("meanwhile")
        it.write(born_and_died, "c")
        it.stop(born_and_died)
        async with process(it) as run:
            await trio.sleep(5)
            assert it.loki.lines(container="running") == ["a", "b"]
            assert it.loki.lines(container="meanwhile") == ["c"]
            await trio.sleep(20)
            opened = len(it.docker.paths("/logs"))
            await trio.sleep(60)
            assert len(it.docker.paths("/logs")) == opened
            assert run.source.readers == []
        async with process(it):
            await trio.sleep(5)
            assert len(it.docker.paths("/logs")) == opened
        assert it.loki.duplicates == 0


@pytest.mark.parametrize(
    ("start_at", "lines"), [("beginning", ["old", "young", "new"]), ("now", ["new"]), ("1m", ["young", "new"])]
)
async def test_the_very_first_start(autojump_clock: MockClock, start_at: str, lines: list[str]) -> None:
    """start_at says what is read of containers that run already; containers that had ended are not read."""
    async with world(source={"start_at": start_at}) as it:
        running, ended = it.add("running"), it.add("ended")
        it.write(running, "old")
        it.write(ended, "never")
        it.stop(ended)
        await trio.sleep(100)
        it.write(running, "young")
        await trio.sleep(10)
        async with process(it):
            await trio.sleep(1)
            it.write(running, "new")
            await trio.sleep(5)
            assert it.loki.lines(container="running") == lines
            assert it.loki.lines(container="ended") == []


async def test_restart_stop_and_start(autojump_clock: MockClock) -> None:
    """A container that stops and starts again goes on in its log; nothing is read twice."""
    async with world() as it:
        web = it.add("web")
        async with process(it):
            for n in range(4):
                it.write(web, f"{n}")
                await trio.sleep(7)
                it.stop(web)
                await trio.sleep(7 * (n % 2))
                it.docker.start(web)
            it.write(web, "last")
            await trio.sleep(10)
            assert it.loki.lines(container="web") == ["0", "1", "2", "3", "last"]
        assert it.loki.duplicates == 0


async def test_rename_and_new_address(autojump_clock: MockClock) -> None:
    """Other labels are taken for the lines from then on; the log is not opened again."""
    async with world() as it:
        web = it.add("web", mode="net", networks={"net": {"NetworkID": "n", "IPAddress": "1.1.1.1"}})
        async with process(it):
            await trio.sleep(1)
            it.write(web, "a")
            await trio.sleep(5)
            web.name, web.networks = "new", {"net": {"NetworkID": "n", "IPAddress": "2.2.2.2"}}
            it.docker.emit("rename", web)
            await trio.sleep(5)
            it.write(web, "b")
            await trio.sleep(5)
            assert (it.loki.lines(container="web"), it.loki.lines(container="new")) == (["a"], ["b"])
            assert len(it.docker.paths("/logs")) == 1


async def test_daemon_restart(autojump_clock: MockClock) -> None:
    """While dockerd is away nothing is lost; streams that broke go on where they were."""
    async with world() as it:
        web = it.add("web")
        async with process(it) as run:
            for n in range(30):
                it.write(web, f"{n}")
                if n % 10 == 5:
                    it.docker.refuse = True
                    await it.docker.break_connections()
                if n % 10 == 8:
                    it.docker.refuse = False
                await trio.sleep(1)
            await trio.sleep(10)
            assert it.loki.lines(container="web") == [str(n) for n in range(30)]
            assert run.count("alloytrio_docker_reopened_streams_total") >= 3
            assert run.count("alloytrio_docker_replayed_lines_total") >= 3
        assert it.loki.duplicates == 0


async def test_a_stuck_daemon(autojump_clock: MockClock) -> None:
    """A daemon that hangs holds up its own containers only as long as it hangs."""
    async with world() as it:
        web = it.add("web")
        async with process(it):
            await trio.sleep(1)
            it.docker.hang = True
            await it.docker.break_connections()
            it.write(web, "a")
            await trio.sleep(60)
            it.docker.hang = False
            await trio.sleep(30)
            assert it.loki.lines(container="web") == ["a"]


async def test_removed(autojump_clock: MockClock) -> None:
    """A reader ends with its container; its position is dropped after a while, that of another is kept."""
    async with world(source={"position_ttl": "10m"}) as it:
        web, db = it.add("web"), it.add("db")
        async with process(it) as run:
            it.write(web, "a")
            it.write(db, "a")
            await trio.sleep(5)
            it.docker.remove(web)
            await trio.sleep(5)
            assert [reader.container_id for reader in run.source.readers] == [db.id]
            positions = run.write.outlets()[0].lane.outbox.positions
            assert sum(web.id.encode() in key for key in positions) == 1
            await trio.sleep(1200)
            assert [web.id.encode() in key for key in positions if b"container" in key] == [False]


async def test_not_ourselves(autojump_clock: MockClock) -> None:
    """Our own container is not read, even if no rule says so."""
    async with world(own_id="1".rjust(64, "c")) as it:
        own, other = it.add("alloytrio-abc"), it.add("web")
        it.own_id = own.id[:12]
        it.write(own, "loop")
        it.write(other, "fine")
        async with process(it):
            await trio.sleep(5)
            assert it.loki.lines() == ["fine"]
            assert it.docker.paths(f"{own.id}/") == []


async def test_one_reader_for_many_targets(autojump_clock: MockClock) -> None:
    """A container with three targets is read once, one without an id is told about, a dropped stream stays shut."""
    rules = [
        {"source_labels": ["__meta_docker_container_log_stream"], "target_label": "stream"},
        {"source_labels": ["quiet", "stream"], "regex": "yes;stdout", "action": "drop"},
        {"source_labels": ["quiet"], "regex": "all", "action": "drop"},
    ]
    async with world(rules=rules) as it:
        web, db, no = it.add("web"), it.add("db"), it.add("no")
        meta = "__meta_docker_container_id"
        targets = Fixed(
            *[{meta: web.id, "port": str(port)} for port in (1, 2, 3)], {meta: db.id, "quiet": "yes"},
            {meta: no.id, "quiet": "all"}, {"other": "x"},
        )  # fmt: skip
        async with process(it, targets) as run:
            for container in (web, db, no):
                it.write(container, container.name)
                it.write(container, container.name, stream=2)
            await trio.sleep(3)
            assert it.loki.lines(port="1") == ["web", "web"]
            assert it.loki.lines(quiet="yes") == ["db"]
            assert sorted(path.partition("?")[0][-69:-5] for path in it.docker.paths("/logs")) == sorted(
                [web.id, db.id]
            )
            assert it.docker.paths(f"{db.id}/logs")[0].endswith("&stderr=1")
            assert any("without the label" in line.text for line in run.service.recent_logs.lines())


async def test_rules_that_change_what_is_read(autojump_clock: MockClock) -> None:
    """When targets change so that a stream is wanted or not any more, it is opened or shut, without a line twice."""
    rules = [{"source_labels": ["__meta_docker_container_log_stream", "only"], "regex": "stderr;out", "action": "drop"}]
    async with world(rules=rules) as it:
        web, meta = it.add("web"), "__meta_docker_container_id"
        targets = Fixed({meta: web.id, "only": "out"})
        async with process(it, targets):
            it.write(web, "o1")
            it.write(web, "e1", stream=2)
            await trio.sleep(3)
            assert it.loki.lines() == ["o1"]
            targets.targets.set(({meta: web.id, "only": "all"},))
            await trio.sleep(3)
            it.write(web, "e2", stream=2)
            it.write(web, "o2")
            await trio.sleep(3)
            assert it.loki.lines(only="all")[-2:] == ["e2", "o2"]
            targets.targets.set(())
            await trio.sleep(3)
            it.write(web, "unwanted")
            await trio.sleep(3)
            assert "unwanted" not in it.loki.lines()
        assert it.loki.duplicates == 0


async def test_long_lines_and_odd_bytes(autojump_clock: MockClock) -> None:
    """A line over the limit is cut and counted; bytes that are no text stay readable."""
    async with world(source={"max_line_size": "64KiB"}) as it:
        web = it.add("web")
        async with process(it) as run:
            it.write(web, b"y" * 100_000)
            it.write(web, b"caf\xe9 \x00")
            await trio.sleep(3)
            long, odd = sorted(it.loki.lines(), key=len, reverse=True)
            assert (len(long), long.endswith(" [truncated, 100000 bytes]")) == (65_536, True)
            assert odd == "caf\\xe9 \0"
            assert run.count("alloytrio_docker_truncated_lines_total") == 1


async def test_back_pressure(autojump_clock: MockClock) -> None:
    """While the outbox is full nothing is read, and that is shown; then all lines arrive, once."""
    settings = OutboxSettings("", max_bytes=65_536, memory_bytes=16_384, segment_bytes=8_192)
    async with world(outbox=settings) as it:
        web = it.add("web")
        it.loki.down = True
        async with process(it) as run:
            for n in range(400):
                it.write(web, f"{n} " + bytes((n * 7 + k * k) % 251 for k in range(300)).hex())
                await trio.sleep(0.05)
            await trio.sleep(60)
            handed_over = run.count("loki_source_docker_target_entries_total")
            assert handed_over < 350
            health = run.service.healths()["loki.source.docker.x"]
            assert "reading has stopped" in health.message
            (known,) = run.source.known_targets()
            assert known.state == "held up"
            assert 0 < known.position_ns < known.last_entry_ns
            it.loki.down = False
            await trio.sleep(600)
            assert [line.partition(" ")[0] for line in it.loki.lines()] == [str(n) for n in range(400)]
            assert run.service.healths()["loki.source.docker.x"].message == ""
        assert it.loki.duplicates == 0


async def test_more_than_an_outbox_holds(autojump_clock: MockClock) -> None:
    """A line larger than the whole outbox is left out alone and counted; its neighbours arrive, and it is read once."""
    settings = OutboxSettings("", max_bytes=65_536, memory_bytes=16_384, segment_bytes=8_192)
    async with world(outbox=settings, endpoints=2) as it:
        web = it.add("web")
        async with process(it) as run:
            it.write(web, "before")
            it.write(web, random.Random(1).randbytes(80_000).hex())
            it.write(web, "behind")
            await trio.sleep(10)
            assert [loki.lines() for loki in it.lokis] == [["before", "behind"]] * 2
            assert run.count("alloytrio_docker_oversized_lines_total") == 2  # one for each outbox
            assert run.service.healths()["loki.source.docker.x"].message == ""
            await trio.sleep(10)
        async with process(it) as run:
            it.write(web, "later")
            await trio.sleep(10)
            assert run.count("alloytrio_docker_oversized_lines_total") == 0
        assert [loki.lines() for loki in it.lokis] == [["before", "behind", "later"]] * 2


async def test_a_log_that_cannot_be_read(autojump_clock: MockClock) -> None:
    """A container whose driver cannot be read is named, asked for seldom, and holds up no other."""
    async with world() as it:
        none, web = it.add("none"), it.add("web")
        it.docker.fail[f"{none.id}/logs"] = (501, "configured logging driver does not support reading")
        async with process(it) as run:
            it.write(web, "a")
            await trio.sleep(100)
            assert it.loki.lines() == ["a"]
            assert len(it.docker.paths(f"{none.id}/logs")) == 1
            assert "does not support reading" in run.service.healths()["loki.source.docker.x"].message


async def test_many_containers_are_opened_in_turn(autojump_clock: MockClock) -> None:
    """Not all logs are searched by dockerd at once."""
    async with world() as it:
        for n in range(40):
            it.add(f"c{n}")
        async with process(it) as run:
            await trio.sleep(1)
            assert run.count("alloytrio_docker_open_streams") == 8
            await trio.sleep(20)
            assert run.count("alloytrio_docker_open_streams") == 40


@pytest.mark.parametrize(
    "table",
    [
        {"host": "x"},
        {"start_at": "yesterday"},
        {"labels": {"a.b": "c"}},
        {"forward_to": []},
        {"max_line_size": "1B"},
        {"refresh_interval": "5s"},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    good = {"host": "unix:///x", "targets": "discovery.docker.x", "forward_to": ["loki.write.x"]}
    LokiSourceDockerConfig.model_validate(good)
    with pytest.raises(ValueError, match="validation error"):
        LokiSourceDockerConfig.model_validate({**good, **table})
