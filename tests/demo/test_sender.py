"""The demo's command: it says clearly what is missing, and sends what the story tells."""

import sys

import pytest

from alloytrio.demo.sender import DemoSettings, check_endpoint, run_demo
from alloytrio.errors import AlloyTrioError
from tests.integration.service import free_port


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK the error says what to install."""
    for module in [name for name in sys.modules if name.startswith("opentelemetry.sdk")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(AlloyTrioError, match=r"pip install 'alloytrio\[demo\]'"):
        run_demo(DemoSettings(), say=print)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DemoSettings(rate=0), "--rate must be above 0"),
        (DemoSettings(signals=frozenset({"profiles"})), "unknown signal 'profiles'"),
    ],
)
def test_settings_out_of_range(settings: DemoSettings, words: str) -> None:
    """A setting that makes no sense is named."""
    with pytest.raises(AlloyTrioError, match=words):
        run_demo(settings, say=print)


def test_nothing_listens() -> None:
    """Without a service the error says how to start one."""
    with pytest.raises(AlloyTrioError, match="alloytrio run"):
        check_endpoint(f"127.0.0.1:{free_port()}")
    with pytest.raises(AlloyTrioError, match="not host:port"):
        check_endpoint("localhost")
