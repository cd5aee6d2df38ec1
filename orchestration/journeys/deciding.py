"""One decides at a time: the refresh and the relay land decisions under one lock, each after reading what the other landed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def deciding(landing_root: Path) -> Iterator[None]:
    """Wait for the lock and hold it; it goes with the process, however that ends."""
    folder = landing_root.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / "journeys.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
