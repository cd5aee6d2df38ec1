"""The compiled function of DuckDB that finds connected components, against a naive search."""

import random
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.warehouse.components import Plugin
from tests.components import Edge, components_of

BIGGEST = 2**63 - 1


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        Plugin("components", {}).configure_connection(connection)
        connection.execute("create table edges (graph int, a bigint, b bigint)")
        yield connection


def found(connection: duckdb.DuckDBPyConnection, graph: int) -> dict[int, int]:
    rows = connection.execute(
        "select unnest(connected_components(list(a), list(b)), recursive := true) "
        "from edges where graph = ?",
        [graph],
    ).fetchall()
    assert len(rows) == len(dict(rows)), "a node came twice"
    return dict(rows)


def insert(
    connection: duckdb.DuckDBPyConnection, edges: list[Edge], graph: int = 1
) -> None:
    ends = [list(side) for side in zip(*edges, strict=True)]
    connection.execute(
        "insert into edges select ?, unnest(?), unnest(?)", [graph, *ends]
    )


@pytest.mark.parametrize("seed", range(20))
def test_every_node_names_the_smallest_it_is_connected_with(
    seed: int, connection: duckdb.DuckDBPyConnection
) -> None:
    dice = random.Random(seed)
    nodes = [dice.randint(-BIGGEST, BIGGEST) for _ in range(dice.choice((2, 30, 300)))]
    edges = [
        (dice.choice(nodes), dice.choice(nodes))
        for _ in range(dice.choice((1, 30, 300)))
    ]
    insert(connection, edges)
    assert found(connection, 1) == components_of(edges)


def test_ids_at_the_ends_of_their_range(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    insert(connection, [(BIGGEST, -BIGGEST), (0, -1), (BIGGEST - 1, BIGGEST)])
    assert found(connection, 1) == {
        **dict.fromkeys((BIGGEST, BIGGEST - 1, -BIGGEST), -BIGGEST),
        **dict.fromkeys((0, -1), -1),
    }


def test_a_graph_without_edges_has_no_components(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert found(connection, 1) == {}


def test_graphs_in_one_statement_are_apart(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    insert(connection, [(1, 2), (2, 3)], graph=1)
    insert(connection, [(3, 4)], graph=2)
    rows = connection.execute(
        "select graph, unnest(connected_components(list(a), list(b)), recursive := true) "
        "from edges group by graph"
    ).fetchall()
    assert sorted(rows) == [(1, 1, 1), (1, 2, 1), (1, 3, 1), (2, 3, 3), (2, 4, 3)]


def test_a_chain_of_a_million_in_any_order_is_one(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute(
        "insert into edges select 1, i, i + 1 from range(1_000_000) as t (i) order by hash(i)"
    )
    ((nodes, components),) = connection.execute(
        "select count(*), count(distinct component_id) from (select "
        "unnest(connected_components(list(a), list(b)), recursive := true) from edges)"
    ).fetchall()
    assert (nodes, components) == (1_000_001, 1)
