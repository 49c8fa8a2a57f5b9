"""What the README tells a newcomer to do, done: its commands and its first span."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backend import Backend, spans_of
from tests.integration.conftest import StartService
from tests.integration.service import PACKAGE_ROOT, free_port, poll

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


CHECKS = [
    "alloytrio convert config/config.alloy",
    "alloytrio validate config/alloytrio.toml",
    "alloytrio test config/tests",
    "alloytrio graph --format mermaid config/alloytrio.toml",
]
"""Commands that end by themselves and need nothing."""


def blocks(language: str) -> list[str]:
    """The README's code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_first_span(start_service: StartService) -> None:
    """The Python program sends the span that it names."""
    (program,) = blocks("python")
    with Backend(keep_requests=True) as backend:
        service = start_service(backend=backend.port)
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{service.otlp_port}"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        backend.wait_until(lambda: bool(backend.requests))
        assert [span.name for span in spans_of(backend.requests[0])] == ["first span"]


def test_no_command_goes_unexercised() -> None:
    """Each command of the README is one that this file, or the scripts' own tests, run."""
    exercised = {
        "scripts/run",
        ".venv/bin/alloytrio demo",
        "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc",  # the "dev" extra holds both
        "alloytrio run config/alloytrio.toml",
        "alloytrio run config/config.alloy",
        *CHECKS,
    }
    assert {line for block in blocks("sh") for line in block.splitlines()} == exercised


@pytest.mark.parametrize("command", CHECKS)
def test_checks(command: str) -> None:
    """Each command that looks at a configuration ends well and prints something, without a word of complaint."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="scripts/test makes .venv; without it this takes a minute")
def test_two_commands(tmp_path: Path) -> None:
    """``scripts/run`` from any folder, then the demo: the service has seen its spans."""
    otlp, admin = free_port(), free_port()
    environment = {
        **os.environ,
        "ALLOYTRIO_OTELCOL__RECEIVER__OTLP__DEFAULT__GRPC__ENDPOINT": f"127.0.0.1:{otlp}",
        "ALLOYTRIO_ADMIN__LISTEN_ADDR": f"127.0.0.1:{admin}",
    }
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(
            [str(ROOT / "scripts" / "run")], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    try:
        poll(lambda: b"msg=ready" in (tmp_path / "log").read_bytes(), "scripts/run to be ready", 240.0)
        demo = [f"{ROOT}/.venv/bin/alloytrio", "demo", "--endpoint", f"127.0.0.1:{otlp}", "--duration", "1s"]
        done = subprocess.run(demo, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        sent = re.search(r"sent (\d+) spans", done.stdout)
        assert sent is not None
        listed = subprocess.run(
            ["curl", "--silent", "--fail", f"http://127.0.0.1:{admin}/api/v1/components"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert "otelcol.receiver.otlp.default" in listed.stdout
    finally:
        service.terminate()
        assert service.wait(30) == 0


# production.toml needs certificates: test_production.py runs it.
# production.toml has a test of its own, with certificates; tests/ holds cases for `alloytrio test`, not configurations.
EXAMPLES = sorted(
    path
    for path in (ROOT / "config").glob("*.*")
    if path.suffix in (".toml", ".alloy") and path.name != "production.toml"
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_runs(path: Path, tmp_path: Path) -> None:
    """``alloytrio run`` with each example in config/ becomes ready, on ports and a data directory of its own."""
    text = path.read_text()
    for default in sorted(set(re.findall(r":(\d{4,5})\b", text))):
        text = text.replace(f":{default}", f":{free_port()}")
    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGE_ROOT),
        "ALLOYTRIO_ADMIN__LISTEN_ADDR": f"127.0.0.1:{free_port()}",
        "ALLOYTRIO_STORAGE__PATH": str(tmp_path / "data"),
    }
    (tmp_path / path.name).write_text(text)
    command = [sys.executable, "-P", "-m", "alloytrio", "run", path.name]
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        said = tmp_path / "log"
        poll(lambda: b"msg=ready" in said.read_bytes() or service.poll() is not None, f"{path.name} to be ready")
        assert b"msg=ready" in said.read_bytes(), said.read_text()
    finally:
        service.terminate()
        assert service.wait(30) == 0
