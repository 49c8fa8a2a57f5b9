"""Fixtures for tests with real peers: a backend, and the service in front of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.backend import Backend
from tests.integration.containers import LogDockerd
from tests.integration.image import dockerd, image
from tests.integration.loki_server import LokiServer
from tests.integration.service import Service

__all__ = ["dockerd", "image"]

StartService = Callable[..., Service]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an integration test."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A running OTLP backend that counts what arrives."""
    with Backend() as running:
        yield running


@pytest.fixture
def start_service(tmp_path: Path, backend: Backend, request: pytest.FixtureRequest) -> Iterator[StartService]:
    """Starts alloytrio in front of the backend (or of the port given); takes the options of Service."""
    started: list[Service] = []

    def start(**options: object) -> Service:
        directory = tmp_path / f"service-{len(started)}"
        directory.mkdir()
        service = Service(directory, **{"backend": backend.port, **options})  # type: ignore[arg-type]  # by keyword
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.kill()


@pytest.fixture(scope="session")
def log_dockerd() -> Iterator[LogDockerd]:
    """A dockerd for containers that only write."""
    with LogDockerd() as running:
        yield running


@pytest.fixture
def containers(log_dockerd: LogDockerd) -> Iterator[LogDockerd]:
    """The same, without any container."""
    yield log_dockerd
    log_dockerd.remove_all()


@pytest.fixture
def loki() -> Iterator[LokiServer]:
    """An empty Loki."""
    with LokiServer() as running:
        yield running
