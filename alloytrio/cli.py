"""The command line. Each command imports what it needs when it runs, so that ``healthcheck`` starts quickly."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from alloytrio import __version__
from alloytrio.errors import AlloyTrioError, ConfigError

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: the configuration is wrong, nothing was started

_RUN_EXAMPLES = """\
examples:
  alloytrio run                                 the built-in default: OTLP on 4317, no backend needed
  alloytrio run /etc/alloytrio/alloytrio.toml   a configuration of your own
  ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT=tempo:4317 alloytrio run alloytrio.toml
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
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
    parser = argparse.ArgumentParser(
        prog="alloytrio",
        description="Takes OTLP and container logs to Tempo, Prometheus and Loki, and loses nothing it accepted.",
        epilog="alloytrio COMMAND --help shows the examples of a command.",
    )
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and how it was built")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add(commands, "run", _run, "run the service", _RUN_EXAMPLES).add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="TOML file; without it the built-in default runs"
    )
    return parser


def _rendered(error: ConfigError) -> str:
    """Every problem with its line and a caret, if the error has places; else its message."""
    from alloytrio.config.problems import InvalidConfigError
    from alloytrio.config.render import render_error

    return render_error(error) if isinstance(error, InvalidConfigError) else f"Error: {error}"


class _VersionAction(argparse.Action):
    """Prints the version only when asked, since telling how the modules were built imports them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from alloytrio.wire import compiled

        kind = "compiled" if compiled() else "plain Python"
        print(f"alloytrio {__version__} ({kind})")
        parser.exit()


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    summary: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _run(options: argparse.Namespace) -> int:
    from alloytrio.run import run

    run(options.path, os.environ)
    return EXIT_OK
