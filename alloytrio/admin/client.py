"""The admin port from a terminal: what ``tap`` and ``top`` ask it. Blocking.

In: the address of a running service. Out: status codes, JSON, events.
Errors: ``ClientError``, whose message says what to try.
"""

import http.client
import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from alloytrio.admin.place import ClientError, Place, printable

DEFAULT_ADDRESS = "127.0.0.1:12345"
MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of one answer that is read whole
MAX_EVENT_BYTES = 1024 * 1024  # of one line of a stream

__all__ = ["AdminClient", "ClientError", "printable"]


class AdminClient:
    """Asks one service.

    Args:
        address: ``host:port`` as in ``admin.listen_addr`` (all interfaces mean this machine), or a URL.
        timeout: seconds without a byte after which a service counts as gone.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, timeout: float = 5.0) -> None:
        self._place = Place(address)
        self._timeout = timeout
        self.address = self._place.text

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a probe, at the root of the port.

        Raises:
            ClientError: no answer.
        """
        connection, response = self._request(path)
        try:
            return response.status, response.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            raise self._place.gone(exc) from exc
        finally:
            connection.close()

    def json(self, path: str) -> dict[str, object]:
        """What the API answers on a path below ``/api/v1``.

        Raises:
            ClientError: no answer, or a refusal.
        """
        status, text = self.get(f"{self._place.prefix}/api/v1{path}")
        try:
            found = json.loads(text)
        except ValueError as exc:
            raise ClientError(f"{self.address} does not answer as alloytrio does") from exc
        if status != 200 or not isinstance(found, dict):
            raise ClientError(str(found.get("error", status)) if isinstance(found, dict) else str(status))
        return found

    def events(self, path: str, query: Mapping[str, str]) -> Iterator[tuple[str, dict[str, object]]]:
        """The events of a stream of the API, until it ends.

        Raises:
            ClientError: no answer, or a refusal.
        """
        connection, response = self._request(f"{self._place.prefix}/api/v1{path}?{urlencode(query)}")
        try:
            if response.status != 200:
                raise ClientError(str(json.loads(response.read(MAX_ANSWER_BYTES)).get("error", response.status)))
            name = ""
            while line := response.readline(MAX_EVENT_BYTES):
                key, _, value = line.rstrip(b"\r\n").partition(b": ")
                if key == b"event":
                    name = value.decode()
                elif key == b"data":
                    yield name, json.loads(value)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise self._place.gone(exc) from exc
        finally:
            connection.close()

    def _request(self, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._place.is_tls else http.client.HTTPConnection
        connection = kind(self._place.host, self._place.port, timeout=self._timeout)
        try:
            connection.request("GET", path)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise self._place.gone(exc) from exc
