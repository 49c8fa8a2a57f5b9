"""Which flight goes next: bounds on what is sent at once, and the queue of what waits to be tried again. Sans-IO.

There are two bounds: requests at the same time, over all encodings (``senders``); and flights of one encoding that are
being sent or wait to be tried again (the same number, or 1 if order is to be kept). A flight that waits holds no
sender, so an encoding whose backend refuses everything does not stop the others.
"""

import math
from heapq import heappop, heappush

from alloytrio.outbox.flight import Flight


class Schedule:
    """The flights of one outbox.

    Args:
        senders: requests at the same time.
        per_encoding: flights of one encoding at the same time, waiting ones included.

    Attributes:
        flights: all of them, those that wait included.
    """

    def __init__(self, senders: int, per_encoding: int) -> None:
        self._free_senders = senders
        self._per_encoding = per_encoding
        self._waiting: list[tuple[float, int, Flight]] = []
        self._pushed = 0
        self._by_encoding: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self.flights: set[Flight] = set()

    @property
    def has_free_sender(self) -> bool:
        """Whether one more request may be made."""
        return self._free_senders > 0

    @property
    def waiting(self) -> int:
        """Flights that wait to be tried again."""
        return len(self._waiting)

    @property
    def next_due_at(self) -> float:
        """When the next waiting flight is to be tried; inf if there is none."""
        return self._waiting[0][0] if self._waiting else math.inf

    def may_begin_at(self, encoding: str) -> float:
        """When a new flight of an encoding may begin; inf: when another one ended."""
        if self._by_encoding.get(encoding, 0) >= self._per_encoding:
            return math.inf
        return self._not_before.get(encoding, -math.inf)

    def begin(self, flight: Flight) -> None:
        """A new flight; it is to be sent at once."""
        self.flights.add(flight)
        self._by_encoding[flight.encoding] = self._by_encoding.get(flight.encoding, 0) + 1

    def send(self) -> None:
        """A request begins."""
        self._free_senders -= 1

    def sent(self) -> None:
        """A request ended, somehow."""
        self._free_senders += 1

    def wait(self, flight: Flight, until: float) -> None:
        """A flight is to be tried again at a time."""
        flight.due_at = until
        self._pushed += 1
        heappush(self._waiting, (until, self._pushed, flight))

    def hold(self, encoding: str, now: float, until: float) -> None:
        """The backend asked for a pause: no new flight of the encoding before that time."""
        self._not_before = {other: time for other, time in self._not_before.items() if time > now}
        self._not_before[encoding] = max(until, self._not_before.get(encoding, until))

    def take_due(self, now: float) -> Flight | None:
        """A flight whose time has come."""
        return heappop(self._waiting)[2] if self._waiting and self._waiting[0][0] <= now else None

    def hurry(self, now: float) -> None:
        """Try everything that waits at once: there will be no later."""
        flights = [flight for _, _, flight in sorted(self._waiting, key=lambda waiting: waiting[:2])]
        self._waiting.clear()
        self._not_before.clear()
        for flight in flights:
            self.wait(flight, now)

    def end(self, flight: Flight) -> None:
        """A flight is done."""
        self.flights.discard(flight)
        left = self._by_encoding[flight.encoding] - 1
        if left:
            self._by_encoding[flight.encoding] = left
        else:
            del self._by_encoding[flight.encoding]
