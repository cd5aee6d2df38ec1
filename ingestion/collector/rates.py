"""How fast a key may send, if it has a limit: a bucket of events per key that fills at the key's rate.

A request is let in while the bucket isn't empty and may leave it in debt, so a batch larger than the bucket passes, and
is waited for afterwards. Each worker process counts for itself.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ingestion.collector.keys import Key

BURST_SECONDS = 10.0
"""What a quiet key may send at once, in seconds' worth of its rate."""


@dataclass
class _Bucket:
    events: float
    at: float


class Rates:
    """The buckets of every limited key that was seen. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, key: Key) -> int:
        """Whole seconds until the key may send again; 0 if it may now."""
        if key.events_per_second is None:
            return 0
        bucket = self._filled(key, key.events_per_second)
        if bucket.events > 0:
            return 0
        return math.floor(-bucket.events / key.events_per_second) + 1

    def spend(self, key: Key, events: int) -> None:
        """Take what a request brought out of the key's bucket."""
        if key.events_per_second is not None:
            self._filled(key, key.events_per_second).events -= events

    def _filled(self, key: Key, rate: float) -> _Bucket:
        now, full = self._clock(), max(1.0, rate * BURST_SECONDS)
        bucket = self._buckets.setdefault(key.key_id, _Bucket(full, now))
        bucket.events = min(full, bucket.events + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
