"""The metrics of ``loki.source.docker``; the first two under the names that Alloy has."""

from alloytrio.telemetry import ComponentTelemetry

_PREFIX = "alloytrio_docker_"


class SourceMetrics:
    """Of one source.

    Attributes:
        entries: lines handed on.
        open_streams: log streams that are open.
        reopened: streams that were opened again after an error.
        replayed: lines that Docker sent again, and that were left out.
        held_up: times that there was no room in an outbox.
    """

    def __init__(self, telemetry: ComponentTelemetry) -> None:
        self._log = telemetry.log
        self.entries = telemetry.counter(
            "loki_source_docker_target_entries_total", "Total number of successful entries sent to the Docker target."
        )
        self._unstamped = telemetry.counter(
            "loki_source_docker_target_parsing_errors_total",
            "Total number of parsing errors while receiving Docker messages.",
        )
        self.open_streams = telemetry.gauge(f"{_PREFIX}open_streams", "Log streams that are open.")
        self.reopened = telemetry.counter(
            f"{_PREFIX}reopened_streams_total", "Log streams that were opened again after an error."
        )
        self.replayed = telemetry.counter(
            f"{_PREFIX}replayed_lines_total", "Lines that Docker sent again and that were left out."
        )
        self.held_up = telemetry.counter(
            f"{_PREFIX}held_up_total", "Times that reading stopped because an outbox was full."
        )
        self._truncated = telemetry.counter(
            f"{_PREFIX}truncated_lines_total", "Lines longer than max_line_size that were cut."
        )
        self._oversized = telemetry.counter(
            f"{_PREFIX}oversized_lines_total", "Lines that are too much for the whole outbox and were left out."
        )
        self._gaps = telemetry.counter(
            f"{_PREFIX}suspected_gaps_total",
            "Times that Docker may have deleted lines before they were read, because an outbox was full for long.",
        )

    def note_lines(self, truncated: int, unstamped: int) -> None:
        """Lines that were cut, and lines whose time could not be read."""
        if truncated:
            self._truncated.inc(truncated)
        if unstamped:
            self._unstamped.inc(unstamped)
            self._log.warning("lines without a time that can be read were left out", lines=unstamped)

    def leave_out(self, lines: int, reason: str) -> None:
        """Lines that an outbox will never hold."""
        self._oversized.inc(lines)
        self._log.error("lines are left out: the outbox is too small for them", lines=lines, reason=reason)

    def suspect_gap(self, container_id: str) -> None:
        """Docker may have rotated lines away that were not read."""
        self._gaps.inc()
        self._log.error(
            "Docker may have deleted lines before they were read: reading was held up too long",
            container=container_id[:12],
            remedy="give the outbox more room (storage.max_size), or the container's log more (max-size, max-file)",
        )
