"""``healthcheck``, ``tap`` and ``top`` against a running service, and what its probes mean in an outage."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backend import Backend
from tests.integration.page_service import RECEIVER, PageService
from tests.integration.service import EXPORTER, PACKAGE_ROOT, poll
from tests.recorder.otlp import T0, spans


def command(service: PageService, *arguments: str) -> list[str]:
    """A command line of the package under test."""
    return [sys.executable, "-P", "-m", "alloytrio", *arguments, "--address", f"127.0.0.1:{service.admin_port}"]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}


def run(service: PageService, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        command(service, *arguments), env=ENVIRONMENT, cwd=service.directory, capture_output=True, text=True, timeout=60
    )


def test_probes(tmp_path: Path, backend: Backend) -> None:
    """A dead backend makes the service unhealthy, with the reason, and leaves it ready; its own end does not."""
    with PageService(tmp_path, backend=backend.port) as service:
        assert service.get("/-/healthy")[0] == 200
        backend.stop()
        service.send("traces", spans("shop", (1, 1, 0, "GET /", 1, 2, False)))
        service.wait_for_health("unhealthy")
        status, reasons = service.get("/-/healthy")
        assert status == 500
        assert f"unhealthy components: {EXPORTER}\n" in reasons
        assert service.get("/-/ready")[0] == 200
        done = run(service, "healthcheck")
        assert (done.returncode, done.stdout) == (0, "alloytrio is ready.\n"), done.stderr
        screen = run(service, "top", "--once").stdout
        (line,) = [line for line in screen.splitlines() if line.startswith(EXPORTER)]
        assert "unhealthy" in line
        backend.start()
        service.wait_for_health("healthy")
        assert service.get("/-/healthy")[0] == 200
        service.terminate()
        done = run(service, "healthcheck")
        assert done.returncode == 1
        assert "no answer" in done.stderr


@pytest.mark.parametrize("component", [RECEIVER, EXPORTER])
def test_tap(tmp_path: Path, backend: Backend, component: str) -> None:
    """What passes through a component is printed, one JSON object a line, until the limit."""
    with PageService(tmp_path, backend=backend.port) as service:
        tapping = command(service, "tap", component, "--limit", "1", "--json", "--text", "wanted")
        with subprocess.Popen(
            tapping, env=ENVIRONMENT, cwd=service.directory, stdout=subprocess.PIPE, text=True
        ) as process:
            number = 0

            def has_ended() -> bool:
                nonlocal number
                number += 1  # the tap may not be open yet
                service.send("traces", spans("shop", (number, 1, 0, "wanted", 1, 2, False)))
                return process.poll() is not None

            poll(has_ended, "the tap to end", patience=60)
            assert process.stdout is not None
            (line,) = process.stdout.read().splitlines()
    item = json.loads(line)
    assert (item["kind"], item["text"], item["service"]) == ("span", "wanted", "shop")
    assert item["time_ms"] == T0 // 1_000_000 + 1_000
