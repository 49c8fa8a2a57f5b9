"""The OpenTelemetry SDKs for Go (grpc-go), Java (grpc-java, Netty) and JavaScript (grpc-js) as senders, and by HTTP.

Each peer is a small program in ``peers/``, built with its own tools into ``build/peers`` (which git ignores).
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.hostile.serving import HttpService
from tests.http_backend import HttpBackend
from tests.integration.backend import Backend, spans_of
from tests.integration.conftest import StartService
from tests.integration.link import Link

PEERS = Path(__file__).parent / "peers"
BUILD = Path(__file__).resolve().parents[2] / "build" / "peers"
SPANS = 10_000
HTTP_SPANS = 1_000
BUILD_PATIENCE = 600  # seconds: the first build fetches packages


def build(command: list[str], folder: Path) -> None:
    """Run a build tool in a folder.

    Raises:
        AssertionError: with the end of what it printed.
    """
    environment = {**os.environ, "GOTOOLCHAIN": "local"}  # no other toolchain is fetched
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_PATIENCE, check=False
    )
    assert done.returncode == 0, f"{command}:\n{(done.stdout + done.stderr)[-3000:]}"


def go_peer(folder: Path) -> list[str]:
    """Build with the Go toolchain."""
    build(["go", "build", "-o", "peer", "."], folder)
    return [str(folder / "peer")]


def java_peer(folder: Path) -> list[str]:
    """Build with Maven."""
    build(["mvn", "-q", "-B", "package"], folder)
    return ["java", "-cp", f"{folder}/target/classes:{folder}/target/lib/*", "Peer"]


def node_peer(folder: Path) -> list[str]:
    """Install with npm, exactly the versions of the lock file, running none of their scripts."""
    build(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    return ["node", str(folder / "peer.js")]


PEER_BUILDS: dict[str, tuple[tuple[str, ...], Callable[[Path], list[str]]]] = {
    "go": (("go",), go_peer),
    "java": (("java", "mvn"), java_peer),
    "node": (("node", "npm"), node_peer),
}


@pytest.fixture(scope="module", params=PEER_BUILDS)
def peer(request: pytest.FixtureRequest) -> list[str]:
    """The command of one peer, built; it takes ENDPOINT, SPANS, COMPRESSION, PROTOCOL."""
    language: str = request.param
    tools, make = PEER_BUILDS[language]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine")
    folder = BUILD / language
    shutil.copytree(PEERS / language, folder, dirs_exist_ok=True)
    return make(folder)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_ten_thousand_requests_on_one_connection(
    start_service: StartService, peer: list[str], compression: str
) -> None:
    """10 000 spans in as many requests: one connection is kept, every span arrives once, every request succeeds."""
    with Backend(keep_requests=True) as backend:
        service = start_service(backend=backend.port, size=1024, max_size=1024)
        with Link(service.otlp_port) as link:
            command = [*peer, f"127.0.0.1:{link.port}", str(SPANS), compression, "grpc"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            assert link.connections == 1
        backend.wait_until(lambda: len(backend.spans) >= SPANS)
        sequence = [span.attributes[0].value.int_value for request in backend.requests for span in spans_of(request)]
        assert sorted(sequence) == list(range(SPANS))
        assert backend.duplicates == 0


def test_a_thousand_requests_by_http(tmp_path: Path, peer: list[str]) -> None:
    """1 000 spans in as many requests by HTTP, protobuf and gzip: every request succeeds, every span arrives once."""
    with HttpBackend() as backend, HttpService(tmp_path, url=backend.url) as service:
        command = [*peer, f"127.0.0.1:{service.http_port}", str(HTTP_SPANS), "gzip", "http"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        service.terminate()
        requests = [ExportTraceServiceRequest.FromString(each.body) for each in backend.received]
    sequence = [span.attributes[0].value.int_value for request in requests for span in spans_of(request)]
    assert sorted(sequence) == list(range(HTTP_SPANS))
