"""Text files as rows: CSV, NDJSON and JSON. It turns bytes into rows and says which bytes are none.

All of them stream: a file of any size needs the memory of its longest row. Parquet is parquet.py's.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import isfinite
from typing import IO, Any, cast

import ijson  # type: ignore[import-untyped]
import orjson

from ingestion.connectors.rows import Row, Unreadable

CHUNK = 1 << 18
CELL_LIMIT = (
    1024 * 1024
)  # a longer cell is an unclosed quote that swallowed the file, not data
LINE_LIMIT = 4 * CELL_LIMIT
csv.field_size_limit(CELL_LIMIT)

LONG_NUMBER = re.compile(rb"\d[\d.]{15}")
"""What a double may not hold exactly; orjson would round it without a word."""

MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
"""Byte order marks, the longer ones first where one begins like another."""


def csv_rows(
    stream: IO[bytes], file: str, delimiter: str, encoding: str
) -> Iterator[Row | Unreadable]:
    header: list[str] | None = None
    lines = _decoded(stream, encoding)
    for line, cells, text in _csv_records(lines, delimiter):
        if isinstance(cells, csv.Error):
            detail = f"the CSV is broken here: {cells}"
            yield Unreadable(file, line, "bad_csv", detail, _bytes(text))
        elif any(not each.isascii() for each in text) and (bad := _undecoded(text)):
            detail = f"the row is not {encoding}: {bad}; {_other_encoding(encoding)}"
            yield Unreadable(file, line, "bad_encoding", detail, _bytes(text))
            if header is None:
                return
        elif header is None:
            header = [cell.strip() for cell in cells]
            if wrong := _wrong_header(header):
                yield Unreadable(file, line, "bad_header", wrong, _bytes(text))
                return
        elif len(cells) != len(header):
            detail = (
                f"the row has {len(cells)} cells where the header has {len(header)}"
            )
            yield Unreadable(file, line, "ragged_row", detail, _bytes(text))
        else:
            yield Row(dict(zip(header, cells, strict=True)), file, line, text)


def ndjson_rows(
    stream: IO[bytes], file: str, encoding: str
) -> Iterator[Row | Unreadable]:
    for line, raw in enumerate(_lines(stream, encoding), start=1):
        if len(raw) > LINE_LIMIT:
            detail = f"the line is longer than {LINE_LIMIT:,} bytes"
            yield Unreadable(file, line, "too_long", detail, raw)
            continue
        if not raw.strip():
            continue
        try:
            values = orjson.loads(raw)
            if LONG_NUMBER.search(raw):
                values = lossless(json.loads(raw, parse_float=Decimal))
        except orjson.JSONDecodeError as error:
            detail = f"the line is not JSON: {error}"
            yield Unreadable(file, line, "bad_json", detail, raw)
        else:
            yield _object(values, file, line, raw)


def json_rows(
    stream: IO[bytes], file: str, path: str | None, again: Callable[[], IO[bytes]]
) -> Iterator[Row | Unreadable]:
    """The rows of the list at `path`, one after the other; a document that is broken ends there.

    `again` opens the file anew, to tell an empty list from none.
    """
    place = ".".join((path or "").replace("*", "item").split("."))
    prefix = f"{place}.item" if place else "item"
    number = 0
    try:
        for number, item in enumerate(ijson.items(_unmarked(stream), prefix), start=1):
            yield _object(lossless(item), file, number, None)
        if not number and not _has_list(again(), place):
            where = f"under {path!r}" if path else "at the top; name its path in `rows`"
            detail = f"the file holds no list of rows {where}"
            yield Unreadable(file, 0, "bad_json", detail, b"")
    except ijson.JSONError as error:
        said = str(error).split("\n")[0]
        detail = f"the file is not JSON after row {number}: {said}"
        yield Unreadable(file, number + 1, "bad_json", detail, b"")


def lossless(value: Any) -> Any:
    """Numbers as JSON can hold them: a float that is exact, an integer of 64 bits, else the digits as text."""
    if isinstance(value, Decimal):
        near = float(value)
        return near if isfinite(near) and Decimal(repr(near)) == value else str(value)
    if isinstance(value, dict):
        return {key: lossless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [lossless(each) for each in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _has_list(stream: IO[bytes], place: str) -> bool:
    with stream:
        return any(
            event == "start_array" and prefix == place
            for prefix, event, _ in ijson.parse(_unmarked(stream))
        )


def _object(values: Any, file: str, line: int, raw: bytes | None) -> Row | Unreadable:
    if isinstance(values, dict):
        return Row(values, file, line, raw)
    raw = raw or orjson.dumps(values)
    return Unreadable(file, line, "bad_json", "a row has to be a JSON object", raw)


# Bytes and encodings.


class _Bytes(io.RawIOBase):
    """Any stream as one that a buffer can be put on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _marked(stream: IO[bytes]) -> tuple[io.BufferedReader, str | None]:
    """The stream behind its byte order mark, and the encoding that the mark stands for."""
    buffered = cast(io.BufferedReader, io.BufferedReader(_Bytes(stream), CHUNK))
    head = buffered.peek(4)
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            buffered.read(len(mark))
            return buffered, encoding
    return buffered, None


