"""The warehouse: landed records into raw, dbt over them, our own facts back to the landing zone, the read copy.

Every op here writes the warehouse (or what came home from its cluster), so every op is in the pool `warehouse`, and none of them talks to a network.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

from ingestion.connectors import EventSource, Source
from ingestion.contracts import STREAMS
from orchestration.assets.layers import (
    PUBLISHED,
    Refresh,
    fact_key,
    is_own_fact,
    landing_key,
    logical_time,
    raw_key,
)
from orchestration.audience.checking import check_before_build, uncomputable
from orchestration.audience.pictures import MEMBERS, audience_metadata
from orchestration.identity.health import HEALTH, has_health, health_metadata
from orchestration.instance import POOL
from orchestration.marketing import DAILY, has_daily_figures, marketing_metadata
from orchestration.pictures import bars
from orchestration.resources import Platform
from orchestration.warehouse.engines import books, built, load
from orchestration.warehouse.facts import PENDING, land_facts
from orchestration.warehouse.loading import LoadResult
from orchestration.warehouse.publishing import publish
from orchestration.warehouse.schema import LEDGERS, read_copy, warehouse

LOAD_FAILED = (
    "If it fails: nothing of the failing segment was loaded, and the message says what to do with it. "
    "Run again; what was loaded is not loaded twice."
)
TABLES = {
    "events": "What people did, in canonical form.",
    "rejects": "What was refused at the door, with the reason and the bytes.",
    "profiles": "Extract rows that describe people.",
    "records": "Extract rows of orders, payments and subscriptions.",
    "catalog": "Products.",
    "marketing": "Ad metrics per day.",
    "privacy_requests": "Access, erasure and suppression requests.",
    "identity_changes": "Our own fact: an identifier's profile changed.",
    "membership_changes": "Our own fact: someone entered or left an audience.",
    "journey_decisions": "Our own fact: a journey decided about a candidate.",
    "deliveries": "Our own fact: an attempt to deliver, or its outcome.",
    "loads": "The ledger: one row per loaded segment.",
    "load_rejects": "Lines of a segment that could not be read, kept as they are.",
    "sources": "The declared sources.",
    "journeys": "The declared journeys.",
    "phone_numbers": "E.164 form of every phone number seen.",
}
BUILD = (
    *("--no-write-json", "--log-level-file", "none"),  # nobody reads them; 10 CPU-s
    "build",
    *("--exclude-resource-type", "unit_test"),  # they would see this run's variables
)
REGISTER = (
    "int_audiences_evaluated"  # fails when one of the audiences that it reads does
)
BALANCE = dg.AssetCheckSpec(
    "ledger_balances",
    asset=raw_key("loads"),
    blocking=True,
    description=(
        "Loaded + rejected = lines for every segment, and raw holds as many rows as the ledger says. If it fails, "
        "somebody wrote to raw by hand: delete the warehouse file and refresh, it is rebuilt from the landing zone."
    ),
)


def raw_assets(sources: list[Source], engine: str) -> dg.AssetsDefinition:
    """One op that loads every sealed segment: an asset per raw table."""

    @dg.multi_asset(
        name="load_landing",
        specs=[_raw_spec(table, sources, engine) for table in [*STREAMS, *LEDGERS]],
        check_specs=[BALANCE],
        pool=POOL,
        description=f"Loads sealed segments, each exactly once, then archives them. {LOAD_FAILED}",
    )
    def load_landing(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        settings = platform.settings
        result = load(settings)
        rows, problems = books(settings)
        for source in sources:
            if isinstance(source, EventSource):
                _report_arrivals(context, source.source_id, result)
        for stream in STREAMS:
            yield dg.MaterializeResult(
                asset_key=raw_key(stream),
                metadata={
                    "dagster/row_count": rows[stream],
                    "loaded": result.rows[stream],
                    "rejected_lines": result.rejected[stream],
                },
            )
        for table in LEDGERS:
            metadata = _ledger_metadata(result, rows) if table == "loads" else {}
            yield dg.MaterializeResult(asset_key=raw_key(table), metadata=metadata)
        yield dg.AssetCheckResult(
            asset_key=raw_key("loads"),
            check_name="ledger_balances",
            passed=not problems,
            metadata={"problems": problems[:100]},
        )

    return load_landing


def _raw_spec(table: str, sources: list[Source], engine: str) -> dg.AssetSpec:
    """Own facts have no upstream: they come from the last refresh, and an edge would make a circle."""
    feeding = [s for s in sources if s.kind == table or table == "rejects"]
    whose = (
        " It waits for the next refresh and never starts one."
        if is_own_fact(table)
        else ""
    )
    return dg.AssetSpec(
        key=raw_key(table),
        deps=[landing_key(source.source_id) for source in feeding],
        group_name="raw",
        description=f"{TABLES[table]}{whose}\n\n{LOAD_FAILED}",
        kinds={engine},
    )


def _report_arrivals(
    context: dg.AssetExecutionContext, source_id: str, result: LoadResult
) -> None:
    """Events push, so their asset cannot be materialized; the loader says for them that something came."""
    if rows := result.by_source["events", source_id]:
        context.log_event(
            dg.AssetMaterialization(landing_key(source_id), metadata={"arrived": rows})
        )


def _ledger_metadata(result: LoadResult, rows: Mapping[str, int]) -> dict[str, Any]:
    filled = {stream: n for stream, n in rows.items() if n}
    return {
        "segments": result.segments,
        "finished_for_an_interrupted_run": result.finished,
        "new_phone_numbers": result.phone_numbers,
        "rows_per_stream": bars("Rows in raw, per stream", filled),
    }


def dbt_models(project: DbtProject) -> dg.AssetsDefinition:
    """Every seed and model as an asset, every data test as an asset check."""

    @dbt_assets(
        manifest=project.manifest_path, project=project, name="dbt_build", pool=POOL
    )
    def dbt_build(
        context: dg.AssetExecutionContext,
        dbt: DbtCliResource,
        platform: Platform,
        config: Refresh,
    ) -> Iterator[Any]:
        check_before_build(platform.settings.dbt_project_dir / "target/audiences_right")
        # In the environment, because dbt parses the whole project anew when a --vars has changed.
        os.environ["MILLRACE_AS_OF"] = logical_time(context, config).isoformat()
        invocation = dbt.cli([*BUILD], context=context)
        try:
            yield from invocation.stream()
        except BaseException as error:  # dbt must not build on, with the warehouse open
            invocation.process.kill()
            invocation.process.wait()
            if REGISTER in str(error) and (told := _about_audiences(platform)):
                raise dg.Failure(description="; ".join(told)) from error
            raise
        finally:
            invocation.process.wait()
            shutil.rmtree(invocation.target_path, ignore_errors=True)
            rows = built(platform.settings, project.manifest_path)
            _observe_health(context, platform)  # above all when it stopped the refresh
        _observe_rows(context, rows)
        _observe_marketing(context, platform)
        _observe_audiences(context, platform)

    return dbt_build


def _about_audiences(platform: Platform) -> list[str]:
    """Which audiences are to blame, if any; on a cluster its own message has to do."""
    if platform.settings.is_on_cluster or not platform.settings.warehouse.exists():
        return []
    with warehouse(platform.settings.warehouse) as connection:
        return uncomputable(connection)


def _observe_rows(context: dg.AssetExecutionContext, rows: Mapping[str, int]) -> None:
    """Rows of every table, asked for in one question; dagster-dbt would count each by itself."""
    for key in context.selected_asset_keys:
        if (count := rows.get(".".join(key.path))) is not None:
            metadata = {"dagster/row_count": count}
            context.log_event(dg.AssetObservation(key, metadata=metadata))


def _observe_health(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """What the identity graph looks like, beside the asset whose test judges it."""
    with warehouse(platform.settings.warehouse) as connection:
        if HEALTH in context.selected_asset_keys and has_health(connection):
            metadata = health_metadata(connection)
            context.log_event(dg.AssetObservation(HEALTH, metadata=metadata))


def _observe_marketing(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Spend and return as a picture, beside the table that it is drawn from."""
    with warehouse(platform.settings.warehouse) as connection:
        if DAILY in context.selected_asset_keys and has_daily_figures(connection):
            metadata = marketing_metadata(connection)
            context.log_event(dg.AssetObservation(DAILY, metadata=metadata))


