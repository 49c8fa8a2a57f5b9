"""The command line. Each command imports what it needs when it runs, so that ``healthcheck`` starts quickly."""

import argparse
import sys
from collections.abc import Callable, Sequence

from alloytrio import __version__
from alloytrio.commands import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, add_command, commands
from alloytrio.commands.alloy_flags import with_switch_values
from alloytrio.commands.command_parser import CommandParser
from alloytrio.errors import AlloyTrioError, ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code."""
    parser = build_parser()
    options = parser.parse_args(with_switch_values(sys.argv[1:] if arguments is None else arguments))
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "command", None)
    if command is None:
        parser.print_help()
        return EXIT_OK
    try:
        return command(options)
    except ConfigError as exc:
        print(_rendered(exc), file=sys.stderr)
        return EXIT_CONFIG
    except AlloyTrioError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        return EXIT_FAILURE


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options and examples."""
    parser: argparse.ArgumentParser = CommandParser(
        prog="alloytrio",
        description="Takes OTLP and container logs to Tempo, Prometheus and Loki, and loses nothing it accepted.",
        epilog="alloytrio COMMAND --help shows the examples of a command.",
    )
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and how it was built")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in commands():
        add_command(parser, subparsers, command)
    return parser


def _rendered(error: ConfigError) -> str:
    """Every problem with its line and a caret, if the error has places; else its message."""
    from alloytrio.config.problems import InvalidConfigError
    from alloytrio.config.render import render_error

    return render_error(error) if isinstance(error, InvalidConfigError) else f"Error: {error}"


class _VersionAction(argparse.Action):
    """Prints the version only when asked, since telling how the modules were built imports them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from alloytrio.build_info import commit
        from alloytrio.wire import compiled

        known = commit()
        parts = [f"commit {known}"] if known else []
        parts.append("compiled modules" if compiled() else "plain Python")
        print(f"alloytrio {__version__} ({', '.join(parts)})")
        parser.exit()
