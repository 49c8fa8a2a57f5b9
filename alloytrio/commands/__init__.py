"""The commands, one file each: ``NAME``, ``SUMMARY``, ``EXAMPLES``, ``add_arguments`` and ``run``.

Importing a command's file is cheap; what it needs is imported when it runs.
"""

import argparse
from collections.abc import Sequence
from typing import Protocol

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: the configuration is wrong."""


class Command(Protocol):
    """What each file of this package is."""

    NAME: str
    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the options."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Does the work; returns the exit code."""
        ...


def commands() -> Sequence[Command]:
    """All commands of this package, in the order of the help."""
    from alloytrio.commands import (
        completion,
        convert,
        demo,
        fmt,
        graph,
        healthcheck,
        run,
        schema,
        tap,
        test,
        top,
        validate,
    )

    return (run, validate, test, convert, fmt, graph, schema, healthcheck, tap, top, demo, completion)


def add_command(
    root: argparse.ArgumentParser,
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    command: Command,
) -> argparse.ArgumentParser:
    """Adds one command: its ``run`` becomes the option ``command``, the parser of all commands the option ``root``."""
    parser = subparsers.add_parser(
        command.NAME,
        help=command.SUMMARY,
        description=command.SUMMARY[0].upper() + command.SUMMARY[1:] + ".",
        epilog=command.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.set_defaults(command=command.run, root=root)
    return parser
