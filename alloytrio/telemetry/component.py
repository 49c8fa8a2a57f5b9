"""What a component tells about itself: its metrics, its log, its health; and all of them together for one service.

In: the component's id. Out: a ``prometheus_client`` registry of our own (no global one is touched), log lines, health.
Errors: ``ValueError`` when a metric is declared with two types, which is a bug.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from structlog.typing import FilteringBoundLogger

from alloytrio.telemetry.health import Health, HealthRecord, HealthState
from alloytrio.telemetry.logs import LogPipeline, LogSettings, RecentLogs, TextOutput, capture_stdlib
from alloytrio.telemetry.metrics import Counter, Gauge, Histogram, SeriesSet, gauge_family
from alloytrio.telemetry.tap import Tap


class ComponentTelemetry:
    """Bound to one component; every metric gets the labels ``component_id`` and ``component_path="/"``.

    Two may be open for one id during a reload. They share counters, so that these go on; the newer one's health and
    gauge functions are shown.

    Attributes:
        component_id: such as ``otelcol.exporter.otlp.tempo``.
        log: has ``component_id`` bound.
        health: a change of state logs one line.
    """

    def __init__(
        self, component_id: str, log: FilteringBoundLogger, series: SeriesSet, tap: Tap, on_close: "OnClose"
    ) -> None:
        self.component_id = component_id
        self.log = log
        self.health = HealthRecord(self._log_change)
        self._tap = tap
        self._series = series
        self._on_close = on_close

    def counter(self, name: str, help: str, **labels: str) -> Counter:  # noqa: A002 - the field's word
        """The counter of that full exposition name (``…_total``) and labels; 0 from now on."""
        return self._series.counter(name, help, labels)

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:  # noqa: A002
        """The gauge of that name and labels."""
        return self._series.gauge(name, help, labels)

    def gauge_function(self, name: str, help: str, function: Callable[[], float], **labels: str) -> None:  # noqa: A002
        """A gauge whose value is asked for at each scrape; the function must not block."""
        self._series.gauge_function(self, name, help, function, labels)

    def histogram(self, name: str, help: str, buckets: Sequence[float], **labels: str) -> Histogram:  # noqa: A002
        """The histogram of that name and labels; ``buckets`` are ascending upper bounds without +Inf."""
        return self._series.histogram(name, help, buckets, labels)

    def values(self) -> list[tuple[str, dict[str, str], float]]:
        """All counters and gauges as (name, labels, value), without the labels that every metric has."""
        return self._series.values()

    @property
    def tap(self) -> Tap:
        """Where the component shows what passes: ``if tap.is_watched: tap.show(...)``. Asking for it offers it."""
        self._tap.is_offered = True
        return self._tap

    def close(self) -> None:
        """Forget this component's series, unless another one with this id is open. Closing twice does nothing."""
        self._on_close(self)

    def _log_change(self, before: Health, after: Health) -> None:
        details: dict[str, object] = {"reason": after.message} if after.message else {}
        details |= {"was": before.state.value, "lasted_seconds": round((after.since_ns - before.since_ns) / 1e9, 3)}
        say = self.log.warning if after.state is HealthState.UNHEALTHY else self.log.info
        say(f"component is {after.state.value}", **details)


OnClose = Callable[[ComponentTelemetry], None]


class Telemetry:
    """The metrics, logs and component healths of one service.

    Args:
        settings: of the log.
        output: where log lines go; None = stderr.
        version: shown by ``alloytrio_build_info``.
        compiled: whether the wire modules are machine code, shown there too.

    Attributes:
        registry: holds everything, the process' own figures included.
        log: the service's own logger.
        recent_logs: a bounded ring of own log lines.
        started_ns: when the service began, in wall-clock time.
    """

    def __init__(
        self,
        settings: LogSettings | None = None,
        *,
        output: TextOutput | None = None,
        version: str = "",
        compiled: bool = False,
    ) -> None:
        self._logs = LogPipeline(settings or LogSettings(), output)
        self.log = self._logs.logger()
        self.version = version
        self.started_ns = time.time_ns()
        self._build = {"version": version, "compiled": "true" if compiled else "false"}
        self._series: dict[str, SeriesSet] = {}
        self._open: dict[str, list[ComponentTelemetry]] = {}
        self._taps: dict[str, Tap] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_ServiceCollector(self))
        ProcessCollector(registry=self.registry)

    @property
    def recent_logs(self) -> RecentLogs:
        """The latest own log lines."""
        return self._logs.recent

    def configure_logs(self, settings: LogSettings) -> None:
        """Take other log settings from now on."""
        self._logs.configure(settings)

    def capture_stdlib(self) -> AbstractContextManager[None]:
        """While open, libraries' log records and warnings go through our log, quietened."""
        return capture_stdlib(self.log)

    def component(self, component_id: str) -> ComponentTelemetry:
        """A new handle for a component; the caller closes it."""
        series = self._series.setdefault(component_id, SeriesSet())
        log = self._logs.logger(component_id=component_id)
        tap = self._taps.setdefault(component_id, Tap())
        handle = ComponentTelemetry(component_id, log, series, tap, self._forget)
        self._open.setdefault(component_id, []).append(handle)
        return handle

    def tap(self, component_id: str) -> Tap | None:
        """The tap of an open component; a reload that replaces the component keeps it."""
        return self._taps.get(component_id)

    def healths(self) -> dict[str, Health]:
        """The current health of every open component, by id."""
        return {component_id: handles[-1].health.current for component_id, handles in self._open.items()}

    def values(self) -> dict[str, list[tuple[str, dict[str, str], float]]]:
        """Counters and gauges of every component as (name, labels, value), by component id."""
        return {component_id: series.values() for component_id, series in self._series.items()}

    def _forget(self, handle: ComponentTelemetry) -> None:
        handles = self._open.get(handle.component_id, [])
        if handle not in handles:
            return
        handles.remove(handle)
        if handles:
            self._series[handle.component_id].release(handle)
        else:
            del self._open[handle.component_id]
            del self._series[handle.component_id]
            del self._taps[handle.component_id]

    def collect(self) -> Iterable[Metric]:
        """All families at this moment."""
        families: dict[str, Metric] = {}
        for component_id, series in self._series.items():
            series.add_to(families, {"component_id": component_id, "component_path": "/"})
        yield from families.values()
        yield gauge_family("alloytrio_build_info", "Version of this program, and how it was built.", [(self._build, 1)])
        counts = dict.fromkeys((state.value for state in HealthState), 0)
        for health in self.healths().values():
            counts[health.state.value] += 1
        yield gauge_family(
            "alloy_component_controller_running_components",
            "Total number of running components.",
            [
                ({"controller_id": "", "controller_path": "/", "health_type": state}, count)
                for state, count in counts.items()
            ],
        )


class _ServiceCollector(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterable[Metric]:
        return self._telemetry.collect()
