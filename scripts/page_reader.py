"""Reads what an open page reads, in a thread, while the load generator runs: what somebody who looks costs."""

import threading
import urllib.request
from http.client import HTTPException

RETRY_INTERVAL = 0.2  # seconds: the collector starts and stops while the generator runs
READ_TIMEOUT = 20.0  # seconds; an update comes every two, a comment every fifteen


class PageReader:
    """An open page.

    Args:
        url: of its stream, or of the page.
        every: seconds between two requests for a page; 0 = a stream.

    Attributes:
        updates: how many events or pages came so far.
    """

    def __init__(self, url: str, every: float = 0.0) -> None:
        self.updates = 0
        self._url = url
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page")

    def start(self) -> None:
        """Begin; nobody needs to listen yet."""
        self._thread.start()

    def stop(self) -> None:
        """End, at the next piece of the stream at the latest."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every or RETRY_INTERVAL):
            try:
                self._read()
            except (OSError, HTTPException):
                continue

    def _read(self) -> None:
        with urllib.request.urlopen(self._url, timeout=READ_TIMEOUT) as stream:
            if self._every:
                self.updates += bool(stream.read())
                return
            for line in stream:
                self.updates += line.startswith(b"event: ")
                if self._ended.is_set():
                    return
