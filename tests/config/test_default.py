"""The configuration that runs when no file is given."""

import socket
from pathlib import Path

import pytest

from alloytrio.config.default import DOCKER_SOCKET, docker_socket, is_usable_socket
from alloytrio.config.load import load

NO_DOCKER = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
RECORDER = "recorder.memory.default"


@pytest.mark.parametrize(("in_container", "host"), [(False, "127.0.0.1"), (True, "0.0.0.0")])
def test_without_docker(in_container: bool, host: str) -> None:
    """OTLP is received on loopback (in a container everywhere) and kept in memory, metrics as Prometheus has them."""
    loaded = load(None, NO_DOCKER, in_container=in_container)
    receiver = loaded.settings.components["otelcol.receiver.otlp.default"].model_dump()
    assert receiver["grpc"]["endpoint"] == f"{host}:4317"
    assert receiver["http"]["endpoint"] == f"{host}:4318"
    assert [edge.target_id for edge in loaded.edges] == [
        RECORDER, "otelcol.exporter.prometheus.default", RECORDER, RECORDER,
    ]  # fmt: skip
    assert loaded.settings.storage.mode == "memory"
    assert loaded.path is None
    assert f"{host}:4317" in loaded.source_text
    assert "docker" not in loaded.source_text


def test_with_docker(tmp_path: Path) -> None:
    """With a Docker socket container logs go through stages to the recorder."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        loaded = load(None, {"DOCKER_HOST": f"unix://{path}"}, in_container=False)
    hosts = [each.model_dump().get("host") for each in loaded.settings.components.values()]
    assert hosts.count(f"unix://{path}") == 2
    assert ("loki.process.default", RECORDER) in {(edge.source_id, edge.target_id) for edge in loaded.edges}


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("", DOCKER_SOCKET),
        ("tcp://docker:2375", DOCKER_SOCKET),
        ("unix:///run/user/1000/docker.sock", "/run/user/1000/docker.sock"),
        ('unix:///"', DOCKER_SOCKET),
        ("unix:///${env:HOME}", DOCKER_SOCKET),
    ],
)
def test_which_socket(host: str, path: str) -> None:
    """The one that Docker's own tools use, if it is a plain path."""
    assert docker_socket({"DOCKER_HOST": host} if host else {}) == path


def test_what_is_no_usable_socket(tmp_path: Path) -> None:
    """A file is no socket, nor is nothing."""
    (tmp_path / "file").touch()
    assert not is_usable_socket(str(tmp_path / "file"))
    assert not is_usable_socket(str(tmp_path / "nothing"))
