"""Where Grafana Alloy stopped reading: its ``positions.yml``, taken over when this process first uses Alloy's data
directory.

Each entry is ``{path: cursor-<container id>, labels: …}`` → seconds since 1970 of the last line, as text; a container
whose labels changed has several. Only whole seconds are known, so the last of them is read again: Loki drops what it
has already, if the labels are the same.

Source: Alloy ``internal/component/common/loki/positions``.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from alloytrio.errors import DecodeError

MAX_BYTES = 16 << 20  # an entry has about 1 KiB
_CURSOR = "cursor-"
_LATEST = 1 << 33  # seconds; what is later is no time


def read_file(path: Path) -> dict[str, int]:
    """The positions in a file; none if there is no such file.

    Raises:
        DecodeError: it cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DecodeError(f"{path} has more than {MAX_BYTES} bytes")
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise DecodeError(f"{path}: {getattr(exc, 'strerror', '') or 'not UTF-8'}") from exc
    return read_positions(text)


def read_positions(text: str) -> dict[str, int]:
    """Container id → nanoseconds since 1970 from which to read on; of several times the latest.

    Raises:
        DecodeError: it is not YAML.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        raise DecodeError("positions.yml is not YAML") from exc
    found: dict[str, int] = {}
    for key, value in _pairs(_value(root, "positions")):
        path = key if isinstance(key, yaml.ScalarNode) else _value(key, "path")
        if not isinstance(path, yaml.ScalarNode) or not path.value.startswith(_CURSOR):
            continue
        if isinstance(value, yaml.ScalarNode) and value.value.isdecimal() and len(value.value) < 12:
            seconds = int(value.value)
            if seconds < _LATEST:
                container_id = path.value.removeprefix(_CURSOR)
                found[container_id] = max(found.get(container_id, 0), seconds * 1_000_000_000)
    return found


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """What a mapping has under a plain key; None if it has no such key, or is no mapping."""
    return next((value for key, value in _pairs(node) if isinstance(key, yaml.ScalarNode) and key.value == name), None)
