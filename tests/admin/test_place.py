"""Where the admin port is, and the probe of a health check: any peer, any answer."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.admin.place import MAX_PROBE_BYTES, ClientError, Place, parse_answer, printable


@contextmanager
def peer(answer: bytes, *, hold: bool = False) -> Iterator[str]:
    """A listener that answers one connection with these bytes; ``hold``: and does not close. Gives its address."""
    released = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.recv(4096)
                    connection.sendall(answer)
                except OSError:
                    return  # the client has heard enough
                if hold:
                    released.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        released.set()
        thread.join()


@pytest.mark.parametrize(
    ("address", "host", "port", "text"),
    [
        ("127.0.0.1:12345", "127.0.0.1", 12345, "127.0.0.1:12345"),
        ("0.0.0.0:80", "127.0.0.1", 80, "127.0.0.1:80"),
        (":81", "127.0.0.1", 81, "127.0.0.1:81"),
        ("[::]:82", "::1", 82, "[::1]:82"),
        ("alloytrio", "alloytrio", 12345, "alloytrio:12345"),
        ("http://collector:83/a/", "collector", 83, "collector:83"),
        ("https://collector", "collector", 443, "collector:443"),
    ],
)
def test_addresses(address: str, host: str, port: int, text: str) -> None:
    """An address is read as a user writes it; all interfaces mean this machine."""
    place = Place(address)
    assert (place.host, place.port, place.text) == (host, port, text)


def test_no_address() -> None:
    """What is no address is said to be none."""
    with pytest.raises(ClientError, match="write host:port"):
        Place("localhost:http")


def test_probe() -> None:
    """Status and text come back."""
    with peer(b"HTTP/1.1 503 \r\ncontent-length: 6\r\n\r\nwait.\n") as address:
        assert Place(address).probe("/-/ready", 10) == (503, "wait.\n")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_else_listens(answer: bytes) -> None:
    """An answer that is not HTTP, or is cut off, is an error."""
    with peer(answer) as address, pytest.raises(ClientError, match="not HTTP"):
        Place(address).probe("/-/ready", 10)


def test_endless_answer() -> None:
    """No more is read than the bound."""
    with peer(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (8 * MAX_PROBE_BYTES)) as address:
        status, text = Place(address).probe("/-/ready", 10)
    assert status == 200
    assert len(text) < 2 * MAX_PROBE_BYTES


def test_silence() -> None:
    """A peer that begins to answer and never ends is given up at the deadline."""
    with peer(b"HTTP/1.1 200 OK\r\n", hold=True) as address, pytest.raises(ClientError, match="timed out"):
        Place(address).probe("/-/ready", 0.2)


def test_no_such_host() -> None:
    """A name that cannot be a host's is an error like any other."""
    with pytest.raises(ClientError, match="no answer"):
        Place("a" * 70 + ".example:1").probe("/-/ready", 1)


@given(st.binary(max_size=200))
def test_any_answer(answer: bytes) -> None:
    """Whatever comes is a status and a text, or the one error."""
    for head in (b"", b"HTTP/1.1 "):
        try:
            status, _ = parse_answer(head + answer, Place("localhost"))
        except ClientError:
            continue
        assert 0 <= status <= 999


def test_printable() -> None:
    """Nothing moves the cursor or hides what follows."""
    assert printable("a\x1b[2J\u202eb") == "a\\u001b[2J\\u202eb"


def test_imports_next_to_nothing() -> None:
    """A health check imports no HTTP client, no TLS, no models: it is run every few seconds."""
    heavy = ("ssl", "http.client", "email", "asyncio", "pydantic", "trio", "httpx", "orjson")
    code = (
        "import sys; from alloytrio.cli import main; main(['healthcheck', '--address', '127.0.0.1:1']);"
        f"print([each for each in {heavy!r} if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
