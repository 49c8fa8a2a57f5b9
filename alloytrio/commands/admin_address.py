"""The option of commands that ask a running service."""

import argparse
import os

_VARIABLE = "ALLOYTRIO_ADMIN__LISTEN_ADDR"


def add_address(parser: argparse.ArgumentParser) -> None:
    """``--address``, by default what the service's own environment variable says."""
    parser.add_argument(
        "--address",
        default=os.environ.get(_VARIABLE) or "127.0.0.1:12345",
        metavar="HOST:PORT",
        help=f"the service's admin.listen_addr, or a URL (default: {_VARIABLE}, else 127.0.0.1:12345)",
    )
