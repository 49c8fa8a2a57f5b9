"""``healthcheck``, ``tap`` and ``top`` against a running admin port."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alloytrio.admin.client import AdminClient, ClientError
from alloytrio.cli import main
from tests.admin.fakes import RECEIVER, TEMPO

pytestmark = pytest.mark.integration  # the service is a process of its own

ROOT = Path(__file__).parents[2]


@contextmanager
def lively(mood: str = "good") -> Iterator[str]:
    """A service in full swing in a process of its own; its address."""
    command = [sys.executable, "-m", "tests.admin.lively", "0", mood]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()
            process.wait(10)


@pytest.fixture(scope="module", name="address")
def _address() -> Iterator[str]:
    with lively() as address:
        yield address


def test_healthcheck(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A ready service is exit 0; one that does not answer is exit 1, and the message says what to try."""
    assert main(["healthcheck", "--address", address]) == 0
    assert capsys.readouterr().out == "alloytrio is ready.\n"
    assert main(["healthcheck", "--address", "127.0.0.1:1"]) == 1
    assert "--address" in capsys.readouterr().err


def test_healthcheck_takes_the_service_s_own_variable(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the service listens on is where it is asked; all interfaces mean this machine."""
    port = address.rpartition(":")[2]
    for listened in (f"0.0.0.0:{port}", f":{port}", f"http://127.0.0.1:{port}"):
        monkeypatch.setenv("ALLOYTRIO_ADMIN__LISTEN_ADDR", listened)
        assert main(["healthcheck"]) == 0
    capsys.readouterr()


def test_healthcheck_is_quick(address: str) -> None:
    """The whole process takes less than the 200 ms that a probe may cost (three times that on a busy machine)."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "alloytrio", "healthcheck", "--address", address], cwd=ROOT, check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.6


def test_tap(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Items come as lines or as JSON, filtered, until the limit."""
    assert main(["tap", RECEIVER, "--address", address, "--limit", "2", "--text", "cart"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("cart" in line for line in lines)
    assert main(["tap", TEMPO, "--address", address, "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "span"


def test_tap_of_nothing(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown component and a mistaken filter say what is wrong."""
    assert main(["tap", "no.such", "--address", address]) == 1
    assert "no component is called no.such" in capsys.readouterr().err
    assert main(["tap", RECEIVER, "--address", address, "--label", "x"]) == 1
    assert "name=value" in capsys.readouterr().err


def test_top(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One screen with every component, its rates and its queue."""
    assert main(["top", "--address", address, "--once"]) == 0
    screen = capsys.readouterr().out
    assert screen.startswith("alloytrio 1.2.3  ready  CPU")
    assert f"{TEMPO} " in screen
    assert "healthy" in screen
    assert "\x1b" not in screen, "no colours where there is no terminal"


def test_top_shows_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A component that fails has its reason below it."""
    with lively("bad") as address:
        assert main(["top", "--address", address, "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith(TEMPO)]
    assert "unhealthy" in lines[at]
    assert "connection to tempo:4317 was refused" in lines[at + 1]


def test_a_service_that_is_something_else(address: str) -> None:
    """An answer that is no JSON, or no answer of the API, is said to be none."""
    with pytest.raises(ClientError, match="as alloytrio does"):
        AdminClient(f"http://{address}/traces?").json("/status")
