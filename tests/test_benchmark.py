"""The report of the benchmarks: what the generator measured stands in it, legibly."""

import os
import subprocess
import sys
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alloytrio.config.convert.languages import convert_file
from scripts.benchmark import COLUMNS, Row, calibrate, keep_others, parse_collector, report
from scripts.cpu_profile import parts
from scripts.memory import MemoryWatch
from scripts.page_cost import NOBODY, Window, cost_table, cpu_seconds
from scripts.page_reader import PageReader
from scripts.scenarios import ADDRESSES, SCENARIOS
from tests.integration.service import poll

ROOT = Path(__file__).resolve().parents[1]


def row(**changes: object) -> Row:
    """A row as the generator gives it."""
    median = {column.key: 1234.5678 for column in COLUMNS}
    made = {"collector": "alloytrio", "runs": 3, "runs_failed": 0, "median": median, "duplicates": 0, "missing": 0}
    return {**made, **changes}  # type: ignore[typeddict-item]  # the caller names the keys


def test_report_holds_what_was_measured() -> None:
    """Machine, scenario and each collector's figures are in the report; a failed run shows."""
    rows = [row(), row(collector="other", runs_failed=3, median={}, missing=7_000)]
    lines = report([(SCENARIOS[0], rows)], [("machine", "2 cores")]).splitlines()
    assert "| machine | 2 cores |" in lines
    assert f"## {SCENARIOS[0].name}" in lines
    assert "| alloytrio | 3 | 1,235 | 1234.57 | 1234.6 | " in next(line for line in lines if "| alloytrio" in line)
    assert next(line for line in lines if "| other" in line).startswith("| other | 0 of 3 | – |")
    assert next(line for line in lines if "| other" in line).endswith("| 7,000 | 0 |")


def test_every_row_has_every_column() -> None:
    """The table is one that renders: all its lines have equally many cells."""
    lines = [line for line in report([(SCENARIOS[0], [row()])], []).splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in lines[1:]}) == 1


def test_memory_over_time() -> None:
    """A scenario that watches memory shows it at ten moments; one that does not has no such table."""
    soak = next(scenario for scenario in SCENARIOS if scenario.watch_memory)
    lines = report([(soak, [row(memory=[float(n) for n in range(60)])])], []).splitlines()
    assert "| RSS MiB after | 1 min | 2 min | 3 min | 4 min | 5 min | 6 min | 7 min | 8 min | 9 min | 10 min |" in lines
    assert "| alloytrio | 5 | 11 | 17 | 23 | 29 | 35 | 41 | 47 | 53 | 59 |" in lines
    assert "RSS MiB after" not in report([(SCENARIOS[0], [row()])], [])


def test_cost_of_looking() -> None:
    """A scenario of ways to look has a table of what each adds, with its spread."""
    looked = next(scenario for scenario in SCENARIOS if scenario.ways)
    windows = {
        NOBODY: [Window(2.0, 3.0, 0, added=-0.1), Window(2.0, 5.0, 0, added=0.1)],
        "Live": [Window(2.0, 4.0, 7, added=-0.01), Window(2.1, 6.0, 9, added=0.05)],
    }
    lines = report([(looked, [])], [], {looked.name: cost_table(windows)}).splitlines()
    assert "| nobody | 2 | 2.00 | +0.0 % | -10.0 … +10.0 % | 4.0 | 3.0 … 5.0 | 0 |" in lines
    assert "| Live | 2 | 2.05 | +2.0 % | -1.0 … +5.0 % | 5.0 | 4.0 … 6.0 | 8 |" in lines


def test_cpu_time_of_a_process() -> None:
    """The CPU time of a process is the one that the system counts."""
    before = time.process_time()
    assert before <= cpu_seconds(os.getpid()) <= time.process_time()


def test_profile() -> None:
    """A profile gives each stack to the part that its innermost known frame is of; waiting does not count."""
    stacks = """run (trio/_core/_run.py:9);send (httpcore/_async/http11.py:3);send (libc.so.6) 30
run (trio/_core/_run.py:9);CPyDef_convert___Converter___convert (alloytrio__mypyc.cpython-311.so);join (libc.so.6) 60
run (trio/_core/_run.py:9);get_events (trio/_core/_io_epoll.py:5);epoll_wait (libc.so.6) 500
start (libc.so.6) 10
"""
    shares = parts(stacks)
    assert shares == {
        "data points to series": 0.6, "requests to the backend (httpx)": 0.3, "others": 0.1,
    }  # fmt: skip
    lines = report([(SCENARIOS[0], [row(profile=shares)])], []).splitlines()
    assert "| data points to series | 60% |" in lines
    assert "CPU goes" not in report([(SCENARIOS[0], [row()])], [])


