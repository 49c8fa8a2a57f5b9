"""``alloytrio tap``: what passes a component of a running service, in the terminal."""

import argparse
import sys

from alloytrio.commands import EXIT_OK
from alloytrio.commands.admin_address import add_address

NAME = "tap"
SUMMARY = "show the spans, samples or log lines that pass a component of a running service"
EXAMPLES = """\
examples:
  alloytrio tap otelcol.receiver.otlp.default
  alloytrio tap loki.process.default --text error         with what each stage does to the line
  alloytrio tap loki.process.default --label container=web --json | jq .text
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("component", metavar="COMPONENT", help="its id, such as loki.process.default")
    add_address(parser)
    parser.add_argument("--text", default="", help="only items whose text holds this, in any case")
    parser.add_argument("--label", default="", metavar="NAME=VALUE", help="only items with this label or attribute")
    parser.add_argument("--kind", default="", choices=("traces", "metrics", "logs"), help="of OpenTelemetry data")
    parser.add_argument("--rate", default="10", metavar="N", help="items per second at most, 1 … 100 (default: 10)")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="end after so many items")
    parser.add_argument(
        "--long", action="store_true", help="on a terminal too, do not cut off what is longer than it is wide"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per item")


def run(options: argparse.Namespace) -> int:
    """Prints items until interrupted.

    Raises:
        ClientError: no answer, or no such component.
    """
    import shutil
    from urllib.parse import quote

    from alloytrio.admin.client import AdminClient
    from alloytrio.admin.terminal import tap_line

    query = {name: getattr(options, name) for name in ("text", "label", "kind", "rate") if getattr(options, name)}
    colour = sys.stdout.isatty()
    printed = 0
    client = AdminClient(options.address, timeout=60.0)  # a silent stream sends a comment every 15 s
    try:
        for name, value in client.events(f"/components/{quote(options.component)}/tap", query):
            if name != "item":
                continue
            width = shutil.get_terminal_size().columns if colour and not options.long else 0
            print(tap_line(value, as_json=options.json, colour=colour, width=width), flush=True)
            printed += 1
            if printed == options.limit:
                break
    except KeyboardInterrupt:
        pass
    return EXIT_OK
