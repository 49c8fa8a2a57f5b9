"""The running service: root nursery, one child nursery per part of the graph, signals, reload, the way down.

A fault in one component is contained: it is reported as unhealthy and run again with backoff while the others go on.
A reload builds and checks the new graph first; only parts whose configuration (or that of something behind them)
changed are replaced, and their listening sockets and journals are handed over.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from alloytrio.component import BuildContext, Component
from alloytrio.config.load import LoadedConfig
from alloytrio.config.settings import StorageSettings
from alloytrio.errors import AlloyTrioError, ConfigError
from alloytrio.graph import Node, Part, Plan, build_node, make_plan, stop_levels
from alloytrio.listeners import Listeners
from alloytrio.outbox import OutboxSettings, Storage
from alloytrio.telemetry import HealthState, Telemetry

FIRST_RESTART = 1.0  # seconds before a failed component runs again; doubles up to LAST_RESTART
LAST_RESTART = 60.0
SOURCES_SHARE = 0.4  # of the shutdown grace is for requests in flight, the rest for delivering
ORPHANS_INTERVAL = 3600.0  # seconds between looks at the age of data whose component is gone
HANDOVER_GRACE = 5.0  # seconds that a replaced source has for its requests in flight
HANDOVER_DELIVERY = 2.0  # seconds that a replaced exporter has for its batches in flight; the journal keeps the rest


@dataclass(slots=True, eq=False)
class RunningPart:
    """A part of the graph with its nodes, downstream first, and the scope that ends it."""

    part: Part
    nodes: Sequence[Node]
    addresses: frozenset[str]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """How the last reload ended. ``error`` is empty when it took effect; ``at_ns`` is wall-clock time."""

    at_ns: int
    error: str
    replaced: tuple[str, ...] = ()


class Service:
    """The graph of one process, running.

    Args:
        loaded: the configuration to start with.
        load: reads the configuration again, for a reload.
        telemetry: metrics, logs and health of the whole process.
        storage: the data directory, already locked.
    """

    def __init__(
        self, loaded: LoadedConfig, *, load: Callable[[], LoadedConfig], telemetry: Telemetry, storage: Storage
    ) -> None:
        self.loaded = loaded
        self.telemetry = telemetry
        self.storage = storage
        self.stop = trio.Event()
        self.is_ready = False
        self.last_reload: ReloadOutcome | None = None
        self._load = load
        self._listeners = Listeners()
        self._plan = plan_of(loaded)
        self._parts: dict[str, RunningPart] = {}
        self._reloading = trio.Lock()
        self._pipelines: trio.Nursery | None = None
        self._log = telemetry.log

    @property
    def plan(self) -> Plan:
        """The graph as configured."""
        return self._plan

    @property
    def nodes(self) -> list[Node]:
        """All components that run, downstream first."""
        return [node for running in self._parts.values() for node in running.nodes]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until ``stop`` is set, then go down within ``shutdown_grace``.

        Raises:
            ConfigError: a listening address is taken, or a component cannot be built; nothing has been started.
        """
        built = self._build(self._plan, {})
        async with trio.open_nursery() as pipelines:
            self._pipelines = pipelines
            await self._start(built)
            self._report_orphans()
            pipelines.start_soon(self._remove_orphans)
            self.is_ready = True
            self._report_warnings()
            self._log.info("ready", components=len(self.nodes))
            task_status.started()
            await self.stop.wait()
            self.is_ready = False
            grace = self.loaded.settings.service.shutdown_grace
            await self._stop_parts(list(self._parts.values()), grace * SOURCES_SHARE, grace * (1 - SOURCES_SHARE))
            pipelines.cancel_scope.cancel()
        self._report_rest()

    def load_again(self) -> LoadedConfig:
        """The configuration as a reload would read it, without using it.

        Raises:
            ConfigError: it cannot be run.
        """
        return self._load()

    async def reload(self) -> ReloadOutcome:
        """Read the configuration again and replace what changed. An error leaves everything running as it was."""
        async with self._reloading:
            try:
                replaced = await self._replace(self._load())
            except AlloyTrioError as exc:
                outcome = ReloadOutcome(time.time_ns(), str(exc))
                self._log.error("reload failed, the configuration before stays in force", error=str(exc))
            else:
                outcome = ReloadOutcome(time.time_ns(), "", replaced)
                self._report_warnings()
                self._log.info("reloaded", replaced=", ".join(replaced) or "nothing")
            self.last_reload = outcome
            return outcome

    def _report_warnings(self) -> None:
        for warning in self.loaded.warnings:
            self._log.warning("not taken over from the configuration", problem=str(warning))

    async def _replace(self, loaded: LoadedConfig) -> tuple[str, ...]:
        _refuse_what_takes_a_restart(self.loaded, loaded)
        plan = plan_of(loaded)
        kept = {
            running.part.fingerprint: running
            for running in self._parts.values()
            if any(part.fingerprint == running.part.fingerprint for part in plan.parts)
        }
        built = self._build(plan, kept)
        gone = [running for key, running in self._parts.items() if key not in kept]
        await self._stop_parts(gone, HANDOVER_GRACE, HANDOVER_DELIVERY)
        for running in gone:
            for node in running.nodes:
                node.telemetry.close()
        self._plan, self.loaded, self._parts = plan, loaded, kept
        for running in kept.values():
            for node in running.nodes:
                node.upstream, node.downstream = plan.upstream(node.component_id), plan.downstream(node.component_id)
        await self._start(built)
        self._close_unused_listeners()
        self._report_orphans()
        return tuple(node.component_id for running in built for node in running.nodes)

    def _build(self, plan: Plan, kept: dict[str, RunningPart]) -> list[RunningPart]:
        """Build every part that is not kept, downstream first. Sockets opened for a failed build are closed."""
        objects = {node.component_id: node.component for running in kept.values() for node in running.nodes}
        outbox = outbox_defaults(self.loaded.settings.storage)

        def make_context(component_id: str, stop: trio.Event) -> BuildContext:
            return BuildContext(
                component_id=component_id,
                telemetry=self.telemetry.component(component_id),
                stop=stop,
                storage=self.storage,
                outbox=outbox,
                listeners=self._listeners,
                resolve=lambda edge: objects[plan.component_of(edge)],
            )

        try:
            return [
                self._build_part(part, plan, objects, make_context)
                for part in plan.parts
                if part.fingerprint not in kept
            ]
        except BaseException:
            self._close_unused_listeners()
            raise

    def _build_part(
        self,
        part: Part,
        plan: Plan,
        objects: dict[str, Component],
        make_context: Callable[[str, trio.Event], BuildContext],
    ) -> RunningPart:
        nodes = []
        self._listeners.begin()
        for component_id in part.component_ids:
            node = build_node(component_id, plan, make_context)
            objects[component_id] = node.component
            nodes.append(node)
        return RunningPart(part, nodes, self._listeners.taken())

    async def _start(self, built: Sequence[RunningPart]) -> None:
        """Start parts, downstream first; each is ready for data before the next starts."""
        assert self._pipelines is not None
        for running in built:
            self._parts[running.part.fingerprint] = running
            await self._pipelines.start(self._run_part, running)

    async def _run_part(
        self, running: RunningPart, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with running.scope:
            async with trio.open_nursery() as components:
                for node in running.nodes:
                    await components.start(self._supervise, node)
                task_status.started()
        running.ended.set()

    async def _supervise(  # noqa: ASYNC128  the component calls started()
        self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run one component; after a fault, again with backoff, until it is told to stop."""
        started = _StartedOnce(task_status)
        delay = FIRST_RESTART
        try:
            while True:
                began = trio.current_time()
                try:
                    await node.component.run(task_status=started)
                except Exception as exc:
                    cause = repr(root_cause(exc))
                    node.telemetry.log.error("failed, it will be started again", error=cause, exc_info=exc)
                    node.telemetry.health.set(HealthState.UNHEALTHY, f"failed: {cause}")
                    started.started()
                    if trio.current_time() - began > LAST_RESTART:
                        delay = FIRST_RESTART
                else:
                    node.telemetry.health.set(HealthState.EXITED, "ended")
                    return
                with trio.move_on_after(delay):
                    await node.stop.wait()
                    return
                delay = min(delay * 2, LAST_RESTART)
        finally:
            node.done.set()

    async def _stop_parts(self, parts: Sequence[RunningPart], grace: float, delivery: float) -> None:
        """Stop components level by level, sources first; what is left at its deadline is cancelled.

        Args:
            grace: seconds for all that hand data on.
            delivery: seconds after that for the owners of outboxes.
        """
        nodes = [node for running in parts for node in running.nodes]
        with trio.move_on_after(grace):
            for level in stop_levels([node for node in nodes if node.downstream]):
                await _stop_level(level)
        with trio.move_on_after(delivery):
            await _stop_level(nodes)
        for running in parts:
            running.scope.cancel()
        for running in parts:
            await running.ended.wait()

    def _close_unused_listeners(self) -> None:
        used = [running.addresses for running in self._parts.values()]
        self._listeners.keep_only(frozenset().union(*used))

    def _report_orphans(self) -> None:
        for key in self.storage.orphans():
            self._log.warning(
                "stored data of a component that is not configured is kept until storage.max_age", key=key
            )

    async def _remove_orphans(self) -> None:
        """Delete what is over the age limit and has no component any more, and say so."""
        removed = self.telemetry.component("storage").counter(
            "alloytrio_storage_orphans_removed_total",
            "Journals of components that are not configured any more, deleted undelivered at storage.max_age.",
        )
        max_age = self.loaded.settings.storage.max_age
        while True:
            for key in self.storage.remove_orphans(max_age=max_age, now_ns=time.time_ns()):
                self._log.warning("stored data of a component that is not configured was deleted for its age", key=key)
                removed.inc()
            await trio.sleep(ORPHANS_INTERVAL)

    def _report_rest(self) -> None:
        rest = self.storage.undelivered_items()
        self._log.info("stopped", undelivered_items=rest, kept_on_disk=self.storage.is_durable)


async def _stop_level(level: Sequence[Node]) -> None:
    for node in level:
        node.stop.set()
    for node in level:
        await node.done.wait()


def plan_of(loaded: LoadedConfig) -> Plan:
    """The graph that a configuration describes."""
    components = loaded.settings.components
    return make_plan(components, loaded.edges, {each: loaded.fingerprint(each) for each in components})


def outbox_defaults(storage: StorageSettings) -> OutboxSettings:
    """The outbox that the ``[storage]`` table describes; its owner sets the name."""
    return OutboxSettings(
        name="",
        max_bytes=storage.max_size,
        max_age=storage.max_age,
        memory_bytes=storage.memory_size,
        segment_bytes=storage.segment_size,
        fsync=storage.fsync,
        fsync_interval=storage.fsync_interval,
        put_timeout=storage.put_timeout,
        rejected_max_bytes=storage.rejected_max_size,
    )


def _refuse_what_takes_a_restart(before: LoadedConfig, after: LoadedConfig) -> None:
    changed = [
        f"[{table}]"
        for table in ("service", "admin", "storage")
        if getattr(before.settings, table) != getattr(after.settings, table)
    ]
    if changed:
        raise ConfigError(f"{' and '.join(changed)} changed: that takes a restart, not a reload")


def root_cause(error: BaseException) -> BaseException:
    """The first exception inside nested groups: what a person wants to read first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _StartedOnce:
    """A task status that may be told more than once: components run again after a fault."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status: trio.TaskStatus[None] | None = task_status

    def started(self, value: None = None) -> None:
        """Pass the first call on, ignore the others."""
        if self._task_status is not None:
            self._task_status.started()
            self._task_status = None


async def handle_signals(service: Service, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """SIGTERM and SIGINT stop the service, SIGHUP reloads it."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number != signal.SIGHUP:
                service.stop.set()
                return
            await service.reload()
