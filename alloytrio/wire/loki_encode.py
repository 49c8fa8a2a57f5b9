"""From entries to encoded push requests: grouping by stream and tenant, and leaving out what Loki surely refuses.

One pass over a batch, compiled. A stream or entry that Loki would answer with a 400 is left out here and counted with
Loki's own reason: a refusal costs a request, and a bad label name the whole request.

Source: Loki ``pkg/distributor/validator.go`` and its default limits.
"""

import re
from typing import Final

from alloytrio.wire.entry import Entry
from alloytrio.wire.loki import TENANT_LABEL, LabelShape, PushEncoder, stream_field

MAX_SHAPES: Final = 1000  # sets of label names; they come from the configuration, so there are few
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_TENANT = re.compile(r"[a-zA-Z0-9!\-_.*'()]{1,150}", re.ASCII)
_NO_LIMIT: Final = (1 << 62) - 1
_STREAM_OVERHEAD: Final = 64  # bytes that framing, time and tags add to an entry at most, metadata apart


class PushLimits:
    """What Loki takes. 0 switches a limit off.

    Args:
        max_line_bytes: of a line.
        max_label_names: of a stream; ``service_name`` does not count.
        max_label_name_bytes: of a label's name.
        max_label_value_bytes: of a label's value.
        max_age_ns: how old an entry may be.
        max_ahead_ns: how far in the future an entry may be.
        max_metadata_bytes: of an entry's structured metadata, names and values.
        max_metadata_pairs: of an entry's structured metadata.
    """

    def __init__(
        self,
        max_line_bytes: int = 0,
        max_label_names: int = 0,
        max_label_name_bytes: int = 0,
        max_label_value_bytes: int = 0,
        max_age_ns: int = 0,
        max_ahead_ns: int = 0,
        max_metadata_bytes: int = 0,
        max_metadata_pairs: int = 0,
    ) -> None:
        self.max_line_bytes = max_line_bytes
        self.max_label_names = max_label_names
        self.max_label_name_bytes = max_label_name_bytes
        self.max_label_value_bytes = max_label_value_bytes
        self.max_age_ns = max_age_ns
        self.max_ahead_ns = max_ahead_ns
        self.max_metadata_bytes = max_metadata_bytes
        self.max_metadata_pairs = max_metadata_pairs


class Refused:
    """Entries of one tenant that were left out for one reason."""

    def __init__(self, tenant: str, reason: str) -> None:
        self.tenant = tenant
        self.reason = reason
        self.entries: int = 0
        self.line_bytes: int = 0


class EncodedPush:
    """An encoded push request for one tenant.

    Args:
        tenant: empty for none.
        entries: how many it holds.
        payload: the request.
    """

    def __init__(self, tenant: str, entries: int, payload: bytes) -> None:
        self.tenant = tenant
        self.entries = entries
        self.payload = payload


class _Open:
    """The requests being put together for one tenant."""

    def __init__(self) -> None:
        self.streams: dict[bytes, list[bytes]] = {}
        self.entries: int = 0
        self.size: int = 0

    def close(self) -> bytes:
        fields = [stream_field(stream, bodies) for stream, bodies in self.streams.items()]
        self.streams = {}
        self.entries = 0
        self.size = 0
        return b"".join(fields)


