"""``alloytrio fmt``: the canonical form of an Alloy file."""

import argparse
import sys
from pathlib import Path

from alloytrio.commands import EXIT_FAILURE, EXIT_OK

NAME = "fmt"
SUMMARY = "print an Alloy file in its canonical form"
EXAMPLES = """\
examples:
  alloytrio fmt config.alloy            print it
  alloytrio fmt --write config.alloy    change the file
  alloytrio fmt --test *.alloy          fail if a file is not formatted
  alloytrio fmt - < config.alloy        from standard input
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("paths", nargs="*", default=["-"], metavar="FILE", help="Alloy files; - is standard input")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-w", "--write", action="store_true", help="write the files instead of printing")
    how.add_argument("-t", "--test", action="store_true", help="only say whether the files are formatted")


def run(options: argparse.Namespace) -> int:
    """Prints, writes or tests.

    Raises:
        AlloySyntaxError: a file is not Alloy.
        InvalidConfigError: a file cannot be read.
    """
    from alloytrio.commands.files import read_text

    result = EXIT_OK
    for path in options.paths:
        before = read_text(path)
        after = formatted(before, path)
        if options.test:
            if before != after:
                print(f"file {path} is not formatted correctly", file=sys.stderr)
                result = EXIT_FAILURE
        elif options.write and path != "-":
            if before != after:
                Path(path).write_bytes(after.encode("utf-8", "surrogateescape"))
        else:
            sys.stdout.write(after)
    return result


def formatted(text: str, name: str) -> str:
    """The canonical form of a text.

    Raises:
        AlloySyntaxError: it is not Alloy.
    """
    from alloytrio.config.alloy.parser import parse
    from alloytrio.config.alloy.printer import print_body

    return print_body(parse(text, name).body)
