"""``alloytrio run``: the service."""

import argparse
import os
import sys
from pathlib import Path

from alloytrio.commands import EXIT_OK
from alloytrio.commands.alloy_flags import add_alloy_flags, alloy_flags

NAME = "run"
SUMMARY = "run the service"
EXAMPLES = """\
examples:
  alloytrio run                                 the built-in default: OTLP on 4317, no backend needed
  alloytrio run /etc/alloytrio/alloytrio.toml   a configuration of your own
  alloytrio run /etc/alloy/config.alloy         a configuration of Grafana Alloy
  ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT=tempo:4317 alloytrio run alloytrio.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="TOML or Alloy file, or a folder of Alloy files; without it the built-in default runs",
    )
    add_alloy_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the service until a signal ends it.

    Raises:
        ConfigError: the configuration cannot be run.
        StorageError: the data directory cannot be used.
    """
    from alloytrio.run import run as run_service

    flags = alloy_flags(options)
    for warning in flags.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    run_service(options.path, {**os.environ, **flags.environment}, bypass_errors=flags.bypass_errors)
    return EXIT_OK
