"""``alloytrio healthcheck``: for a container's HEALTHCHECK. Readiness, never a backend's health."""

import argparse
import sys

from alloytrio.commands import EXIT_FAILURE, EXIT_OK
from alloytrio.commands.admin_address import add_address

NAME = "healthcheck"
SUMMARY = "ask a running service whether it is ready; exit 0 if it is, 1 if not"
EXAMPLES = """\
examples:
  alloytrio healthcheck                            the service on this machine
  HEALTHCHECK CMD ["alloytrio", "healthcheck"]     in a Dockerfile
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_address(parser)
    parser.add_argument("--timeout", type=float, default=3.0, metavar="SECONDS", help="(default: 3)")


def run(options: argparse.Namespace) -> int:
    """Prints what the service says.

    Raises:
        ClientError: no answer.
    """
    from alloytrio.admin.place import Place, printable

    place = Place(options.address)
    if place.is_tls:
        from alloytrio.admin.client import AdminClient

        status, text = AdminClient(options.address, options.timeout).get("/-/ready")
    else:
        status, text = place.probe("/-/ready", options.timeout)
    is_ready = status == 200
    print(printable(text.strip()), file=sys.stdout if is_ready else sys.stderr)
    return EXIT_OK if is_ready else EXIT_FAILURE
