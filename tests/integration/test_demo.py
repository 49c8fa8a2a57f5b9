"""The demo against a receiver that no one here wrote."""

import pytest

from alloytrio.cli import main
from alloytrio.demo.sender import DemoSettings, run_demo
from tests.integration.backend import Backend, spans_of


def test_every_span_of_the_demo_arrives() -> None:
    """All spans arrive, in traces that cross services and hold errors; what the receiver does not serve is left out."""
    said: list[str] = []
    with Backend(keep_requests=True) as backend:
        settings = DemoSettings(endpoint=f"127.0.0.1:{backend.port}", rate=100, duration=2.0, seed=1)
        assert settings.signals == {"traces", "metrics", "logs"}
        made = run_demo(settings, said.append)
        assert backend.spans.total() == made > 1000
        spans = [span for request in backend.requests for span in spans_of(request)]
    assert len({span.trace_id for span in spans}) >= 150
    assert any(span.status.code == 2 for span in spans)
    left_out = [f"{signal} are not taken there and left out" for signal in ("logs", "metrics")]
    assert said[:2] == left_out
    assert said[-1].startswith(f"sent {made} spans")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``alloytrio demo`` sends to the endpoint for the duration, tells how much, and ends well."""
    with Backend() as backend:
        endpoint = f"127.0.0.1:{backend.port}"
        assert main(["demo", "--endpoint", endpoint, "--rate", "50", "--duration", "500ms"]) == 0
        assert f"sent {backend.spans.total()} spans" in capsys.readouterr().out
    assert main(["demo", "--duration", "5"]) == 1
    assert "not a duration" in capsys.readouterr().err
