"""How many requests may one identity make? A token bucket for each, in this process, for about the latest ten thousand.

A bucket holds as many requests as may be made in a second, so short bursts pass. Replicas count each for itself; what
that means for all of them, and what the ingress adds, says docs/security.md.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from shared.errors import TooMany


class Limits:
    def __init__(self, a_second: int, *, remembered: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._remembered = remembered
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> None:
        """One request of this identity. Raises `TooMany` with the time after which there is room again."""
        now = self._clock()
        left, at = self._buckets.pop(who, (float(self._a_second), now))
        left = min(float(self._a_second), left + (now - at) * self._a_second)
        allowed = left >= 1
        self._buckets[who] = (left - allowed, now)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooMany(
                "Too many requests: at most {most} a second for one identity. Wait as long as Retry-After says.",
                most=self._a_second,
            )
