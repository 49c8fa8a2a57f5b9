"""Where dockerd listens, and how to connect to it."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

_PORTS = {"tcp": 2375, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class DockerHost:
    """A parsed ``host``.

    Args:
        path: of the unix socket; empty for TCP.
        name: host name or address for TCP, without brackets; empty for a unix socket.
        port: for TCP.
        tls: TLS is asked for by the scheme.
    """

    path: str
    name: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """The ``Host`` header. A unix socket has no name, so there it is a made-up one."""
        if self.path:
            return "docker"
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port}"

    async def connect(self, context: ssl.SSLContext | None, server_name: str = "") -> trio.abc.Stream:
        """A new connection. The caller sets the deadline, and closes it.

        Args:
            context: for TLS; needed if ``tls``, and makes a ``tcp`` host speak TLS as well.
            server_name: checked in the certificate; empty = ``name``.

        Raises:
            OSError: nobody answers there, or the handshake failed.
        """
        if self.path:
            return await trio.open_unix_socket(self.path)
        stream = await trio.open_tcp_stream(self.name, self.port)
        if context is None:
            return stream
        secure = trio.SSLStream(stream, context, server_hostname=server_name or self.name, https_compatible=True)
        try:
            await secure.do_handshake()
        except trio.BrokenResourceError as exc:
            await trio.aclose_forcefully(stream)
            raise ConnectionError(f"TLS handshake failed: {exc.__cause__ or exc}") from exc
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secure


def parse_host(text: str) -> DockerHost:
    """Read ``unix:///var/run/docker.sock``, ``tcp://host:2375``, ``http://…`` or ``https://…``.

    Raises:
        ValueError: it is none of these.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as exc:
        raise ValueError(f"not a Docker host: {exc}") from exc
    if url.scheme == "unix":
        path = url.netloc + url.path
        if not path.startswith("/"):
            raise ValueError('a unix socket is written with an absolute path, such as "unix:///var/run/docker.sock"')
        return DockerHost(path, "", 0, tls=False)
    if url.scheme not in _PORTS:
        raise ValueError(
            "a Docker host begins with unix://, tcp://, http:// or https://; ssh and npipe are not supported"
        )
    if not url.hostname or url.path not in ("", "/") or url.query or url.username is not None:
        raise ValueError('a Docker host is written scheme://host:port, such as "tcp://127.0.0.1:2375"')
    return DockerHost("", url.hostname, port or _PORTS[url.scheme], tls=url.scheme == "https")
