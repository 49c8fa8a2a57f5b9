"""A backend that is down, slow, throttling, resetting, silent or picky: all good spans arrive, memory stays bounded."""

from collections.abc import Iterator

import pytest

from tests.integration.backend import Backend, RejectPoison, Slow, Throttle, Unavailable
from tests.integration.conftest import StartService
from tests.integration.link import Link
from tests.integration.load import Sender, span_id

MIB = 1024 * 1024


@pytest.fixture
def link(backend: Backend) -> Iterator[Link]:
    """A breakable TCP link in front of the backend."""
    with Link(backend.port) as running:
        yield running


def send(port: int, requests: int, *, spans: int = 100, first: int = 1) -> Sender:
    """A closed sender that had this many requests acknowledged."""
    sender = Sender(port, spans=spans, first=first)
    try:
        for _ in range(requests):
            assert sender.send(), sender.refusals
    finally:
        sender.close()
    return sender


def test_large_requests_are_split_for_the_backend(start_service: StartService, backend: Backend) -> None:
    """Requests of 5 000 spans and of 20 MiB arrive whole at a backend whose message limit is 4 MiB."""
    service = start_service(receiver=', max_recv_msg_size = "64MiB"', size=1024, max_size=3000)
    many = Sender(service.otlp_port, spans=5000)
    large = Sender(service.otlp_port, spans=20_000, first=1_000_000, attribute_bytes=1000)
    try:
        assert many.send()
        assert large.send(timeout=60.0)
    finally:
        many.close()
        large.close()
    backend.wait_for(many.acknowledged | large.acknowledged)
    assert backend.duplicates == 0
    assert max(backend.sizes) <= 3000


def test_backend_down_and_back(start_service: StartService, backend: Backend) -> None:
    """Spans taken while nothing listens at the backend arrive when it is back; health says so meanwhile."""
    backend.stop()
    service = start_service()
    sender = send(service.otlp_port, 50)
    service.wait_for_health("unhealthy")
    backend.start()
    backend.wait_for(sender.acknowledged)
    service.wait_for_health("healthy")
    assert backend.duplicates == 0
    # One line when it fails and one when it works again, however many attempts there were.
    assert service.log.count("otelcol.exporter.otlp.tempo") < 10, service.log


def test_unavailable_backend(start_service: StartService, backend: Backend) -> None:
    """UNAVAILABLE is retried until it ends; nothing is lost or doubled."""
    backend.fault = Unavailable()
    service = start_service()
    sender = send(service.otlp_port, 50)
    backend.wait_until(lambda: backend.refused >= 3)
    backend.fault = None
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0


def test_slow_backend(start_service: StartService, backend: Backend) -> None:
    """A backend that needs 300 ms per batch delays no sender and loses nothing."""
    backend.fault = Slow(0.3)
    service = start_service()
    sender = send(service.otlp_port, 100)
    backend.fault = None
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0


def test_throttling_backend_is_obeyed(start_service: StartService, backend: Backend) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo is retried, and not before the time that it names."""
    throttle = Throttle(times=2, retry_after=1.5)
    backend.fault = throttle
    service = start_service(exporter="sending_queue = { num_consumers = 1 }")
    sender = send(service.otlp_port, 5)
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0
    first, second = throttle.refused_at
    assert second - first >= 1.5


def test_resetting_link(start_service: StartService, backend: Backend, link: Link) -> None:
    """A link that is reset again and again loses nothing; only what had no answer may come twice."""
    link.reset_after = 40_000
    service = start_service(backend=link.port)
    sender = send(service.otlp_port, 200)
    backend.wait_until(lambda: link.resets >= 5)
    link.reset_after = 0
    backend.wait_for(sender.acknowledged)
    assert link.connections > 5


def test_half_dead_link_is_found(start_service: StartService, backend: Backend, link: Link) -> None:
    """A connection without answer and without reset is given up after the deadline, and a new one made."""
    service = start_service(backend=link.port, exporter='timeout = "1s"')
    first = send(service.otlp_port, 5)
    backend.wait_for(first.acknowledged)
    link.silence()
    second = send(service.otlp_port, 5, first=10_000)
    service.wait_for_health("unhealthy")
    backend.wait_for(second.acknowledged)
    assert link.connections >= 2


def test_poison_is_set_aside_and_the_rest_delivered(start_service: StartService, backend: Backend) -> None:
    """One poisoned request among good ones: all good spans arrive, the bad span alone is kept with the reason."""
    poison = {span_id(4_242)}
    backend.fault = RejectPoison(poison)
    service = start_service()
    sender = send(service.otlp_port, 100)
    backend.wait_for(sender.acknowledged - poison)
    assert backend.duplicates == 0
    assert backend.spans.keys().isdisjoint(poison)
    service.terminate()
    kept = [path for path in service.storage.rglob("*") if path.is_file() and "rejected" in str(path)]
    assert kept, "the rejected span is nowhere"
    assert any(b"span ids must be valid" in path.read_bytes() for path in kept)


@pytest.mark.slow
def test_memory_is_bounded_while_the_backend_is_down(start_service: StartService, backend: Backend) -> None:
    """200 MiB of spans behind a dead backend stay on disk: the process grows by no more than its memory bound."""
    backend.fault = Unavailable()
    service = start_service()
    warm_up = send(service.otlp_port, 20, spans=512)
    before = service.rss()
    sender = Sender(service.otlp_port, spans=512, first=1_000_000, attribute_bytes=512)
    try:
        for _ in range(800):
            assert sender.send(), sender.refusals
    finally:
        sender.close()
    grown = service.peak_rss() - before
    assert grown < 64 * MIB, f"grew by {grown / MIB:.0f} MiB"
    backend.fault = None
    backend.wait_for(sender.acknowledged | warm_up.acknowledged, 120)
    assert backend.duplicates == 0
    assert service.peak_rss() - before < 96 * MIB
