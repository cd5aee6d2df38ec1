"""A clock for delivery runs that must not wait: every sleep passes at once, and hours pass between runs when told."""

from datetime import UTC, datetime, timedelta

from orchestration.destinations.waiting import Clock


class Later:
    """Time that runs as it does, plus whatever was slept or skipped."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self.slept: list[float] = []
        self.clock = Clock(now=self.now, sleep=self.sleep)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._ahead += timedelta(seconds=seconds)

    def skip(self, **time: float) -> None:
        self._ahead += timedelta(**time)
