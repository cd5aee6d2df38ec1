"""Whoever picks up a file drop: goes by manifests, checks their hashes, and believes the highest generation."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from tests.fakes.server import Fake


class Reader(Fake):
    """Not a server: it reads the folder it is shown."""

    folder = Path()

    @property
    def held(self) -> dict[str, Any]:
        last = {row["recipient"]: row for row in self._rows()}
        return {
            name: json.loads(row["attributes"])
            for name, row in last.items()
            if row["action"] in ("enter", "update")
        }

    def _rows(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        for manifest in self.folder.rglob("*.manifest.json"):
            described = json.loads(manifest.read_text())
            content = (manifest.parent / described["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == described["sha256"]
            read = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
            assert len(read) == described["rows"]
            rows += read
        return sorted(rows, key=lambda row: int(row["generation"]))
