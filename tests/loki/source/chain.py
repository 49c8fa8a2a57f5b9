"""A whole pipeline in one process: a small dockerd, source, stages, writer, a small Loki. It can be killed anywhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx  # noqa: ASYNC127 - the client that we build on
import trio

from alloytrio.component import BuildContext
from alloytrio.discovery.docker import DiscoveryDocker, DiscoveryDockerConfig
from alloytrio.docker import DockerClient
from alloytrio.listeners import Listeners
from alloytrio.loki.process import LokiProcess, LokiProcessConfig
from alloytrio.loki.process.stage import StageContext
from alloytrio.loki.source.docker import LokiSourceDocker, LokiSourceDockerConfig
from alloytrio.loki.write import LokiWrite, LokiWriteConfig
from alloytrio.outbox import OutboxSettings, Storage
from alloytrio.relabel import Relabeling, RelabelRule
from alloytrio.targets import Latest, Target
from alloytrio.telemetry import Telemetry
from tests.docker.fake import SECOND, FakeContainer, FakeDocker
from tests.loki.fake import FakeLoki, FakeLokiTransport

HOST = "unix:///unused.sock"
START_NS = 1_700_000_000 * SECOND
STREAM_RULES: list[dict[str, object]] = [
    {"source_labels": ["__meta_docker_container_name"], "regex": "/(.*)", "target_label": "container"},
    {"source_labels": ["__meta_docker_container_log_stream"], "target_label": "stream"},
]


def clock_ns() -> int:
    """The time of dockerd, of Loki and of this process."""
    return START_NS + int(trio.current_time() * 1e9)


@dataclass
class World:
    """What outlives the process.

    Args:
        nursery: where dockerd runs.
    """

    nursery: trio.Nursery
    storage: Storage = field(default_factory=Storage.memory)
    rules: list[dict[str, object]] = field(default_factory=lambda: STREAM_RULES)
    stages: list[dict[str, object]] = field(default_factory=list)
    source: dict[str, object] = field(default_factory=dict)
    endpoints: int = 1
    outbox: OutboxSettings = field(default_factory=lambda: OutboxSettings(""))
    own_id: str = ""
    alloy_file: Path | None = None

    def __post_init__(self) -> None:
        self.docker = FakeDocker(self.nursery)
        self.docker.mutable_clock_ns = START_NS
        self.lokis = [FakeLoki(clock_ns) for _ in range(self.endpoints)]

    @property
    def loki(self) -> FakeLoki:
        return self.lokis[0]

    def write(self, container: FakeContainer, text: bytes | str, stream: int = 1) -> None:
        """A container writes a line now."""
        self.docker.mutable_clock_ns = clock_ns()
        container.write(text, ts_ns=clock_ns(), stream=stream)

    def add(self, name: str, **settings: object) -> FakeContainer:
        """A container starts now."""
        self.docker.mutable_clock_ns = clock_ns()
        return self.docker.add(name, **settings)

    def stop(self, container: FakeContainer) -> None:
        """A container ends now."""
        self.docker.mutable_clock_ns = clock_ns()
        self.docker.stop(container)


@dataclass
class Process:
    """One life of the process."""

    source: LokiSourceDocker
    write: LokiWrite
    service: Telemetry
    stop: trio.Event

    def count(self, name: str, component: str = "loki.source.docker.x") -> float:
        """The value of a metric without further labels."""
        telemetry = self.service.component(component)
        try:
            return next((value for found, _, value in telemetry.values() if found == name), -1.0)
        finally:
            telemetry.close()


class Fixed:
    """Targets that a test sets."""

    def __init__(self, *targets: Target) -> None:
        self.targets: Latest[tuple[Target, ...] | None] = Latest(targets)


@asynccontextmanager
async def process(world: World, targets: Fixed | None = None) -> AsyncIterator[Process]:
    """A life of the process; leaving the block kills it where it stands."""
    service, stop = Telemetry(), trio.Event()

    def context(component_id: str) -> BuildContext:
        return BuildContext(
            component_id=component_id, telemetry=service.component(component_id), stop=stop, storage=world.storage,
            outbox=world.outbox, listeners=Listeners(), resolve=lambda edge: edge,
        )  # fmt: skip

    transports = iter([FakeLokiTransport(loki) for loki in world.lokis])
    endpoints = [{"url": f"http://loki{n}/loki/api/v1/push", "name": f"e{n}"} for n in range(world.endpoints)]
    write = LokiWrite(
        LokiWriteConfig.model_validate({"endpoint": endpoints}), context("loki.write.x"),
        lambda *_: httpx.AsyncClient(transport=next(transports), timeout=None),
    )  # fmt: skip
    stages = LokiProcessConfig.model_validate({"forward_to": ["x"], "stage": world.stages}).stage
    processing = LokiProcess(
        [stage.build(StageContext(service.component("loki.process.x"))) for stage in stages], [write],
        service.component("loki.process.x"), stop,
    )  # fmt: skip
    discovery = DiscoveryDocker(
        DiscoveryDockerConfig.model_validate({"host": HOST, "refresh_interval": "5s"}),
        DockerClient(HOST, call_timeout=10, connect=world.docker.connect),
        service.component("discovery.docker.x"), stop,
    )  # fmt: skip
    rules = Relabeling([RelabelRule.model_validate(rule) for rule in world.rules])
    source = LokiSourceDocker(
        LokiSourceDockerConfig.model_validate(
            {"host": HOST, "targets": "discovery.docker.x", "forward_to": ["loki.process.x"], **world.source}
        ),
        DockerClient(HOST, call_timeout=10, connect=world.docker.connect),
        upstream=lambda: ([targets or discovery], rules),
        consumers=[processing], telemetry=service.component("loki.source.docker.x"), stop=stop, own_id=world.own_id,
        alloy_file=world.alloy_file, wall_ns=clock_ns,
    )  # fmt: skip
    async with trio.open_nursery() as components:
        for component in (write, processing, discovery, source):
            await components.start(component.run)
        yield Process(source, write, service, stop)
        components.cancel_scope.cancel()


@asynccontextmanager
async def world(**settings: object) -> AsyncIterator[World]:
    """dockerd and Loki, empty."""
    async with trio.open_nursery() as nursery:
        yield World(nursery, **settings)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()
