"""The outbox: queue, batch and write-ahead log in one. Start at ``outbox.py``."""

from alloytrio.outbox.codec import decode_body, encode_body
from alloytrio.outbox.delivery import Deliver
from alloytrio.outbox.flight import Split
from alloytrio.outbox.fragment import Batch, BatchPolicy, Fragment
from alloytrio.outbox.health import DeliveryHealth
from alloytrio.outbox.observer import OutboxCounts, OutboxObserver, OutboxStats
from alloytrio.outbox.outbox import Lane, Outbox, Put
from alloytrio.outbox.put import put_all
from alloytrio.outbox.settings import Fsync, OutboxSettings, RetryPolicy
from alloytrio.outbox.storage import Storage, Store

__all__ = [
    "Batch",
    "BatchPolicy",
    "Deliver",
    "DeliveryHealth",
    "Fragment",
    "Fsync",
    "Lane",
    "Outbox",
    "OutboxCounts",
    "OutboxObserver",
    "OutboxSettings",
    "OutboxStats",
    "Put",
    "RetryPolicy",
    "Split",
    "Storage",
    "Store",
    "decode_body",
    "encode_body",
    "put_all",
]