class StreamEncoder:
    """Encodes batches of entries for one endpoint.

    Args:
        external: labels that are added where an entry has none of that name.
        limits: what the endpoint takes.
        tenant: of entries that do not name theirs.
        max_payload_bytes: a request is cut above this; one entry may exceed it alone.
        max_streams: streams in one call above which entries of further ones are left out; 0 = no limit.

    Attributes:
        refused: what was left out since the caller last took it.
        label_sets: of the last call, the entries' labels by shape, for counting their values.
    """

    def __init__(
        self,
        external: dict[str, str],
        limits: PushLimits,
        tenant: str,
        max_payload_bytes: int,
        max_streams: int = 0,
    ) -> None:
        self.refused: dict[tuple[str, str], Refused] = {}
        self.label_sets: dict[LabelShape, list[dict[str, str]]] = {}
        self._external: dict[str, str] = external
        self._limits: PushLimits = limits
        self._tenant: str = tenant
        self._max_payload: int = max_payload_bytes
        self._max_streams: int = max_streams
        self._moved: frozenset[str] = frozenset()
        self._shapes: dict[tuple[str, ...], LabelShape] = {}
        self._reasons: dict[LabelShape, str] = {}
        self._push: PushEncoder = PushEncoder()

    def move(self, names: frozenset[str]) -> None:
        """From now on these labels become structured metadata."""
        self._moved = names
        self._shapes = {}
        self._reasons = {}

    def encode(self, entries: list[Entry], now_ns: int) -> list[EncodedPush]:
        """The requests that hold the entries, in their order."""
        limits = self._limits
        oldest = now_ns - limits.max_age_ns if limits.max_age_ns else 0
        newest = now_ns + limits.max_ahead_ns if limits.max_ahead_ns else _NO_LIMIT
        max_line = limits.max_line_bytes or _NO_LIMIT
        max_value = limits.max_label_value_bytes or _NO_LIMIT
        done: list[EncodedPush] = []
        tenants: dict[str, _Open] = {}
        self.label_sets = {}
        last_labels: dict[str, str] | None = None
        counted: dict[str, str] | None = None
        shape: LabelShape | None = None
        stream = b""
        reason = ""
        tenant = self._tenant
        for entry in entries:
            labels = entry.labels
            if labels is not last_labels or shape is None:
                last_labels = labels
                key = tuple(labels)
                shape = self._shapes.get(key)
                if shape is None:
                    shape = self._learn(key)
                reason = self._reasons[shape]
                stream = shape.stream(labels)
                tenant = (labels[TENANT_LABEL] or self._tenant) if shape.tenant else self._tenant
                if not reason and len(stream) > max_value and shape.longest_value(labels) > max_value:
                    reason = "label_value_too_long"
                if shape.tenant and not _TENANT.fullmatch(tenant):
                    tenant, reason = self._tenant, "invalid_tenant"
            line = entry.line
            ts_ns = entry.ts_ns
            metadata = entry.metadata
            if shape.moved:
                metadata = self._with_moved(shape, labels, metadata)
            if reason or ts_ns < oldest or ts_ns > newest or len(line) > max_line or metadata is not None:
                why = reason or self._entry_reason(entry, metadata, oldest, newest)
                if why:
                    self._refuse(tenant, why, line)
                    continue
            open_push = tenants.get(tenant)
            if open_push is None:
                open_push = tenants[tenant] = _Open()
            bodies = open_push.streams.get(stream)
            if bodies is None:
                if self._max_streams and len(open_push.streams) >= self._max_streams:
                    self._refuse(tenant, "stream_limited", line)
                    continue
                bodies = open_push.streams[stream] = []
                open_push.size += len(stream)
            bodies.append(self._push.entry(ts_ns, line, metadata))
            open_push.entries += 1
            open_push.size += len(line) + _STREAM_OVERHEAD
            if labels is not counted:
                counted = labels
                self.label_sets.setdefault(shape, []).append(labels)
            if open_push.size > self._max_payload:
                count = open_push.entries
                done.append(EncodedPush(tenant, count, open_push.close()))
        return done + [EncodedPush(name, rest.entries, rest.close()) for name, rest in tenants.items() if rest.entries]

    def _learn(self, names: tuple[str, ...]) -> LabelShape:
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes = {}
            self._reasons = {}
        shape = LabelShape(names, self._external, self._moved)
        self._shapes[names] = shape
        self._reasons[shape] = self._shape_reason(shape)
        return shape

    def _shape_reason(self, shape: LabelShape) -> str:
        """Why Loki would refuse every stream of these names; empty if it would not."""
        limits = self._limits
        for name in shape.names:
            if not _LABEL_NAME.fullmatch(name):
                return "invalid_labels"
            if (
                limits.max_label_name_bytes
                and len(name.encode("utf-8", "surrogateescape")) > limits.max_label_name_bytes
            ):
                return "label_name_too_long"
        count = len(shape.names) - (1 if "service_name" in shape.names else 0)
        if limits.max_label_names and count > limits.max_label_names:
            return "max_label_names_per_series"
        return ""

    def _entry_reason(self, entry: Entry, metadata: dict[str, str] | None, oldest: int, newest: int) -> str:
        limits = self._limits
        if entry.ts_ns < oldest:
            return "greater_than_max_sample_age"
        if entry.ts_ns > newest:
            return "too_far_in_future"
        if limits.max_line_bytes and len(entry.line) > limits.max_line_bytes:
            return "line_too_long"
        if metadata:
            if limits.max_metadata_pairs and len(metadata) > limits.max_metadata_pairs:
                return "structured_metadata_too_many"
            size = sum([len(name) + len(value) for name, value in metadata.items()])
            if limits.max_metadata_bytes and size > limits.max_metadata_bytes:
                return "structured_metadata_too_large"
        return ""

    def _with_moved(
        self, shape: LabelShape, labels: dict[str, str], metadata: dict[str, str] | None
    ) -> dict[str, str] | None:
        moved = {name: labels[name] for name in shape.moved if labels[name]}
        if metadata:
            moved.update(metadata)
        return moved or None

    def _refuse(self, tenant: str, reason: str, line: bytes) -> None:
        key = (tenant, reason)
        refused = self.refused.get(key)
        if refused is None:
            refused = self.refused[key] = Refused(tenant, reason)
        refused.entries += 1
        refused.line_bytes += len(line)
