"""Do the sources still talk to us? What is late, empty, unreadable or suddenly much smaller is said, with the remedy.

Event sources are judged by the read copy, extracts when they are pulled (assets/landing.py calls what is here).
dbt's tests are checks by themselves, the loader's balance is in assets/warehouse.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from ingestion.connectors import EventSource, ExtractSource, PullResult, Source
from orchestration.assets.layers import PUBLISHED, landing_key
from orchestration.resources import Platform
from orchestration.warehouse.engines import landed
from orchestration.warehouse.ledger import last_received

# A shop that is open every day is silent for no longer than a night and a holiday. Valid: 1 hour and up. A source that
# is quieter, or must never be so quiet, says so with `freshness`.
SILENCE = timedelta(hours=48)


def source_checks(sources: list[Source]) -> list[dg.AssetChecksDefinition]:
    """One check per event source: it has sent something, and lately. Extracts check themselves when pulled."""
    watched = {
        source.source_id: source.freshness.limit if source.freshness else SILENCE
        for source in sources
        if isinstance(source, EventSource)
    }
    if not watched:
        return []

    @dg.multi_asset_check(
        name="event_sources_are_alive",
        specs=[
            dg.AssetCheckSpec(
                "is_alive",
                asset=landing_key(source_id),
                additional_deps=[PUBLISHED],
                description="The source has sent events, the last of them not long ago.",
            )
            for source_id in watched
        ],
    )
    def event_sources_are_alive(platform: Platform) -> Iterator[dg.AssetCheckResult]:
        with landed(platform.settings) as connection:
            heard = last_received(connection, "events")
        now = datetime.now(UTC).replace(tzinfo=None)
        for source_id, silence in watched.items():
            yield alive(source_id, heard.get(source_id), now, silence)

    return [event_sources_are_alive]


def alive(
    source_id: str, last: datetime | None, now: datetime, silence: timedelta
) -> dg.AssetCheckResult:
    """Whether an event source was heard of within `silence`; times are naive UTC."""
    problem = None
    if last is None:
        problem = f"{source_id} has never sent an event: does it have a key, is the collector running?"
    elif now - last > silence:
        problem = (
            f"{source_id} has been silent since {last:%Y-%m-%d %H:%M} UTC. Is its sender running, is its key valid "
            "(`python -m ingestion keys list`), what do raw/rejects say?"
        )
    return dg.AssetCheckResult(
        asset_key=landing_key(source_id),
        check_name="is_alive",
        passed=problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem,
        metadata={"last_received": last.isoformat() if last else "never"},
    )


def extract_specs(source: ExtractSource) -> list[dg.AssetCheckSpec]:
    """The checks that a pull of the source answers."""
    key = landing_key(source.source_id)
    specs = [
        dg.AssetCheckSpec(
            "has_rows",
            asset=key,
            description="The extract can be read, has rows, and no suspicious share of them went missing.",
        )
    ]
    if source.freshness:
        specs.append(
            dg.AssetCheckSpec(
                "is_fresh",
                asset=key,
                description=f"Its newest file or row is no older than {source.freshness.within}.",
            )
        )
    return specs


def extract_checks(
    source: ExtractSource, result: PullResult, now: datetime
) -> Iterator[dg.AssetCheckResult]:
    """What a pull says about its source. `now` is aware."""
    yield _judged(
        source,
        "has_rows",
        _too_few(source, result),
        {
            "rows": result.rows,
            "rows_before": result.rows_before,
            "held_deletes": result.held_deletes,
        },
    )
    if source.freshness:
        newest = result.newest.isoformat() if result.newest else "unknown"
        problem = _late(source, result.newest, now, source.freshness.limit)
        yield _judged(source, "is_fresh", problem, {"newest": newest})


def unreadable_checks(
    source: ExtractSource, problem: str
) -> Iterator[dg.AssetCheckResult]:
    """What there is to say about a source that could not be read: the others, and what was landed before, go on."""
    said = f"{problem}. Nothing was landed, what was landed before stays; correct it and materialize again."
    for spec in extract_specs(source):
        yield dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description=said,
        )


def _judged(
    source: ExtractSource, name: str, problem: str, metadata: dict[str, int | str]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=landing_key(source.source_id),
        check_name=name,
        passed=not problem,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem or None,
        metadata=metadata,
    )


def _too_few(source: ExtractSource, result: PullResult) -> str:
    """What is wrong with how many rows there are; empty for nothing."""
    accept = (
        f"If that is right: `python -m ingestion.connectors --accept {source.source_id}`. "
        f"If not, ask {source.owner} for the extract and materialize again."
    )
    if result.note:
        return f"{result.held_deletes} rows are missing and were not deleted: {result.note}. {accept}"
    if result.shrunk:
        return f"{source.source_id} holds {result.rows} rows where it held {result.rows_before}. {accept}"
    only_news = source.extract.cursor_column is not None and result.newest is not None
    if not result.read and not only_news:
        return (
            f"No rows were read: is the extract in place, is the place in sources/{source.source_id}.yml right? "
            f"Ask {source.owner}."
        )
    return ""


def _late(
    source: ExtractSource, newest: datetime | None, now: datetime, limit: timedelta
) -> str:
    """What is wrong with how old the news is; empty for nothing."""
    if newest is None:
        return (
            f"{source.source_id} says nowhere how old it is: no file has a time, no row names one. "
            "Name its time column (`observed_at`, `occurred_at`), or remove `freshness`."
        )
    if now - newest <= limit:
        return ""
    return (
        f"{source.source_id} is late: its newest news are of {newest:%Y-%m-%d %H:%M} UTC, and "
        f"sources/{source.source_id}.yml allows {limit}. Is the export running? Ask {source.owner}."
    )
