"""Health of what is delivered: a component is healthy while everything that it sends is taken.

A component with several outboxes (one per endpoint) shares one ``DeliveryHealth``, so that one backend's success does
not hide the other's failure.
"""

from alloytrio.telemetry.health import HealthRecord, HealthState


class DeliveryHealth:
    """Joins the reasons of all who deliver for one component.

    Args:
        record: the component's health.
    """

    def __init__(self, record: HealthRecord) -> None:
        self._record = record
        self._reasons: dict[str, str] = {}

    def report(self, name: str, reason: str) -> None:
        """What ``name`` (an outbox, or its disk) suffers from now; an empty reason: nothing."""
        if reason:
            self._reasons[name] = reason
        else:
            self._reasons.pop(name, None)
        if self._reasons:
            self._record.set(HealthState.UNHEALTHY, "; ".join(self._reasons.values()))
        else:
            self._record.set(HealthState.HEALTHY, "")
