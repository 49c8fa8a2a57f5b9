"""The image that the tests of containers run: a quick one, or the one that the Dockerfile builds."""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.dockerd import Dockerd, host_mounts
from tests.integration.service import PACKAGE_ROOT

ROOT = Path(__file__).resolve().parents[2]
BASE = os.environ.get("ALLOYTRIO_BASE_IMAGE")  # a tar of a root file system, see scripts/check-image
PYTHON_IMAGE = "python:3.11-slim-bookworm"
COMMIT = "0123456789ab"
SOCKET_GROUP = 4321


@dataclass(frozen=True)
class Image:
    """What to run.

    Args:
        tag: of the image.
        options: of ``docker run``, without which it does not work.
        entry: words that come before alloytrio's own, if the image does not bring them.
        alloytrio: the words that call it inside a running container.
    """

    dockerd: Dockerd
    tag: str
    options: tuple[str, ...] = ()
    entry: tuple[str, ...] = ()
    alloytrio: tuple[str, ...] = ("alloytrio",)

    def start(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """Start alloytrio without any right: read-only, no capability; returns the container's id."""
        strict = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")
        return self.dockerd.run(self.tag, *self.entry, *command, options=(*self.options, *strict, *options))


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    """A daemon whose socket belongs to a group that no image knows."""
    with Dockerd(group=SOCKET_GROUP, storage="overlay2" if BASE else "vfs") as running:
        running.import_host_image("host:1")
        yield running


@pytest.fixture(scope="module")
def image(dockerd: Dockerd) -> Iterator[Image]:
    """The image: what the Dockerfile builds if there is something to build it on, else the quick one."""
    if BASE:
        changes = [f"--change=ENV PIP_CERT={os.environ['PIP_CERT']}"] if "PIP_CERT" in os.environ else []
        dockerd.docker("import", *changes, BASE, PYTHON_IMAGE)
        dockerd.docker("build", "--network=host", f"--build-arg=COMMIT={COMMIT}", "--tag=alloytrio:test", str(ROOT))
        yield Image(dockerd, "alloytrio:test")
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "alloytrio.toml").write_text((ROOT / "config" / "alloytrio.toml").read_text())
        Path(folder).chmod(0o755)
        options = (
            *host_mounts(), f"--volume={folder}:/etc/alloytrio:ro", "--tmpfs=/var/lib/alloytrio:uid=473",
            "--user=473:473", f"--env=PYTHONPATH={PACKAGE_ROOT}", "--env=PYTHONDONTWRITEBYTECODE=1",
            f"--entrypoint={sys.executable}",
        )  # fmt: skip
        entry = ("-P", "-m", "alloytrio")
        yield Image(dockerd, "host:1", options, entry, (sys.executable, *entry))
