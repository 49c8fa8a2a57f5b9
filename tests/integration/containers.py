"""Containers that write logs: a real dockerd, an image of busybox alone, and what Docker's own files say of them."""

import http.client
import io
import json
import os
import shutil
import socket
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import pytest

from tests.integration.dockerd import DOCKERD, Dockerd

IMAGE = ("busybox", "logs")
APPLETS = ("sh", "cat", "head", "printf", "seq", "sleep", "tr", "usleep", "yes")
CALL_TIMEOUT = 60.0  # seconds for one call of dockerd's API


def _static_busybox() -> Path | None:
    found = shutil.which("busybox")
    if found is None or b"ld-linux" in Path(found).read_bytes()[:4096]:  # the loader's name is in the header
        return None
    return Path(found)


BUSYBOX = _static_busybox()
needs_containers = pytest.mark.skipif(
    not (DOCKERD and BUSYBOX and os.geteuid() == 0),
    reason="needs root, dockerd and a static busybox (Debian: docker.io busybox-static)",
)


@dataclass(frozen=True)
class Container:
    """A container that was created.

    Args:
        dockerd: whose it is.
        id: 64 digits.
        name: without a slash.
    """

    dockerd: "LogDockerd"
    id: str
    name: str

    def start(self) -> Self:
        """Start it, also if it has ended."""
        self.dockerd.call("POST", f"/containers/{self.id}/start")
        return self

    def kill(self) -> None:
        """End it; its log stays."""
        self.dockerd.call("POST", f"/containers/{self.id}/kill")
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended."""
        self.dockerd.call("POST", f"/containers/{self.id}/wait")

    def remove(self) -> None:
        """End and delete it with its log."""
        self.dockerd.call("DELETE", f"/containers/{self.id}?force=1")

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        state = self.dockerd.call("GET", f"/containers/{self.id}/json")["State"]
        assert isinstance(state, dict)
        return bool(state["Running"])

    def written(self, stream: str = "stdout") -> list[str]:
        """The lines of one stream as they stand in Docker's own file, pieces joined."""
        file = self.dockerd.folder / "data" / "containers" / self.id / f"{self.id}-json.log"
        records = [json.loads(line) for line in file.read_bytes().splitlines()]
        *lines, last = "".join(record["log"] for record in records if record["stream"] == stream).split("\n")
        return [*lines, last] if last else lines


class LogDockerd(Dockerd):
    """A dockerd for containers that only write; it is asked through its API, which is quicker than its client."""

    def start(self) -> None:
        """Start it; the first time, make the image."""
        super().start()
        image = ":".join(IMAGE)
        if self._ask("GET", f"/images/{image}/json")[0] == 404:
            query = urlencode({"fromSrc": "-", "repo": IMAGE[0], "tag": IMAGE[1]})
            self.call("POST", f"/images/create?{query}", _root_folder())

    @property
    def host(self) -> str:
        """For a configuration."""
        return f"unix://{self.socket}"

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection = _Connection(self.socket)
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body)
            kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
            connection.request(method, path, content, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """One call of its API; the answer if it is an object.

        Raises:
            AssertionError: it failed; holds what dockerd said.
        """
        status, data = self._ask(method, path, body)
        assert status < 400, f"{method} {path}: {status} {data[:500]!r}"
        try:
            found = json.loads(data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def create(
        self,
        name: str,
        script: str | Sequence[str],
        *,
        service: str = "",
        tty: bool = False,
        restart: str = "no",
        log_options: Mapping[str, str] | None = None,
    ) -> Container:
        """A container, not started.

        Args:
            name: of the container.
            script: what its shell runs.
            service: its service in a Compose file; empty for none.
            tty: with a terminal.
            restart: its restart policy.
            log_options: of the json-file driver.
        """
        body = {
            "Image": ":".join(IMAGE),
            "Cmd": ["/bin/sh", "-c", script],
            "Env": ["PATH=/bin"],
            "Tty": tty,
            "Labels": {"com.docker.compose.service": service} if service else {},
            "HostConfig": {
                "NetworkMode": "none",
                "RestartPolicy": {"Name": restart},
                "LogConfig": {"Type": "json-file", "Config": dict(log_options or {})},
            },
        }
        made = self.call("POST", f"/containers/create?name={name}", body)
        return Container(self, str(made["Id"]), name)

    def remove_all(self) -> None:
        """End and delete every container."""
        listed = json.loads(self._ask("GET", "/containers/json?all=1")[1])
        for each in listed:
            self.call("DELETE", f"/containers/{each['Id']}?force=1")

    def launch(self, name: str, script: str, *, service: str = "", tty: bool = False, restart: str = "no") -> Container:
        """A container, started."""
        return self.create(name, script, service=service, tty=tty, restart=restart).start()


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=CALL_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _root_folder() -> bytes:
    """A tar of busybox and the names that it is called by."""
    assert BUSYBOX is not None
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        folder = tarfile.TarInfo("bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        program = tarfile.TarInfo("bin/busybox")
        data = BUSYBOX.read_bytes()
        program.size, program.mode = len(data), 0o755
        tar.addfile(program, io.BytesIO(data))
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return archive.getvalue()
