"""What cannot be said by a schema: settings whose meaning depends on others."""

from collections.abc import Callable
from typing import TypeVar

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.diagnostics import Severity
from alloytrio.config.alloy.plain import Plain
from alloytrio.config.alloy.schema.kinds import Level, Support
from alloytrio.config.alloy.source import Span
from alloytrio.config.convert.toml import KeyPath, Remarks

_NEEDS_AUTHORITY = Support(
    Level.UNSUPPORTED, "certificates of clients are always verified", "set client_ca_file to their authority"
)
_ALWAYS_VERIFIED = Support(
    Level.HARMLESS, "clients need a certificate that client_ca_file verifies, if that is set, and otherwise none"
)

Table = dict[str, Plain]
_Place = TypeVar("_Place")

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


def _http(table: Table, path: KeyPath, taken: Taken) -> None:
    """``auth.basic`` is ``basic_auth`` here; whether clients need certificates follows from ``client_ca_file``."""
    auth = table.pop("auth", None)
    if isinstance(auth, dict) and "basic" in auth:
        table["basic_auth"] = auth["basic"]
    old, new = (*path, "auth", "basic"), (*path, "basic_auth")
    _move(taken.spans, old, new)
    around = taken.comments.pop(old[:-1], Remarks())
    _move(taken.comments, old, new)
    if around != Remarks():
        known = taken.comments.setdefault(new, Remarks())
        known.above[:0] = around.above
        known.below += around.below
    tls = table.get("tls")
    if isinstance(tls, dict) and "client_auth_type" in tls:
        _client_auth(tls, taken.spans[(*path, "tls", "client_auth_type")], taken)


def _client_auth(tls: Table, span: Span, taken: Taken) -> None:
    wanted = tls.pop("client_auth_type")
    done = "RequireAndVerifyClientCert" if tls.get("client_ca_file") else "NoClientCert"
    if wanted != done:
        needed = str(wanted).startswith("Require")
        taken.leave_out(span, '"client_auth_type"', _NEEDS_AUTHORITY if needed else _ALWAYS_VERIFIED)


def _move(places: dict[KeyPath, _Place], old: KeyPath, new: KeyPath) -> None:
    """What is known of a path and all below it, under another path."""
    for path in [each for each in places if each[: len(old)] == old]:
        places.setdefault((*new, *path[len(old) :]), places.pop(path))


def _rules_only(table: Table, path: KeyPath, taken: Taken) -> None:
    rules = table.get("rule", [])
    table.clear()
    table |= {"targets": [], "rule": rules}
    taken.spans[(*path, "targets")] = taken.spans.pop((*path, "forward_to"))


_REWRITES: dict[str, Callable[[Table, KeyPath, Taken], None]] = {
    "otelcol.exporter.otlp": _exporter,
    "otelcol.exporter.otlphttp": _exporter,
    "loki.relabel": _rules_only,
    "http": _http,
}
