"""The landing zone's tail, followed as it grows: what was landed and is not in the read copy, read once.

Belongs here: which lines are new. What they mean is news.py's.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ingestion.landing import read_tail

Row = dict[str, Any]
ARCHIVED = ".ndjson.zst"


@dataclass
class Heard:
    """How far a segment was read."""

    bytes: int = 0
    lines: int = 0
    is_complete: bool = False


class Tail:
    """One stream's segments that the copy has not seen."""

    def __init__(self, root: Path, stream: str) -> None:
        self._folder, self._root, self._stream = root / stream, root, stream
        self._forget(())

    def begin(self, loaded: Collection[str]) -> Iterator[Row]:
        """Everything that is not in these segments; then `more` goes on from there."""
        self._forget(loaded)
        yield from self.more()

    def more(self) -> Iterator[Row]:
        """What was synced since the last call. Cheap when there is nothing.

        Segments move from open to sealed to archive and are looked for in that order, so none slips through.
        """
        for state in ("open", "sealed"):
            for path in sorted((self._folder / state).glob("*.ndjson")):
                if path.stem not in self._loaded:
                    yield from self._rest(path)
        yield from self._archived_since()

    def _forget(self, loaded: Collection[str]) -> None:
        self._loaded = frozenset(loaded)
        self._heard: dict[str, Heard] = {}
        self._archive_mark = -1

    def _rest(self, path: Path) -> Iterator[Row]:
        heard = self._heard.setdefault(path.stem, Heard())
        try:
            if path.stat().st_size <= heard.bytes:
                return
            with path.open("rb") as file:
                file.seek(heard.bytes)
                data = file.read()
        except FileNotFoundError:  # moved on since it was listed; found there
            return
        end = data.rfind(b"\n") + 1
        lines = data[:end].splitlines()
        heard.bytes += end
        heard.lines += len(lines)
        for line in lines:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # torn by a power cut, so never acknowledged

    def _archived_since(self) -> Iterator[Row]:
        """What a refresh took away before it was heard: the copy will have it only when that refresh has ended."""
        archive = self._folder / "archive"
        mark = archive.stat().st_mtime_ns if archive.exists() else -1
        if mark == self._archive_mark:
            return
        self._archive_mark = mark
        names = {p.name.removesuffix(ARCHIVED) for p in archive.glob(f"*{ARCHIVED}")}
        for name in sorted(names - self._loaded):
            heard = self._heard.setdefault(name, Heard())
            if not heard.is_complete:
                others = self._names() - {name}
                rows = read_tail(self._root, self._stream, others)
                yield from islice(rows, heard.lines, None)
                heard.is_complete = True

    def _names(self) -> set[str]:
        files = self._folder.glob("*/*.ndjson*")
        return {path.name.partition(".")[0] for path in files}
