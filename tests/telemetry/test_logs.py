"""Own log lines: one event, one line, no secret, no forged line, no flood."""

import io
import json
import logging
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alloytrio.telemetry import HealthState, LogSettings, Telemetry
from alloytrio.telemetry.logs import LogPipeline, StdlibHandler, format_time
from alloytrio.telemetry.render import json_line, logfmt, plain
from alloytrio.telemetry.repeat import RepeatLimit

CANARY = "canary-5up3r"


def pipeline(settings: LogSettings, clock: Callable[[], float] = lambda: 0.0) -> tuple[LogPipeline, io.StringIO]:
    """A pipeline that writes to memory, at the start of 2026."""
    output = io.StringIO()
    return LogPipeline(settings, output, lambda: 1_767_225_600_123_456_789, clock), output


def test_logfmt_line() -> None:
    """Time, level and text come first, then what was bound, then the line's own values."""
    logs, output = pipeline(LogSettings())
    logs.logger(component_id="otelcol.exporter.otlp.tempo").warning("batch set aside", items=3, why="a b", ok=True)
    assert output.getvalue() == (
        'ts=2026-01-01T00:00:00.123456Z level=warn msg="batch set aside" '
        'component_id=otelcol.exporter.otlp.tempo items=3 why="a b" ok=true\n'
    )


def test_json_line() -> None:
    """With format json each line is one JSON object with the same keys."""
    logs, output = pipeline(LogSettings(format="json"))
    logs.logger().info("ready", port=12345, name="é\u2028")
    line = output.getvalue()
    assert json.loads(line) == {
        "ts": "2026-01-01T00:00:00.123456Z",
        "level": "info",
        "msg": "ready",
        "port": "12345",
        "name": "é\u2028",
    }
    assert line.isascii()


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", "dbg,inf,wrn,err"), ("info", "inf,wrn,err"), ("warn", "wrn,err"), ("error", "err")],
)
def test_levels(level: str, written: str) -> None:
    """A line below the level is neither written nor remembered; a reload can change the level."""
    logs, output = pipeline(LogSettings(level="error"))
    log = logs.logger()
    logs.configure(LogSettings(level=level))  # type: ignore[arg-type]
    log.debug("dbg")
    log.info("inf")
    log.warning("wrn")
    log.error("err")
    assert ",".join(line.text for line in logs.recent.lines()) == written
    assert output.getvalue().count("\n") == written.count(",") + 1


def test_secrets_never_show() -> None:
    """A SecretStr as a value, in a list, a dictionary and an exception is hidden, in both formats and the ring."""
    for settings in (LogSettings(), LogSettings(format="json")):
        logs, output = pipeline(settings)
        secret = SecretStr(CANARY)
        logs.logger(bound=secret).info("x", a=secret, b=[secret], c={"k": secret}, d=ValueError(secret))
        assert CANARY not in output.getvalue()
        assert "(secret)" in output.getvalue()
        assert CANARY not in str(logs.recent.lines())


def test_exceptions_are_one_line() -> None:
    """A traceback is one value of the line."""
    logs, output = pipeline(LogSettings())
    try:
        raise KeyError("x")
    except KeyError:
        logs.logger().exception("bug")
    assert output.getvalue().count("\n") == 1
    assert "level=error msg=bug" in output.getvalue()
    assert "KeyError: 'x'" in output.getvalue()


@given(st.text(), st.text())
def test_hostile_text_stays_one_printable_line(text: str, value: str) -> None:
    """Whatever a peer sends, a line is one line without control characters, and keeps what was printable."""
    for render in (logfmt, json_line):
        line = render({"msg": text, "value": value})
        assert len(line.splitlines()) == 1
        assert line.isprintable() or not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)
        line.encode()


def test_terminal_sequences_and_forged_lines_are_escaped() -> None:
    """Escape sequences, newlines, direction marks and quotes cannot leave their value; a bad key is made safe."""
    line = logfmt({"msg": 'a\nts=1 level=info\x1b[2J\u202e"', 'k"=x y': "\\"})
    assert line == 'msg="a\\nts=1 level=info\\x1b[2J\\u202e\\"" k__x_y="\\\\"'


def test_long_values_are_cut_at_the_limit() -> None:
    """A value of the limit's length is whole; one character more is cut, and the line says how much is missing."""
    assert plain("x" * 10, 10) == "x" * 10
    assert plain("x" * 11, 10) == "x" * 10 + "… (1 more)"
    assert plain(b"\xff" * 4, 100) == "\\xff" * 4
    logs, output = pipeline(LogSettings(max_value_length=5))
    logs.logger().info("123456")
    assert 'msg="12345… (1 more)"' in output.getvalue()


