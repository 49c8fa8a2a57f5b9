"""Files that commands read and write."""

import sys
from pathlib import Path

from alloytrio.config.problems import InvalidConfigError, Problem

STANDARD = "-"


def read_text(path: str) -> str:
    """The text of a file, or of standard input for ``-``; bytes that are not UTF-8 are lone surrogates.

    Raises:
        InvalidConfigError: it cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if path == STANDARD else Path(path).read_bytes()
    except OSError as exc:
        raise _refused(path, "read", exc) from exc
    return content.decode("utf-8", "surrogateescape")


def write_text(path: str | None, text: str) -> None:
    """Writes a file, or standard output for ``-`` and None.

    Raises:
        InvalidConfigError: it cannot be written.
    """
    if path is None or path == STANDARD:
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise _refused(path, "written", exc) from exc


def _refused(path: str, what: str, exc: OSError) -> InvalidConfigError:
    return InvalidConfigError([Problem(path, 0, 0, "", f"cannot be {what}: {exc.strerror or type(exc).__name__}")])
