"""Best ways through a graph of identifiers. Knows keys and joints, no warehouse."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush


def steps_from(joints: Iterable[tuple[int, int, bool]], start: int) -> dict[int, int]:
    """Every identifier that can be reached → the one before it on the best way from `start`.

    A joint is (identifier, identifier, does it count). The best way has the fewest joints that do not count, then the
    fewest joints: Dijkstra's algorithm, with ties broken by key, so that the answer is always the same.
    """
    at: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for a, b, is_live in joints:
        at[a].append((b, is_live))
        at[b].append((a, is_live))
    best, before = {start: (0, 0)}, dict[int, int]()
    queue = [(0, 0, start)]
    while queue:
        refused, steps, key = heappop(queue)
        if (refused, steps) > best[key]:
            continue
        for other, is_live in sorted(at[key]):
            cost = refused + (not is_live), steps + 1
            if other not in best or cost < best[other]:
                best[other], before[other] = cost, key
                heappush(queue, (*cost, other))
    return before


def pairs_to(
    before: Mapping[int, int], start: int, end: int
) -> list[tuple[int, int]] | None:
    """The way to `end` as pairs (smaller key, larger key), from `start` on; None when it cannot be reached."""
    pairs = []
    while end != start:
        if end not in before:
            return None
        pairs.append((min(end, before[end]), max(end, before[end])))
        end = before[end]
    return pairs[::-1]
