"""``alloytrio graph``: the pipelines of a configuration as a picture."""

import argparse
import os
import sys
from pathlib import Path

from alloytrio.commands import EXIT_OK

NAME = "graph"
SUMMARY = "print the pipelines of a configuration, with outboxes and backends, as DOT, Mermaid or SVG"
EXAMPLES = """\
examples:
  alloytrio graph alloytrio.toml | dot -Tpng > pipelines.png
  alloytrio graph --format mermaid alloytrio.toml     for a README
  alloytrio graph --format svg config.alloy > pipelines.svg
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="TOML or Alloy file, or a folder of Alloy files (default: the built-in)",
    )
    parser.add_argument("-b", "--bypass-errors", action="store_true", help="leave out what is not supported of Alloy")
    parser.add_argument("--format", choices=("dot", "mermaid", "svg"), default="dot", help="(default: dot)")


def run(options: argparse.Namespace) -> int:
    """Prints the picture.

    Raises:
        InvalidConfigError: the configuration cannot be run.
    """
    from alloytrio.config.load import load
    from alloytrio.config.outlets import outlets
    from alloytrio.config.picture import draw

    loaded = load(options.path, os.environ, bypass_errors=options.bypass_errors)
    ends = list(outlets(loaded.settings))
    sys.stdout.write(draw(list(loaded.settings.components), loaded.edges, options.format, ends))
    return EXIT_OK
