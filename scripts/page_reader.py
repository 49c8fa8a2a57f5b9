"""Reads the stream that an open overview reads, in a thread, while the load generator runs: what an open page costs."""

import threading
import urllib.request
from http.client import HTTPException

RETRY_INTERVAL = 0.2  # seconds: the collector starts and stops while the generator runs
READ_TIMEOUT = 5.0  # seconds; an update comes every two


class PageReader:
    """An open overview.

    Args:
        url: of the stream.

    Attributes:
        updates: how many came so far.
    """

    def __init__(self, url: str) -> None:
        self.updates = 0
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page")

    def start(self) -> None:
        """Begin; nobody needs to listen yet."""
        self._thread.start()

    def stop(self) -> None:
        """End, at the next update at the latest."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(RETRY_INTERVAL):
            try:
                self._read()
            except (OSError, HTTPException):
                continue

    def _read(self) -> None:
        with urllib.request.urlopen(self._url, timeout=READ_TIMEOUT) as stream:
            for line in stream:
                self.updates += line.startswith(b"event: cells")
                if self._ended.is_set():
                    return
