"""``alloytrio convert``: the TOML that means the same as another collector's file."""

import argparse
import sys
from pathlib import Path

from alloytrio.commands import EXIT_CONFIG, EXIT_OK

NAME = "convert"
SUMMARY = "write the TOML that means the same as a file of Alloy, Promtail or the OpenTelemetry Collector"
EXAMPLES = """\
examples:
  alloytrio convert config.alloy                              print it; what is not taken over goes to stderr
  alloytrio convert config.alloy -o alloytrio.toml -r report.txt
  alloytrio convert --from promtail promtail.yaml -o alloytrio.toml
  alloytrio convert --from otelcol --bypass-errors otelcol.yaml

Exit code 78: something is not supported; nothing was written. --bypass-errors goes on without it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "path", nargs="?", default="-", metavar="FILE", help="the file, or a folder of Alloy files; - is standard input"
    )
    parser.add_argument(
        "-f",
        "--from",
        "--source-format",  # Alloy's word
        dest="source",
        choices=("alloy", "promtail", "otelcol"),
        help="the language (default: alloy)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the TOML (default: standard output)")
    parser.add_argument("-r", "--report", metavar="FILE", help="where to write the report (default: standard error)")
    parser.add_argument("-b", "--bypass-errors", action="store_true", help="leave out what is not supported")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="form of the report")


def run(options: argparse.Namespace) -> int:
    """Converts one file.

    Raises:
        InvalidConfigError: it cannot be read, or is not in its language.
    """
    from alloytrio.commands.files import read_text, write_text
    from alloytrio.config.alloy.diagnostics import render
    from alloytrio.config.convert.languages import convert_file, convert_folder

    name = "standard input" if options.path == "-" else options.path
    folder = Path() if options.path == "-" else Path(options.path).parent
    if Path(options.path).is_dir() and options.source in (None, "alloy"):
        result = convert_folder(Path(options.path))
    else:
        result = convert_file(read_text(options.path), name, options.source or "alloy", folder)
    if result.report or options.format == "json":
        text = render(result.report, options.format) + "\n"
        if options.report:
            write_text(options.report, text)
        else:
            sys.stderr.write(text)
    if result.errors and not options.bypass_errors:
        return EXIT_CONFIG
    write_text(options.output, result.toml())
    return EXIT_OK
