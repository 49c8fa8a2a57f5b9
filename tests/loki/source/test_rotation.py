"""Suspecting lines that Docker rotated away, and finding our own container."""

import math
from pathlib import Path

import pytest

from alloytrio.loki.source.own_container import (
    id_in_cgroup,
    id_in_hostname,
    id_in_mountinfo,
    is_own,
    own_container_id,
)
from alloytrio.loki.source.rotation import RotationWatch, retained_bytes

SECOND = 10**9
MIB = 1 << 20
ID = "0123456789abcdef" * 4
OTHER = "f" * 64


@pytest.mark.parametrize(
    ("driver", "options", "size"),
    [
        ("json-file", {}, math.inf),
        ("json-file", {"max-size": "10m"}, 10 * MIB),
        ("json-file", {"max-size": "10m", "max-file": "3"}, 30 * MIB),
        ("json-file", {"max-size": "1g", "max-file": "x"}, 1024 * MIB),
        ("json-file", {"max-size": "500k"}, 500 * 1024),
        ("json-file", {"max-size": "1000"}, 1000),
        ("json-file", {"max-size": "lots"}, math.inf),
        ("local", {}, 100 * MIB),
        ("local", {"max-size": "1MB", "max-file": "2"}, 2 * MIB),
        ("journald", {"max-size": "1m"}, math.inf),
    ],
)
def test_retained_bytes(driver: str, options: dict[str, str], size: float) -> None:
    """What Docker keeps is read from the container's log options."""
    assert retained_bytes(driver, options) == size


def test_a_reader_that_falls_behind() -> None:
    """It is suspected when what was written since is more than Docker keeps, once until it has caught up."""
    watch = RotationWatch(30 * MIB)
    for second in range(1, 60):
        watch.note(MIB, second * SECOND)
    assert not watch.suspects(80 * SECOND)
    assert watch.suspects(100 * SECOND)
    assert not watch.suspects(200 * SECOND)
    watch.note(MIB, 300 * SECOND)
    assert not watch.suspects(301 * SECOND)


def test_nothing_to_suspect() -> None:
    """Without a limit, or before anything was read, nothing is suspected."""
    assert not RotationWatch(10).suspects(100 * SECOND)
    watch = RotationWatch(math.inf)
    watch.note(MIB, SECOND)
    watch.note(MIB, 2 * SECOND)
    assert not watch.suspects(10**6 * SECOND)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"12:memory:/docker/{ID}\n11:cpu:/docker/{ID}\n", ID),
        (f"1:name=systemd:/system.slice/docker-{ID}.scope\n", ID),
        (f"0::/system.slice/docker-{ID}.scope\n", ID),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", ID),
        (f"9:cpu:/kubepods/burstable/pod12/{ID}\n", ID),
        (f"4:memory:/docker/{OTHER}/docker/{ID}\n", ID),
        ("0::/\n", ""),
        ("0::/user.slice/user-1000.slice\n", ""),
        ("4:memory:/process_api/8f0ff8b04458473c2b91941bba87fdc8\n", ""),
        ("", ""),
    ],
)
def test_cgroup(text: str, found: str) -> None:
    """Version 1 and version 2 of control groups, several runtimes, no container."""
    assert id_in_cgroup(text) == found


@pytest.mark.parametrize(
    ("root", "point", "found"),
    [
        (f"/var/lib/docker/containers/{ID}/hostname", "/etc/hostname", ID),
        (f"/data/docker/containers/{ID}/resolv.conf", "/etc/resolv.conf", ID),
        (f"/containers/{ID}/hosts", "/etc/hosts", ID),
        (f"/storage/overlay-containers/{ID}/userdata/hosts", "/etc/hosts", ID),
        (f"/var/lib/docker/containers/{ID}/mounts/shm", f"/var/lib/docker/containers/{ID}/mounts/shm", ""),
        (f"/var/lib/docker/containers/{ID}/hostname", "/backup/hostname", ""),
        ("/", "/", ""),
    ],
)
def test_mountinfo(root: str, point: str, found: str) -> None:
    """With a namespace of its own only Docker's mounts tell; those of other containers do not count."""
    line = f"626 620 254:1 {root} {point} rw,relatime - ext4 /dev/vda1 rw\n"
    assert id_in_mountinfo(f"1 1 0:1 / / rw - overlay overlay rw\nshort line\n{line}") == found


def test_hostname() -> None:
    """The host's name is the last resort: the first twelve digits of the id, unless another name was given."""
    assert id_in_hostname("0123456789ab\n") == "0123456789ab"
    assert id_in_hostname("my-host") == id_in_hostname("0123456789abc") == ""


def test_own_container(tmp_path: Path) -> None:
    """Mounts tell more than control groups, these more than the name; outside of a container there is nothing."""
    hostname = tmp_path / "hostname"
    assert own_container_id(tmp_path, hostname) == ""
    hostname.write_text("0123456789ab\n")
    assert own_container_id(tmp_path, hostname) == "0123456789ab"
    (tmp_path / "cgroup").write_text(f"0::/docker/{OTHER}\n")
    assert own_container_id(tmp_path, hostname) == OTHER
    (tmp_path / "mountinfo").write_text(f"626 620 254:1 /containers/{ID}/hostname /etc/hostname rw - ext4 x rw\n")
    assert own_container_id(tmp_path, hostname) == ID
    assert is_own(ID, ID)
    assert is_own(ID, "0123456789ab")
    assert not is_own(ID, "")
    assert not is_own(OTHER, ID)
