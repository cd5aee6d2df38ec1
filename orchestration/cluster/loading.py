"""The loader for a cluster: every sealed or archived segment goes into raw exactly once, and then into the archive.

What is written, in this order: rows under the name of this attempt, which nobody sees; phone numbers, a function of the
rows, of which too many do no harm; the attempt's rows in the ledger, one file, from which on everything is seen; the
archive. Killed before the ledger, the segments are loaded by another attempt; killed after it, they are only archived.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ingestion import landing
from ingestion.connectors.declarations import Source
from ingestion.connectors.loading import load_sources
from ingestion.contracts import STREAMS
from ingestion.crash_points import reached
from ingestion.settings import Settings
from orchestration.cluster.reading import Place, Placed, is_plain, landed
from orchestration.cluster.session import Cluster, cluster
from orchestration.cluster.tables import ATTEMPT, append, create_raw, kept, replace
from orchestration.journeys import load_journeys
from orchestration.journeys.relation import as_row
from orchestration.privacy.rewriting import forget_originals
from orchestration.privacy.tombstones import read_register
from orchestration.warehouse.isolating import BadLine, Isolated, isolate
from orchestration.warehouse.loading import (
    LoadResult,
    batches,
    gate,
    ledger_row,
    passed,
    refuse_changed,
    reject_rows,
    source_rows,
)
from orchestration.warehouse.phones import e164
from orchestration.warehouse.schema import LEDGERS, raw_tables
from orchestration.warehouse.segments import Measured, archive, lines, measure


class Work(NamedTuple):
    """What every step of one load works with."""

    cluster: Cluster
    settings: Settings
    place: Place
    result: LoadResult


class Attempt(NamedTuple):
    """Rows that are on the cluster and not in the ledger. `rows` counts them by (segment, source)."""

    name: str
    first: int
    rows: Counter[tuple[str, str]]

    def read(self, segment: Measured) -> int:
        return sum(n for (name, _), n in self.rows.items() if name == segment.name)


def load(settings: Settings) -> LoadResult:
    """Load what the ledger does not know yet. Running it again loads nothing."""
    landing.recover(settings.landing)
    declared = load_sources(settings.sources_dir)
    with cluster(settings) as connected:
        create_raw(connected)
        work = Work(connected, settings, Place(settings), LoadResult())
        work.place.clear()
        forget_originals(settings)
        ledger = dict(connected.execute("select segment, sha256 from raw.loads").rows)
        sealed = landing.sealed_segments(settings.landing)
        archived = landing.archived_segments(settings.landing)
        refuse_changed(sealed, archived, ledger)
        _replace_declarations(work, declared)
        for segment in sealed:
            if segment.name in ledger:
                archive(measure(segment), settings.landing)
                work.result.finished += 1
        nobody_is_erased = read_register(settings).is_empty
        with nullcontext() if nobody_is_erased else gate(settings, declared) as guard:
            waiting = {s.name: s for s in [*archived, *sealed] if s.name not in ledger}
            for batch in batches(waiting.values()):
                _load(work, passed(guard, batch) if guard else batch)
        work.place.clear()
    work.result.forbidden = guard.result.forbidden if guard else 0
    return work.result


def _load(work: Work, batch: list[Measured]) -> None:
    """Load what reads well as a whole, and the other segments line by line."""
    plain = [segment for segment in batch if is_plain(segment)]
    uris = {s.name: work.place.put(s) for s in plain if s.bytes}
    attempt = _append(work, plain, uris)
    whole = [segment for segment in plain if attempt.read(segment) == segment.lines]
    if len(whole) < len(plain):
        attempt = _append(work, whole, uris)
    if whole:
        _commit(work, attempt, whole, {})
    for segment in batch:
        if segment not in whole:
            _load_line_by_line(work, segment)


def _load_line_by_line(work: Work, segment: Measured) -> None:
    """Load the lines that can be read, and keep the others with their reason."""
    split = _split(work, segment)
    text = b"".join(line + b"\n" for line in split.good)
    uris = {segment.name: work.place.put_text(segment.name, text)} if text else {}
    attempt = _append(work, [segment], uris)
    if attempt.read(segment) != len(split.good):
        raise RuntimeError(
            f"The cluster read {attempt.read(segment)} of {len(split.good)} lines of {segment.path}. Nothing of it was loaded: run again."
        )
    _commit(work, attempt, [segment], {segment.name: split.bad})


def _split(work: Work, segment: Measured) -> Isolated:
    scratch = work.settings.warehouse.parent / "isolating.ndjson"
    scratch.parent.mkdir(parents=True, exist_ok=True)

    def readable(file: Path) -> int:
        uri = work.place.put_text("isolating", file.read_bytes())
        placed = [Placed(uri, segment.name, 0)]
        with landed(work.cluster, segment.stream, placed) as rows:
            return int(work.cluster.execute(f"select count(*) from {rows}").rows[0][0])

    try:
        return isolate(segment.stream, lines(segment), readable, scratch)
    finally:
        scratch.unlink(missing_ok=True)


def _append(work: Work, batch: list[Measured], uris: Mapping[str, str]) -> Attempt:
    """Put the records of segments on the cluster, unseen. `uris` says where those lie that hold any."""
    connected, name = work.cluster, uuid4().hex
    last = connected.execute("select max(load_id) from raw.loads").rows[0][0]
    first = (last or 0) + 1
    placed = [
        Placed(uris[segment.name], segment.name, load_id)
        for load_id, segment in enumerate(batch, start=first)
        if segment.name in uris
    ]
    if not placed:
        return Attempt(name, first, Counter())
    stream = batch[0].stream
    columns = ", ".join(raw_tables()[stream])
    with landed(connected, stream, placed) as rows:
        connected.execute(
            f"insert into {kept(stream)} select {columns}, '{name}' from {rows}"
        )
    reached("loader.inserted")
    counted = connected.execute(
        f"select _segment, source_id, count(*) from {kept(stream)} where {ATTEMPT} = '{name}' group by 1, 2"
    )
    return Attempt(
        name, first, Counter({(s, source): n for s, source, n in counted.rows})
    )


def _commit(
    work: Work,
    attempt: Attempt,
    batch: list[Measured],
    bad: Mapping[str, list[BadLine]],
) -> None:
    """Make an attempt seen, and archive what it loaded."""
    connected, result, stream = work.cluster, work.result, batch[0].stream
    unseen = f"(select * from {kept(stream)} where {ATTEMPT} = '{attempt.name}')"
    result.phone_numbers += _extend_phone_numbers(connected, stream, unseen)
    rejects = [row for s in batch for row in reject_rows(s, bad.get(s.name, []))]
    if rejects:
        _append_ledger(connected, "load_rejects", rejects, attempt)
    _append_ledger(
        connected,
        "loads",
        (
            ledger_row(segment, load_id, len(bad.get(segment.name, [])))
            for load_id, segment in enumerate(batch, start=attempt.first)
        ),
        attempt,
    )
    reached("loader.committed")
    for (_, source), rows in attempt.rows.items():
        result.rows[stream] += rows
        result.by_source[stream, source] += rows
    result.rejected[stream] += len(rejects)
    result.segments += len(batch)
    for segment in batch:
        if not segment.is_archived:
            archive(segment, work.settings.landing)


def _append_ledger(
    connected: Cluster,
    table: str,
    rows: Iterable[Mapping[str, object]],
    attempt: Attempt,
) -> None:
    kinds = {**LEDGERS[table], ATTEMPT: "varchar"}
    named = ({**row, ATTEMPT: attempt.name} for row in rows)
    append(connected, kept(table), kinds, named)


def _replace_declarations(work: Work, declared: list[Source]) -> None:
    """The declared journeys and sources. A changed region makes phone numbers mean something else: look at all."""
    journeys = [as_row(journey) for journey in load_journeys(work.settings)]
    _replaced(work.cluster, "journeys", journeys)
    if _replaced(work.cluster, "sources", source_rows(declared)):
        for stream in STREAMS:
            work.result.phone_numbers += _extend_phone_numbers(
                work.cluster, stream, f"raw.{stream}"
            )


def _replaced(connected: Cluster, table: str, rows: list[dict[str, object]]) -> bool:
    known = connected.execute(
        f"select {', '.join(LEDGERS[table])} from raw.{table}"
    ).rows
    if {str(row) for row in known} == {str(tuple(row.values())) for row in rows}:
        return False
    replace(connected, table, rows)
    return True


def _extend_phone_numbers(connected: Cluster, stream: str, rows: str) -> int:
    """Add the phone numbers of rows that are not known yet; how many were added."""
    if "identifiers" not in raw_tables()[stream]:
        return 0
    new = connected.execute(_UNKNOWN.format(rows=rows)).rows
    if new:
        numbers = (
            {"value": value, "region": region, "e164": e164(value, region)}
            for value, region in new
        )
        append(connected, "raw.phone_numbers", LEDGERS["phone_numbers"], numbers)
    return len(new)


_UNKNOWN = """
    with given as (
        select source_id, explode(identifiers) as identifier from {rows}
    ),

    seen as (
        select distinct
            trim(given.identifier.value) as value,
            coalesce(sources.default_region, '') as region
        from given
        left join raw.sources as sources on given.source_id = sources.source_id
        where given.identifier.type = 'phone'
    )
    select seen.value, seen.region
    from seen
    left join raw.phone_numbers as known
        on seen.value = known.value and seen.region = known.region
    where known.value is null and seen.value is not null
    order by seen.value, seen.region
"""
