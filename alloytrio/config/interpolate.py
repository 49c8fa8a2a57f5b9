"""``${env:NAME}``, ``${env:NAME:-default}`` and ``${file:/path}`` inside the texts of a configuration.

Nothing else is replaced: ``$1``, ``${1}`` and ``${name}`` belong to relabel rules. What was put in is not looked
at again. To write one of the three literally, double the dollar: ``$${env:NAME}`` stands for ``${env:NAME}``.

- ``${env:NAME}``: the variable must be set; it may be empty.
- ``${env:NAME:-default}``: the default stands in for a variable that is unset or empty (as in a shell); it ends at
  the first ``}``.
- ``${file:/run/secrets/token}``: the file's text without one line end at its end. A relative path starts at the
  folder of the configuration file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alloytrio.config.positions import KeyPath
from alloytrio.config.problems import nearest

FILE_LIMIT_BYTES = 1024 * 1024  # a secret or a certificate bundle; more is a wrong path (/dev/zero, a log)

_REFERENCE = re.compile(r"(\$?)\$\{(env|file):([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


class InterpolationError(Exception):
    """A reference that cannot be replaced. The message names the variable or file, never a content."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What references are looked up in.

    Args:
        environ: the environment.
        folder: where relative file names start.
    """

    environ: Mapping[str, str]
    folder: Path


@dataclass(slots=True)
class Interpolated:
    """A tree after interpolation.

    Args:
        data: the tree with all references replaced that could be.
        references: for each text that held references: their names, such as ``env:TOKEN``.
        errors: for each text with a reference that could not be replaced; the text is unchanged in ``data``.
    """

    data: dict[str, object]
    references: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    errors: dict[KeyPath, InterpolationError] = field(default_factory=dict)


def interpolate_tree(tree: Mapping[str, object], surroundings: Surroundings) -> Interpolated:
    """A copy of a tree of tables and lists with the references in all its texts replaced."""
    result = Interpolated({})

    def copy(value: object, path: KeyPath) -> object:
        if isinstance(value, Mapping):
            return {key: copy(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [copy(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            text, names = interpolate(value, surroundings)
        except InterpolationError as exc:
            result.errors[path] = exc
            return value
        if names:
            result.references[path] = names
        return text

    result.data = {key: copy(value, (key,)) for key, value in tree.items()}
    return result


def interpolate(text: str, surroundings: Surroundings) -> tuple[str, tuple[str, ...]]:
    """A text with its references replaced, and their names (``env:TOKEN``, ``file:/run/secrets/x``).

    Raises:
        InterpolationError: one of them cannot be.
    """
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        escape, scheme, body, closing = match.groups()
        if escape:
            return match[0][1:]
        if not closing:
            raise InterpolationError(f"${{{scheme}: without a closing brace", "to mean it literally, write $${")
        lookup = _LOOKUPS[scheme]
        name, value = lookup(body, surroundings)
        names.append(f"{scheme}:{name}")
        return value

    return _REFERENCE.sub(replace, text), tuple(names)


def _from_environment(body: str, surroundings: Surroundings) -> tuple[str, str]:
    match = _VARIABLE.fullmatch(body)
    if match is None:
        raise InterpolationError("${env:…} needs the name of a variable", "write ${env:NAME} or ${env:NAME:-default}")
    name, default = match[1], match[2]
    value = surroundings.environ.get(name)
    if default is not None:
        return name, value or default
    if value is None:
        meant = nearest(name, surroundings.environ)
        hint = f'did you mean "{meant}"? ' if meant else ""
        raise InterpolationError(
            f"environment variable {name} is not set", f"{hint}a default is written ${{env:{name}:-default}}"
        )
    return name, value


def _from_file(body: str, surroundings: Surroundings) -> tuple[str, str]:
    if not body or "\0" in body:
        raise InterpolationError("${file:…} needs the name of a file", "write ${file:/run/secrets/name}")
    path = surroundings.folder / body
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as exc:
        raise InterpolationError(f"file {path} cannot be read: {exc.strerror or type(exc).__name__}") from exc
    if len(content) > FILE_LIMIT_BYTES:
        raise InterpolationError(f"file {path} is larger than {FILE_LIMIT_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        raise InterpolationError(f"file {path} is not UTF-8") from exc
    return body, text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


_Lookup = Callable[[str, Surroundings], tuple[str, str]]
_LOOKUPS: dict[str, _Lookup] = {"env": _from_environment, "file": _from_file}
