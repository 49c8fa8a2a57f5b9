"""A real Prometheus (Debian's) with a data directory and a port of its own; it can be stopped, killed and restarted."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.integration.service import free_port, poll

PROGRAM = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="no prometheus (Debian: prometheus)")
START_PATIENCE = 60.0  # seconds
Labels = dict[str, str]


class PrometheusServer:
    """One Prometheus that takes remote write and scrapes nothing.

    Args:
        directory: an empty folder for its configuration, data and log.
        remote_write: whether its receiver for remote write is switched on.
        out_of_order_window: how far behind a sample may be; 0s is Prometheus' default.
    """

    def __init__(self, directory: Path, *, remote_write: bool = True, out_of_order_window: str = "0s") -> None:
        directory.mkdir()
        self.port = free_port()
        self.remote_write = remote_write
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        config = f"storage: {{tsdb: {{out_of_order_time_window: {out_of_order_window}}}}}\n"
        (directory / "prometheus.yml").write_text(config)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it takes remote write."""
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def start(self) -> None:
        """Start it over the data that is there, and wait until it answers."""
        assert PROGRAM is not None
        assert self._process is None, "still running"
        command = [
            PROGRAM,
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage,native-histograms",
        ]
        if self.remote_write:
            command.append("--web.enable-remote-write-receiver")
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        poll(self._is_ready, "Prometheus to be ready", START_PATIENCE)

    def stop(self) -> None:
        """End it as an administrator does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_PATIENCE)
            self._process = None

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_PATIENCE)
            self._process = None

    @property
    def log(self) -> str:
        """All that it wrote."""
        return (self._directory / "log").read_text(errors="replace")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-2000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    # Questions

    def ask(self, path: str, **parameters: str) -> Any:
        """``data`` of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}?{query}: {error.read().decode()}") from None

    def instant(self, promql: str) -> list[tuple[Labels, float]]:
        """The series of an instant query, with their values now (of histograms: NaN), in the order of their labels."""
        result = self.ask("query", query=promql)["result"]
        found = [(entry["metric"], float(entry.get("value", (0, "NaN"))[1])) for entry in result]
        return sorted(found, key=lambda item: sorted(item[0].items()))

    def values(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The same, by the labels without ``__name__``, ``job`` and ``instance``."""
        common = ("__name__", "job", "instance")
        return {
            tuple(sorted((name, text) for name, text in labels.items() if name not in common)): value
            for labels, value in self.instant(promql)
        }

    def value(self, promql: str) -> float:
        """The value of an expression with one result; NaN if it has none."""
        found = self.instant(promql)
        assert len(found) <= 1, found
        return found[0][1] if found else float("nan")

    def samples(self, selector: str) -> dict[str, list[tuple[int, float]]]:
        """All stored samples of the last two hours, as (milliseconds, value), by the series' labels as JSON."""
        result = self.ask("query", query=f"{selector}[2h]")["result"]
        return {
            json.dumps(entry["metric"], sort_keys=True): [
                (round(float(time) * 1000), float(value)) for time, value in entry["values"]
            ]
            for entry in result
        }
