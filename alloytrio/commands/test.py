"""``alloytrio test``: unit tests of a user's own configuration."""

import argparse
from pathlib import Path

from alloytrio.commands import EXIT_FAILURE, EXIT_OK

NAME = "test"
SUMMARY = "run the tests of a configuration: given these lines, targets or OpenTelemetry data, expect that"
EXAMPLES = """\
examples:
  alloytrio test tests/logs.toml     one file of tests
  alloytrio test tests/              all in a folder

a file of tests:
  config = "../alloytrio.toml"

  [[test]]
  name = "the level becomes a label"
  target = { __meta_docker_container_name = "/web" }
  lines = ['{"level":"ERROR"}']
  expect = [{ labels = { container = "web", level = "error" } }]

Exit codes: 0 all passed, 1 one failed, 78 a file is not right.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a file of tests, or a folder of them")
    parser.add_argument("-q", "--quiet", action="store_true", help="print failures only")


def run(options: argparse.Namespace) -> int:
    """Runs the tests and prints how they ended.

    Raises:
        InvalidConfigError: a file of tests or its configuration is not right.
    """
    from alloytrio.config.cases import run_cases

    outcomes = run_cases(options.path)
    for outcome in outcomes:
        if outcome.failure:
            print(f"FAILED  {outcome.file}: {outcome.name}")
            print("\n".join(f"        {line}" for line in outcome.failure.splitlines()))
        elif not options.quiet:
            print(f"ok      {outcome.file}: {outcome.name}")
    failed = sum(1 for outcome in outcomes if outcome.failure)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return EXIT_FAILURE if failed else EXIT_OK
