"""Where a service's admin port is, and the one question that a container's health check asks. Imports next to nothing:

``http.client`` brings TLS and mail parsing with it, which is half of what a whole ``alloytrio healthcheck`` takes.

In: an address as a user writes it. Out: host and port; status and text of a probe.
Errors: ``ClientError``, whose message says what to try.
"""

import re
import socket
import time
from urllib.parse import urlsplit

from alloytrio.errors import AlloyTrioError

MAX_PROBE_BYTES = 64 * 1024  # of the answer to a probe: one line, and what a proxy may add

_ANY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class ClientError(AlloyTrioError):
    """The service did not answer, or not as expected."""


class Place:
    """An address, taken apart.

    Args:
        address: ``host:port`` as in ``admin.listen_addr`` (all interfaces mean this machine), or a URL.

    Attributes:
        host: without brackets.
        port: 12345 where none is written, 443 for https.
        is_tls: the address is an https URL.
        prefix: the URL's path, without a slash at its end.
        text: host and port for messages and the Host header.

    Raises:
        ClientError: it cannot be read.
    """

    def __init__(self, address: str) -> None:
        try:
            parts = urlsplit(address if "://" in address else f"//{address}")
            self.port = parts.port or (443 if parts.scheme == "https" else 12345)
        except ValueError as exc:
            raise ClientError(f"{address} is no address: write host:port") from exc
        host = parts.hostname or ""
        self.host = _ANY_INTERFACE.get(host, host)
        self.is_tls = parts.scheme == "https"
        self.prefix = parts.path.rstrip("/")
        self.text = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def gone(self, error: Exception) -> ClientError:
        """What to say when it does not answer."""
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ClientError(
            f"no answer from {self.text}: {reason}. Does the service run there? --address names another place"
        )

    def probe(self, path: str, timeout: float) -> tuple[int, str]:
        """Status and text of a probe, over plain HTTP.

        Args:
            path: at the root of the port.
            timeout: seconds for the whole of it.

        Raises:
            ClientError: no answer in time, or none that is HTTP.
        """
        deadline = time.monotonic() + timeout
        try:
            with socket.create_connection((self.host, self.port), timeout) as connection:
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {self.text}\r\n\r\n".encode("ascii", "replace"))
                answer = _read_all(connection, deadline)
        except (OSError, UnicodeError) as exc:  # a name that cannot be a host's is a UnicodeError
            raise self.gone(exc) from exc
        return parse_answer(answer, self)


def _read_all(connection: socket.socket, deadline: float) -> bytes:
    """What comes until the peer closes, within the bound and the deadline."""
    answer = b""
    while len(answer) < MAX_PROBE_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        piece = connection.recv(MAX_PROBE_BYTES)
        if not piece:
            break
        answer += piece
    return answer


def parse_answer(answer: bytes, place: Place) -> tuple[int, str]:
    """Status and body of an HTTP/1 answer that ended with its connection.

    Raises:
        ClientError: it is none.
    """
    head, blank, body = answer.partition(b"\r\n\r\n")
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not (blank and version.startswith(b"HTTP/1.") and len(status) == 3 and status.isdigit()):
        raise place.gone(ValueError("the answer is not HTTP"))
    return int(status), body.decode("utf-8", "replace")


def printable(text: object) -> str:
    """A text of a peer for a terminal: nothing in it can move the cursor or hide what follows."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))
