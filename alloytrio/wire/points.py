"""Reads data points: where their fields stand, not what they mean. One ``PointFields`` is used for all points.

Every kind of point has its own field numbers; ``read_number``, ``read_histogram``, ``read_native`` and
``read_summary`` put them into the same attributes. Positions are -1 where a field is missing; of fields that occur
twice the last counts.

Plain classes, compiled with mypyc.
"""

from mypy_extensions import i64

from alloytrio.wire.protobuf import append_bytes, overrun, read_length, read_tag, read_varint, skip_value


class PointFields:
    """Where the fields of one data point stand.

    Attributes:
        attributes: the raw fields of its attributes, in order.
        time_at, start_at, value_at, count_at, sum_at, zero_count_at, zero_threshold_at: of 8 bytes each.
        is_int: ``value_at`` is an integer.
        flags: bit 0: no recorded value.
        exemplars: borders of the exemplars' messages, one pair after the other.
        counts_at, counts_end: the bucket counts, packed.
        bounds_at, bounds_end: the bounds, packed.
        quantiles: borders of the quantiles' messages.
        scale: of an exponential histogram.
        positive, negative: borders of the messages with their buckets.
        is_scattered: the counts or bounds are not in one piece; see ``repack_histogram``.
    """

    def __init__(self) -> None:
        self.attributes = b""
        self.time_at: i64 = -1
        self.start_at: i64 = -1
        self.value_at: i64 = -1
        self.is_int = False
        self.flags: i64 = 0
        self.count_at: i64 = -1
        self.sum_at: i64 = -1
        self.counts_at: i64 = 0
        self.counts_end: i64 = 0
        self.bounds_at: i64 = 0
        self.bounds_end: i64 = 0
        self.scale: i64 = 0
        self.zero_count_at: i64 = -1
        self.zero_threshold_at: i64 = -1
        self.has_exemplars = False
        self.exemplars: list[int] = []
        self.quantiles: list[int] = []
        self.positive: list[int] = []
        self.negative: list[int] = []
        self.is_scattered = False

    def clear(self) -> None:
        """Nothing is known."""
        self.attributes = b""
        self.time_at = -1
        self.start_at = -1
        self.value_at = -1
        self.is_int = False
        self.flags = 0
        if self.has_exemplars:
            self.has_exemplars = False
            self.exemplars = []


def read_number(fields: PointFields, payload: bytes, at: i64, end: i64) -> None:
    """A NumberDataPoint.

    Raises:
        DecodeError, IndexError: its structure is broken.
    """
    fields.clear()
    while at < end:
        tag: i64 = payload[at]
        if tag == 0x3A:
            at = _attributes(fields, payload, at, end, 0x3A, "NumberDataPoint")
        elif tag == 0x19:
            fields.time_at = at + 1
            at += 9
        elif tag == 0x11:
            fields.start_at = at + 1
            at += 9
        elif tag in (0x21, 0x31):
            fields.value_at = at + 1
            fields.is_int = tag == 0x31
            at += 9
        elif tag == 0x40:
            flags, at = read_varint(payload, at + 1, "NumberDataPoint")
            fields.flags = flags & 1
        else:
            at = _other(fields, payload, at, end, 0x2A, "NumberDataPoint")
    if at > end:
        raise overrun("NumberDataPoint", end)


def read_histogram(fields: PointFields, payload: bytes, at: i64, end: i64) -> None:
    """A HistogramDataPoint.

    Raises:
        DecodeError, IndexError: its structure is broken.
    """
    fields.clear()
    _clear_histogram(fields)
    while at < end:
        tag: i64 = payload[at]
        if tag == 0x4A:
            at = _attributes(fields, payload, at, end, 0x4A, "HistogramDataPoint")
        elif tag in (0x11, 0x19, 0x21, 0x29):
            if tag == 0x19:
                fields.time_at = at + 1
            elif tag == 0x21:
                fields.count_at = at + 1
            elif tag == 0x29:
                fields.sum_at = at + 1
            else:
                fields.start_at = at + 1
            at += 9
        elif tag == 0x32 and fields.counts_at < 0:
            fields.counts_at, at = read_length(payload, at + 1, end, "HistogramDataPoint")
            fields.counts_end = at
        elif tag == 0x3A and fields.bounds_at < 0:
            fields.bounds_at, at = read_length(payload, at + 1, end, "HistogramDataPoint")
            fields.bounds_end = at
        elif tag == 0x50:
            flags, at = read_varint(payload, at + 1, "HistogramDataPoint")
            fields.flags = flags & 1
        else:
            if tag in (0x31, 0x32, 0x39, 0x3A):
                fields.is_scattered = True
            at = _other(fields, payload, at, end, 0x42, "HistogramDataPoint")
    if at > end:
        raise overrun("HistogramDataPoint", end)


def _attributes(fields: PointFields, payload: bytes, at: i64, end: i64, attribute: i64, message: str) -> i64:
    """The position behind the attributes that follow each other from ``at`` on, which are noted."""
    begin = at
    while at < end and payload[at] == attribute:
        size: i64 = payload[at + 1]
        at = at + 2 + size if size < 0x80 else read_length(payload, at + 1, end, message)[1]
    run = payload[begin:at]
    fields.attributes = fields.attributes + run if fields.attributes else run
    return at


