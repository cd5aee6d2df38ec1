"""Audiences: fifty rule files evaluated at one as_of, against one full scan for each of them.

The scan of an audience reads every value of every column that the audience reads, table by table, and keeps nothing.
The evaluation keeps all members in one table, as the register of audiences does. Both sides are one process on one
thread, without dbt, which costs about a quarter of a CPU second a model whatever the size, and without what Python
costs to start. Ten events, an order, two sessions and a consent for each profile.
"""

import sys
from collections import defaultdict
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.harness import (
    AS_OF,
    Figure,
    Usage,
    compare,
    measure,
    module,
    without,
)
from orchestration.audience import fields
from orchestration.audience.compiling import compiled_model
from orchestration.audience.lineage import Lineage
from orchestration.audience.rendering import relation_of, rendered
from orchestration.audience.rules import Rule
from orchestration.warehouse.schema import SESSION

AUDIENCES = 50
REGISTER = "int_audiences_evaluated"
NOW = datetime.fromisoformat(AS_OF)
DAYS = ("7 days", "14 days", "30 days", "60 days", "90 days")


def rules() -> list[Rule]:
    """Ten shapes of audiences, each with several windows."""
    made = []
    for last in DAYS:
        viewed = {"event": "product_viewed", "when": {"last": last}}
        bought = {"orders": "purchases", "when": {"last": last}}
        spent = bought | {"where": [{"field": "currency", "is": "EUR"}]}
        ended = {"event": "order_completed", "within": "3 days"}
        made += [
            {"profile": "country", "in": ["DE", "AT"]},
            viewed | {"count": {"at_least": 3}},
            {"all": [viewed, {"none": [bought]}]},
            spent | {"total": {"of": "revenue", "at_least": 100}},
            {"orders": "purchases", "take": "last", "when": {"before": f"{last} ago"}},
            {"event": "checkout_started", "when": {"last": last}, "not_then": ended},
            {"sessions": "engaged", "when": {"last": last}, "count": {"at_least": 2}},
            {"all": [{"consent": "marketing", "channel": "email"}, viewed]},
            viewed | {"where": [{"field": "properties.category", "is": "tea"}]},
            {"any": [bought, {"profile": "churn_risk", "is": "high"}, viewed]},
        ]
    told: dict[str, Any] = {"description": "-", "owner": "-", "purpose": "service"}
    return [
        Rule.model_validate(told | {"who": who})
        for who in islice(cycle(made), AUDIENCES)
    ]


TABLES = {
    "dim_profiles": """
        select 'p_' || md5(i::varchar) as profile_id, ['DE', 'AT', 'FR', 'GB'][1 + i % 4] as country,
            ['low', 'high'][1 + i % 2] as churn_risk
        from range({profiles}) as t (i)
    """,
    "fct_profile_events": """
        select uuid() as record_id, 'p_' || md5((i // 10)::varchar) as profile_id,
            ['product_viewed', 'product_added', 'checkout_started', 'order_completed', 'page_viewed'][1 + cast(hash(i) % 5 as bigint)]
                as canonical_name,
            timestamp '2026-04-01' - to_seconds(cast(hash(i + 1) % (180 * 86400) as bigint)) as occurred_at,
            json_object('category', ['tea', 'cups'][1 + i % 2], 'product_id', 'p-' || i % 500) as properties
        from range({profiles} * 10) as t (i)
    """,
    "fct_orders": """
        select 'o-' || i as order_id, 'p_' || md5((hash(i) % {profiles})::varchar) as profile_id,
            i % 5 > 0 as is_purchase, 'EUR' as currency, cast(i % 200 as decimal(18, 2)) as revenue,
            timestamp '2026-04-01' - to_seconds(cast(hash(i + 2) % (365 * 86400) as bigint)) as ordered_at
        from range({profiles}) as t (i)
    """,
    "fct_sessions": """
        select 's-' || i as session_id, 'p_' || md5((i // 2)::varchar) as profile_id, i % 50 = 0 as is_bot,
            i % 3 = 0 as is_engaged,
            timestamp '2026-04-01' - to_seconds(cast(hash(i + 3) % (180 * 86400) as bigint)) as started_at
        from range({profiles} * 2) as t (i)
    """,
    "dim_consents": """
        select 'p_' || md5(i::varchar) as profile_id, 'email' as contact_type, i || '@x.example' as contact_value,
            'marketing' as purpose, ['email', 'all'][1 + i % 2] as channel, ['granted', 'denied'][1 + i % 3 // 2] as state
        from range({profiles}) as t (i)
    """,
}


def refresh(folder: Path, events: int, runs: int) -> Figure:
    _prepare(folder, events // 10)
    idle = _measured("nothing", folder).cpu_seconds
    subject, limit, ratios = compare(
        lambda: without(_measured("evaluate", folder), idle),
        lambda: without(_measured("scan", folder), idle),
        runs,
    )
    return Figure(
        name=f"{AUDIENCES} audiences, {events // 10:,} profiles, {events:,} events",
        unit=f"{subject.cpu_seconds / AUDIENCES * 1000:.0f} CPU ms an audience",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
        target=2,
    )


def _measured(what: str, folder: Path) -> Usage:
    return measure(module("benchmarks.audiences", what, str(folder)), folder / "log")


def _prepare(folder: Path, profiles: int) -> None:
    print(f"preparing {profiles:,} profiles …", flush=True)
    texts = [compiled_model(f"n{n}", rule) for n, rule in enumerate(rules())]
    (folder / "evaluate.sql").write_text(_register(texts))
    (folder / "scan.sql").write_text(";".join(map(_scan, texts)))
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        for model, rows in TABLES.items():
            table = relation_of(model)
            columns = ", ".join(f'"{n}" {t}' for n, t in fields.columns(model).items())
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            connection.execute(f"create table {table} ({columns})")
            connection.execute(
                f"insert into {table} by name {rows.format(profiles=profiles)}"
            )


def _register(texts: list[str]) -> str:
    """As dbt builds int_audiences_evaluated: each audience is a view, and all of them are written into one table."""
    views = [
        f"create or replace view audience_{number} as {rendered(text, NOW)}"
        for number, text in enumerate(texts)
    ]
    members = " union all ".join(
        f"select 'n{number}' as audience_name, profile_id, '' as instance_key, json_object() as attributes from audience_{number}"
        for number in range(len(texts))
    )
    columns = ", ".join(map(_declared, fields.declared(REGISTER)["columns"]))
    table = f"create or replace table evaluated ({columns})"
    return ";".join([*views, table, f"insert into evaluated {members}"])


def _declared(column: dict[str, Any]) -> str:
    constraints = [each["expression"] for each in column.get("constraints", [])]
    return " ".join([column["name"], column["data_type"], *constraints])


def _scan(text: str) -> str:
    """A statement for each table that a model reads, over the columns that it reads."""
    read = defaultdict(list)
    for column in Lineage().used_by(text):
        read[column.model].append(column.name)
    return ";".join(
        f"select bit_xor(hash({', '.join(columns)})) from {relation_of(model)}"
        for model, columns in read.items()
    )


def _run(what: str, folder: Path) -> None:
    with duckdb.connect(
        folder / "millrace.duckdb", config={"threads": 1}
    ) as connection:
        connection.execute(SESSION)
        if what == "evaluate":
            connection.execute((folder / "evaluate.sql").read_text())
        elif what == "scan":
            for statement in (folder / "scan.sql").read_text().split(";"):
                connection.execute(statement).fetchall()


if __name__ == "__main__":
    _run(sys.argv[1], Path(sys.argv[2]))
