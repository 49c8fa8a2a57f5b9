"""``alloytrio run``: from a path and an environment to a running service, and back."""

import gc
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import trio

from alloytrio import __version__
from alloytrio.admin.serve import serve_admin
from alloytrio.admin.service_view import RunningServiceView
from alloytrio.config.default import docker_socket, is_usable_socket
from alloytrio.config.load import LoadedConfig, load
from alloytrio.errors import AlloyTrioError
from alloytrio.handshake import tls_port
from alloytrio.listeners import Listeners
from alloytrio.outbox import Storage
from alloytrio.service import Service, handle_signals, root_cause
from alloytrio.telemetry import Telemetry
from alloytrio.wire import compiled

# Of Python's collector of cycles: nearly all objects here end by their reference counts, but with 10 000 connections
# open its default, a pass each 700 objects, took more CPU than the requests.
YOUNG_OBJECTS = 100_000  # at most so many more than before until a pass over the young ones
YOUNG_PASSES = 20  # before a pass over those that survived one
MIDDLE_PASSES = 20  # of these before a pass over all

SWITCH_INTERVAL = 0.0005  # seconds; Python's 5 ms are what each system call of the loop waits for while a thread works


def run(path: Path | None, environ: Mapping[str, str], *, bypass_errors: bool = False) -> None:
    """Run the service until a signal ends it.

    Args:
        path: the configuration; None: the built-in default.
        environ: overrides, and what the configuration refers to.
        bypass_errors: leave out what is not supported of an Alloy file.

    Raises:
        ConfigError: the configuration cannot be run, or a port is taken; nothing was started.
        StorageError: the data directory cannot be used.
    """

    def load_again() -> LoadedConfig:
        return load(path, environ, bypass_errors=bypass_errors)

    loaded = load_again()
    spare_the_collector()
    sys.setswitchinterval(SWITCH_INTERVAL)
    telemetry = Telemetry(loaded.settings.logging.log_settings(), version=__version__, compiled=compiled())
    with telemetry.capture_stdlib(), closing(open_storage(loaded)) as storage:
        if path is None and not is_usable_socket(docker_socket(environ)):
            telemetry.log.info("no Docker socket to read container logs from", path=docker_socket(environ))
        service = Service(loaded, load=load_again, telemetry=telemetry, storage=storage)
        try:
            trio.run(_main, service)
        except BaseExceptionGroup as group:
            found = group.subgroup(AlloyTrioError)
            if found is None:
                raise
            raise root_cause(found) from None


def spare_the_collector() -> None:
    """What was imported stays for ever, so the collector of cycles need not look at it; and it is to look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_PASSES, MIDDLE_PASSES)


def open_storage(loaded: LoadedConfig) -> Storage:
    """The data directory of a configuration, locked; or memory."""
    storage = loaded.settings.storage
    return Storage.memory() if storage.mode == "memory" else Storage.disk(storage.path)


async def _main(service: Service) -> None:
    admin = service.loaded.settings.admin
    listeners = Listeners().open(admin.listen_addr)
    tls = None
    if admin.tls is not None:
        tls = tls_port(admin.tls, service.telemetry.component("admin"), "http", ["h2", "http/1.1"])
    async with trio.open_nursery() as root:
        await root.start(handle_signals, service)
        await root.start(
            partial(
                serve_admin,
                RunningServiceView(service),
                listeners,
                settings=admin,
                auth=admin.authenticators(),
                tls=tls,
                stop=service.stop,
            )
        )
        await service.run()
        root.cancel_scope.cancel()
