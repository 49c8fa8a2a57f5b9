"""Cuts an encoded OTLP request into smaller ones, at the borders of its items.

A request is a tree of blocks: resource → scope → item, and for metrics resource → scope → metric → data → point. A
block is its header (all fields but the list of children: the resource, the scope, a metric's name and temporality)
and its children. A cut closes the open blocks and opens them again, with their headers, in the next part; so each
part is a whole request, and items keep their order. Not for the hot path: a request is cut only when it is too large.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.wire.otlp_count import count_data_points, count_log_records, count_spans, is_metric_data
from alloytrio.wire.protobuf import append_bytes, read_length, read_tag, skip_value, truncated, wrong_type

_DEPRECATED: Final = 8002  # field 1000, length-delimited: the old list of scopes
_FRAME: Final = 8  # the most that a block's tag (1 to 2 bytes) and length (1 to 5) take, rounded up


def count_items(signal: str, payload: bytes) -> int:
    """Items in an encoded request; ``signal`` is "traces", "metrics" or "logs".

    Raises:
        DecodeError: the structure is broken, or an id has a wrong length.
    """
    if signal == "traces":
        return count_spans(payload)
    if signal == "metrics":
        return count_data_points(payload)
    if signal == "logs":
        return count_log_records(payload)
    raise ValueError(f"no such signal: {signal}")


def split(signal: str, payload: bytes, max_items: int, max_bytes: int) -> list[tuple[int, bytes]]:
    """Cut a request so that each part has at most ``max_items`` items and ``max_bytes`` bytes; 0 = no limit.

    An item that exceeds ``max_bytes`` with its headers stands alone. Resources, scopes and metrics without items are
    kept as they are.

    Returns:
        The parts in order, each as (items, encoded request); a request that fits is returned as it is.

    Raises:
        DecodeError: the structure is broken, or an id has a wrong length.
    """
    items = count_items(signal, payload)
    if (not max_items or items <= max_items) and (not max_bytes or len(payload) <= max_bytes):
        return [(items, payload)]
    cutter = _Cutter(max_items, max_bytes)
    try:
        _walk(cutter, payload, 0, len(payload), 0, signal == "metrics")
    except IndexError:
        raise truncated(payload, "request") from None
    return cutter.finish()


def halve(signal: str, payload: bytes) -> list[tuple[int, bytes]]:
    """Cut a request into two with half of the items each; one with a single item is returned as it is.

    Raises:
        DecodeError: the structure is broken, or an id has a wrong length.
    """
    items = count_items(signal, payload)
    if items < 2:
        return [(items, payload)]
    return split(signal, payload, (items + 1) // 2, 0)


class _Block:
    """A block that is open: its tag, its header, and the children that are in the current part."""

    def __init__(self, tag: int, header: bytes) -> None:
        self.tag = tag
        self.header = header
        self.once = b""
        self.body = bytearray()
        self.used = False  # whether any part holds it already


class _Cutter:
    """Collects items under their open blocks, and cuts when the next item would not fit."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.parts: list[tuple[int, bytes]] = []
        self.root = _Block(0, b"")
        self.open: list[_Block] = [self.root]
        self.items = 0
        self.size = 0  # of the current part, with all lengths taken at their longest
        self.filled = False  # whether the current part holds anything

    def enter(self, tag: int, header: bytes, once: bytes) -> None:
        """Open a block; ``once`` are fields of it that belong only into the first part that holds it."""
        block = _Block(tag, header)
        block.once = once
        self.open.append(block)
        self.size += _FRAME + len(header) + len(once)

    def add(self, tag: int, item: bytes, items: int) -> None:
        """Put an item (or, with 0 items, a block without children) into the innermost open block."""
        size = _FRAME + len(item)
        if self.filled and (
            (self.max_items and self.items + items > self.max_items)
            or (self.max_bytes and self.size + size > self.max_bytes)
        ):
            self.cut()
        append_bytes(self.open[-1].body, tag, item)
        self.items += items
        self.size += size
        self.filled = True

    def leave(self) -> None:
        """Close the innermost block."""
        block = self.open.pop()
        if block.body:
            _close(block, self.open[-1])
            return
        self.size -= _FRAME + len(block.header) + len(block.once)
        if not block.used:
            self.add(block.tag, block.header + block.once, 0)

    def cut(self) -> None:
        """End the current part; the open blocks go on in the next one."""
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].body:
                _close(self.open[depth], self.open[depth - 1])
        self.parts.append((self.items, bytes(self.root.body)))
        self.root.body = bytearray()
        self.items = 0
        self.filled = False
        self.size = 0
        for block in self.open[1:]:
            self.size += _FRAME + len(block.header) + len(block.once)

    def finish(self) -> list[tuple[int, bytes]]:
        if self.filled or not self.parts:
            self.cut()
        return self.parts


