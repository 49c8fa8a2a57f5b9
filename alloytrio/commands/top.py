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
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K\n", "\x1b[J"  # written over, a screen does not flicker


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
    import shutil
    import time

    from alloytrio.admin.client import AdminClient
    from alloytrio.admin.terminal import top_screen

    client, colour = AdminClient(options.address), sys.stdout.isatty()
    goes_on = colour and not options.once
    try:
        sys.stdout.write(_CLEAR if goes_on else "")
        while True:
            status, components, edges = (client.json(path) for path in ("/status", "/components", "/edges"))
            width, height = shutil.get_terminal_size() if colour else (0, 0)
            screen = top_screen(
                status, _rows(components), _rows(edges),
                colour=colour, width=width, height=height if goes_on else 0,
            )  # fmt: skip
            sys.stdout.write(_HOME + screen.replace("\n", _END_OF_LINE) + _BELOW if goes_on else screen)
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
