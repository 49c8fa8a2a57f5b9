"""Says the stories with the OpenTelemetry SDK: spans, log lines that carry their span's ids, and request metrics.

In: a rate and an endpoint. Out: OTLP/gRPC. Errors: ``AlloyTrioError`` if the SDK is missing or nothing listens.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING

from alloytrio.demo.story import SERVICES, Step, invent
from alloytrio.errors import AlloyTrioError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

CONNECT_PATIENCE = 2.0  # seconds for the check that something listens
REPORT_INTERVAL = 5.0  # seconds between two lines on the terminal
SIGNALS = frozenset({"traces", "metrics", "logs"})
_EXPORT = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the command line asks for.

    Args:
        endpoint: ``host:port`` of an OTLP/gRPC receiver.
        rate: traces per second.
        duration: seconds; 0 = until interrupted.
        signals: a subset of SIGNALS; those that the receiver does not serve are left out.
        seed: the same seed tells the same stories.
    """

    endpoint: str = "localhost:4317"
    rate: float = 5.0
    duration: float = 0.0
    signals: frozenset[str] = SIGNALS
    seed: int | None = None


def run_demo(settings: DemoSettings, say: Callable[[str], None]) -> int:
    """Send until the duration is over or Ctrl-C; returns the number of spans made.

    Args:
        settings: what to send where.
        say: takes lines for the terminal.

    Raises:
        AlloyTrioError: the SDK is not installed, nothing listens at the endpoint, or a setting is out of range.
    """
    if settings.rate <= 0:
        raise AlloyTrioError("--rate must be above 0: it is the number of traces per second")
    if unknown := settings.signals - SIGNALS:
        raise AlloyTrioError(f"unknown signal {min(unknown)!r}: choose from {', '.join(sorted(SIGNALS))}")
    try:
        import_module("opentelemetry.sdk.trace")
        check_endpoint(settings.endpoint)
        served = served_signals(settings)
        if not served:
            raise AlloyTrioError(f"{settings.endpoint} takes none of {', '.join(sorted(settings.signals))}")
        for signal in sorted(settings.signals - served):
            say(f"{signal} are not taken there and left out")
        newspaper = Newspaper(replace(settings, signals=served))
    except ImportError as exc:
        raise AlloyTrioError(
            f"the demo needs the OpenTelemetry SDK ({exc.name} is missing): pip install 'alloytrio[demo]'"
        ) from exc
    until = f"for {settings.duration:g} s" if settings.duration else "until Ctrl-C"
    say(f"sending {settings.rate:g} traces/s to {settings.endpoint} {until}")
    try:
        _send(newspaper, settings, say)
    except KeyboardInterrupt:
        pass
    finally:
        newspaper.close()
    say(f"sent {newspaper.spans} spans of {newspaper.traces} traces")
    return newspaper.spans


