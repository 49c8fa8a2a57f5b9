"""The service under attack, and the backend behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.serving import HttpService
from tests.http_backend import HttpBackend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs the service as a process."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="module")
def backend() -> Iterator[HttpBackend]:
    """A backend that takes everything."""
    with HttpBackend() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, backend: HttpBackend) -> Iterator[HttpService]:
    """One service for all tests of a file: what one attack leaves behind, the next one meets."""
    with HttpService(tmp_path_factory.mktemp("service"), url=backend.url) as running:
        yield running
