"""What both servers of a receiver feed: check, routes, journals, counters."""

from collections.abc import Mapping

from alloytrio.component import Signal
from alloytrio.errors import DecodeError, QueueFullError
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import put_all
from alloytrio.telemetry import ComponentTelemetry, OtlpSeen
from alloytrio.wire import count_data_points, count_log_records, count_spans

_COUNT = {Signal.TRACES: count_spans, Signal.METRICS: count_data_points, Signal.LOGS: count_log_records}


class Intake:
    """Takes requests of one transport through check, routes and journal, and counts them.

    Args:
        routes: by signal, only those that are connected.
        transport: ``grpc`` or ``http``, a label of the counters.
    """

    def __init__(self, routes: Mapping[Signal, list[OtlpRoute]], telemetry: ComponentTelemetry, transport: str) -> None:
        self._routes = routes
        self._tap = telemetry.tap
        labels = {"receiver": f"otlp/{telemetry.component_id}", "transport": transport}
        self._accepted = {
            signal: telemetry.counter(
                f"otelcol_receiver_accepted_{signal.items}_total", f"{signal.items} accepted", **labels
            )
            for signal in routes
        }
        self._refused = {
            signal: telemetry.counter(
                f"otelcol_receiver_refused_{signal.items}_total", f"{signal.items} the sender must keep", **labels
            )
            for signal in routes
        }
        self._requests = {
            signal: telemetry.counter(
                "alloytrio_receiver_accepted_requests_total", "requests accepted", **labels, signal=signal.value
            )
            for signal in routes
        }
        self._log = telemetry.log
        self._unrouted = {
            signal: telemetry.counter(
                "alloytrio_receiver_unrouted_requests_total", "requests that no output takes", **labels,
                signal=signal.value,
            )
            for signal in Signal
            if signal not in routes
        }  # fmt: skip
        self._undecodable = telemetry.counter(
            "alloytrio_receiver_undecodable_requests_total", "requests that could not be read", **labels
        )

    @property
    def signals(self) -> list[Signal]:
        """The signals that are connected."""
        return list(self._routes)

    @property
    def unconnected(self) -> list[Signal]:
        """The others: their senders are told that nobody takes them."""
        return list(self._unrouted)

    def note_unrouted(self, signal: Signal) -> None:
        """Somebody sends what no output takes; most likely nobody knows."""
        self._unrouted[signal].inc()
        self._log.warning("a sender is refused, because no output takes its signal", set=f"output.{signal.value}")

    async def accept(self, signal: Signal, payload: bytes) -> None:
        """Return when the request is in every journal behind its output.

        Raises:
            DecodeError: the bytes are not the signal's request.
            QueueFullError: an outbox has no room; nothing was accepted.
        """
        try:
            items = _COUNT[signal](payload)
            if items == 0:
                return
            request = OtlpRequest(signal, payload, items)
            puts = [put for route in self._routes[signal] for put in route.puts(request)]
        except DecodeError:
            self._undecodable.inc()
            raise
        try:
            await put_all(puts)
        except QueueFullError:
            self._refused[signal].inc(items)
            raise
        self._requests[signal].inc()
        self._accepted[signal].inc(items)
        if self._tap.is_watched:
            self._tap.show(OtlpSeen(signal.value, payload))
