"""What cannot be said by a schema: settings whose meaning depends on others."""

from collections.abc import Callable

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.diagnostics import Severity
from alloytrio.config.alloy.plain import Plain
from alloytrio.config.alloy.schema.kinds import Level, Support
from alloytrio.config.convert.toml import KeyPath

Table = dict[str, Plain]

_NO_QUEUE = Support(
    Level.UNSUPPORTED,
    "what is acknowledged is always in the journal first",
    "remove the line; a batch goes to the backend at once all the same",
)
_NO_BYTES = Support(
    Level.UNSUPPORTED, "batches are counted in items, their bytes are bounded anyway", 'use sizer = "items"'
)


def rewrite(component_type: str, table: Table, path: KeyPath, taken: Taken) -> None:
    """Changes the table of a component where our words differ from Alloy's; says so in the report."""
    if change := _REWRITES.get(component_type):
        change(table, path, taken)


def _exporter(table: Table, path: KeyPath, taken: Taken) -> None:
    queue = table.get("sending_queue")
    if not isinstance(queue, dict):
        return
    place = (*path, "sending_queue")
    if queue.get("enabled") is False:
        taken.leave_out(taken.spans[(*place, "enabled")], '"enabled = false"', _NO_QUEUE)
        del queue["enabled"]
    sizer = queue.get("sizer", "requests")
    if sizer != "bytes":
        size = queue.pop("queue_size", None)
        queue.pop("sizer", None)
        if size is not None:
            message = (
                f'"queue_size" is left out: it counts {sizer}, and the queue is a journal on disk, bounded in bytes'
            )
            help_ = 'set storage.max_size, or queue_size with sizer = "bytes"'
            taken.say(taken.spans[(*place, "queue_size")], message, help_, Severity.WARNING)
    batch = queue.get("batch")
    if isinstance(batch, dict) and batch.get("sizer", "items") != "items":
        taken.leave_out(taken.spans[(*place, "batch", "sizer")], f'"sizer = {batch.pop("sizer")}"', _NO_BYTES)
    if not queue:
        del table["sending_queue"]


def _rules_only(table: Table, path: KeyPath, taken: Taken) -> None:
    rules = table.get("rule", [])
    table.clear()
    table |= {"targets": [], "rule": rules}
    taken.spans[(*path, "targets")] = taken.spans.pop((*path, "forward_to"))


_REWRITES: dict[str, Callable[[Table, KeyPath, Taken], None]] = {
    "otelcol.exporter.otlp": _exporter,
    "otelcol.exporter.otlphttp": _exporter,
    "loki.relabel": _rules_only,
}
