"""``alloytrio run``: the service."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from alloytrio.commands import EXIT_OK
from alloytrio.commands.alloy_flags import STORAGE_PATH, add_alloy_flags, alloy_flags

ALLOY_DATA = Path("/var/lib/alloy/data")
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
        nargs="*",
        type=Path,
        metavar="PATH",
        help="TOML or Alloy file, or a folder of Alloy files; of several the first that is there; "
        "without it the built-in default runs",
    )
    add_alloy_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the service until a signal ends it.

    Raises:
        ConfigError: the configuration cannot be run.
        StorageError: the data directory cannot be used.
    """
    from alloytrio.sparing import import_sparingly

    import_sparingly()
    from alloytrio.run import run as run_service

    flags = alloy_flags(options)
    for warning in flags.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    path = first_there(options.path)
    environ = with_data_of_alloy(path, {**os.environ, **flags.environment}, ALLOY_DATA)
    run_service(path, environ, bypass_errors=flags.bypass_errors)
    return EXIT_OK


def first_there(paths: Sequence[Path]) -> Path | None:
    """The first path at which something is; if nothing is anywhere the last, which the error then names."""
    return next((path for path in paths if path.exists()), paths[-1] if paths else None)


def with_data_of_alloy(path: Path | None, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment, in a container with the data directory of Alloy's image where an Alloy file needs one.

    An Alloy file cannot name its data directory; Alloy's image does, and volumes are mounted there.
    """
    from alloytrio.config.alloy.files import is_alloy
    from alloytrio.config.load import is_in_container

    needed = path is not None and STORAGE_PATH not in environ and is_alloy(path)
    found = {STORAGE_PATH: str(folder)} if needed and is_in_container(environ) and folder.is_dir() else {}
    return {**environ, **found}
