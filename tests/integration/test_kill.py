"""kill -9 under load: what was acknowledged arrives, and no more than what was in flight arrives twice."""

import random
import time

import pytest

from tests.integration.backend import Backend, Unavailable
from tests.integration.conftest import StartService
from tests.integration.load import Sender

ROUNDS = 20
BATCH = 1024
SENDERS = 2  # batches that may be under way at a kill
CONSUMERS = f"sending_queue = {{ num_consumers = {SENDERS} }}"


@pytest.mark.slow
def test_kill_9_loses_nothing_acknowledged(start_service: StartService, backend: Backend) -> None:
    """Killed at random moments under load, 20 times: every acknowledged span arrives; duplicates are in-flight ones."""
    moments = random.Random(20)
    service = start_service(size=BATCH, max_size=BATCH, exporter=CONSUMERS)
    first = Sender(service.otlp_port, spans=100, first=1)
    second = Sender(service.otlp_port, spans=7, first=1_000_000_000)
    with first, second:
        for _ in range(ROUNDS):
            first.wait_for_acknowledged(100)
            time.sleep(moments.uniform(0.0, 0.3))
            service.kill()
            service.start()
        first.stop()
        second.stop()
    acknowledged_ids = first.acknowledged | second.acknowledged
    backend.wait_for(acknowledged_ids)
    service.terminate()

    assert len(acknowledged_ids) > ROUNDS * 100, "too little load to prove anything"
    strangers = backend.spans.keys() - acknowledged_ids - first.unanswered - second.unanswered
    assert strangers == set()
    assert backend.duplicates <= ROUNDS * SENDERS * BATCH


def test_kill_9_while_the_backend_is_down(start_service: StartService, backend: Backend) -> None:
    """What was acknowledged while the backend was down is on disk, and arrives after a kill and a restart, once."""
    backend.fault = Unavailable()
    service = start_service()
    sender = Sender(service.otlp_port, spans=500)
    try:
        for _ in range(40):
            assert sender.send()
    finally:
        sender.close()
    service.kill()
    assert backend.spans.total() == 0
    backend.fault = None
    service.start()
    backend.wait_for(sender.acknowledged)
    service.terminate()
    assert backend.duplicates == 0
