"""The overview of configurations, each on a port: for the tests of how their graphs are drawn.

Run as ``python -m tests.admin.drawn FILE…``, with ``-`` for the embedded default. Nothing of them runs.
"""

import sys
from functools import partial
from pathlib import Path

import trio

from alloytrio.admin.serve import serve_admin
from alloytrio.admin.view import EdgeView
from alloytrio.config.load import load
from tests.admin.fakes import FakeService, outbox_view
from tests.admin.lively import Place, end_with_stdin


def drawn(path: Path | None) -> FakeService:
    """A service with the components and edges of a configuration."""
    loaded = load(path, {}, in_container=True)
    edges = [
        EdgeView(edge.source_id, edge.target_id, edge.signal.value if edge.signal else edge.kind.name.lower())
        for edge in loaded.edges
    ]
    names = list(loaded.settings.components)
    ends = [name for name in names if "write" in name or "exporter.otlp" in name]
    return FakeService(
        names=names,
        rows=edges,
        backends={
            name: [outbox_view(name, "backend:4317", queued_items=120_000, queued_bytes=1 << 20)] for name in ends
        },
    )


async def main(files: list[str]) -> None:
    """Serve until the end of stdin; prints the ports."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_with_stdin, stop)
        for file in files:
            service = drawn(None if file == "-" else Path(file))
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            await nursery.start(partial(serve_admin, service, listeners, settings=Place(), stop=stop))
            print(listeners[0].socket.getsockname()[1], flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1:])
