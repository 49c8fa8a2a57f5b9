"""Header lists: writing them without state, and checking those that a peer sent.

What we send is encoded as static-table indices and literals that are never added to a table (RFC 7541 sections 6.1,
6.2.2, 6.2.3): the same list is always the same bytes, so that whole answers are constants, and the peer's table size
does not matter. What we receive is decoded by ``hpack``. Rules for lists: RFC 9113 section 8.
"""

import re

from hpack.table import HeaderTable

from alloytrio.grpc.events import Headers

# A list with a type of its own: mypyc compiles this where hpack is not installed, and knows nothing of its types.
_STATIC_TABLE: list[tuple[bytes, bytes]] = list(HeaderTable.STATIC_TABLE)
_STATIC_PAIRS: dict[tuple[bytes, bytes], int] = {
    (name, value): index for index, (name, value) in enumerate(_STATIC_TABLE, 1)
}
_STATIC_NAMES: dict[bytes, int] = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC_TABLE, 1)))}

TABLE_SIZE_ZERO = b"\x20"
"""A dynamic table size update to 0 (RFC 7541 section 6.3): owed once to a peer that shrinks its table."""

_SENSITIVE = frozenset({b"authorization", b"proxy-authorization", b"cookie"})  # proxies must not index these either
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_FORBIDDEN_IN_VALUE = re.compile(rb"[\x00\r\n]")
_CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"},
)
_KNOWN_NAMES = frozenset(
    {
        b"content-type",
        b"user-agent",
        b"grpc-encoding",
        b"grpc-accept-encoding",
        b"grpc-timeout",
        b"grpc-status",
        b"grpc-message",
        b"authorization",
        b"accept-encoding",
    },
)


def _integer(value: int, prefix_bits: int, pattern: int) -> bytes:
    """RFC 7541 section 5.1; ``pattern`` holds the bits above the prefix."""
    largest = (1 << prefix_bits) - 1
    if value < largest:
        return bytes([pattern | value])
    out = [pattern | largest]
    value -= largest
    while value >= 128:
        out.append((value & 127) | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_headers(headers: Headers) -> bytes:
    """A header block for lower-case names; decodes alike in any state of the peer's table."""
    parts: list[bytes] = []
    for name, value in headers:
        index = _STATIC_PAIRS.get((name, value))
        if index is not None:
            parts.append(_integer(index, 7, 0x80))
            continue
        pattern = 0x10 if name in _SENSITIVE else 0x00
        index = _STATIC_NAMES.get(name)
        if index is None:
            parts += [bytes([pattern]), _integer(len(name), 7, 0), name]
        else:
            parts.append(_integer(index, 4, pattern))
        parts += [_integer(len(value), 7, 0), value]
    return b"".join(parts)


def request_fault(headers: Headers) -> str:
    """What makes a request's header list malformed (RFC 9113 section 8.2, 8.3.1); empty when it is fine."""
    pseudo: dict[bytes, bytes] = {}
    regular = False
    for name, value in headers:
        if name[:1] == b":":
            if regular:
                return "a pseudo-header after a header"
            if name not in (b":method", b":scheme", b":path", b":authority"):
                return "an unknown pseudo-header"
            if name in pseudo:
                return "a pseudo-header twice"
            if _FORBIDDEN_IN_VALUE.search(value) is not None:
                return "a forbidden byte in a header value"
            pseudo[name] = value
            continue
        regular = True
        fault = _field_fault(name, value)
        if fault:
            return fault
    if b":method" not in pseudo or b":scheme" not in pseudo or not pseudo.get(b":path"):
        return "a pseudo-header is missing"
    return ""


def response_fault(headers: Headers) -> str:
    """What makes an answer's header list malformed; empty when it is fine."""
    if not headers or headers[0][0] != b":status":
        return "no :status"
    if len(headers[0][1]) != 3 or not headers[0][1].isdigit():
        return "a :status that is no number"
    return trailers_fault(headers[1:])


def trailers_fault(headers: Headers) -> str:
    """What makes a list without pseudo-headers malformed; empty when it is fine."""
    for name, value in headers:
        fault = "a pseudo-header where none may be" if name[:1] == b":" else _field_fault(name, value)
        if fault:
            return fault
    return ""


def _field_fault(name: bytes, value: bytes) -> str:
    if name not in _KNOWN_NAMES:
        if _NAME.fullmatch(name) is None:
            return "a forbidden byte in a header name"
        if name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
            return "a connection-specific header"
    if _FORBIDDEN_IN_VALUE.search(value) is not None:
        return "a forbidden byte in a header value"
    return ""
