"""The files connector: CSV, JSON and NDJSON by glob, on local disk or anything fsspec reaches.

It turns bytes into rows and says which bytes are none. What a column means is the source's business (mapping.py).
"""

import csv
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Literal

import fsspec  # type: ignore[import-untyped]
import orjson
from pydantic import Field

from ingestion.connectors.rows import Connector, Row, Unreadable

# A cell longer than this is an unclosed quote that swallowed the file, not data.
csv.field_size_limit(1024 * 1024)


class Files(Connector):
    """Files matched by a glob, read in the order of their names; `.gz` and friends are unpacked."""

    connector: Literal["files"] = "files"
    files: str = Field(
        min_length=1,
        description="Path or glob, relative to the extracts folder, or a URL",
    )
    format: Literal["csv", "json", "ndjson"]
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="CSV only"
    )
    rows: str | None = Field(
        default=None, description="JSON only: the key that holds the list"
    )

    def read(self, base: Path) -> Iterator[Row | Unreadable]:
        location = self.files if "://" in self.files else str(base / self.files)
        filesystem, pattern = fsspec.core.url_to_fs(location)
        root = str(base) + "/"
        for path in sorted(filesystem.glob(pattern)):
            with filesystem.open(path, "rb", compression="infer") as stream:
                yield from self._rows(stream, path.removeprefix(root))

    def missing_columns(self, row: Row, wanted: Iterable[str]) -> list[str]:
        if self.format != "csv":
            return []
        return sorted(column for column in set(wanted) if column not in row.values)

    def _rows(self, stream: IO[bytes], file: str) -> Iterator[Row | Unreadable]:
        if self.format == "csv":
            return _csv_rows(stream, file, self.delimiter)
        if self.format == "ndjson":
            return _ndjson_rows(stream, file)
        return _json_rows(stream, file, self.rows)


class _Recorder:
    """Hands lines to the CSV reader and remembers those of the current record, to keep its bytes."""

    def __init__(self, lines: TextIOWrapper) -> None:
        self.lines, self.seen = lines, list[str]()

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.seen.append(line)
            yield line

    def take(self) -> bytes:
        taken = "".join(self.seen)
        self.seen.clear()
        return taken.encode("utf-8", "surrogateescape")


def _csv_rows(
    stream: IO[bytes], file: str, delimiter: str
) -> Iterator[Row | Unreadable]:
    header: list[str] | None = None
    for line, cells, raw in _csv_records(stream, delimiter):
        if isinstance(cells, csv.Error):
            detail = f"the CSV is broken here: {cells}"
            yield Unreadable(file, line, "bad_csv", detail, raw)
        elif header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) < len(header) or "" in header:
                detail = (
                    "the header repeats or lacks a name; nothing of the file was read"
                )
                yield Unreadable(file, line, "bad_header", detail, raw)
                return
        elif len(cells) != len(header):
            detail = (
                f"the row has {len(cells)} cells where the header has {len(header)}"
            )
            yield Unreadable(file, line, "ragged_row", detail, raw)
        elif (bad := _not_utf8(raw, file, line)) is not None:
            yield bad
        else:
            yield Row(dict(zip(header, cells, strict=True)), file, line, raw)


def _csv_records(
    stream: IO[bytes], delimiter: str
) -> Iterator[tuple[int, list[str] | csv.Error, bytes]]:
    """Line number, cells (or what is wrong) and bytes of every record that is not blank."""
    with TextIOWrapper(
        stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as lines:
        recorder = _Recorder(lines)
        reader = csv.reader(recorder, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, error, recorder.take()
                continue
            raw = recorder.take()
            if cells:
                yield line, cells, raw


def _ndjson_rows(stream: IO[bytes], file: str) -> Iterator[Row | Unreadable]:
    for line, raw in enumerate(stream, start=1):
        if not raw.strip():
            continue
        try:
            values = orjson.loads(
                raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw
            )
        except orjson.JSONDecodeError as error:
            yield Unreadable(
                file, line, "bad_json", f"the line is not JSON: {error}", raw
            )
        else:
            yield _object(values, file, line, raw)


def _json_rows(
    stream: IO[bytes], file: str, key: str | None
) -> Iterator[Row | Unreadable]:
    raw = stream.read()
    try:
        document = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        yield Unreadable(file, 0, "bad_json", f"the file is not JSON: {error}", raw)
        return
    items = document.get(key) if key and isinstance(document, dict) else document
    if not isinstance(items, list):
        where = f"under {key!r}" if key else "at the top (name its key with `rows`)"
        yield Unreadable(
            file, 0, "bad_json", f"the file holds no list of rows {where}", raw
        )
        return
    for number, item in enumerate(items, start=1):
        yield _object(item, file, number, orjson.dumps(item))


def _object(values: Any, file: str, line: int, raw: bytes) -> Row | Unreadable:
    if isinstance(values, dict):
        return Row(values, file, line, raw)
    return Unreadable(file, line, "bad_json", "a row has to be a JSON object", raw)


def _not_utf8(raw: bytes, file: str, line: int) -> Unreadable | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unreadable(
            file, line, "not_utf8", f"the row is not UTF-8: {error.reason}", raw
        )
    return None
