"""Comments of a YAML file → beside the keys that became of what they stand above."""

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.source import Source
from alloytrio.config.convert.toml import KeyPath, Remarks
from alloytrio.config.convert.yaml_tree import Node, comments_above


def hang_comments(source: Source, root: Node, taken: Taken) -> None:
    """Puts each comment above the key that its line became; what became of nothing goes above the next key.

    Args:
        source: the YAML text.
        root: its tree.
        taken: knows where keys came from, and takes the comments.
    """
    places: dict[int, KeyPath] = {}
    for path, span in taken.spans.items():
        line = source.line_of(span.start)
        if line not in places or len(path) < len(places[line]):
            places[line] = path
    lines = sorted(places)
    for line, comment in comments_above(source, root).items():
        following = next((known for known in lines if known >= line), None)
        lines_of_comment: list[str | None] = list(comment)
        if following is None:
            taken.comment((), Remarks(below=lines_of_comment))
        else:
            taken.comment(places[following], Remarks(lines_of_comment))
