"""A log line on its way from a container to Loki. Compiled with the frame decoder that makes it and the encoder
that ends it; everything else sees it as ``alloytrio.entry.Entry``.
"""

_NOTHING: dict[str, object] = {}


class Origin:
    """One output stream of one source: what all its entries share.

    Args:
        name: the stream: ``stdout`` or ``stderr``.
        labels: of its entries when they leave the source. Never changed in place.
    """

    __slots__ = ("labels", "name")

    def __init__(self, name: str, labels: dict[str, str]) -> None:
        self.name = name
        self.labels = labels


class Entry:
    """One log line.

    Args:
        origin: the stream that it came from.
        ts_ns: nanoseconds since 1970.
        line: UTF-8, without the newline.
        seq: place in its source's order; a later line has a larger one.

    Attributes:
        labels: shared with other entries: to change it, put a new dict in its place.
        metadata: structured metadata, name → value; None for none. Owned by this entry.
        extracted: what stages took out of the line, name → value. Empty and shared until a ``loki.process`` gives
            the entry its own.
    """

    __slots__ = ("extracted", "labels", "line", "metadata", "origin", "seq", "ts_ns")

    def __init__(self, origin: Origin, ts_ns: int, line: bytes, seq: int) -> None:
        self.origin: Origin = origin
        self.labels: dict[str, str] = origin.labels
        self.ts_ns: int = ts_ns
        self.line: bytes = line
        self.seq: int = seq
        self.metadata: dict[str, str] | None = None
        self.extracted: dict[str, object] = _NOTHING

    def copy(self) -> "Entry":
        """An entry that can be changed without changing this one. ``extracted`` is not carried over."""
        other = Entry(self.origin, self.ts_ns, self.line, self.seq)
        other.labels = self.labels
        if self.metadata is not None:
            other.metadata = dict(self.metadata)
        return other
