"""Libraries without what they import for features that are not used here: it would be held for ever for nothing.

Each of them goes on without such a module where it is not installed, and does so here. Only `alloytrio run` asks for
this, before anything else is imported.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import cast

_LEFT_OUT: Mapping[str, Sequence[str]] = {
    "prometheus_client": ["snappy"],  # for its remote write
    "structlog": ["greenlet"],  # for contexts of greenlets
}
"""Library → modules that it is to go without. They can be imported later, by whoever needs them."""

_NEVER = ("httpx._main",)  # httpx's command line: click, rich and pygments


def import_sparingly() -> None:
    """Import the libraries of the table without what they are to go without."""
    modules = cast(dict[str, ModuleType | None], sys.modules)  # None: "cannot be imported"
    for name in _NEVER:
        modules.setdefault(name, None)
    for library, left_out in _LEFT_OUT.items():
        with _without(left_out, modules):
            import_module(library)


@contextmanager
def _without(names: Sequence[str], modules: dict[str, ModuleType | None]) -> Iterator[None]:
    absent = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del modules[name]