def check_endpoint(endpoint: str) -> None:
    """Connect once, so that a newcomer reads one clear line and not the SDK's retries.

    Raises:
        AlloyTrioError: not ``host:port``, or nothing listens there.
    """
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit():
        raise AlloyTrioError(f"{endpoint!r} is not host:port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_PATIENCE).close()
    except OSError as exc:
        raise AlloyTrioError(
            f"nothing answers at {endpoint} ({exc}): start the service first, `alloytrio run`"
        ) from exc


def served_signals(settings: DemoSettings) -> frozenset[str]:
    """Those of the wanted signals that the receiver serves: all but what it answers UNIMPLEMENTED to, if it is empty.

    Raises:
        ImportError: the extra ``demo`` is not installed.
    """
    import grpc

    def is_served(channel: grpc.Channel, signal: str) -> bool:
        try:
            channel.unary_unary(_EXPORT[signal])(b"", timeout=CONNECT_PATIENCE, wait_for_ready=True)
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    with grpc.insecure_channel(settings.endpoint) as channel:
        return frozenset(signal for signal in settings.signals if is_served(channel, signal))


def _send(newspaper: "Newspaper", settings: DemoSettings, say: Callable[[str], None]) -> None:
    """Stories at their due times. Falls behind rather than bunching up when the machine is too slow."""
    random = Random(settings.seed)
    began = due = reported = time.monotonic()
    while not settings.duration or due - began < settings.duration:
        time.sleep(max(0.0, due - time.monotonic()))
        newspaper.tell(invent(random), time.time_ns())
        due = max(due + 1.0 / settings.rate, time.monotonic() - 1.0)
        if due - reported >= REPORT_INTERVAL:
            reported = due
            say(f"{newspaper.spans} spans so far")


class Newspaper:
    """The services of the story, each with the SDK's providers of its own.

    Raises:
        ImportError: the extra ``demo`` is not installed.
    """

    def __init__(self, settings: DemoSettings) -> None:
        self.spans = 0
        self.traces = 0
        self._tracing = {name: _tracing(name, settings.endpoint) for name in SERVICES}
        self._logging: Mapping[str, LoggerProvider] = {}
        self._metering: Mapping[str, MeterProvider] = {}
        if "logs" in settings.signals:
            self._logging = {name: _logging(name, settings.endpoint) for name in SERVICES}
        if "metrics" in settings.signals:
            self._metering = {name: _metering(name, settings.endpoint) for name in SERVICES}
        self._durations = {
            name: provider.get_meter("demo").create_histogram("http.server.request.duration", unit="s")
            for name, provider in self._metering.items()
        }

    def tell(self, story: Step, now_ns: int) -> None:
        """Send one story that ends about now."""
        self.traces += 1
        self._tell(story, now_ns - int(story.duration * 1e9), None)

    def _tell(self, step: Step, start_ns: int, parent: "Context | None") -> None:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        self.spans += 1
        span = self._tracing[step.service].get_tracer("demo").start_span(
            step.name, parent, SpanKind[step.kind.upper()], dict(step.attributes), start_time=start_ns
        )  # fmt: skip
        inside = set_span_in_context(span)
        for child in step.children:
            self._tell(child, start_ns + int(child.start * 1e9), inside)
        self._write_lines(step, start_ns, inside)
        end_ns = start_ns + int(step.duration * 1e9)
        if step.error:
            kind, _, message = step.error.rpartition(": ")
            about = {"exception.type": kind or "Error", "exception.message": message}
            span.add_event("exception", about, end_ns)
            span.set_status(StatusCode.ERROR, step.error)
        span.end(end_ns)
        if step.kind == "server" and step.service in self._durations:
            about_request = {key: step.attributes[key] for key in ("http.route", "http.response.status_code")}
            self._durations[step.service].record(step.duration, about_request, inside)

    def _write_lines(self, step: Step, start_ns: int, inside: "Context") -> None:
        if not self._logging:
            return
        from opentelemetry._logs import SeverityNumber

        logger = self._logging[step.service].get_logger("demo")
        for line in step.lines:
            logger.emit(
                timestamp=start_ns + int(line.at * 1e9),
                context=inside,
                severity_number=SeverityNumber[line.level.upper()],
                severity_text=line.level,
                body=line.text,
            )

    def close(self) -> None:
        """Send what the SDK still holds."""
        for providers in (self._tracing, self._logging, self._metering):
            for provider in providers.values():
                provider.shutdown()


def _tracing(service: str, endpoint: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": service, **SERVICES[service]}))
    exporter = OTLPSpanExporter(endpoint, insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return provider


def _logging(service: str, endpoint: str) -> "LoggerProvider":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(resource=Resource({"service.name": service, **SERVICES[service]}))
    exporter = OTLPLogExporter(endpoint, insecure=True)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=1000))
    return provider


def _metering(service: str, endpoint: str) -> "MeterProvider":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    exporter = OTLPMetricExporter(endpoint, insecure=True)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=5000)
    return MeterProvider(metric_readers=[reader], resource=Resource({"service.name": service, **SERVICES[service]}))
