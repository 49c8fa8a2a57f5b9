"""Makes ``accept`` fail, for tests of servers that must go on."""

import errno
import socket

import pytest

ACCEPT_ERRORS = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.ECONNABORTED,
    errno.ECONNRESET,
    errno.EPROTO,
    errno.EPERM,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ETIMEDOUT,
)
"""What accept(2) says of which a server must survive each; those for want of resources are the first four."""


def fail_accepts(patch: pytest.MonkeyPatch, *errors: int) -> list[int]:
    """Let the next calls of ``accept`` fail with these, one each; then it works again.

    Returns:
        The errors that are still to come.
    """
    coming = list(errors)
    accept = socket.socket.accept

    def fail_first(listening: socket.socket) -> tuple[socket.socket, object]:
        if coming:
            raise OSError(coming.pop(0), "as the test says")
        return accept(listening)

    patch.setattr(socket.socket, "accept", fail_first)
    return coming
