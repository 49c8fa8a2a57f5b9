"""A real dockerd of the tests' own: its socket, data and state in one temporary folder, apart from the host's."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.integration.service import PACKAGE_ROOT, poll

FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"
DOCKERD = shutil.which("dockerd", path=f"{os.environ['PATH']}:{FOLDERS}")
DOCKER = shutil.which("docker")
BUSYBOX = shutil.which("busybox")
START_PATIENCE = 60.0  # seconds

needs_dockerd = pytest.mark.skipif(
    not (DOCKERD and DOCKER and BUSYBOX and os.geteuid() == 0),
    reason="needs root, dockerd, docker and busybox (Debian: docker.io busybox-static)",
)


class Dockerd:
    """One daemon; on exit its containers are removed and it ends.

    Args:
        group: the id of the group that owns its socket.
        storage: the storage driver; vfs works everywhere, and copies the whole file system for each layer.
        own_containerd: run containerd as a service of its own, as distributions do. Only then can the daemon be killed
            and started again; one that starts its containerd itself takes it along.
    """

    def __init__(self, *, group: int = 0, storage: str = "vfs", own_containerd: bool = False) -> None:
        # A folder with a short name: paths of sockets are at most 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
        self.socket = self.folder / "docker.sock"
        self._namespace = f"tests-{self.folder.name.encode().hex()}"
        self._group = group
        self._storage = storage
        self._process: subprocess.Popen[bytes] | None = None
        self._own_containerd = own_containerd
        self._containerd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._own_containerd:
            self._containerd = self._start_containerd()
        self.start()
        return self

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert DOCKERD is not None
        command = [
            DOCKERD, f"--host=unix://{self.socket}", f"--group={self._group}", f"--storage-driver={self._storage}",
            f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid",
            "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none", "--log-level=warn",
            # Should a containerd of the system be used: not under the names that others have there.
            f"--containerd-namespace={self._namespace}", f"--containerd-plugins-namespace={self._namespace}-plugins",
        ]  # fmt: skip
        if self._own_containerd:
            command.append(f"--containerd={self._containerd_socket}")
        self._process = self._spawn(command, self._answers)

    def _spawn(self, command: Sequence[str], is_up: Callable[[], bool]) -> subprocess.Popen[bytes]:
        """Start a daemon that writes into our log, and wait until it is up."""
        # A clean environment: TMPDIR and the like would change where it writes.
        environment = {"PATH": f"{os.environ['PATH']}:{FOLDERS}"}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            poll(lambda: process.poll() is not None or is_up(), f"{Path(command[0]).name} to answer", START_PATIENCE)
            assert process.poll() is None, (self.folder / "log").read_text()[-4000:]
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    @property
    def _containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    def _start_containerd(self) -> subprocess.Popen[bytes]:
        folder = self.folder / "containerd"
        folder.mkdir()
        (folder / "config.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        command = [
            "containerd", f"--config={folder}/config.toml", f"--root={folder}/root", f"--state={folder}/state",
            f"--address={self._containerd_socket}", "--log-level=warn",
        ]  # fmt: skip
        return self._spawn(command, self._containerd_socket.exists)

    def kill(self) -> None:
        """Kill it with -9: its containers go on, and nobody takes what they write until it is started again."""
        assert self._own_containerd
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def stop(self) -> None:
        """Stop it as an init system does: it ends its containers, then itself."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is not None:
                sys.stderr.write(f"--- dockerd's log ---\n{(self.folder / 'log').read_text()[-4000:]}\n")
            containers = self.docker("ps", "--all", "--quiet").split()
            if containers:
                self.docker("rm", "--force", "--volumes", *containers)
        finally:
            self.stop()
            if self._containerd is not None:
                self._containerd.terminate()
                self._containerd.wait(60)
            for mount in _mounts_below(self.folder):  # it leaves a network namespace behind
                subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        return self.socket.exists() and self._call("version").returncode == 0

    def _call(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_BUILDKIT": "0"}
        command = [str(DOCKER), f"--host=unix://{self.socket}", *arguments]
        return subprocess.run(command, capture_output=True, env=environment, timeout=600, check=False, **options)  # type: ignore[call-overload, no-any-return]  # only input=

    def docker(self, *arguments: str, given: bytes | None = None) -> str:
        """Run a command of the docker client and return what it printed.

        Raises:
            AssertionError: it failed; holds what it said.
        """
        done = self._call(*arguments, input=given)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-4000:]}"
        return done.stdout.decode().strip()

    def logs(self, container: str) -> str:
        """What a container wrote, both of its streams."""
        done = self._call("logs", container)
        return (done.stdout + done.stderr).decode(errors="replace")

    def import_host_image(self, tag: str) -> None:
        """Make an image that holds busybox, and a place for the host's /usr, which HOST_MOUNTS brings."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for folder in ("usr", "tmp", "etc", "proc", "run", "var"):
                archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755))
            for name in ("bin", "sbin", "lib", "lib64"):
                link = _entry(name, tarfile.SYMTYPE, 0o777)
                link.linkname = f"usr/{name}"
                archive.addfile(link)
            passwd = b"root:x:0:0::/:/bin/sh\nalloytrio:x:473:473::/:/bin/sh\n"
            entry = _entry("etc/passwd", tarfile.REGTYPE, 0o644)
            entry.size = len(passwd)
            archive.addfile(entry, io.BytesIO(passwd))
        self.docker("import", "-", tag, given=content.getvalue())

    def run(
        self, image: str, *command: str, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> str:
        """Start a container in the background; returns its id."""
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return self.docker("run", "--detach", *options, *variables, image, *command)


def _mounts_below(folder: Path) -> list[str]:
    points = [line.split(" ")[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted([point for point in points if point.startswith(f"{folder}/")], reverse=True)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def host_mounts() -> list[str]:
    """Options that bring the host's programs, this Python and the package under test into a container, read-only."""
    folders = {Path("/usr"), Path(sys.base_prefix), Path(sys.prefix), PACKAGE_ROOT}
    outer = [folder for folder in sorted(folders) if not any(folder.is_relative_to(o) for o in folders - {folder})]
    return [f"--volume={folder}:{folder}:ro" for folder in outer]
