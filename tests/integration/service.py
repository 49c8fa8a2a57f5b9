"""alloytrio as its users run it: a process of its own, with a configuration file, ports and a data directory."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import alloytrio

ALLOWANCE = 3.0  # life-cycle deadlines are asserted with this factor: CI's machine is small and shared
READY_DEADLINE = 1.0 * ALLOWANCE  # seconds from start to /-/ready
STOP_DEADLINE = 8.0  # seconds from SIGTERM to the end: Compose kills after 10
TEST_PORTS = (20_000, 32_000)
START_PATIENCE = 30.0  # seconds that a test waits for a start before it fails
# The folder that holds the package under test: the source tree, or where a wheel was installed.
PACKAGE_ROOT = Path(alloytrio.__file__).resolve().parent.parent

EXPORTER = "otelcol.exporter.otlp.tempo"
PIPELINE = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}"{receiver} }}
output = {{ traces = ["otelcol.processor.batch.default"] }}

[otelcol.processor.batch.default]
timeout = "{timeout}"
send_batch_size = {size}
send_batch_max_size = {max_size}
output = {{ traces = ["otelcol.exporter.otlp.tempo"] }}

[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "127.0.0.1:{backend}", tls = {{ insecure = true }} }}
retry_on_failure = {{ initial_interval = "100ms", max_interval = "500ms", max_elapsed_time = "0s" }}
{exporter}
"""


def poll(condition: Callable[[], bool], what: str, patience: float = 30.0) -> None:
    """Ask every 50 ms until a condition of another process holds.

    Raises:
        AssertionError: it does not hold after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at the moment.

    It lies below the range from which the kernel takes the ports of outgoing connections, which could take it too.
    """
    while True:
        port = random.randrange(*TEST_PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


class Service:
    """One alloytrio process over one configuration; it can be killed and started again on the same ports.

    Args:
        directory: an empty folder for its configuration, data and logs.
        backend: port of the OTLP backend.
        timeout: the batch processor's, as a duration.
        size: ``send_batch_size``.
        max_size: ``send_batch_max_size``.
        receiver: more keys of the receiver's ``grpc`` table, beginning with a comma.
        exporter: more lines of the exporter's table.
        storage: the data directory; by default one below ``directory``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        backend: int,
        timeout: str = "200ms",
        size: int = 1024,
        max_size: int = 1024,
        receiver: str = "",
        exporter: str = "",
        storage: Path | None = None,
    ) -> None:
        self.directory = directory
        self.otlp_port, self.admin_port = free_port(), free_port()
        self.storage = storage or directory / "data"
        self.config = directory / "alloytrio.toml"
        self.log_path = directory / "stderr.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, object] = {
            "backend": backend, "timeout": timeout, "size": size, "max_size": max_size,
            "receiver": receiver, "exporter": exporter,
        }  # fmt: skip
        self.configure()

    def configure(self, **changed: object) -> None:
        """Write the configuration file, with some options changed; a running process sees it on reload."""
        self._options |= changed
        self.config.write_text(
            PIPELINE.format(otlp=self.otlp_port, admin=self.admin_port, storage=self.storage, **self._options)
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            sys.stderr.write(f"--- the service's log ({self.log_path}), last lines ---\n{self.log[-6000:]}\n")
        self.kill()

    def start(self, environment: Mapping[str, str] | None = None) -> float:
        """Start it and wait until it is ready. Returns the seconds that took.

        Raises:
            AssertionError: it ended, or was not ready within START_PATIENCE.
        """
        began = time.monotonic()
        self.spawn(environment)
        while time.monotonic() - began < START_PATIENCE:
            if self.is_ready():
                return time.monotonic() - began
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log[-4000:]}"
            time.sleep(0.02)
        raise AssertionError(f"not ready after {START_PATIENCE} s:\n{self.log[-4000:]}")

    def spawn(self, environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> None:
        """Start the process without waiting for it; ``arguments`` follow the configuration's path."""
        assert self._process is None, "still running"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "alloytrio", "run", str(self.config), *arguments],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "not running"
        return self._process

    def terminate(self, patience: float = STOP_DEADLINE * ALLOWANCE) -> float:
        """Send SIGTERM and wait for the end, which must come with exit code 0. Returns the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.wait(patience)
        assert code == 0, f"exit code {code}:\n{self.log[-4000:]}"
        return time.monotonic() - began

    def wait(self, patience: float) -> int:
        """Wait for the end of the process; returns its exit code."""
        code = self.process.wait(patience)
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    @property
    def log(self) -> str:
        """All that it wrote to stdout and stderr, over all starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def is_ready(self) -> bool:
        """Whether ``/-/ready`` answers 200 now."""
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        """GET a path of the admin port: (status, body)."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}"))

    def post(self, path: str) -> tuple[int, str]:
        """POST to a path of the admin port: (status, body)."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", data=b"", method="POST"))

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def components(self) -> dict[str, dict[str, object]]:
        """``/api/v1/components`` by component id."""
        listed = json.loads(self.get("/api/v1/components")[1])
        entries = listed["components"] if isinstance(listed, dict) else listed
        return {entry["id"]: entry for entry in entries}

    def health(self, component: str = EXPORTER) -> str:
        """The health state of a component."""
        health = self.components()[component]["health"]
        assert isinstance(health, dict)
        return str(health["state"])

    def wait_for_health(self, state: str, component: str = EXPORTER, patience: float = 30.0) -> None:
        """Poll until a component is in a state of health."""
        poll(lambda: self.health(component) == state, f"{component} to be {state}", patience)

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Poll until the log holds a text this often."""
        poll(lambda: self.log.count(text) >= times, f"the log to say {text!r}")

    def metric(self, name: str) -> float:
        """The sum over all series of one metric of ``/metrics``."""
        lines = self.get("/metrics")[1].splitlines()
        values = [line.rsplit(" ", 1)[1] for line in lines if line.startswith((name + "{", name + " "))]
        return sum(map(float, values))

    def peak_rss(self) -> int:
        """The largest resident set of the process so far, in bytes."""
        return self._status("VmHWM")

    def rss(self) -> int:
        """The resident set of the process now, in bytes."""
        return self._status("VmRSS")

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")
