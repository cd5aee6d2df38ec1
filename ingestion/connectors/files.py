"""The files connector: files by glob, on local disk or any object storage that fsspec reaches.

Finding, opening and unpacking them is here; what their bytes mean is formats.py's, what a column means mapping.py's.
"""

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import fsspec  # type: ignore[import-untyped]
import zstandard
from pydantic import Field, field_validator

from ingestion.connectors.environment import expanded, plain_secrets, scrubbed
from ingestion.connectors.formats import csv_rows, json_rows, ndjson_rows
from ingestion.connectors.rows import (
    Connector,
    ExtractError,
    Reading,
    Row,
    Unreadable,
)
from ingestion.connectors.unpacking import unpacked

DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile)
"""What a damaged archive raises while it is read."""


@dataclass(frozen=True)
class _Place:
    """One file: where it is, and the name it goes by in messages."""

    filesystem: Any
    path: str
    name: str

    def open(self) -> IO[bytes]:
        stream: IO[bytes] = self.filesystem.open(self.path, "rb")
        return unpacked(stream, self.name)


class Files(Connector):
    """Files matched by a glob, read in the order of their names; `.gz`, `.zst`, `.bz2` and `.xz` are unpacked."""

    REMEDIES: ClassVar[dict[str, str]] = {
        "files": "give a path or glob relative to the extracts folder, or a URL such as s3://bucket/crm/*.csv",
        "format": "choose csv, json, ndjson or parquet",
        "delimiter": "give one character",
        "encoding": "name it as Python does, such as utf-8, utf-16 or windows-1252",
        "rows": "give the path of the list, such as `data.list`, or `*.results` for a list of objects with lists",
        "options": "map what the storage wants to know, such as `options: {key: '${AWS_KEY}', secret: '${AWS_SECRET}'}`",
    }

    connector: Literal["files"] = "files"
    files: str = Field(
        min_length=1,
        description="Path or glob, relative to the extracts folder, or a URL",
    )
    format: Literal["csv", "json", "ndjson", "parquet"]
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="CSV only"
    )
    encoding: str = Field(
        default="utf-8",
        description="CSV and NDJSON; a byte order mark says it by itself",
    )
    rows: str | None = Field(
        default=None, description="JSON only: the path of the list of rows"
    )
    options: dict[str, Any] = Field(
        default={}, description="What fsspec's file system of the URL wants to know"
    )

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError:
            raise ValueError("there is no such encoding") from None
        return name

    @field_validator("options")
    @classmethod
    def _holds_no_secret(cls, options: dict[str, Any]) -> dict[str, Any]:
        if told := sorted(set(plain_secrets(options))):
            raise ValueError(
                f"{', '.join(told)} stands in the file; put it into the environment and write ${{NAME}} in its place"
            )
        return options

    @property
    def has_columns(self) -> bool:
        return self.format in ("csv", "parquet")

    def read(self, reading: Reading) -> Iterator[Row | Unreadable]:
        with self._clearly():
            filesystem, pattern = self._located(reading.base)
            found = sorted(filesystem.glob(pattern, detail=True).items())
        root = str(reading.base) + "/"
        for path, about in found:
            if about.get("type") == "directory":
                continue
            reading.note_written(_written(about))
            place = _Place(filesystem, path, path.removeprefix(root))
            with self._clearly():
                yield from self._rows(place, reading.scratch)

    def _located(self, base: Path) -> tuple[Any, str]:
        """The file system and the pattern within it."""
        options = expanded(self.options)
        if "://" not in self.files:
            return fsspec.filesystem("file"), str(base / self.files)
        located: tuple[Any, str] = fsspec.core.url_to_fs(
            expanded(self.files), use_listings_cache=False, **options
        )
        return located

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        """Whatever storage raises, as a sentence without secrets."""
        try:
            yield
        except ExtractError:
            raise
        except ImportError as error:
            hint = "install what reaches it: pip install 'millrace[cloud]'"
            raise ExtractError(f"{self.files}: {error.msg}; {hint}") from None
        except Exception as error:
            said = scrubbed(str(error), [self.files, self.options])
            kind = type(error).__name__
            raise ExtractError(
                f"{self.files} cannot be read ({kind}: {said}); check the place and its credentials in `extract`"
            ) from None

    def _rows(self, place: _Place, scratch: Path) -> Iterator[Row | Unreadable]:
        """The rows of one file. What is damaged ends there: the rows before it count, the missing ones are not gone."""
        line = 0
        try:
            for row in self._parsed(place, scratch):
                line = row.line
                yield row
        except DAMAGE as error:
            detail = (
                f"the file breaks off after line {line} ({error}); have it sent again"
            )
            yield Unreadable(place.name, line + 1, "broken_file", detail, b"")

    def _parsed(self, place: _Place, scratch: Path) -> Iterator[Row | Unreadable]:
        if self.format == "parquet":
            # here, because whoever only reads declarations should not wait for an engine
            from ingestion.connectors.parquet import parquet_rows

            yield from parquet_rows(place.filesystem, place.path, place.name, scratch)
            return
        with place.open() as data:
            if self.format == "csv":
                yield from csv_rows(data, place.name, self.delimiter, self.encoding)
            elif self.format == "ndjson":
                yield from ndjson_rows(data, place.name, self.encoding)
            else:
                yield from json_rows(data, place.name, self.rows, place.open)


def _written(about: dict[str, Any]) -> datetime | None:
    """When a file was written, as far as its storage says."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        moment = about.get(name)
        if isinstance(moment, int | float):
            return datetime.fromtimestamp(moment, UTC)
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        if isinstance(moment, datetime):
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
