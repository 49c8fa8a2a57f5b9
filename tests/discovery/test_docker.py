"""discovery.docker against a small dockerd: polling, events, failures, what it tells."""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.discovery.docker import DiscoveryDocker, DiscoveryDockerConfig
from alloytrio.docker import DockerClient
from alloytrio.telemetry import ComponentTelemetry, HealthState, Telemetry
from tests.docker.fake import FakeDocker

HOST = "unix:///unused.sock"


@dataclass
class Running:
    docker: FakeDocker
    discovery: DiscoveryDocker
    telemetry: ComponentTelemetry
    stop: trio.Event

    def ids(self) -> list[str]:
        return [target["__meta_docker_container_id"] for target in self.discovery.targets.value or ()]

    def state(self) -> HealthState:
        return self.telemetry.health.current.state

    def value(self, name: str) -> float:
        return next(value for found, _, value in self.telemetry.values() if found == name)


@asynccontextmanager
async def running(*, refuse: bool = False, **settings: object) -> AsyncIterator[Running]:
    async with trio.open_nursery() as nursery:
        docker, stop = FakeDocker(nursery), trio.Event()
        docker.refuse = refuse
        telemetry = Telemetry().component("discovery.docker.test")
        config = DiscoveryDockerConfig.model_validate({"host": HOST, "refresh_interval": "5s", **settings})
        client = DockerClient(HOST, call_timeout=config.call_timeout, connect=docker.connect)
        discovery = DiscoveryDocker(config, client, telemetry, stop)
        await nursery.start(discovery.run)
        yield Running(docker, discovery, telemetry, stop)
        nursery.cancel_scope.cancel()


async def test_polling(autojump_clock: MockClock) -> None:
    """The list is asked for at once and then every interval; an unchanged answer is not published again."""
    async with running() as run:
        await trio.sleep(4.9)
        before = len(run.docker.paths("containers/json"))
        version = run.discovery.targets.version
        await trio.sleep(5)
        assert len(run.docker.paths("containers/json")) == before + 1
        assert run.discovery.targets.version == version
        assert run.discovery.targets.value == ()
        assert run.docker.paths("networks")


async def test_events(autojump_clock: MockClock) -> None:
    """A container that lives for a moment is found at once, and stays as an ended one until it is removed."""
    async with running(refresh_interval="1h") as run:
        await trio.sleep(1)
        container = run.docker.add("short")
        run.docker.stop(container)
        await trio.sleep(0.1)
        assert run.ids() == [container.id]
        run.docker.remove(container)
        await trio.sleep(0.1)
        assert run.ids() == []


async def test_many_events_are_one_question(autojump_clock: MockClock) -> None:
    """Containers that start together are listed once."""
    async with running(refresh_interval="1h") as run:
        await trio.sleep(1)
        before = len(run.docker.paths("containers/json"))
        for number in range(20):
            run.docker.add(f"c{number}")
        await trio.sleep(1)
        assert len(run.docker.paths("containers/json")) <= before + 2
        assert len(run.ids()) == 20


async def test_failures_keep_the_targets(autojump_clock: MockClock) -> None:
    """While dockerd is away the last good set stays; the failure is counted and shown; then it goes on."""
    async with running() as run:
        container = run.docker.add("a")
        await trio.sleep(1)
        assert run.state() is HealthState.HEALTHY
        run.docker.refuse = True
        await run.docker.break_connections()
        await trio.sleep(20)
        assert run.ids() == [container.id]
        assert run.state() is HealthState.UNHEALTHY
        assert "refused" in run.telemetry.health.current.message
        assert run.value("prometheus_sd_refresh_failures_total") >= 3
        assert 15 <= run.value("alloytrio_discovery_last_refresh_age_seconds") <= 21
        (note,) = run.discovery.notes()
        assert (note.text, note.is_warning) == ("last good refresh", False)
        await trio.sleep(60)
        assert run.discovery.notes()[0].is_warning
        run.docker.refuse = False
        another = run.docker.add("b")
        await trio.sleep(6)
        assert run.ids() == [container.id, another.id]
        assert run.state() is HealthState.HEALTHY
        assert run.value("alloytrio_discovery_last_refresh_age_seconds") < 6
        (note,) = run.discovery.notes()
        assert not note.is_warning
        assert time.time_ns() - note.at_ns < 10e9
        assert [each.labels for each in run.discovery.known_targets()] == list(run.discovery.targets.value or ())


async def test_a_daemon_that_hangs(autojump_clock: MockClock) -> None:
    """A daemon that does not answer holds nothing up for longer than the deadline."""
    async with running(call_timeout="3s") as run:
        await trio.sleep(1)
        run.docker.hang = True
        await trio.sleep(20)
        assert "no answer within 3 s" in run.telemetry.health.current.message
        run.docker.hang = False
        container = run.docker.add("a")
        await trio.sleep(9)
        assert run.ids() == [container.id]


async def test_unknown_until_the_first_answer(autojump_clock: MockClock) -> None:
    """Before the first answer there is no set, which is not the empty set."""
    async with running(refuse=True) as run:
        await trio.sleep(1)
        assert run.discovery.targets.value is None
        assert run.value("alloytrio_discovery_last_refresh_age_seconds") == math.inf
        run.docker.refuse = False
        await run.discovery.targets.wait(0)
        assert run.discovery.targets.value == ()


async def test_filters(autojump_clock: MockClock) -> None:
    """Filters of one name are alternatives; with a status, Docker decides about ended containers."""
    filters = [{"name": "label", "values": ["a"]}, {"name": "label", "values": ["b"]}]
    async with running(filter=filters) as run:
        await trio.sleep(1)
        assert "%22a%22%3A+true%2C+%22b%22%3A+true" in run.docker.paths("containers/json")[0]
        assert "all=1" in run.docker.paths("containers/json")[0]
    async with running(filter=[{"name": "status", "values": ["running"]}]) as run:
        await trio.sleep(1)
        assert "all=1" not in run.docker.paths("containers/json")[0]


async def test_stop() -> None:
    """It ends when it is told to."""
    async with running() as run:
        await wait_all_tasks_blocked()
        run.stop.set()
        with trio.fail_after(5):
            await wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"host": "x"},
        {"host": HOST, "refresh_interval": "0s"},
        {"host": HOST, "filter": [{"name": "a", "values": []}]},
        {"host": HOST, "port": 70000},
        {"host": HOST, "bearer_token": "a", "basic_auth": {}},
        {"host": HOST, "proxy_url": "x"},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        DiscoveryDockerConfig.model_validate(table)
