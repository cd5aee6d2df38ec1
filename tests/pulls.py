"""A platform and a folder of extracts, for tests of connectors: declare, put, pull, look."""

from pathlib import Path
from typing import Any

from ingestion.connectors import ExtractSource, PullResult, load_source, pull
from ingestion.landing import LandingWriter, read_tail


class Shop:
    """Declarations, extracts and a landing zone in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.extracts = folder / "home", folder / "extracts"
        self.extracts.mkdir()

    def declare(self, text: str, name: str = "people") -> ExtractSource:
        path = self.folder / f"{name}.yml"
        path.write_text(f"source_id: {name}\n{text}")
        source = load_source(path)
        assert isinstance(source, ExtractSource)
        return source

    def put(self, file: str, content: str | bytes) -> Path:
        path = self.extracts / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pull(self, source: ExtractSource, *, trusted: bool = False) -> PullResult:
        with LandingWriter(self.home / "landing") as writer:
            return pull(
                source, writer, self.home, extracts=self.extracts, trusted=trusted
            )

    def landed(self, stream: str) -> list[dict[str, Any]]:
        return list(read_tail(self.home / "landing", stream, set()))
