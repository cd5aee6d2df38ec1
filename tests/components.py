"""Connected components as anybody would find them: from node to neighbour, until nobody new is met."""

from collections import defaultdict
from collections.abc import Iterable

Edge = tuple[int, int]


def components_of(edges: Iterable[Edge]) -> dict[int, int]:
    """Every node that has an edge, with the smallest node it is connected with."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    smallest: dict[int, int] = {}
    for start in sorted(neighbours):
        waiting = [] if start in smallest else [start]
        while waiting:
            node = waiting.pop()
            if node not in smallest:
                smallest[node] = start
                waiting.extend(neighbours[node])
    return smallest
