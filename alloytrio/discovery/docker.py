"""``discovery.docker``: the containers of one dockerd, as targets.

In: nothing. Out: the current set of targets, containers that have ended among them: their log is still there to be
read. Errors: if dockerd cannot be asked, the targets stay as they were; the failure is counted, and the page shows how
long ago the last good answer was.

The list is asked for every ``refresh_interval``, and at once when dockerd says that something happened to a
container, so that one that lives for a moment is seen too: it stays in the list of ended ones until it is removed. One
that is removed within moments of its start (``docker run --rm``) may be missed by anybody.

Source: Prometheus ``discovery/moby``, Alloy ``internal/component/discovery/docker``. On purpose different: ended
containers have targets, events are listened to, every call has a deadline, and the set is published when it is known,
not on a ticker.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

import trio
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alloytrio.component import BuildContext, Component, ComponentConfig, KnownTarget, Note
from alloytrio.discovery.docker_targets import targets_of
from alloytrio.docker import DockerClient
from alloytrio.docker_client import check_host, open_docker
from alloytrio.errors import DockerError
from alloytrio.http_client import HttpClientConfig
from alloytrio.targets import Latest, Target
from alloytrio.telemetry import ComponentTelemetry, HealthState, TargetsSeen
from alloytrio.values import Duration, Kind

ACTIONS = ("start", "die", "destroy", "rename", "pause", "unpause")
SETTLE = 0.05  # seconds that events are gathered before the list is asked for: compose starts many at once
EVENTS_RETRY = 5.0  # seconds until events are listened to again after an error
LATE = 60.0  # seconds without a good answer that are nothing to warn of
STATE = "__meta_docker_container_state"
_BUCKETS = (0.01, 0.1, 1.0, 10.0)


class DockerFilter(BaseModel):
    """``[[discovery.docker.x.filter]]``"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="What to filter by: label, name, status, network, …")
    values: tuple[str, ...] = Field(min_length=1, description="Any of these may match.")


class DiscoveryDockerConfig(ComponentConfig, HttpClientConfig):
    """``[discovery.docker.<label>]``"""

    component_type: ClassVar[str] = "discovery.docker"
    exports: ClassVar[Mapping[str, Kind]] = {"targets": Kind.TARGETS}

    host: Annotated[str, AfterValidator(check_host)] = Field(
        description='Where dockerd listens, such as "unix:///var/run/docker.sock" or "tcp://host:2376".'
    )
    port: int = Field(80, ge=0, le=65535, description="In the address of a container that has no TCP port.")
    host_networking_host: str = Field("localhost", description="Address of containers in the host's network.")
    refresh_interval: Duration = Field(60.0, gt=0, description="How often the list is asked for, besides events.")
    match_first_network: bool = Field(True, description="Use only the alphabetically first network of a container.")
    filter: tuple[DockerFilter, ...] = Field((), description="Filters; all must match.")
    call_timeout: Duration = Field(15.0, gt=0, description="How long dockerd may take to answer.")

    def build(self, context: BuildContext) -> Component:
        """The component, not yet running."""
        client = open_docker(self.host, self, call_timeout=self.call_timeout)
        return DiscoveryDocker(self, client, context.telemetry, context.stop)


class DiscoveryDocker:
    """Asks one dockerd for its containers.

    Attributes:
        targets: the current set; None until the first answer.
    """

    def __init__(
        self,
        config: DiscoveryDockerConfig,
        client: DockerClient,
        telemetry: ComponentTelemetry,
        stop: trio.Event,
        clock: Callable[[], float] = trio.current_time,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.targets: Latest[tuple[Target, ...] | None] = Latest(None)
        self._config = config
        self._client = client
        self._telemetry = telemetry
        self._stop = stop
        self._clock = clock
        self._wall_ns = wall_ns
        self._wake = trio.Event()
        self._last_good = -math.inf
        self._filters: dict[str, list[str]] = {}
        for each in config.filter:
            self._filters.setdefault(each.name, []).extend(each.values)
        self._tap = telemetry.tap
        self._tap.current = self._seen
        self._failures = telemetry.counter(
            "prometheus_sd_refresh_failures_total",
            "Number of refresh failures for the given SD mechanism.",
            mechanism="docker",
            config=telemetry.component_id,
        )
        self._duration = telemetry.histogram(
            "prometheus_sd_refresh_duration_histogram_seconds",
            "The duration of a refresh for the given SD mechanism.",
            _BUCKETS,
            mechanism="docker",
            config=telemetry.component_id,
        )
        telemetry.gauge_function(
            "alloytrio_discovery_last_refresh_age_seconds",
            "Seconds since the containers were last listed; +Inf if they never were.",
            lambda: self.last_refresh_age,
        )
        telemetry.gauge_function(
            "alloytrio_discovery_targets",
            "Targets found.",
            lambda: len(self.targets.value or ()),
        )

    @property
    def last_refresh_age(self) -> float:
        """Seconds since the last good answer."""
        return self._clock() - self._last_good

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask again and again, until stopped."""
        async with trio.open_nursery() as loops:
            loops.start_soon(self._poll)
            loops.start_soon(self._listen)
            task_status.started()
            await self._stop.wait()
            loops.cancel_scope.cancel()

    async def _poll(self) -> None:
        while True:
            wake = self._wake = trio.Event()
            await self.refresh()
            with trio.move_on_after(self._config.refresh_interval):
                await wake.wait()
                await trio.sleep(SETTLE)

    async def refresh(self) -> None:
        """Ask once, and publish the answer if it changed something."""
        start = self._clock()
        try:
            containers = await self._client.containers(self._filters, ended_too="status" not in self._filters)
            networks = await self._client.networks()
        except DockerError as exc:
            self._failures.inc()
            self._telemetry.health.set(HealthState.UNHEALTHY, f"cannot list containers: {exc}")
            return
        finally:
            self._duration.observe(self._clock() - start)
        self._last_good = self._clock()
        self._telemetry.health.set(HealthState.HEALTHY)
        found = tuple(
            targets_of(
                containers,
                networks,
                port=self._config.port,
                host_networking_host=self._config.host_networking_host,
                match_first_network=self._config.match_first_network,
            )
        )
        if found != self.targets.value:
            self.targets.set(found)
            if self._tap.is_watched:
                self._tap.show(self._seen())

    def known_targets(self) -> Sequence[KnownTarget]:
        """The containers of the last good answer."""
        return [KnownTarget(each, each, state=each.get(STATE, "")) for each in self.targets.value or ()]

    def notes(self) -> Sequence[Note]:
        """When dockerd last told its containers."""
        age = self.last_refresh_age
        if math.isinf(age):
            return [Note("dockerd has not told its containers yet")]
        late = age > max(3 * self._config.refresh_interval, LATE)
        return [Note("last good refresh", late, self._wall_ns() - int(age * 1e9))]

    def _seen(self) -> TargetsSeen:
        return TargetsSeen([(target, target) for target in self.targets.value or ()])

    async def _listen(self) -> None:
        """Ask at once when something happens to a container. Polling goes on whatever happens here."""
        while True:
            try:
                async with self._client.events(ACTIONS) as events:
                    self._wake.set()  # what happened while nobody listened
                    while await events.receive():
                        self._wake.set()
            except DockerError as exc:
                self._telemetry.log.debug("cannot listen to Docker's events", error=str(exc))
            await trio.sleep(EVENTS_RETRY)
