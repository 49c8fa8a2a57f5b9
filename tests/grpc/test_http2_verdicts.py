"""Any conversation of a client is judged by ``h2`` too: we never accept what it refuses, nor refuse what it accepts.

Known differences, all on purpose: a malformed header list resets its stream here and ends the connection there (both
are allowed, RFC 9113 section 8.1.1); frames on streams that were never opened or are closed end the connection here
(sections 5.1 and 5.1.1), where h2 lets some pass; h2 takes nothing after GOAWAY, and of a setting
given twice in one frame it looks at the last only; padding may fill a HEADERS frame here; a window update by nothing
counts as that stream's fault here, so on a stream that is closed already it changes nothing.
"""

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from hypothesis import assume, given, settings

from alloytrio.grpc import events
from alloytrio.grpc.frames import WINDOW_UPDATE
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.limits import Limits, ReceiveMemory
from tests.grpc.raw import HELLO, read_frames
from tests.grpc.test_http2_properties import CONVERSATION

ALTSVC = 10  # a frame type that h2 knows, from another RFC
STRICTER = {
    "a frame on a stream that was never opened",
    "a frame on a closed stream",
    "a maximum frame size out of range",
    "ENABLE_PUSH out of range",
    "an initial window above its maximum",
}


def our_verdict(received: bytes) -> tuple[str, bool]:
    """(reason of the connection's end or "", whether a stream was reset for a fault)."""
    connection = Connection(client=False, limits=Limits(), memory=ReceiveMemory(1 << 30))
    found = connection.receive(received, 0.0)
    assume(not any(isinstance(event, events.GoawayReceived) for event in found))
    reasons = [event.reason for event in found if isinstance(event, events.ConnectionFailed)]
    resets = any(isinstance(event, events.StreamReset) and not event.remote for event in found)
    return "".join(reasons), resets


def their_verdict(received: bytes) -> tuple[str, bool]:
    """The same of ``h2``."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=False))
    connection.initiate_connection()
    try:
        found = connection.receive_data(received)
    except h2.exceptions.ProtocolError as error:
        return str(error) or type(error).__name__, False
    return "", any(isinstance(event, h2.events.StreamReset) and not event.remote_reset for event in found)


@settings(max_examples=200, deadline=None)
@given(conversation=CONVERSATION)
def test_verdicts_agree(conversation: bytes) -> None:
    """What one of the two finds wrong, the other finds wrong as well."""
    sent = read_frames(conversation)
    assume(all(each.kind != ALTSVC for each in sent))
    assume(not any(each.kind == WINDOW_UPDATE and each.stream and not any(each.payload) for each in sent))
    received = HELLO + conversation
    ours, our_reset = our_verdict(received)
    theirs, their_reset = their_verdict(received)
    if theirs and "invalid padding" not in theirs:
        assert ours or our_reset, f"h2 refuses: {theirs}"
    if not theirs and not their_reset:
        assert not our_reset, "h2 accepts what we reset"
        assert not ours or ours in STRICTER, f"h2 accepts what we refuse: {ours}"
