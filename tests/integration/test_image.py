"""The image on a real dockerd: no root, nothing written, health, the end in time, and a Docker socket of any group.

By default the image is a quick one: this machine's Python and the package under test in an empty root file system.
scripts/check-image builds the Dockerfile on a Debian root file system and runs the same tests on that.
"""

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import snappy
import yaml

from tests.integration.docker_filter import DockerFilter
from tests.integration.dockerd import host_mounts, needs_dockerd
from tests.integration.image import SOCKET_GROUP, Image
from tests.integration.service import STOP_DEADLINE, free_port, poll

ROOT = Path(__file__).resolve().parents[2]
pytestmark = needs_dockerd


def is_ready(image: Image, container: str) -> bool:
    """Whether ``alloytrio healthcheck`` inside the container says so."""
    try:
        return image.dockerd.docker("exec", container, *image.alloytrio, "healthcheck") == "alloytrio is ready."
    except AssertionError:
        return False


def test_runs_without_rights_and_ends_in_time(image: Image) -> None:
    """With a read-only root and no capability uid 473 becomes ready on the default configuration; SIGTERM ends it."""
    container = image.start("run", "/etc/alloytrio/alloytrio.toml", options=("--network=none",))
    poll(lambda: is_ready(image, container), "the container to be ready", 60.0)
    assert image.dockerd.docker("exec", container, "id", "-u") == "473"
    status = image.dockerd.docker("exec", container, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    began = time.monotonic()
    image.dockerd.docker("stop", "--time=60", container)
    assert time.monotonic() - began < STOP_DEADLINE + 2.0  # Docker's own default is 10
    assert image.dockerd.docker("inspect", "--format={{.State.ExitCode}}", container) == "0"


class Loki(BaseHTTPRequestHandler):
    """Takes every push and keeps what it holds."""

    received: list[bytes] = []  # noqa: RUF012  # one test, one server

    def do_POST(self) -> None:
        """A push: snappy over protobuf; the lines are in it as they are."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(snappy.decompress(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def loki() -> Iterator[int]:
    """The port of a Loki that takes everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Loki)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def as_options(service: dict[str, Any], volumes: dict[str, str]) -> tuple[str, ...]:
    """The options of ``docker run`` that a service of compose.yaml stands for. Args: where its volumes really are."""
    options = [f"--cap-drop={name}" for name in service.get("cap_drop", [])]
    options += [f"--cap-add={name}" for name in service.get("cap_add", [])]
    options += [f"--security-opt={option}" for option in service.get("security_opt", [])]
    options += ["--read-only"] if service.get("read_only") else []
    options += [f"--user={service['user']}"] if "user" in service else []
    options += [f"--network={service['network_mode']}"] if "network_mode" in service else []
    for volume in service["volumes"]:
        source, _, rest = volume.partition(":")
        options.append(f"--volume={volumes.get(source, source)}:{rest}")
    return tuple(options)


def relayed_config(folder: Path, loki: int, host: str) -> None:
    """Write config/alloytrio.toml with ports of its own, one backend and another Docker socket."""
    text = (ROOT / "config" / "alloytrio.toml").read_text()
    text = text.replace("unix:///var/run/docker.sock", host)
    text = text.replace("http://loki:3100", f"http://127.0.0.1:{loki}").replace("prometheus:9090", "127.0.0.1:9")
    for port in ("4317", "4318", "12345"):
        text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{free_port()}")
    (folder / "relay.toml").write_text(text)
    folder.chmod(0o755)


def wait_for_line(image: Image, line: str, container: str) -> None:
    """Have a container write a line, and wait until Loki has it."""
    options = ("--network=none", *host_mounts())
    writer = image.dockerd.run("host:1", "busybox", "sh", "-c", f"echo '{line}'; exec sleep 600", options=options)
    try:
        poll(lambda: any(line.encode() in push for push in Loki.received), "the line to reach Loki", 60.0)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{image.dockerd.logs(container)[-4000:]}") from None
    finally:
        image.dockerd.docker("rm", "--force", writer)


def test_a_socket_of_any_group_is_read_without_root(image: Image, loki: int, tmp_path: Path) -> None:
    """As compose.yaml arranges it, uid 473 reads logs although the socket belongs to a group it is not in."""
    dockerd = image.dockerd
    assert dockerd.socket.stat().st_gid == SOCKET_GROUP
    assert dockerd.socket.stat().st_mode & 0o007 == 0
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["socket"]
    places = {"/var/run/docker.sock": str(dockerd.socket), "relay": "relay"}
    options = (*as_options(service, places), *host_mounts(), "--entrypoint=socat")
    relay = dockerd.run("host:1", *service["command"], options=options)
    relayed_config(tmp_path, loki, "unix:///run/relay/docker.sock")
    mounts = (f"--volume={tmp_path}:/config:ro", "--volume=relay:/run/relay:ro", "--network=host")
    container = image.start("run", "/config/relay.toml", options=mounts)
    wait_for_line(image, "a line that goes through the relay", container)
    # A relay that was killed finds its old socket and takes its place.
    dockerd.docker("kill", relay)
    dockerd.docker("start", relay)
    wait_for_line(image, "a line that goes through the second relay", container)
    status = dockerd.docker("exec", container, "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+473\s+473\s+473\s+473$", status, re.MULTILINE)
    assert str(SOCKET_GROUP) not in re.findall(r"^Groups:\s*(.*)$", status, re.MULTILINE)[0].split()
    dockerd.docker("stop", "--time=60", container)


def test_the_filter_lets_everything_through_that_is_asked(image: Image, loki: int, tmp_path: Path) -> None:
    """With what config/compose/socket-proxy.yaml allows logs still arrive; nothing that was asked is refused."""
    overlay = (ROOT / "config" / "compose" / "socket-proxy.yaml").read_text().replace("!reset", "")
    command = yaml.safe_load(overlay)["services"]["socket"]["command"]
    (allowed,) = (word.removeprefix("-allowGET=") for word in command if word.startswith("-allowGET="))
    assert not any(word.startswith(("-allowPOST", "-allowPUT", "-allowDELETE")) for word in command)
    filtered = image.dockerd.folder / "filtered.sock"  # a short path
    relayed_config(tmp_path, loki, "unix:///run/docker/filtered.sock")
    with DockerFilter(filtered, image.dockerd.socket, allowed) as proxy:
        mounts = (f"--volume={tmp_path}:/config:ro", f"--volume={filtered}:/run/docker/filtered.sock", "--network=host")
        container = image.start("run", "/config/relay.toml", options=mounts)
        wait_for_line(image, "a line that goes through the filter", container)
        image.dockerd.docker("stop", "--time=60", container)
        assert any(request.endswith("/logs") for request in proxy.passed)
        assert proxy.refused == []
