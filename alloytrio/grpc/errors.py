"""What can go wrong below gRPC."""

from alloytrio.errors import AlloyTrioError


class TransportError(AlloyTrioError):
    """A call got no answer: no connection, a connection lost, a stream reset. Trying again may help.

    Args:
        message: what happened, with the address.
        unknown_outcome: the request may have been processed all the same; else it certainly was not.
    """

    def __init__(self, message: str, *, unknown_outcome: bool) -> None:
        super().__init__(message)
        self.unknown_outcome = unknown_outcome
