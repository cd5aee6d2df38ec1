"""Every macro of the dialect says the same on both engines: one expected answer, asked of DuckDB and of Sail.

What makes tables, and what only dbt can call, is shown by the parity of the models.
"""

import functools
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import jinja2
import pytest

from ingestion.settings import Settings
from orchestration.cluster.session import Cluster, cluster
from tests.conftest import ROOT
from tests.integration.clusters import on_sail, sail

DIALECT = ROOT / "dbt_project/macros/dialect"
RATIO = ROOT / "dbt_project/macros/ratio.sql"
BY_MODELS = {
    *("append_scratch", "create_scratch_as", "scratch"),
    *("replace_keys", "finish_replacing", "contract_components"),
    *("create_table_of_models", "replace_rows_of_model", "rows_of_model"),
    *("column_type", "text_literal", "column_as_json", "identifiers_text"),
    *("identifier_of_type", "nfc"),
    *("create_csv_table", "load_csv_rows", "get_empty_schema_sql"),
}
NOON = "cast('2026-03-29 12:00:00.123456' as timestamp)"
OBJECT = r"""'{"a":{"b.c":[1,"x"],"d":null},"e":"1","f":1,"g":"\\"q\\" \\\\ é","h":{},"i":true}'"""
LIST = r"""'["b",1,"b",{"k":"v"},null]'"""

CASES: list[tuple[str, str, list[tuple[Any, ...]]]] = [
    (
        "json_text",
        "select {{ json_text(o, '$.e') }} as x, {{ json_text(o, '$.a.d') }} as y",
        [("1", None)],
    ),
    (
        "json_texts",
        "select {{ nth(json_texts(o, ['$.e', '$.z']), 1) }} as x, {{ nth(json_texts(o, ['$.e', '$.z']), 2) }} as y",
        [("1", None)],
    ),
    ("json_text_at", "select {{ json_text_at(o, \"'$.' || 'e'\") }} as x", [("1",)]),
    (
        "json_keys",
        "select k.k as x from (select {{ json_keys(o) }} as ks) as t {{ each('t.ks', 'k') }}",
        [("a",), ("e",), ("f",), ("g",), ("h",), ("i",)],
    ),
    (
        "json_member",
        "select {{ json_member(o, \"'e'\") }} as x, {{ json_member(o, \"'g'\") }} as y",
        [("1", '"q" \\ é')],
    ),
    (
        "json_member_value",
        "select {{ json_member_value(o, \"'e'\") }} as x, {{ json_member_value(o, \"'f'\") }} as y, {{ json_member_value(o, \"'z'\") }} as z",
        [('"1"', "1", None)],
    ),
    (
        "each_leaf",
        "select leaf.path as x, leaf.value as y from (select {{ o }} as o) as t {{ each_leaf('t.o', 'leaf') }}",
        [
            ("a.b.c", '[1,"x"]'),
            ("a.d", "null"),
            ("e", '"1"'),
            ("f", "1"),
            ("g", r'"\"q\" \\ é"'),
            ("i", "true"),
        ],
    ),
    (
        "json_items",
        "select i.i as x from (select {{ json_items(\"'{\\\"p\\\":[2,\\\"2\\\"]}'\", '$.p') }} as l) as t {{ each('t.l', 'i') }}",
        [('"2"',), ("2",)],
    ),
    (
        "json_elements",
        "select i.i as x from (select {{ json_elements(l) }} as l) as t {{ each('t.l', 'i') }}",
        [('"b"',), ('"b"',), ("1",), ("null",), ('{"k":"v"}',)],
    ),
    (
        "unique_items",
        "select {{ json_list_of(unique_items(json_elements(l))) }} as x",
        [('["b",1,{"k":"v"},null]',)],
    ),
    (
        "json_list_of",
        "select {{ json_list_of(json_elements(l)) }} as x",
        [('["b",1,"b",{"k":"v"},null]',)],
    ),
    ("list_of_one", "select {{ json_list_of(list_of_one(\"'1'\")) }} as x", [("[1]",)]),
    (
        "json_object_of",
        "select {{ json_object_of({'t': \"'é'\", 'n': 'cast(2 as bigint)', 'z': 'cast(null as bigint)'}) }} as x",
        [('{"t":"é","n":2,"z":null}',)],
    ),
    (
        "json_scalar",
        "select {{ json_scalar(\"'a b'\") }} as x, {{ json_scalar('cast(null as bigint)') }} as y",
        [('"a b"', "null")],
    ),
    (
        "json_object_of_members",
        'select {{ json_object_of_members(list_of_one("\'\\"k\\":1\'")) }} as x',
        [('{"k":1}',)],
    ),
    (
        "nth",
        "select {{ nth(json_elements(l), 2) }} as x, {{ nth(json_elements(l), 9) }} as y",
        [("1", None)],
    ),
    (
        "each",
        "select i.i as x from (select {{ json_elements(\"'[]'\") }} as l) as t {{ each('t.l', 'i') }}",
        [],
    ),
    (
        "sha256_hex",
        "select {{ sha256_hex(\"'a'\") }} as x",
        [("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",)],
    ),
    (
        "hash_bigint",
        "select {{ hash_bigint(\"'abc'\") }} as x, {{ hash_bigint(\"'é'\") }} as y",
        [(3481232194675933584, 3651256906100366694)],
    ),
    ("hex_bigint", "select {{ hex_bigint(\"'ffffffff'\") }} as x", [(4294967295,)]),
    (
        "url_parameter",
        "select {{ url_parameter(\"'https://x/?a=1&b=c+d%20e'\", 'b') }} as x, {{ url_parameter(\"'https://x/?a=1'\", 'b') }} as y",
        [("c d e", None)],
    ),
    (
        "matches",
        "select {{ matches(\"'abc'\", \"'^a.c$'\") }} as x, {{ matches(\"'abc'\", \"'^b'\") }} as y",
        [(True, False)],
    ),
    ("epoch_micros", "select {{ epoch_micros(noon) }} as x", [(1774785600123456,)]),
    (
        "moment",
        "select {{ moment(\"'2026-01-02T03:04:05.6+02:00'\") }} as x, {{ moment(\"'2026'\") }} as y, {{ moment(\"'soon'\") }} as z",
        [(datetime(2026, 1, 2, 1, 4, 5, 600000), None, None)],
    ),
    ("days_after", "select {{ days_after(noon, '-29') }} as x", [(date(2026, 2, 28),)]),
    (
        "days_between",
        "select {{ days_between(\"cast('2026-03-01' as date)\", noon) }} as x",
        [(28,)],
    ),
    (
        "years_after",
        "select {{ years_after(\"cast('2024-02-29' as date)\", '1') }} as x",
        [(date(2025, 2, 28),)],
    ),
    (
        "moment_of_micros",
        "select {{ moment_of_micros('1774785600123456') }} as x",
        [(datetime(2026, 3, 29, 12, 0, 0, 123456),)],
    ),
    (
        "local_time",
        "select {{ local_time(noon, \"'Europe/Berlin'\") }} as x",
        [(datetime(2026, 3, 29, 14, 0, 0, 123456),)],
    ),
    (
        "min_by",
        "select {{ min_by('a', ['b', 'a']) }} as x from (select 1 as a, 2 as b union all select 0 as a, 2 as b) as t",
        [(0,)],
    ),
    (
        "max_by",
        "select {{ max_by('a', ['b', 'a']) }} as x from (select 1 as a, 2 as b union all select 0 as a, 2 as b) as t",
        [(1,)],
    ),
    (
        "last_known",
        "select {{ last_known('a') }} over (order by b asc rows between unbounded preceding and 1 preceding) as x from (select 1 as a, 1 as b union all select null as a, 2 as b union all select 3 as a, 3 as b) as t",
        [(1,), (1,), (None,)],
    ),
    (
        "first_known",
        "select {{ first_known('a') }} over (order by b asc rows between 1 following and unbounded following) as x from (select 1 as a, 1 as b union all select null as a, 2 as b union all select 3 as a, 3 as b) as t",
        [(3,), (3,), (None,)],
    ),
]


