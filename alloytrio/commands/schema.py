"""``alloytrio schema``: the JSON schema of a configuration file, for editors."""

import argparse
import json
import sys

from alloytrio.commands import EXIT_OK

NAME = "schema"
SUMMARY = "print the JSON schema of a configuration file, for editors that complete and check TOML"
EXAMPLES = """\
examples:
  alloytrio schema > alloytrio.schema.json

and in the first line of alloytrio.toml, for editors with Taplo (Even Better TOML):
  #:schema ./alloytrio.schema.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(options: argparse.Namespace) -> int:
    """Prints the schema."""
    from alloytrio.config.schema import schema

    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    return EXIT_OK
