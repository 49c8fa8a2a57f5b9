"""Every error that crosses a module's border.

AlloyTrioError
├─ ConfigError              before anything starts: what, where, what would be right; exit code 78
├─ StorageError             the data directory cannot be used
├─ DecodeError              the peer sent bytes that we cannot read: INVALID_ARGUMENT / HTTP 400, never retried
├─ DockerError              dockerd is not there, hangs, or refuses: tried again
├─ QueueFullError           no room in time: RESOURCE_EXHAUSTED with RetryInfo / HTTP 429; the client keeps the data
│  └─ OversizeError         more than an outbox ever holds: RESOURCE_EXHAUSTED / HTTP 413; trying again is no use
└─ ExportError              a backend did not take a batch
   ├─ RetryableExportError  network, timeout, 5xx, 429: the same batch is sent again
   └─ PermanentExportError  the backend will never take it: the batch is cut until the bad items stand alone
"""


class AlloyTrioError(Exception):
    """The root: catching it catches what we raise on purpose, and no bug."""


class ConfigError(AlloyTrioError):
    """The configuration cannot be run. The message lists every problem, one per line, ready to print."""


class StorageError(AlloyTrioError):
    """The data directory is missing, read-only, damaged beyond use, or in use by another process."""


class DecodeError(AlloyTrioError):
    """Bytes from a peer break the format they claim to be in. The message says what and where."""


class DockerError(AlloyTrioError):
    """A call to dockerd failed.

    Args:
        message: the call, and dockerd's words or the name of the network error.
        status: of its answer; None if there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class QueueFullError(AlloyTrioError):
    """An outbox had no room in time. The sender should keep its data and try again.

    Args:
        message: names the outbox and its limit.
        retry_after: seconds after which trying again makes sense.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OversizeError(QueueFullError):
    """What was to be put is larger than the bound of the whole outbox: it will never fit."""


class ExportError(AlloyTrioError):
    """A backend did not accept a batch; the message holds the backend's own words."""


class RetryableExportError(ExportError):
    """Trying the same batch again may succeed.

    Args:
        message: the backend's words, or the name of the network error.
        retry_after: seconds that the backend asked us to wait, if it did.
        unknown_outcome: the backend may have stored the batch although we saw no answer (timeout, reset).
    """

    def __init__(self, message: str, *, retry_after: float | None = None, unknown_outcome: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome


class PermanentExportError(ExportError):
    """The backend will refuse these bytes every time.

    Args:
        message: the backend's words.
        whole: cutting the batch in halves is useless, every part would be refused for the same reason
            (bad credentials, unknown method). Such batches are kept and retried slowly, not set aside.
    """

    def __init__(self, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.whole = whole