@pytest.fixture(scope="module")
def on_the_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("dialect")
    with (
        sail(folder) as endpoint,
        cluster(on_sail(Settings(home=folder), endpoint)) as connected,
    ):
        yield connected


@pytest.mark.parametrize(
    ("sql", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_both_engines_give_the_answer_that_is_expected(
    on_the_cluster: Cluster, sql: str, expected: list[tuple[Any, ...]]
) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        here = connection.execute(rendered("duckdb", sql)).fetchall()
    there = on_the_cluster.execute(rendered("spark", sql)).rows
    assert sorted(here, key=str) == sorted(expected, key=str)
    assert sorted(there, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        ("cast(40.91 as decimal(18, 2))", "2", "20.46"),
        ("cast(40.89 as decimal(18, 2))", "2", "20.45"),
        ("cast(-1.01 as decimal(18, 2))", "2", "-0.50"),
        ("cast(1 as bigint)", "3", "0.33"),
        ("cast(1.00 as decimal(18, 2))", "0", None),
        (
            "cast(9234567890.00 as decimal(18, 2)) * cast(1000000 as bigint)",
            "cast(923456789000000.00 as decimal(18, 2))",
            "10.00",
        ),
    ],
)
def test_quotients_round_alike_however_large(
    on_the_cluster: Cluster, numerator: str, denominator: str, expected: str | None
) -> None:
    told = None if expected is None else Decimal(expected)
    sql = f"select {{{{ ratio('{numerator}', '{denominator}', 2) }}}} as x"
    with duckdb.connect() as connection:
        here = connection.execute(rendered("duckdb", sql)).fetchall()
    there = on_the_cluster.execute(rendered("spark", sql)).rows
    assert (here, there) == ([(told,)], [(told,)])


def test_no_macro_of_the_dialect_is_left_out() -> None:
    texts = "".join(path.read_text("utf-8") for path in DIALECT.glob("*.sql"))
    bodies = set(re.findall(r"macro (?:duckdb|spark)__(\w+)", texts))
    assert bodies == {case[0] for case in CASES} | BY_MODELS & bodies


def rendered(engine: str, sql: str) -> str:
    """The case's SQL. Spark reads escapes in literals, DuckDB does not."""
    o = OBJECT if engine == "spark" else OBJECT.replace("\\\\", "\\")
    return macros(engine).from_string(sql).render(o=o, l=LIST, noon=NOON)


@functools.cache
def macros(engine: str) -> jinja2.Environment:
    """Jinja that knows the dialect as one engine speaks it."""

    class Adapter:
        @jinja2.pass_context
        def dispatch(self, context: Any, name: str, package: str) -> Any:
            return context.resolve(f"{engine}__{name}")

    made = jinja2.Environment(extensions=["jinja2.ext.do"])
    made.globals |= {"adapter": Adapter(), "return": lambda value: value}
    paths = [*sorted(DIALECT.glob("*.sql")), RATIO]
    texts = (path.read_text("utf-8") for path in paths)
    found = vars(made.from_string("".join(texts)).module)
    made.globals |= {n: m for n, m in found.items() if not n.startswith("_")}
    return made
