"""What the commands of the admin port print."""

import pytest

from alloytrio.admin.client import AdminClient, printable
from alloytrio.admin.terminal import tap_line, top_screen
from alloytrio.errors import AlloyTrioError


def test_lines_of_a_tap() -> None:
    """Stages are on the line; what a peer sent cannot drive the terminal; colours only on one."""
    item: dict[str, object] = {
        "kind": "line",
        "level": "error",
        "text": "a\x1b[2Jb\n",
        "labels": {"container": "web"},
        "trace_id": "ab",
        "stages": [
            {"stage": "json", "changes": {"label level": "error"}},
            {"stage": "keep", "changes": {}},
            {"stage": "drop", "dropped": True},
        ],
    }
    expected = (
        "             error a\\u001b[2Jb\\u000a container=web trace_id=ab | json: label level=error | drop: dropped"
    )
    assert tap_line(item, as_json=False, colour=False) == expected
    assert "\x1b[31merror\x1b[0m" in tap_line(item, as_json=False, colour=True)
    assert tap_line({"time_ms": 2**62}, as_json=False, colour=False)


def test_top_survives_what_is_missing() -> None:
    """An answer of another version does not end it."""
    assert "COMPONENT" in top_screen({}, [{}], [{}], colour=True)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "[::1", "a:b"])
def test_addresses_that_are_none(address: str) -> None:
    """A mistaken address is said to be one, as an error of ours."""
    with pytest.raises(AlloyTrioError):
        AdminClient(address).get("/-/ready")


def test_printable() -> None:
    """Controls and direction marks are shown."""
    assert printable("a\u202e\x07é") == "a\\u202e\\u0007é"