def _unmarked(stream: IO[bytes]) -> io.BufferedReader:
    return _marked(stream)[0]


def _decoded(stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    data, marked = _marked(stream)
    return io.TextIOWrapper(
        data, encoding=marked or encoding, errors="surrogateescape", newline=""
    )


def _lines(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Lines as UTF-8. What is too long comes cut, its rest is skipped."""
    data, marked = _marked(stream)
    if (marked or encoding).lower().replace("_", "-") not in ("utf-8", "utf8"):
        for text in io.TextIOWrapper(
            data, marked or encoding, errors="surrogateescape", newline="\n"
        ):
            yield text.encode("utf-8", "surrogateescape")
        return
    while line := data.readline(LINE_LIMIT + 1):
        yield line
        while len(line) > LINE_LIMIT and not line.endswith(b"\n"):
            line = data.readline(LINE_LIMIT + 1)


def _bytes(text: list[str]) -> bytes:
    return "".join(text).encode("utf-8", "surrogateescape")


def _undecoded(text: list[str]) -> str:
    """What is wrong with lines that hold bytes which no decoder took; empty for none."""
    try:
        "".join(text).encode("utf-8")
    except UnicodeEncodeError as error:
        return f"byte 0x{ord(error.object[error.start]) & 0xFF:02x} at character {error.start + 1}"
    return ""


def _other_encoding(encoding: str) -> str:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return "if the whole file is written in another encoding, name it, such as `encoding: windows-1252`"
    return "check `encoding`"


def _wrong_header(header: list[str]) -> str:
    """What is wrong with a header; empty for nothing."""
    repeated = sorted(name for name, times in Counter(header).items() if times > 1)
    if not repeated and "" not in header:
        return ""
    said = f"repeats {', '.join(map(repr, repeated))}" if any(repeated) else ""
    said = " and ".join(filter(None, [said, "lacks a name" if "" in header else ""]))
    return f"the header {said}; nothing of the file was read"


def _csv_records(
    lines: io.TextIOWrapper, delimiter: str
) -> Iterator[tuple[int, list[str] | csv.Error, list[str]]]:
    """Line number, cells (or what is wrong) and text of every record that is not blank."""
    text: list[str] = []

    def recorded() -> Iterator[str]:
        for line in lines:
            text.append(line)
            yield line

    reader = csv.reader(recorded(), delimiter=delimiter, strict=True)
    line = 1
    while True:
        cells: list[str] | csv.Error
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = error
        if cells:
            yield line, cells, text.copy()
        text.clear()
        line = reader.line_num + 1
