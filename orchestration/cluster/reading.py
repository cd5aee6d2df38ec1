"""How the cluster reads segments: where they are put for it, and lines as typed rows of their stream.

A line counts as read when it is a record of the stream of which nothing is lost on the way: every field that it holds
has its column's type. What does not count is isolating.py's business, as on DuckDB.
"""

import codecs
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import fsspec  # type: ignore[import-untyped]

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.cluster.session import Cluster, spark_type
from orchestration.warehouse.schema import contract_columns, required_columns
from orchestration.warehouse.segments import Measured, content

# How a file name of the landing zone ends, which is what its rows are known by.
SUFFIX = ".ndjson"
# Half of a surrogate pair, escaped: a reader in Java puts a question mark there, DuckDB and Python refuse the line.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_UUID = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"


class Placed(NamedTuple):
    """A file that the cluster can read, and the segment that its lines count for."""

    uri: str
    segment: str
    load_id: int


class Place:
    """Where segments lie for the cluster while they are loaded: a folder of this home alone, which it may empty."""

    def __init__(self, settings: Settings) -> None:
        home = hashlib.sha256(str(settings.home.resolve()).encode()).hexdigest()
        given = (settings.spark_landing or str(settings.warehouse.parent)).rstrip("/")
        where = given if "://" in given else Path(given).resolve().as_uri()
        self._uri = f"{where}/staged-{home[:16]}"
        # What Hadoop calls s3a is s3 to everybody else.
        self._files, self._path = fsspec.url_to_fs(self._uri.replace("s3a://", "s3://"))
        self._is_home = not settings.spark_landing

    def clear(self) -> None:
        """What a killed load left there."""
        with suppress(FileNotFoundError):
            self._files.rm(self._path, recursive=True)

    def put(self, segment: Measured) -> str:
        """Its address for the cluster: itself, when it can be read as it lies; else a copy."""
        if self._is_home and not segment.is_archived:
            return segment.path.as_uri()
        return self.put_text(segment.name, content(segment))

    def put_text(self, name: str, text: bytes) -> str:
        self._files.makedirs(self._path, exist_ok=True)
        self._files.pipe_file(f"{self._path}/{name}{SUFFIX}", text)
        return f"{self._uri}/{name}{SUFFIX}"


def is_plain(segment: Measured) -> bool:
    """Whether every reader understands its text alike: valid UTF-8, and no half of a surrogate pair."""
    text = content(segment)
    try:
        codecs.utf_8_decode(text, "strict", True)
    except UnicodeDecodeError:
        return False
    return not _SURROGATE.search(text)


@contextmanager
def landed(cluster: Cluster, stream: str, files: Iterable[Placed]) -> Iterator[str]:
    """The lines of files that are records of the stream, as a view with the columns of raw.<stream>."""
    read = _as_sail_reads if cluster.is_sail else _as_spark_reads
    with cluster.view(read(cluster, stream, [*files])) as lines:
        kinds = contract_columns(STREAMS[stream])
        typed = ", ".join(
            f"{_typed(name, kind)} as {name}" for name, kind in kinds.items()
        )
        rows = cluster.session.sql(
            f"select {typed}, _segment, _load_id from {lines} where {_is_record(stream)}"
        )
        with cluster.view(rows) as view:
            yield view


def _as_spark_reads(cluster: Cluster, stream: str, files: list[Placed]) -> object:
    """Spark's own reader: each line is parsed once, and JSON stays as it was written."""
    described = ", ".join(
        f"{name} {'string' if _is_text(kind) else spark_type(kind)}"
        for name, kind in _columns(stream).items()
    )
    lines = cluster.session.read.json(
        [file.uri for file in files],
        schema=f"{described}, _corrupt string",
        mode="PERMISSIVE",
        columnNameOfCorruptRecord="_corrupt",
    ).selectExpr("*", "element_at(split(_metadata.file_path, '/'), -1) as _file")
    kinds = {"_file": "varchar", "_segment": "varchar", "_load_id": "bigint"}
    names = cluster.frame(
        kinds,
        (
            {
                "_file": Path(file.uri).name,
                "_segment": file.segment,
                "_load_id": file.load_id,
            }
            for file in files
        ),
    )
    return lines.join(names.hint("broadcast"), "_file")


def _as_sail_reads(cluster: Cluster, stream: str, files: list[Placed]) -> object:
    """Sail's JSON reader ends at the first bad line and does not say which file it read, so lines are read as text."""
    fields = ", ".join(
        f"{_of_line(name, kind)} as {name}" for name, kind in _columns(stream).items()
    )
    lost = " or ".join(
        f"({_field(name)} is not null and {_of_line(name, kind)} is null)"
        for name, kind in _columns(stream).items()
        if not _is_text(kind)
    )
    return cluster.session.sql(
        " union all ".join(
            f"select {fields}, case when {lost or 'false'} then value end as _corrupt, "
            f"'{file.segment}' as _segment, cast({file.load_id} as bigint) as _load_id from text.`{file.uri}`"
            for file in files
        )
    )


def _columns(stream: str) -> Mapping[str, str]:
    return {"stream": "varchar", **contract_columns(STREAMS[stream])}


def _is_text(kind: str) -> bool:
    """Whether a field is read as the text that it is; lists have their type from the start."""
    return not kind.endswith("[]")


def _field(name: str) -> str:
    return f"get_json_object(value, '$.{name}')"


def _of_line(name: str, kind: str) -> str:
    if _is_text(kind):
        return _field(name)
    return f"from_json({_field(name)}, '{spark_type(kind)}')"


def _typed(name: str, kind: str) -> str:
    if kind == "timestamp":
        return f"cast(try_cast({name} as timestamp_ltz) as timestamp_ntz)"
    if spark_type(kind) == "string" or not _is_text(kind):
        return name
    return f"try_cast({name} as {spark_type(kind)})"


def _is_record(stream: str) -> str:
    """What a line must have, and that none of its fields is lost by its type."""
    kinds = contract_columns(STREAMS[stream])
    present = [f"{name} is not null" for name in required_columns(STREAMS[stream])]
    uuids = [
        f"({name} is null or {name} rlike '{_UUID}')"
        for name, kind in kinds.items()
        if kind == "uuid"
    ]
    whole = [
        f"({name} is null or {_typed(name, kind)} is not null)"
        for name, kind in kinds.items()
        if _typed(name, kind) != name
    ]
    return " and ".join(
        [f"stream = '{stream}'", "_corrupt is null", *present, *uuids, *whole]
    )
