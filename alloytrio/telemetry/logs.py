"""Own log lines: structlog's pipeline, a bounded memory of what was said, and the other libraries' loggers.

In: ``log.info("event text", key=value)`` from any thread.
Out: one line each on stderr (or where told), and in the ring.
Errors: none leave: a log that cannot be written is lost, the service runs on.

Nothing is configured process-wide but by ``capture_stdlib``, which undoes itself.
"""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from alloytrio.telemetry.render import json_line, logfmt, plain
from alloytrio.telemetry.repeat import RepeatLimit

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
"""Level names as Alloy's ``logging`` block has them."""

_LEVEL_NAMES = {"debug": "debug", "info": "info", "warning": "warn", "error": "error", "critical": "error"}

_QUIET = {
    "httpx": logging.WARNING,  # a line per request at INFO
    "httpcore": logging.WARNING,
    "hpack": logging.WARNING,  # a line per header at DEBUG
    "hypercorn.access": logging.WARNING,
    "hypercorn.error": logging.WARNING,  # "Running on …": we say ourselves what listens where
    "quart.serving": logging.WARNING,
}
"""Loggers of libraries that talk too much, and the level from which they are heard."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How the service logs.

    Args:
        level: the least serious level that is written.
        format: of the lines on stderr.
        ring_lines: latest lines kept in memory for the page and the support bundle.
        max_value_length: characters of one value; the rest is cut off and counted.
        repeat_burst: lines of one kind (level, text, component) per ``repeat_interval``; 0 = no limit.
        repeat_interval: seconds.
        repeat_kinds: kinds that are remembered.
    """

    level: Literal["debug", "info", "warn", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"
    ring_lines: int = 1_000
    max_value_length: int = 4_096
    repeat_burst: int = 10
    repeat_interval: float = 10.0
    repeat_kinds: int = 1_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that was written. ``fields`` holds what was logged beside the text; secrets are hidden already."""

    time_ns: int
    level: str
    text: str
    fields: dict[str, str]


class RecentLogs:
    """The latest own log lines, oldest first."""

    def __init__(self, max_lines: int) -> None:
        self._lines: deque[LogLine] = deque(maxlen=max_lines)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: LogLine) -> None:
        """Keep a line; the oldest goes when the ring is full."""
        self._lines.append(line)

    def lines(self) -> list[LogLine]:
        """A copy of the ring, oldest first."""
        return list(self._lines)


class TextOutput(Protocol):
    """Where lines go: ``sys.stderr`` or a ``StringIO``."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class LineWriter:
    """The end of structlog's pipeline: whatever the level, a rendered line is written and flushed.

    Args:
        output: where to; None = ``sys.stderr`` as it is at the time of writing.
    """

    def __init__(self, output: TextOutput | None = None) -> None:
        self._output = output

    def write(self, line: str) -> None:
        """Write one line in one call, so that threads do not mix theirs."""
        output = self._output or sys.stderr
        try:
            output.write(line + "\n")
            output.flush()
        except (OSError, ValueError):
            pass  # stderr is gone or full: there is nobody left to tell

    debug = info = warning = warn = error = critical = exception = msg = log = write


class LogPipeline:
    """structlog's processors with their state; made once per service.

    Args:
        settings: levels, format, bounds.
        output: where lines go; None = stderr.
        wall_ns: stamps of lines, nanoseconds since 1970.
        clock: a monotonic time in seconds, for the limit on repeated lines.
    """

    def __init__(
        self,
        settings: LogSettings,
        output: TextOutput | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recent = RecentLogs(settings.ring_lines)
        self._wall_ns = wall_ns
        self._clock = clock
        self._lock = threading.Lock()
        self._output = LineWriter(output)
        self.configure(settings)

    def configure(self, settings: LogSettings) -> None:
        """Take other settings from now on (a reload). The ring keeps its size and what it holds."""
        self._settings = settings
        self._least = LEVELS[settings.level]
        self._render = json_line if settings.format == "json" else logfmt
        self._repeats = RepeatLimit(settings.repeat_burst, settings.repeat_interval, settings.repeat_kinds)

    def logger(self, **bound: object) -> FilteringBoundLogger:
        """A logger with some values bound to every line."""
        processors: list[Processor] = [
            structlog.stdlib.add_log_level,
            self._drop_below_level,
            structlog.processors.format_exc_info,
            self._flatten,
            self._limit_repeats,
            self._keep_and_render,
        ]
        wrapped = structlog.wrap_logger(
            self._output,
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            context_class=dict,
            cache_logger_on_first_use=False,
        )
        logger: FilteringBoundLogger = wrapped.bind(**bound)
        return logger

    def _drop_below_level(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        level = _LEVEL_NAMES.get(event["level"], "info")
        if LEVELS[level] < self._least:
            raise structlog.DropEvent
        event["level"] = level
        return event

    def _flatten(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        limit = self._settings.max_value_length
        return {key: plain(value, limit) for key, value in event.items()}

    def _limit_repeats(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        kind = (event["level"], event["event"], event.get("component_id", ""), event.get("logger", ""))
        with self._lock:
            held_back = self._repeats.admit(kind, self._clock())
        if held_back is None:
            raise structlog.DropEvent
        if held_back:
            event["held_back"] = str(held_back)
        return event

    def _keep_and_render(self, _: WrappedLogger, __: str, event: EventDict) -> str:
        level, text = event.pop("level"), event.pop("event")
        line = LogLine(self._wall_ns(), level, text, dict(event))
        self.recent.add(line)
        return self._render({"ts": format_time(line.time_ns), "level": level, "msg": text, **event})


def format_time(time_ns: int) -> str:
    """UTC in RFC 3339 with microseconds: ``2026-08-01T10:00:00.123456Z``."""
    seconds, fraction_ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction_ns // 1000:06d}Z"


class StdlibHandler(logging.Handler):
    """Hands the records of other libraries to our pipeline, with the name of their logger."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.DEBUG)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record; a broken format string must not raise into the library."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        level = max(logging.DEBUG, min(logging.ERROR, record.levelno // 10 * 10))
        self._log.log(level, text, logger=record.name, exc_info=record.exc_info)


@contextmanager
def capture_stdlib(log: FilteringBoundLogger) -> Iterator[None]:
    """While this is open, what libraries log through ``logging`` and ``warnings`` goes to ``log``, quietened."""
    root, handler = logging.getLogger(), StdlibHandler(log)
    before = root.level, {name: logging.getLogger(name).level for name in _QUIET}
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        root.setLevel(before[0])
        for name, level in before[1].items():
            logging.getLogger(name).setLevel(level)