def _observe_audiences(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Sizes, overlaps and reach as pictures, beside the members."""
    if MEMBERS in context.selected_asset_keys:
        with warehouse(platform.settings.warehouse) as connection:
            metadata = audience_metadata(connection)
        context.log_event(dg.AssetObservation(MEMBERS, metadata=metadata))


def fact_assets() -> dg.AssetsDefinition:
    """What the refresh decided, landed for the next one."""

    @dg.multi_asset(
        name="land_facts",
        specs=[
            _fact_spec(contract.stream, model) for contract, model in PENDING.items()
        ],
        pool=POOL,
        description="Lands identity and membership changes, and decisions of journeys, that were not landed before.",
    )
    def land_own_facts(
        context: dg.AssetExecutionContext, platform: Platform, config: Refresh
    ) -> Iterator[dg.MaterializeResult[None]]:
        landed = land_facts(platform.settings, logical_time(context, config))
        for stream, rows in landed.items():
            yield dg.MaterializeResult(
                asset_key=fact_key(stream), metadata={"landed": rows}
            )

    return land_own_facts


def _fact_spec(stream: str, model: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=fact_key(stream),
        deps=[dg.AssetKey(model.split("."))],
        group_name="facts",
        description=(
            f"{TABLES[stream]} SQL says what is new ({model}); this lands it. If it fails: run again; "
            "what was landed is recognised and lands no second time."
        ),
        kinds={"file"},
    )


def published_copy(models: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The read copy; it waits for everything that nothing else in dbt waits for."""
    used = {key for keys in models.asset_deps.values() for key in keys}
    leaves = [key for key in models.keys if key not in used]

    @dg.asset(
        key=PUBLISHED,
        deps=[*sorted(leaves), *(fact_key(contract.stream) for contract in PENDING)],
        group_name="published",
        pool=POOL,
        kinds={"duckdb", "file"},
        description=(
            "The copy of the warehouse that everybody may open, swapped in by rename after each refresh: for "
            "analysts, sensors, publishing. If it fails: the former copy is still in place; is the disk full? Run again."
        ),
    )
    def published_warehouse(platform: Platform) -> Iterator[dg.MaterializeResult[None]]:
        published = publish(platform.settings)
        with read_copy(published.path) as connection:
            members = dict(
                connection.execute(
                    "select audience_name, count(*) from audiences.fct_audience_members group by all"
                ).fetchall()
            )
        tables = [
            dg.TableRecord({"table": table, "rows": rows})
            for table, rows in published.rows.items()
        ]
        yield dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(published.path),
                "bytes": published.bytes,
                "seconds": published.seconds,
                "audiences": bars("People per audience", members),
                "tables": dg.MetadataValue.table(tables),
            }
        )

    return published_warehouse
