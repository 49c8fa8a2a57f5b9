"""What goes into an outbox and what comes out of it: fragments, the policy that batches them, batches.

Every message sent to a backend is a protobuf message with one repeated field, so a batch is its fragments laid end
to end; nothing here is ever decoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NO_POSITIONS: Mapping[bytes, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Fragment:
    """Encoded bytes in the form in which the exporter will send them.

    Args:
        items: how many spans, samples or lines are in ``payload``.
        payload: the encoded message, not compressed. May be empty when there are only positions to keep.
        encoding: what a batch never mixes: ``"<what>/<codec>"``, such as ``"traces/gzip"`` or
            ``"push:tenant-a/snappy"``. The part after the last slash names the codec.
        positions: source positions that become durable together with the payload, key → value, the last value
            of a key wins; an empty value forgets the key.
    """

    items: int
    payload: bytes
    encoding: str
    positions: Mapping[bytes, bytes] = field(default_factory=lambda: _NO_POSITIONS)


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When a lane's fragments become a batch.

    Args:
        name: who set it (the id of an ``otelcol.processor.batch``, or ``""`` for none): the lane's identity
            across restarts.
        timeout: seconds after which the oldest fragment goes out whatever the size; 0 = at once.
        send_batch_size: items that trigger a batch; 0 = each fragment may go at once.
        send_batch_max_size: items that a batch never exceeds; 0 = no limit. Fragments arrive already split to fit.
    """

    name: str = ""
    timeout: float = 0.0
    send_batch_size: int = 0
    send_batch_max_size: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What an exporter sends in one request.

    Args:
        encoding: of all its fragments.
        items: spans, samples or lines.
        body: the joined fragments, compressed with the encoding's codec: one ordinary gzip member, one snappy block.
        plain_bytes: length of the joined fragments before compression.
        fragments: how many.
        attempt: 1 for the first sending.
        unknown_outcome: an earlier attempt may have been stored (timeout, reset, or a restart of this process).
    """

    encoding: str
    items: int
    body: bytes
    plain_bytes: int
    fragments: int
    attempt: int
    unknown_outcome: bool
