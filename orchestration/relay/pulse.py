"""When the relay last looked: the modification time of one file, so that whoever is not the relay can see it stand still."""

import time
from datetime import UTC, datetime
from pathlib import Path

from ingestion.settings import Settings

# Looking is more frequent than writing that down. Valid: 0 to 60.
SECONDS_BETWEEN = 1.0


class Pulse:
    """Beats of one process."""

    def __init__(self, settings: Settings) -> None:
        self._file, self._last = pulse_file(settings), 0.0

    def beat(self) -> None:
        if time.monotonic() - self._last < SECONDS_BETWEEN:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        self._last = time.monotonic()


def pulse_file(settings: Settings) -> Path:
    return settings.home.resolve() / "locks" / "relay.pulse"


def last_beat(settings: Settings) -> datetime | None:
    """None where no relay ever looked."""
    try:
        beaten = pulse_file(settings).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(beaten, UTC)