def repack_histogram(payload: bytes, at: i64, end: i64) -> bytes:
    """A HistogramDataPoint with its counts and its bounds in one piece each, as every decoder has to accept them.

    Raises:
        DecodeError, IndexError: its structure is broken.
    """
    out = bytearray()
    counts = bytearray()
    bounds = bytearray()
    while at < end:
        begin = at
        tag, value = read_tag(payload, at, "HistogramDataPoint")
        at = skip_value(payload, tag, value, end, "HistogramDataPoint")
        if tag in (0x32, 0x3A):
            value = read_length(payload, value, end, "HistogramDataPoint")[0]
        if tag in (0x31, 0x32):
            counts += payload[value:at]
        elif tag in (0x39, 0x3A):
            bounds += payload[value:at]
        else:
            out += payload[begin:at]
    append_bytes(out, 0x32, bytes(counts))
    append_bytes(out, 0x3A, bytes(bounds))
    return bytes(out)


def read_native(fields: PointFields, payload: bytes, at: i64, end: i64) -> None:
    """An ExponentialHistogramDataPoint.

    Raises:
        DecodeError, IndexError: its structure is broken.
    """
    message = "ExponentialHistogramDataPoint"
    others = _read_common(fields, payload, at, end, 0x0A, message)
    for index in range(0, len(others), 3):
        tag: i64 = others[index]
        value: i64 = others[index + 1]
        stop: i64 = others[index + 2]
        if tag == 0x30:
            scale = read_varint(payload, value, message)[0] & 0xFFFFFFFF
            fields.scale = (scale >> 1) ^ -(scale & 1)
        elif tag == 0x39:
            fields.zero_count_at = value
        elif tag in (0x42, 0x4A):
            borders = fields.positive if tag == 0x42 else fields.negative
            borders += [read_length(payload, value, end, message)[0], stop]
        elif tag == 0x50:
            fields.flags = read_varint(payload, value, message)[0] & 1
        elif tag == 0x5A:
            fields.has_exemplars = True
            fields.exemplars += [read_length(payload, value, end, message)[0], stop]
        elif tag == 0x71:
            fields.zero_threshold_at = value


def read_summary(fields: PointFields, payload: bytes, at: i64, end: i64) -> None:
    """A SummaryDataPoint.

    Raises:
        DecodeError, IndexError: its structure is broken.
    """
    message = "SummaryDataPoint"
    others = _read_common(fields, payload, at, end, 0x3A, message)
    for index in range(0, len(others), 3):
        tag: i64 = others[index]
        value: i64 = others[index + 1]
        if tag == 0x32:
            fields.quantiles += [read_length(payload, value, end, message)[0], others[index + 2]]
        elif tag == 0x40:
            fields.flags = read_varint(payload, value, message)[0] & 1


def _read_common(fields: PointFields, payload: bytes, at: i64, end: i64, attribute: i64, message: str) -> list[int]:
    """Read what the rarer kinds of points have under the same numbers, and attributes.

    Returns:
        The other fields in order: tag, position of the value, position behind it, of one after the other.
    """
    fields.clear()
    _clear_histogram(fields)
    attributes = bytearray()
    others: list[int] = []
    while at < end:
        begin = at
        tag, value = read_tag(payload, at, message)
        at = skip_value(payload, tag, value, end, message)
        if tag == attribute:
            attributes += payload[begin:at]
        elif tag == 0x11:
            fields.start_at = value
        elif tag == 0x19:
            fields.time_at = value
        elif tag == 0x21:
            fields.count_at = value
        elif tag == 0x29:
            fields.sum_at = value
        else:
            others += [tag, value, at]
    fields.attributes = bytes(attributes)
    return others


def _clear_histogram(fields: PointFields) -> None:
    fields.is_scattered = False
    fields.count_at = -1
    fields.sum_at = -1
    fields.counts_at = -1
    fields.counts_end = -1
    fields.bounds_at = -1
    fields.bounds_end = -1
    fields.scale = 0
    fields.zero_count_at = -1
    fields.zero_threshold_at = -1
    fields.quantiles = []
    fields.positive = []
    fields.negative = []


def _other(fields: PointFields, payload: bytes, at: i64, end: i64, exemplar: i64, message: str) -> i64:
    """The position behind a field that is rare; exemplars are noted."""
    tag, value = read_tag(payload, at, message)
    stop = skip_value(payload, tag, value, end, message)
    if tag == exemplar:
        fields.has_exemplars = True
        fields.exemplars.append(read_length(payload, value, end, message)[0])
        fields.exemplars.append(stop)
    return stop


def read_fixed64(payload: bytes, at: i64) -> i64:
    """An unsigned 8-byte number, or -1 if it is 2**63 or more."""
    if payload[at + 7] > 0x7F:
        return -1
    return read_sfixed64(payload, at)


def read_sfixed64(payload: bytes, at: i64) -> i64:
    """A signed 8-byte number."""
    b0: i64 = payload[at]
    b1: i64 = payload[at + 1]
    b2: i64 = payload[at + 2]
    b3: i64 = payload[at + 3]
    b4: i64 = payload[at + 4]
    b5: i64 = payload[at + 5]
    b6: i64 = payload[at + 6]
    b7: i64 = payload[at + 7]
    if b7 > 0x7F:
        b7 -= 0x100
    return b0 | b1 << 8 | b2 << 16 | b3 << 24 | b4 << 32 | b5 << 40 | b6 << 48 | b7 << 56
