"""Connected components, compiled: a function of DuckDB that does what the macro contract_components does in SQL.

A plugin of dbt-duckdb. dbt_project/profiles.yml names it, so every dbt that opens the warehouse has the function.
"""

from typing import Any

import numpy as np
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection
from duckdb.func import PythonUDFType

# Ids are numbered in so many parts. Reason: the table that numbers them is the largest thing here, ten times the ids.
# Valid: 1 to 256; more take longer.
PARTS = 4


class Plugin(BasePlugin):
    """Gives every connection `connected_components(node_a[], node_b[])`; see `of_lists`."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        ids = conn.list_type("BIGINT")
        row = conn.struct_type({"node_id": "BIGINT", "component_id": "BIGINT"})
        conn.create_function(
            "connected_components",
            of_lists,
            [ids, ids],
            conn.list_type(row),
            type=PythonUDFType.ARROW,
        )


def of_lists(nodes_a: Any, nodes_b: Any) -> Any:
    """The components of each graph: a row holds its edges as two lists of node ids, of equal length.

    Returns for each row a list of (node_id, component_id), every node once, its component named after the smallest node.
    """
    # Importing what only a refresh of identities needs would cost every dbt half a second.
    import pyarrow as pa  # type: ignore[import-untyped]

    columns = ["node_id", "component_id"]
    graphs = [
        pa.StructArray.from_arrays(_components(a, b), columns)
        for a, b in zip(_rows(nodes_a), _rows(nodes_b), strict=True)
    ]
    offsets = np.cumsum([0, *map(len, graphs)], dtype=np.int32)
    # DuckDB calls without a row, too, and concat_arrays wants at least one array.
    none = pa.array([], pa.struct([(name, pa.int64()) for name in columns]))
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays([none, *graphs]))


def _rows(lists: Any) -> list[np.ndarray]:
    return [row.values.to_numpy() for row in lists]


def _components(node_a: np.ndarray, node_b: np.ndarray) -> list[np.ndarray]:
    """Node ids and component ids; scipy knows nodes by numbers without gaps."""
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import (  # type: ignore[import-untyped]
        connected_components,
    )

    ids, numbers = _numbered(np.concatenate([node_a, node_b]))
    ends = numbers[: len(node_a)], numbers[len(node_a) :]
    edges = np.ones(len(node_a), np.int8), ends
    graph = coo_array(edges, shape=(len(ids), len(ids)))
    count, component = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(smallest, component, ids)
    return [ids, smallest[component]]


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, and for each value its place among them."""
    import pyarrow as pa

    numbers = np.empty(len(values), np.int32)
    distinct, known = [], 0
    part_of = (values % PARTS).astype(np.uint8)
    for part in range(PARTS):
        here = np.flatnonzero(part_of == part)
        encoded = pa.array(values[here]).dictionary_encode()
        numbers[here] = encoded.indices.to_numpy() + np.int32(known)
        distinct.append(encoded.dictionary.to_numpy())
        known += len(encoded.dictionary)
    pa.default_memory_pool().release_unused()
    return np.concatenate(distinct), numbers
