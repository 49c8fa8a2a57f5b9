"""Where a channel connects to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """An address. Either ``host`` and ``port`` are set, or ``path``: a unix socket.

    Args:
        host: a name or an address, without brackets.
        port: TCP port.
        path: of a unix socket.
        secure: True and False for ``https://`` and ``http://``; None when the address did not say.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    secure: bool | None = None

    @property
    def authority(self) -> str:
        """What a request names as its ``:authority``."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        """For messages."""
        return f"unix://{self.path}" if self.path else self.authority


def parse_target(text: str) -> Target:
    """Read ``host:port``, ``http(s)://host[:port]``, ``dns:///host:port`` or ``unix:///path`` (also ``unix:path``).

    Raises:
        ValueError: none of these; the message shows the forms.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path:
            raise ValueError("a unix address without a path")
        return Target(path=path)
    rest = text.removeprefix("dns:").lstrip("/") if text.startswith("dns:") else text
    parts = urlsplit(rest if "://" in rest else f"//{rest}")
    if parts.scheme not in ("", *DEFAULT_PORTS) or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError('not an address: write "host:port", "http://host:port", "https://host:port" or "unix:///path"')
    if parts.username is not None:
        raise ValueError("an address does not hold credentials: use headers or auth")
    port = parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError('an address needs a host and a port, such as "tempo:4317"')
    return Target(host=parts.hostname, port=port, secure={"": None, "http": False, "https": True}[parts.scheme])
