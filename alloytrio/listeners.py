"""Listening sockets, opened once and handed over when a reload replaces the component behind them."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import trio

from alloytrio.errors import ConfigError
from alloytrio.values import split_address

BACKLOG = 4096  # connections that wait while a reload swaps the component behind a port, or all clients come at once
ACCEPTED_AT_ONCE = 256  # trio's accept() takes one per round of its scheduler: too slow when all clients come at once
ACCEPT_PAUSE = 0.1  # seconds without accepting when the process is out of files or memory (as in trio)
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
# The connection, not the listener, has failed: closed before it was accepted, refused by the firewall, its network gone
# (accept(2), "Error handling"; trio goes on after the same ones).
GONE_ALREADY = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.ENOSR,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.EPROTONOSUPPORT,
        errno.ESOCKTNOSUPPORT,
        errno.ETIMEDOUT,
    }
)


class Listeners:
    """The process's listening sockets by address."""

    def __init__(self) -> None:
        self._open: dict[str, list[trio.SocketListener]] = {}
        self._taken: set[str] = set()

    def begin(self) -> None:
        """Forget what was taken so far; see ``taken``."""
        self._taken = set()

    def taken(self) -> frozenset[str]:
        """The addresses asked for since ``begin``."""
        return frozenset(self._taken)

    def open(self, address: str, *, transport: str = "tcp") -> list[trio.SocketListener]:
        """The listeners of ``host:port`` (or of a unix path), the same ones on every call.

        Raises:
            ConfigError: the address is not one, or cannot be bound; the message says why.
        """
        self._taken.add(address)
        if address not in self._open:
            sockets = _bind_unix(address) if transport == "unix" else _bind_tcp(address)
            self._open[address] = [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in sockets]
        return self._open[address]

    def keep_only(self, addresses: frozenset[str]) -> None:
        """Close the sockets that no component uses any more."""
        for address in self._open.keys() - addresses:
            for listener in self._open.pop(address):
                listener.socket.close()


async def accept_for_ever(
    listener: trio.SocketListener, serve: Callable[[trio.SocketStream], None], report: Callable[[OSError], None]
) -> NoReturn:
    """Accept connections until cancelled, whatever becomes of single ones.

    Args:
        listener: left open.
        serve: takes each connection; must not wait.
        report: called with the first error of a time in which there are no resources for another connection.

    Raises:
        OSError: the listener itself has failed.
    """
    exhausted = False
    while True:
        already_reported, exhausted = exhausted, False
        accepted: list[trio.SocketStream] = []
        try:
            accepted = await accept(listener)
        except OSError as error:
            exhausted = error.errno in OUT_OF_RESOURCES
            if not exhausted and error.errno not in GONE_ALREADY:
                raise
            if exhausted and not already_reported:
                report(error)
        for stream in accepted:
            serve(stream)
        if exhausted:
            await trio.sleep(ACCEPT_PAUSE)


async def accept(listener: trio.SocketListener, most: int = ACCEPTED_AT_ONCE) -> list[trio.SocketStream]:
    """Wait for connections and take those that wait, up to ``most``.

    Raises:
        OSError: as from ``accept(2)``; never while there is a connection to return.
    """
    await trio.lowlevel.wait_readable(listener.socket)
    shared = listener.socket
    kernel = socket.socket(shared.family, shared.type, shared.proto, fileno=shared.fileno())
    accepted: list[trio.SocketStream] = []
    try:
        while len(accepted) < most:
            accepted.append(trio.SocketStream(trio.socket.from_stdlib_socket(kernel.accept()[0])))
    except BlockingIOError:
        pass
    except OSError:
        if not accepted:
            raise
    finally:
        kernel.detach()  # the descriptor is the listener's
    return accepted


def _bind_tcp(address: str) -> list[socket.socket]:
    try:
        host, port = split_address(address)
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (ValueError, OSError) as exc:
        raise ConfigError(f"cannot listen on {address}: {exc}") from exc
    bound: list[socket.socket] = []
    for family, kind, protocol, _, target in sorted(found, key=lambda entry: entry[0] != socket.AF_INET):
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and bound:
                target = (target[0], bound[0].getsockname()[1], *target[2:])
            listening.bind(target)
            listening.listen(BACKLOG)
        except OSError as exc:
            listening.close()
            if exc.errno == errno.EAFNOSUPPORT or (bound and exc.errno == errno.EADDRNOTAVAIL):
                continue
            for each in bound:
                each.close()
            raise ConfigError(f"cannot listen on {address}: {exc.strerror or exc}") from exc
        bound.append(listening)
    if not bound:
        raise ConfigError(f"cannot listen on {address}: this machine has no such network family")
    return bound


def _bind_unix(path: str) -> list[socket.socket]:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket() and not _answers(path):
            Path(path).unlink()
        listening.bind(path)
        listening.listen(BACKLOG)
    except OSError as exc:
        listening.close()
        raise ConfigError(f"cannot listen on {path}: {exc.strerror or exc}") from exc
    return [listening]


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
