"""Comments of an Alloy file on their way into a TOML file."""

from collections.abc import Iterable

from alloytrio.config.alloy.tree import Comment
from alloytrio.config.convert.toml import Remarks


def lines_of(comment: Comment) -> list[str]:
    """A comment's text without its markers, line by line."""
    if comment.text.startswith("//"):
        return [comment.text[2:].removeprefix(" ").rstrip()]
    lines = [line.strip().removeprefix("*").removeprefix(" ") for line in comment.text[2:-2].split("\n")]
    while len(lines) > 1 and not lines[0].strip():
        del lines[0]
    while len(lines) > 1 and not lines[-1].strip():
        del lines[-1]
    return [line.rstrip() for line in lines]


def above(comments: Iterable[Comment]) -> list[str | None]:
    """Comments as lines above something; None is a blank line."""
    lines: list[str | None] = []
    for comment in comments:
        if comment.blank_before and lines:
            lines.append(None)
        lines += lines_of(comment)
    return lines


def remarks(leading: Iterable[Comment], behind: Iterable[Comment | None]) -> Remarks:
    """The comments above and behind something; what takes more than one line stands above."""
    before = above(leading)
    last = ""
    for comment in behind:
        if comment is None:
            continue
        lines = lines_of(comment)
        if len(lines) == 1 and not last:
            last = lines[0]
        else:
            before += lines
    return Remarks(before, last)