def test_ring_keeps_the_latest() -> None:
    """The ring holds at most ring_lines lines, the latest ones."""
    logs, _ = pipeline(LogSettings(ring_lines=3, repeat_burst=0))
    for number in range(5):
        logs.logger().info(f"line {number}")
    assert [line.text for line in logs.recent.lines()] == ["line 2", "line 3", "line 4"]
    assert len(logs.recent) == 3


def test_repeated_lines_are_held_back_and_counted() -> None:
    """Beyond the burst equal lines are held back; the first after the interval says how many; others pass."""
    now = [0.0]
    logs, output = pipeline(LogSettings(repeat_burst=2, repeat_interval=10), lambda: now[0])
    log = logs.logger()
    for _ in range(5):
        log.info("again", detail="x")
    log.info("other")
    logs.logger(component_id="a").info("again")
    assert output.getvalue().count("msg=again") == 3
    assert output.getvalue().count("msg=other") == 1
    now[0] = 9.9
    log.info("again")
    assert output.getvalue().count("msg=again") == 3
    now[0] = 10.0
    log.info("again")
    assert output.getvalue().splitlines()[-1].endswith("msg=again held_back=4")


def test_repeat_limit_is_bounded() -> None:
    """No more kinds are remembered than allowed; the one unused for longest goes first; burst 0 means no limit."""
    limit = RepeatLimit(1, 10, 2)
    assert [limit.admit(("a",), 0), limit.admit(("b",), 0), limit.admit(("a",), 0)] == [0, 0, None]
    assert limit.admit(("c",), 0) == 0
    assert len(limit) == 2
    assert limit.admit(("a",), 0) is None
    assert limit.admit(("b",), 0) == 0, "b was forgotten"
    assert RepeatLimit(0, 10, 2).admit(("a",), 0) == 0


def test_health_change_is_one_line() -> None:
    """A failing backend gives one line when it fails and one when it recovers, not one per retry."""
    output = io.StringIO()
    health = Telemetry(output=output).component("loki.write.default").health
    health.set(HealthState.HEALTHY)
    for attempt in range(50):
        health.set(HealthState.UNHEALTHY, f"connection refused, attempt {attempt}")
    health.set(HealthState.HEALTHY)
    lines = output.getvalue().splitlines()
    assert [line.split(" lasted_seconds")[0].split("level=")[1] for line in lines] == [
        'info msg="component is healthy" component_id=loki.write.default was=unknown',
        'warn msg="component is unhealthy" component_id=loki.write.default '
        'reason="connection refused, attempt 0" was=healthy',
        'info msg="component is healthy" component_id=loki.write.default was=unhealthy',
    ]
    assert [change.state.value for change in health.history] == ["unknown", "healthy", "unhealthy", "healthy"]


def test_libraries_log_through_ours_and_are_quiet() -> None:
    """Other loggers' warnings and Python warnings appear with their name; httpx' line per request does not."""
    output = io.StringIO()
    telemetry = Telemetry(output=output)
    before = list(logging.getLogger().handlers)
    with telemetry.capture_stdlib():
        logging.getLogger("httpx").info("HTTP Request: GET …")
        logging.getLogger("hypercorn.error").warning("odd %s", "peer\n")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert logging.getLogger().handlers == before
    lines = [line.text for line in telemetry.recent_logs.lines()]
    assert lines[0] == "odd peer\n"
    assert "DeprecationWarning: old" in lines[1]
    assert "logger=hypercorn.error" in output.getvalue()


def test_a_library_s_broken_record_is_logged_as_it_is() -> None:
    """A record whose arguments do not fit its text is logged unformatted, at the nearest level."""
    logs, _ = pipeline(LogSettings())
    StdlibHandler(logs.logger()).emit(logging.LogRecord("lib", 35, "f.py", 1, "broken %d", ("x",), None))
    assert [(line.level, line.text, line.fields) for line in logs.recent.lines()] == [
        ("warn", "broken %d", {"logger": "lib"})
    ]


def test_a_broken_stderr_does_not_raise() -> None:
    """When stderr is closed a line is lost, the caller never notices, and the ring still has it."""
    output = io.StringIO()
    telemetry = Telemetry(output=output)
    output.close()
    telemetry.log.info("x")
    assert len(telemetry.recent_logs) == 1


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an output given, lines go to stderr as it is at that moment."""
    Telemetry().log.info("hello")
    assert "msg=hello" in capsys.readouterr().err


def test_time_format() -> None:
    """Times are UTC with microseconds."""
    assert format_time(999_999_999) == "1970-01-01T00:00:00.999999Z"
