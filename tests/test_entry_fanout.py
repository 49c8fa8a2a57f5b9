"""Several consumers behind one, and which of their outlets keep positions."""

from dataclasses import replace

from alloytrio.entry_fanout import outlets_of, positioned
from tests.loki.outlets import Backend
from tests.loki.process.test_process import Sink


def test_outlets_are_named_once() -> None:
    """A writer that is reached on two ways is one outlet."""
    one, two = Sink("one"), Sink("two")
    assert [outlet.key for outlet in outlets_of([one, two, one])] == ["one", "two"]


def test_who_keeps_positions() -> None:
    """An outlet that forgets at a restart keeps none beside others: for its sake everything would be read again."""
    writer = Backend("writer").outlet
    recorder = replace(Backend("recorder").outlet, is_transient=True)
    assert positioned([recorder, writer]) == [writer]
    assert positioned([recorder]) == [recorder]
    assert positioned([]) == []
