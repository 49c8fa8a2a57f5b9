"""``loki.source.docker``: reads the logs of containers from one dockerd.

In: targets, which name containers by ``__meta_docker_container_id``. Out: entries to ``forward_to``, each stream of a
container in its order; with each batch the position behind it, in the same record of the same outbox. Errors: none that
end it; what a container's log suffers from is in the component's health.

There is exactly one reader per container, whatever the number of its targets. Readers are started and ended by targets,
and by Docker's events: a container that has ended is read to its end, and again when it is started. This process' own
container is never read.

Source: Alloy ``internal/component/loki/source/docker``. On purpose different: positions are kept until the container is
removed, to the nanosecond, in the outbox; nothing is polled per container; a rule that drops a stream keeps it closed;
lines over the limit are cut, not left out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self, cast

import trio
from pydantic import AfterValidator, Field, model_validator

from alloytrio.component import BuildContext, Component, ComponentConfig, KnownTarget
from alloytrio.docker import DockerClient
from alloytrio.docker_client import check_host, open_docker
from alloytrio.entry import EntryConsumer
from alloytrio.entry_fanout import outlets_of, positioned
from alloytrio.errors import DecodeError, DockerError
from alloytrio.http_client import HttpClientConfig
from alloytrio.loki.source.own_container import is_own, own_container_id
from alloytrio.loki.source.reader import ContainerReader
from alloytrio.loki.source.reader_context import Ending, ReaderContext
from alloytrio.loki.source.source_metrics import SourceMetrics
from alloytrio.loki.source.source_positions import SourcePositions, parse_start_at
from alloytrio.outbox import DeliveryHealth
from alloytrio.relabel import LABEL_NAME, Relabeling
from alloytrio.targets import RuleSource, Target, TargetSource, all_targets, follow
from alloytrio.telemetry import ComponentTelemetry
from alloytrio.values import ByteSize, Duration, EntriesEdge, RulesEdge, TargetsEdge

CONTAINER_ID = "__meta_docker_container_id"
STREAM = "__meta_docker_container_log_stream"
STATE = "__meta_docker_container_state"
OPENING = 8  # readers that open their streams at the same time: dockerd searches a log file for each
EVENTS_RETRY = 5.0  # seconds until events are listened to again after an error
ACTIONS = ("start", "unpause")

ALLOY_POSITIONS = "positions.yml"  # in the component's folder of Alloy's data directory


class LokiSourceDockerConfig(ComponentConfig):
    """``[loki.source.docker.<label>]``"""

    component_type: ClassVar[str] = "loki.source.docker"

    host: Annotated[str, AfterValidator(check_host)] = Field(
        description='Where dockerd listens, such as "unix:///var/run/docker.sock" or "tcp://host:2376".'
    )
    targets: TargetsEdge | tuple[TargetsEdge, ...] = Field(description="Containers to read.")
    forward_to: tuple[EntriesEdge, ...] = Field(min_length=1, description="Where entries go.")
    labels: dict[str, str] = Field({}, description="Added to the labels of every entry.")
    relabel_rules: RulesEdge | None = Field(
        None, description="Rules for the labels of each stream; a dropped stream is not read."
    )
    http_client_config: HttpClientConfig = Field(
        HttpClientConfig(), description="Credentials and TLS for a host that is not a unix socket."
    )
    start_at: str = Field(
        "beginning",
        description='At the very first start, of containers that run already: "beginning" of their logs, "now", or how '
        'far back, such as "1h". Containers that had ended by then are not read.',
    )
    max_line_size: ByteSize = Field(
        256 * 1024, ge=1024, le=64 << 20, description="Longer lines are cut, with a note. Loki takes 256 KiB."
    )
    position_ttl: Duration = Field(
        3600.0, ge=0, description="How long the position of a container that was removed is kept."
    )
    call_timeout: Duration = Field(15.0, gt=0, description="How long dockerd may take to answer.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_start_at(self.start_at)
        for name in self.labels:
            if not LABEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a label name")
        return self

    def build(self, context: BuildContext) -> Component:
        """The component, not yet running."""
        edges = (self.targets,) if isinstance(self.targets, str) else self.targets

        def upstream() -> tuple[Sequence[TargetSource], Relabeling]:
            rules = cast(RuleSource, context.resolve(self.relabel_rules)).rules if self.relabel_rules else Relabeling()
            return [cast(TargetSource, context.resolve(edge)) for edge in edges], rules

        return LokiSourceDocker(
            self,
            open_docker(self.host, self.http_client_config, call_timeout=self.call_timeout),
            upstream=upstream,
            consumers=[cast(EntryConsumer, context.resolve(edge)) for edge in self.forward_to],
            telemetry=context.telemetry,
            stop=context.stop,
            alloy_file=context.storage.path and context.storage.path / context.component_id / ALLOY_POSITIONS,
        )


StreamLabels = Mapping[str, Mapping[str, str] | None]


class _Running:
    """A reader that runs, and how to end it."""

    def __init__(self, reader: ContainerReader) -> None:
        self.reader = reader
        self.scope = trio.CancelScope()
        self.again = False  # start it once more when it has ended


class LokiSourceDocker:
    """Starts and ends the readers of containers.

    Args:
        config: as the user wrote it.
        client: of dockerd.
        upstream: gives the components whose targets are read, and the rules; called when this component runs, because
            what is upstream is built after it.
        consumers: where entries go.
        telemetry: of the component.
        stop: end.
        alloy_file: where an Alloy with the same component and data directory keeps positions; None = nowhere.
        own_id: id of our own container; None = find out.
        wall_ns: the clock.
    """

    def __init__(
        self,
        config: LokiSourceDockerConfig,
        client: DockerClient,
        *,
        upstream: Callable[[], tuple[Sequence[TargetSource], Relabeling]],
        consumers: Sequence[EntryConsumer],
        telemetry: ComponentTelemetry,
        stop: trio.Event,
        alloy_file: Path | None = None,
        own_id: str | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._client = client
        self._upstream = upstream
        self._sources: Sequence[TargetSource] = ()
        self._rules = Relabeling()
        self._log = telemetry.log
        self._stop = stop
        self._alloy_file = alloy_file
        self._own_id = own_container_id() if own_id is None else own_id
        self._wall_ns = wall_ns
        self._health = DeliveryHealth(telemetry.health)
        self._positions = SourcePositions(
            telemetry.component_id, positioned(outlets_of(consumers)), parse_start_at(config.start_at)
        )
        self._context = ReaderContext(
            client=client,
            consumers=consumers,
            outlets=self._positions.outlets,
            load=self._positions.load,
            start_of=self._positions.start_of,
            position_key=self._positions.key,
            max_line_bytes=config.max_line_size,
            opening=trio.CapacityLimiter(OPENING),
            working=trio.CapacityLimiter(1),
            metrics=SourceMetrics(telemetry),
            health=self._health,
            tap=telemetry.tap,
            wall_ns=wall_ns,
        )
        self._chosen: Mapping[str, Target] = {}
        self._wanted: dict[str, StreamLabels] = {}
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, Ending] = {}
        self._states: dict[str, str] = {}
        self._readers: trio.Nursery | None = None
        self._told_without_id = False

    @property
    def readers(self) -> list[ContainerReader]:
        """Those that run, for the page."""
        return [running.reader for running in self._running.values()]

    def known_targets(self) -> Sequence[KnownTarget]:
        """Each container that is a target, and how far its log is read."""
        return [self._known(container_id, target) for container_id, target in self._chosen.items()]

    def _known(self, container_id: str, target: Target) -> KnownTarget:
        streams = self._wanted.get(container_id)
        if streams is None:
            own = is_own(container_id, self._own_id)
            return KnownTarget(target, None, "it is this process' own container" if own else "relabel_rules")
        labels = next((each for each in streams.values() if each is not None), None)
        running, ending = self._running.get(container_id), self._ended.get(container_id)
        position_ns = self._positions.latest_ns(container_id)
        if running is None:
            state = "starting" if ending is None else ending.value
            return KnownTarget(target, labels, state=state, last_entry_ns=position_ns, position_ns=position_ns)
        reader = running.reader
        return KnownTarget(
            target,
            labels,
            state=reader.state,
            last_entry_ns=reader.last_line_ns or position_ns,
            position_ns=position_ns,
            lag=reader.lag_ns / 1e9,
            problem=reader.last_error,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read until stopped. What was read and not handed over then is read again at the next start."""
        self._sources, self._rules = self._upstream()
        self._health.report("", "")
        self._running.clear()
        self._ended.clear()
        await self._positions.begin(self._wall_ns(), self._take_over() if self._positions.is_first_start else {})
        async with trio.open_nursery() as readers:
            self._readers = readers
            for source in self._sources:
                readers.start_soon(follow, source, self._update)
            readers.start_soon(self._listen)
            readers.start_soon(self._positions.forget_removed, self._client, self._config.position_ttl)
            task_status.started()
            await self._stop.wait()
            readers.cancel_scope.cancel()

    def _take_over(self) -> dict[str, int]:
        """The positions of an Alloy that used this data directory before."""
        if self._alloy_file is None or not self._alloy_file.exists():
            return {}
        from alloytrio.loki.source.alloy_positions import read_file  # with its reader of YAML; once in a life

        try:
            found = read_file(self._alloy_file)
        except DecodeError as exc:
            self._log.warning("Alloy's positions are not taken over", error=str(exc), start_at=self._config.start_at)
            return {}
        if found:
            self._log.info("Alloy's positions are taken over", containers=len(found), file=str(self._alloy_file))
        return found

    # What is wanted

    def _update(self) -> None:
        """Start and end readers so that they are what the targets say."""
        known = all_targets(self._sources)
        if known is None:
            return
        chosen: dict[str, Target] = {}
        for target in sorted(known, key=lambda each: sorted(each.items())):
            container_id = target.get(CONTAINER_ID, "")
            if container_id:
                chosen.setdefault(container_id, target)
            elif not self._told_without_id:
                self._told_without_id = True
                self._log.warning(f"targets without the label {CONTAINER_ID} are not read: a rule has removed it")
        self._chosen = chosen
        states = {container_id: target.get(STATE, "") for container_id, target in chosen.items()}
        self._wanted = {
            container_id: labels
            for container_id, target in chosen.items()
            if not is_own(container_id, self._own_id) and (labels := self._stream_labels(target)) is not None
        }
        for container_id, labels in self._wanted.items():
            started = states[container_id] == "running" != self._states.get(container_id)
            self._want(container_id, labels, started)
        self._states = states
        for container_id in self._running.keys() - self._wanted.keys():
            assert self._readers is not None
            self._readers.start_soon(self._retire, container_id)
        self._ended = {key: ending for key, ending in self._ended.items() if key in self._wanted}

    def _stream_labels(self, target: Target) -> StreamLabels | None:
        """The labels of the entries of each stream; None if rules drop both."""
        base = {**target, **self._config.labels}
        labels = {name: self._rules.apply({**base, STREAM: name}) for name in ("stdout", "stderr")}
        if not any(each is not None for each in labels.values()):
            return None
        return {
            name: None if each is None else {key: value for key, value in each.items() if not key.startswith("__")}
            for name, each in labels.items()
        }

    def _want(self, container_id: str, labels: StreamLabels, started: bool) -> None:
        running = self._running.get(container_id)
        if running is None:
            if container_id not in self._ended or started:
                self._start(container_id, labels)
            return
        before = running.reader.wanted
        running.reader.set_labels(labels)
        if running.reader.wanted != before:  # another set of streams must be asked for
            running.again = True
            running.scope.cancel()
        running.again = running.again or started

    # Readers

    def _start(self, container_id: str, labels: StreamLabels) -> None:
        assert self._readers is not None
        running = self._running[container_id] = _Running(ContainerReader(container_id, labels, self._context))
        self._readers.start_soon(self._run_reader, container_id, running)

    async def _run_reader(self, container_id: str, running: _Running) -> None:
        with running.scope:
            ending = await running.reader.run()
            self._ended[container_id] = ending
            self._log.debug("reader ended", container=container_id[:12], why=ending.value)
        del self._running[container_id]
        if running.again and container_id in self._wanted:
            self._start(container_id, self._wanted[container_id])

    async def _retire(self, container_id: str) -> None:
        """A container is no target any more. If it still runs, leave it; if not, let the reader read the rest."""
        try:
            details = await self._client.inspect(container_id)
        except DockerError:
            return
        running = self._running.get(container_id)
        if running is not None and details.running and container_id not in self._wanted:
            running.scope.cancel()

    async def _listen(self) -> None:
        """Start readers of containers that are started again, without waiting for the next targets."""
        while True:
            try:
                async with self._client.events(ACTIONS) as events:
                    for container_id in list(self._ended):
                        self._again(container_id)  # it may have been started while nobody listened
                    while happened := await events.receive():
                        for event in happened:
                            self._again(event.container_id)
            except DockerError as exc:
                self._log.debug("cannot listen to Docker's events", error=str(exc))
            await trio.sleep(EVENTS_RETRY)

    def _again(self, container_id: str) -> None:
        labels = self._wanted.get(container_id)
        if labels is not None:
            self._want(container_id, labels, started=True)