def _close(block: _Block, parent: _Block) -> None:
    append_bytes(parent.body, block.tag, block.header + block.once + block.body)
    block.body = bytearray()
    block.once = b""
    block.used = True


def _walk(cutter: _Cutter, payload: bytes, at: i64, end: i64, depth: int, metrics: bool) -> None:
    """Hand the children of the block between ``at`` and ``end`` to the cutter.

    ``depth`` is 0 in the request, 1 in a resource block, 2 in a scope block; for metrics 3 in a metric, 4 in its data.
    """
    leaf = depth == (4 if metrics else 2)
    for tag, start, stop in _children(payload, at, end, depth):
        if leaf:
            cutter.add(int(tag), payload[start:stop], 1)
            continue
        header, once = _header(payload, start, stop, depth + 1)
        cutter.enter(int(tag), header, once)
        _walk(cutter, payload, start, stop, depth + 1, metrics)
        cutter.leave()


def _is_child(tag: i64, depth: int) -> bool:
    """Whether a field holds a child of a block at ``depth``."""
    if depth == 0 or depth == 4:
        return tag == 0x0A
    if depth == 1:
        return tag == 0x12 or tag == _DEPRECATED
    if depth == 2:
        return tag == 0x12
    return is_metric_data(tag >> 3)


def _children(payload: bytes, at: i64, end: i64, depth: int) -> list[tuple[int, int, int]]:
    """Tag and borders of each child that a decoder would keep, in order."""
    found: list[tuple[int, int, int]] = []
    while at < end:
        tag, value = read_tag(payload, at, "block")
        if _is_child(tag, depth):
            if tag & 7 != 2:
                raise wrong_type("block", tag, at)
            start, stop = read_length(payload, value, end, "block")
            found.append((tag, start, stop))
            at = stop
        else:
            at = skip_value(payload, tag, value, end, "block")
    if depth == 1 and any(tag == 0x12 for tag, _, _ in found):
        return [child for child in found if child[0] == 0x12]
    if depth == 3 and found:  # a oneof: the last kind replaces those before it
        kept = len(found)
        while kept and found[kept - 1][0] == found[-1][0]:
            kept -= 1
        return found[kept:]
    return found


def _header(payload: bytes, at: i64, end: i64, depth: int) -> tuple[bytes, bytes]:
    """All of a block but its children: what every part of it needs, and what only the first part gets.

    The latter is the deprecated list of scopes where there is a present one: no decoder reads it then, but alone it
    would be read.
    """
    header = bytearray()
    deprecated = bytearray()
    modern = False
    while at < end:
        tag, value = read_tag(payload, at, "block")
        stop = skip_value(payload, tag, value, end, "block")
        if tag == _DEPRECATED and depth == 1:
            deprecated += payload[at:stop]
        elif not _is_child(tag, depth):
            header += payload[at:stop]
        elif tag == 0x12:
            modern = True
        at = stop
    return bytes(header), bytes(deprecated) if modern and depth == 1 else b""
