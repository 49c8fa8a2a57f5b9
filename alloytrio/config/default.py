"""The configuration that runs when no file is given.

In: the environment. Out: the embedded text, with the logs of containers if there is a Docker socket to read them from.
Errors: none; a socket that is not there or may not be used leaves that part out.
"""

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from alloytrio.config.document import Document, read_text

DEFAULT_NAME = "embedded default"
DOCKER_SOCKET = "/var/run/docker.sock"
_UNIX = "unix://"


def default_document(environ: Mapping[str, str], *, in_container: bool) -> Document:
    """The embedded default as it fits this machine.

    Args:
        environ: ``DOCKER_HOST`` names another socket, as for Docker's own tools.
        in_container: listen on all interfaces instead of loopback.
    """
    text = _embedded("default.toml")
    if in_container:
        text = text.replace('"127.0.0.1:', '"0.0.0.0:')
    path = docker_socket(environ)
    if is_usable_socket(path):
        text += _embedded("default_docker.toml").replace(_UNIX + DOCKER_SOCKET, _UNIX + path)
    return read_text(text, name=DEFAULT_NAME, folder=Path())


def docker_socket(environ: Mapping[str, str]) -> str:
    """The path of the Docker socket of this machine, whether it is there or not."""
    host = environ.get("DOCKER_HOST", "")
    path = host.removeprefix(_UNIX)
    return path if host.startswith(_UNIX) and path.isprintable() and not set(path) & set('"\\$') else DOCKER_SOCKET


def is_usable_socket(path: str) -> bool:
    """Whether a unix socket is there that this process may connect to."""
    return Path(path).is_socket() and os.access(path, os.R_OK | os.W_OK)


def _embedded(name: str) -> str:
    return resources.files("alloytrio.config").joinpath(name).read_text("utf-8")
