"""``alloytrio demo``: something to look at a minute after the first start."""

import argparse

from alloytrio.commands import EXIT_OK
from alloytrio.errors import AlloyTrioError

NAME = "demo"
SUMMARY = "send lifelike telemetry to a running service"
EXAMPLES = """\
examples:
  alloytrio demo                               5 traces/s of an invented newspaper, with metrics and log lines
  alloytrio demo --rate 100 --duration 1m      a busier minute
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--endpoint", default="localhost:4317", help="OTLP/gRPC receiver (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="traces per second (default: %(default)s)")
    parser.add_argument("--duration", default="0s", help='such as "30s" or "5m" (default: until Ctrl-C)')
    parser.add_argument("--signals", default="traces,metrics,logs", help="(default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Sends until the time is over.

    Raises:
        AlloyTrioError: an option is out of range, the SDK is not installed, or nothing listens.
    """
    from alloytrio.demo.sender import DemoSettings, run_demo
    from alloytrio.values import parse_duration

    try:
        duration = parse_duration(options.duration)
    except ValueError as exc:
        raise AlloyTrioError(f"--duration {options.duration}: {exc}") from exc
    signals = frozenset(options.signals.split(","))
    run_demo(DemoSettings(options.endpoint, options.rate, duration, signals), lambda line: print(line, flush=True))
    return EXIT_OK
