"""Backends that misbehave: the data stays, memory and time stay bounded."""

from pathlib import Path

import pytest

from tests.hostile.serving import HttpService, one_span
from tests.http_backend import Answer, HttpBackend

MIB = 1 << 20


@pytest.mark.parametrize("status", [200, 503])
def test_endless_answer(tmp_path: Path, status: int) -> None:
    """An answer without end is left after its bound; the batch counts as what its status says."""
    with HttpBackend(Answer(status, endless=True)) as backend, HttpService(tmp_path, url=backend.url) as service:
        before = service.peak_rss()
        service.answers_within()
        wanted = 1 if status == 200 else 2
        backend.wait_until(lambda: len(backend.received) >= wanted)
        service.terminate()
        assert [each.body for each in backend.received] == [one_span()] * wanted
        assert before < 400 * MIB


def test_answer_that_injects_into_the_log(tmp_path: Path) -> None:
    """A backend's words cannot begin a line of our log, or color it."""
    words = b'bad\r\nts=now level=info msg="all is well"\x1b[2J'
    with HttpBackend(Answer(400, words)) as backend, HttpService(tmp_path, url=backend.url) as service:
        service.answers_within()
        service.wait_for_log("set aside")
        service.terminate()
        assert "\nts=now" not in service.log
        assert "\x1b" not in service.log