def test_other_scenarios_are_kept() -> None:
    """A run of some scenarios replaces their sections and leaves the others, in the usual order."""
    first, second, third = SCENARIOS[:3]
    old = report([(first, [row(duplicates=1)]), (third, [row(duplicates=3)])], [("machine", "old")])
    new = report([(second, [row(duplicates=2)]), (first, [row(duplicates=4)])], [("machine", "new")])
    kept = keep_others(new, old)
    headings = [line for line in kept.splitlines() if line.startswith("## ")]
    assert headings == [f"## {scenario.name}" for scenario in (first, second, third)]
    assert [line[-4:-2] for line in kept.splitlines() if line.startswith("| alloytrio")] == [" 4", " 2", " 3"]
    assert "| machine | new |" in kept
    assert "From an earlier run" not in kept
    assert keep_others(new, "") == keep_others(new, new)


def test_what_is_kept_says_what_it_was_measured_with() -> None:
    """A section of an earlier run names its date, build and calibration, also after further runs."""
    first, second, third = SCENARIOS[:3]
    report_of = {
        day: report([(scenario, [row()])], [("date", day), ("alloytrio", "0.1.0")])
        for day, scenario in (("monday", first), ("tuesday", second), ("friday", third))
    }
    kept = keep_others(report_of["friday"], keep_others(report_of["tuesday"], report_of["monday"]))
    assert kept.count("From an earlier run: monday · 0.1.0") == 1
    assert kept.count("From an earlier run: tuesday · 0.1.0") == 1
    assert kept.count("friday") == 1


def test_memory_of_a_child_is_watched() -> None:
    """The watch finds the collector among the generator's children by its command, and follows its memory."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    spawn = f"import subprocess; subprocess.run({command!r})"
    with subprocess.Popen([sys.executable, "-c", spawn], stdin=subprocess.PIPE, text=True) as generator:
        watch = MemoryWatch(generator, {"this": command, "other": ["/does/not/exist"]}, 0.05)
        watch.start()
        poll(lambda: len(watch.samples.get("this", [])) >= 2, "two samples")
        assert generator.stdin is not None
        generator.stdin.close()
        generator.wait(30)
        watch.stop()
    assert set(watch.samples) == {"this"}
    assert all(1 < mib < 200 for mib in watch.samples["this"])


class Updates(BaseHTTPRequestHandler):
    """An overview's stream that ends after three updates."""

    def do_GET(self) -> None:
        """The stream."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"event: cells\ndata: {}\n\n" * 3)

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_an_open_page_reads_on() -> None:
    """The reader waits for the collector, counts its updates, comes again when the stream ends, and stops when told."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Updates) as server:
        page = PageReader(f"http://127.0.0.1:{server.server_address[1]}/api/v1/live")
        page.start()
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        poll(lambda: page.updates >= 6, "the updates of two streams")
        page.stop()
        server.shutdown()
        serving.join()


def test_a_collector_to_compare_with() -> None:
    """``--vs`` takes a name and a command with its arguments."""
    assert parse_collector("alloy=/bin/alloy run 'a b.alloy'") == ("alloy", ["/bin/alloy", "run", "a b.alloy"])
    with pytest.raises(SystemExit):
        parse_collector("alloy")


def test_calibration_is_a_time() -> None:
    """The fixed loop takes a measurable time."""
    assert calibrate() > 0


def test_the_collector_to_compare_with_does_the_same() -> None:
    """scripts/otelcol.yaml means the pipelines that alloytrio has in the scenarios of traces and of metrics."""
    path = ROOT / "scripts" / "otelcol.yaml"
    compared = tomllib.loads(convert_file(path.read_text(), path.name, "otelcol", path.parent).toml())
    batches = compared["otelcol"]["processor"]["batch"]["default"]
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}
    for name, exporter in (("traces-max", "otlp"), ("metrics-max", "prometheus")):
        ours = tomllib.loads(scenarios[name].config.format_map(dict.fromkeys((*ADDRESSES, "data", "docker"), "x")))
        assert exporter in compared["otelcol"]["exporter"]
        assert exporter in ours["otelcol"]["exporter"]
        ((_, batch),) = ours["otelcol"]["processor"]["batch"].items()
        assert (batch["timeout"], batch["send_batch_size"]) == (batches["timeout"], batches["send_batch_size"])
