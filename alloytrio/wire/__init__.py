"""Wire formats as pure functions over bytes: no I/O, no clock. Compiled with mypyc where a C compiler was there.

The modules here are the ones that decide how much CPU an item costs. They are ordinary typed Python and run as such
from the source tree; an installed wheel holds them compiled if it could be built so (``hatch_build.py``).
"""

from pathlib import Path

from alloytrio.wire import protobuf
from alloytrio.wire.otlp_count import count_data_points, count_log_records, count_spans
from alloytrio.wire.otlp_split import count_items, halve, split

__all__ = [
    "compiled",
    "count_data_points",
    "count_items",
    "count_log_records",
    "count_spans",
    "halve",
    "split",
]


def compiled() -> bool:
    """Whether the modules that were loaded are compiled ones."""
    return Path(protobuf.__file__).suffix != ".py"
