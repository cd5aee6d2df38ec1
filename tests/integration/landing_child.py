"""A process that lands from several threads until it is killed, and says what was acknowledged.

    python -m tests.integration.landing_child ROOT DISK

Acknowledged texts go to stdout, one a line. DISK `honest` syncs; `careless` doesn't; `nameless` syncs files but no
folders. Each keeps a journal beside ROOT of what would survive a power cut: the drive's own memory, so to speak.
"""

import os
import sys
import threading
from pathlib import Path

from ingestion.contracts import Reject
from ingestion.landing import Disk, LandingWriter


class HonestDisk(Disk):
    """Syncs, then notes the length of the file, or the names in the folder, that are safe now."""

    def __init__(self, journal: Path) -> None:
        self._journal = os.open(journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def sync(self, fd: int) -> None:
        length = os.fstat(fd).st_size
        super().sync(fd)
        self._note(f"length {_name(fd)} {length}")

    def sync_folder(self, folder: Path) -> None:
        names = " ".join(sorted(path.name for path in folder.glob("*.ndjson")))
        super().sync_folder(folder)
        self._note(f"folder {folder} {names}")

    def _note(self, text: str) -> None:
        os.write(self._journal, f"{text}\n".encode())


class CarelessDisk(HonestDisk):
    """The mistake the power-loss test must catch: acknowledging what is in memory only."""

    def sync(self, fd: int) -> None:
        pass


class NamelessDisk(HonestDisk):
    """Another one: a file that is safe, in a folder that has forgotten its name."""

    def sync_folder(self, folder: Path) -> None:
        pass


DISKS = {"honest": HonestDisk, "careless": CarelessDisk, "nameless": NamelessDisk}


def main(root: Path, disk: str) -> None:
    journaled = DISKS[disk](root.with_suffix(".journal"))
    writer = LandingWriter(root, seal_bytes=4000, disk=journaled)

    def land_for_ever(thread: int) -> None:
        for n in range(10**9):
            texts = [f"{thread}-{n}-{part}" for part in range(1 + n % 3)]
            writer.land(
                [
                    Reject(source_id="test", code="test", detail="", raw=text)
                    for text in texts
                ]
            )
            os.write(1, "".join(f"{text}\n" for text in texts).encode())

    for thread in range(4):
        threading.Thread(target=land_for_ever, args=(thread,)).start()


def _name(fd: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{fd}")).name


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
