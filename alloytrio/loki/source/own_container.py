"""Which container this process runs in, so that it does not read its own log.

Source: ``man 7 cgroups``, ``man 5 proc``; Docker's and Podman's layouts of both versions.
"""

import re
from pathlib import Path

_ID = r"([0-9a-f]{64})"
# Version 1, and version 2 without a namespace of its own: …/docker/<id>, docker-<id>.scope, libpod-<id>.scope
_CGROUP = re.compile(rf"(?:/|-){_ID}(?:\.scope)?(?:/|$)")
# Version 2 shows "/" only, but Docker mounts files of its own into each container:
# <root> <mount point> in the fourth and fifth column, …/containers/<id>/hostname /etc/hostname
_MOUNT = re.compile(rf"/{_ID}/(?:userdata/)?(?:hostname|hosts|resolv\.conf)$")
_MOUNT_POINTS = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_SHORT_ID = re.compile(r"[0-9a-f]{12}")


def own_container_id(proc: Path = Path("/proc/self"), hostname: Path = Path("/etc/hostname")) -> str:
    """The id of our container: 64 digits, or 12 if only the host name tells; empty if we are in none."""
    return (
        id_in_mountinfo(_read(proc / "mountinfo"))
        or id_in_cgroup(_read(proc / "cgroup"))
        or id_in_hostname(_read(hostname))
    )


def is_own(container_id: str, own_id: str) -> bool:
    """Whether a container's full id is the one found."""
    return bool(own_id) and container_id.startswith(own_id)


def id_in_mountinfo(text: str) -> str:
    """The id in ``/proc/self/mountinfo``; empty if there is none.

    Only what is mounted over our own files counts: on a host that runs Docker, mounts of other containers are listed.
    """
    for line in text.splitlines():
        columns = line.split(" ")
        if len(columns) > 4 and columns[4] in _MOUNT_POINTS and (match := _MOUNT.search(columns[3])):
            return match[1]
    return ""


def id_in_cgroup(text: str) -> str:
    """The id in ``/proc/self/cgroup``; empty if there is none."""
    for line in text.splitlines():
        matches = _CGROUP.findall(line.partition(":")[2].partition(":")[2])
        if matches:
            return str(matches[-1])
    return ""


def id_in_hostname(text: str) -> str:
    """Docker names a host after the first 12 digits of its container's id, unless it is told another name."""
    name = text.strip()
    return name if _SHORT_ID.fullmatch(name) else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
