"""Which files are in Alloy's language, and their text. The language itself is imported only to read one of them."""

from pathlib import Path, PurePath

from alloytrio.config.alloy.source import JoinedSource, Source

SUFFIX = ".alloy"
OLD_SUFFIX = ".river"  # of Grafana Agent's flow mode, whose language this was


def is_alloy(path: PurePath) -> bool:
    """Whether a configuration is in Alloy's language: a file by its suffix, or a folder."""
    return path.suffix in (SUFFIX, OLD_SUFFIX) or Path(path).is_dir()


def text_of(path: Path) -> str:
    """The text of a configuration file in any language, or of all Alloy files in a folder, as `Document.text` has it.

    Raises:
        OSError: one cannot be read.
    """
    if not path.is_dir():
        return path.read_text("utf-8", "replace")
    parts = [Source(each.read_text("utf-8", "replace"), str(each)) for each in sorted(path.glob(f"*{SUFFIX}"))]
    return JoinedSource(parts, str(path)).text
