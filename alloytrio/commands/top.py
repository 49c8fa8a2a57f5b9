"""``alloytrio top``: rates, queues and health of a running service, in the terminal."""

import argparse
import sys

from alloytrio.commands import EXIT_OK
from alloytrio.commands.admin_address import add_address

NAME = "top"
SUMMARY = "show the rates, queues and health of a running service, again and again"
EXAMPLES = """\
examples:
  alloytrio top
  alloytrio top --once --address prod-1:12345
"""

_CLEAR = "\x1b[H\x1b[2J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_address(parser)
    parser.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="(default: 2)")
    parser.add_argument("--once", action="store_true", help="print once and end")


def run(options: argparse.Namespace) -> int:
    """Prints screens until interrupted.

    Raises:
        ClientError: no answer.
    """
    import time

    from alloytrio.admin.client import AdminClient
    from alloytrio.admin.terminal import top_screen

    client, colour = AdminClient(options.address), sys.stdout.isatty()
    try:
        while True:
            status, components, edges = (client.json(path) for path in ("/status", "/components", "/edges"))
            screen = top_screen(status, _rows(components), _rows(edges), colour=colour)
            sys.stdout.write((_CLEAR if colour and not options.once else "") + screen)
            sys.stdout.flush()
            if options.once:
                break
            time.sleep(max(0.2, options.interval))
    except KeyboardInterrupt:
        pass
    return EXIT_OK


def _rows(answer: dict[str, object]) -> list[dict[str, object]]:
    """The only list in an answer."""
    found = next((each for each in answer.values() if isinstance(each, list)), [])
    return [each for each in found if isinstance(each, dict)]
