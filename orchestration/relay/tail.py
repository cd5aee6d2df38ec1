"""The landing zone's tail, followed as it grows: what was landed and is not in the read copy, read once.

Belongs here: which bytes are new. What they mean is news.py's.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from ingestion.landing import read_tail

Row = dict[str, Any]
STATES = ("open", "sealed")


class Tail:
    """One stream's segments that the copy has not seen."""

    def __init__(self, root: Path, stream: str) -> None:
        self._folder, self._root, self._stream = root / stream, root, stream
        self._read: dict[str, int] = {}
        self._loaded: frozenset[str] = frozenset()

    def begin(self, loaded: Collection[str]) -> Iterator[Row]:
        """Everything that is not in these segments, archived ones included; then `more` goes on from there."""
        self._loaded = frozenset(loaded)
        self._read = {}
        for archived in (self._folder / "archive").glob("*.ndjson.zst"):
            name = archived.name.removesuffix(".ndjson.zst")
            if name not in self._loaded:
                # Complete: nothing will be added to it.
                self._read[name] = -1
        late = set(self._read)
        if late:
            known = self._names() - late
            yield from read_tail(self._root, self._stream, set(self._loaded | known))
        yield from self.more()

    def more(self) -> Iterator[Row]:
        """What was synced since the last call, oldest segment first. Cheap when there is nothing."""
        for state in STATES:
            for path in sorted((self._folder / state).glob("*.ndjson")):
                name = path.stem
                start = self._read.get(name, 0)
                if name in self._loaded or start < 0:
                    continue
                yield from self._rest(path, name, start)

    def _rest(self, path: Path, name: str, start: int) -> Iterator[Row]:
        try:
            if path.stat().st_size <= start:
                return
            with path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except FileNotFoundError:  # sealed since it was listed; found there next time
            return
        end = data.rfind(b"\n") + 1
        self._read[name] = start + end
        for line in data[:end].splitlines():
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # torn by a power cut, so never acknowledged

    def _names(self) -> set[str]:
        return {
            p.stem for state in STATES for p in (self._folder / state).glob("*.ndjson")
        }
