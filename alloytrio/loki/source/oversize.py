"""What becomes of lines that are larger than a whole outbox: they are left out, alone, and reading goes on.

In: puts that together are too large. Out: the same in the smallest parts, or what is left of a part that cannot be cut.
Errors: none.
"""

from collections.abc import Sequence
from dataclasses import replace

from alloytrio.loki.source.source_metrics import SourceMetrics
from alloytrio.loki.source.source_positions import POSITIONS
from alloytrio.outbox import Fragment, Put


def apart(puts: Sequence[Put], reason: str, metrics: SourceMetrics) -> list[Put]:
    """Smaller puts, to be made one after the other; the positions are on the last of each outlet.

    A single line is given up and counted; its positions are left, so that it is not read again. A process that is
    killed between two parts reads the first ones again.
    """
    alone = [replace(put, fragments=[fragment]) for put in puts for fragment in put.fragments]
    if len(alone) != 1:
        return alone
    (put,), (fragment,) = alone, alone[0].fragments
    halves = put.lane.outbox.halve(fragment) if fragment.items > 1 else [fragment]
    if len(halves) > 1:
        return [replace(put, fragments=[half]) for half in halves]
    metrics.leave_out(fragment.items, reason)
    if not fragment.items or not fragment.positions:
        return []
    return [replace(put, fragments=[Fragment(0, b"", POSITIONS, fragment.positions)])]
