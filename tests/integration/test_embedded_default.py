"""The embedded default as somebody on a laptop meets it: no file, no backend, and all data on the page."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alloytrio.demo.sender import DemoSettings, run_demo
from tests.integration.dockerd import BUSYBOX, Dockerd, host_mounts, needs_dockerd
from tests.integration.service import PACKAGE_ROOT, START_PATIENCE, free_port, poll

PREFIX = "ALLOYTRIO_OTELCOL__RECEIVER__OTLP__DEFAULT__"
NO_DOCKER = "unix:///nonexistent/docker.sock"


class Laptop:
    """A running service without a configuration file."""

    def __init__(self, log: Path) -> None:
        self.admin, self.grpc, self.http = free_port(), free_port(), free_port()
        self.log = log

    @contextmanager
    def running(self, docker_host: str) -> Iterator[None]:
        """Run it until the block ends."""
        environment = {
            **os.environ,
            "ALLOYTRIO_ADMIN__LISTEN_ADDR": f"127.0.0.1:{self.admin}",
            f"{PREFIX}GRPC__ENDPOINT": f"127.0.0.1:{self.grpc}",
            f"{PREFIX}HTTP__ENDPOINT": f"127.0.0.1:{self.http}",
            "DOCKER_HOST": docker_host,
        }
        command = [sys.executable, "-m", "alloytrio", "run"]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, cwd=PACKAGE_ROOT, env=environment, stderr=log)
        try:
            poll(lambda: self._is_ready(process), "readiness", START_PATIENCE)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def ask(self, path: str) -> dict[str, list[dict[str, object]]]:
        """An answer of the API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/api/v1{path}", timeout=30) as response:
            found: dict[str, list[dict[str, object]]] = json.load(response)
            return found

    def page(self, path: str) -> str:
        """A page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=30) as response:
            text: str = response.read().decode()
            return text


def test_the_demo_is_on_the_page(tmp_path: Path) -> None:
    """Traces, metrics and log records of the demo are found, and from a line one gets to its trace and back."""
    laptop = Laptop(tmp_path / "stderr.log")
    with laptop.running(NO_DOCKER):
        said: list[str] = []
        everything = frozenset({"traces", "metrics", "logs"})
        settings = DemoSettings(f"127.0.0.1:{laptop.grpc}", rate=50, duration=2.0, signals=everything, seed=1)
        made = run_demo(settings, said.append)
        status = json.loads(json.dumps(laptop.ask("/status")["recorded"]))
        assert status["traces"] == made
        assert status["logs"] > 50
        failed = laptop.ask("/logs?level=error&text=failed&limit=1")["lines"][0]
        trace_id, span_id = str(failed["trace_id"]), str(failed["span_id"])
        trace = laptop.ask(f"/traces/{trace_id}")
        assert span_id in {span["span_id"] for span in trace["spans"]}
        assert f"/traces/{trace_id}?span={span_id}" in laptop.page("/logs?level=error")
        assert str(failed["text"]).split(" ", 1)[0] in laptop.page(f"/traces/{trace_id}?span={span_id}")
        names = {str(each["name"]) for each in laptop.ask("/series")["series"]}
        assert names == {"http_server_request_duration_seconds"}
        kinds = {(each["kind"], each["unit"]) for each in laptop.ask("/series?service=search")["series"]}
        assert kinds == {("histogram", "seconds")}
        assert "http_server_request_duration_seconds" in laptop.page("/series")
    assert "no Docker socket" in laptop.log.read_text()


@needs_dockerd
def test_containers_are_on_the_page(tmp_path: Path) -> None:
    """With a Docker socket the lines of containers are there as well, with level, ids, and how far each is read."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    line = json.dumps({"level": "ERROR", "msg": "no such article", "trace_id": trace_id, "span_id": "00f067aa0ba902b7"})
    laptop = Laptop(tmp_path / "stderr.log")
    with Dockerd() as dockerd:
        dockerd.import_host_image("host:1")
        with laptop.running(f"unix://{dockerd.socket}"):
            options = ("--network=none", "--name=web", "--label=com.docker.compose.service=shop", *host_mounts())
            dockerd.run("host:1", str(BUSYBOX), "echo", line, options=options)

            def found() -> list[dict[str, object]]:
                return laptop.ask(f"/logs?trace_id={trace_id}")["lines"]

            poll(lambda: bool(found()), "the container's line")
            (seen,) = found()
            assert (seen["text"], seen["level"], seen["service"]) == (line, "error", "shop")
            assert seen["labels"] == {"container": "web", "service": "shop", "level": "error"}
            target = target_of(laptop.ask("/components/loki.source.docker.default"))
            assert target["position"] == seen["time"]


def target_of(component: Mapping[str, list[dict[str, object]]]) -> dict[str, object]:
    """The only target of a component."""
    (target,) = component["targets"]
    return target
