"""Who is who by the letter of the semantics: slow, plain Python, knows nothing of the SQL it judges.

Takes whole records, gives every identifier's profile and every record's. No dbt, no DuckDB here.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

Identifier = tuple[str, str]
Pair = frozenset[Identifier]
Node = frozenset[Identifier]

HUB_DEGREE, HUB_LIMIT = 20, 5


class Rule(NamedTuple):
    priority: int
    limit: int | None
    when_shared: str


class Record(NamedTuple):
    """One landed record; `number` is its place in the total order of landing."""

    number: int
    occurred_at: int
    identifiers: tuple[Identifier, ...]
    is_withdrawn: bool = False
    is_trusted: bool = False


RULES = {
    "user_id": Rule(1, 1, "first"),
    "crm_id": Rule(2, 5, "first"),
    "email": Rule(3, 5, "first"),
    "email_sha256": Rule(5, 5, "first"),
    "ios.id": Rule(6, None, "by_time"),
    "anonymous_id": Rule(7, None, "by_time"),
}
BLOCKED = frozenset({("*", value) for value in ("", "null", "anonymous", "undefined")})


@dataclass
class Answer:
    profile_of: dict[Identifier, str] = field(default_factory=dict)
    shared: set[Identifier] = field(default_factory=set)
    hubs: set[Identifier] = field(default_factory=set)
    profile_of_record: dict[int, str] = field(default_factory=dict)


def solve(
    records: list[Record],
    never: set[Pair] = frozenset(),
    always: set[Pair] = frozenset(),
    blocked: set[Identifier] = frozenset(),
) -> Answer:
    """`blocked` holds values beside those that stand for nothing, with their type or `*`."""
    answer = Answer()
    named = _normalise(records, BLOCKED | blocked)
    always = always | (_trusted(named) - never)
    answer.hubs = _hubs(named)
    named = {
        record: [(i, previous) for i, previous in found if i not in answer.hubs]
        for record, found in named.items()
    }
    living = {r: found for r, found in named.items() if not r.is_withdrawn}
    seen: dict[Identifier, int] = {}
    for record, found in living.items():
        for identifier, _ in found:
            seen[identifier] = min(seen.get(identifier, record.number), record.number)
    nodes = _nodes(set(seen), always)
    edges = {
        pair: evidence for pair, evidence in _stars(living).items() if pair not in never
    }
    profiles, shared = _rounds(nodes, edges, never)

    for profile in profiles:
        members = [identifier for node in profile for identifier in node]
        best = min(members, key=lambda i: (_rule(i).priority, seen[i], i))
        for identifier in members:
            answer.profile_of[identifier] = profile_id(best)
    answer.shared = {identifier for node in shared for identifier in node}
    homes = {
        identifier: _home(node, edges, answer) for node in shared for identifier in node
    }
    answer.profile_of.update(homes)
    answer.profile_of_record = _attribute(named, answer)
    return answer


def profile_id(identifier: Identifier) -> str:
    return "p_" + hashlib.sha256(":".join(identifier).encode()).hexdigest()[:32]


def _rule(identifier: Identifier) -> Rule:
    return RULES[identifier[0]]


def _rank(identifier: Identifier) -> tuple[int, str]:
    return _rule(identifier).priority, identifier[0]


def _key(identifier: Identifier) -> int:
    """Which of two equally strong identifiers is the centre: the rules leave it open, the models take their key."""
    digest = hashlib.md5(":".join(identifier).encode()).digest()
    return int.from_bytes(digest[:8], "little") & (2**63 - 1)


def _normalise(
    records: list[Record], blocked: Set[Identifier]
) -> dict[Record, list[tuple[Identifier, bool]]]:
    """A withdrawn record links nobody any more, but what it named stays known."""
    known = {
        _clean(identifier)
        for record in records
        for identifier in record.identifiers
        if identifier[0] != "previous_id" and _usable(identifier, blocked)
    }
    return {record: _named(record, known, blocked) for record in records}


def _named(
    record: Record, known: set[Identifier], blocked: Set[Identifier]
) -> list[tuple[Identifier, bool]]:
    found: dict[Identifier, bool] = {}
    for identifier in record.identifiers:
        if not _usable(identifier, blocked):
            continue
        previous = identifier[0] == "previous_id"
        meant = _previous(identifier[1], known) if previous else [_clean(identifier)]
        hashed = [
            ("email_sha256", hashlib.sha256(value.encode()).hexdigest())
            for kind, value in meant
            if kind == "email"
        ]
        for each in [*meant, *hashed]:
            found[each] = found.get(each, True) and previous
    return sorted(found.items())


def _usable(identifier: Identifier, blocked: Set[Identifier]) -> bool:
    value = identifier[1].strip().lower()
    names = {("*", value), (identifier[0], value)}
    return not names & blocked and bool(value.strip("0-"))


def _trusted(named: dict[Record, list[tuple[Identifier, bool]]]) -> set[Pair]:
    """Pairs of one type that an alias of a trusted source declares one."""
    pairs = set()
    for record, found in named.items():
        for pair in _star(found) if record.is_trusted else []:
            a, b = pair
            if a[0] == b[0] and any(previous for i, previous in found if i in pair):
                pairs.add(pair)
    return pairs


def _clean(identifier: Identifier) -> Identifier:
    kind, value = identifier[0], identifier[1].strip()
    return kind, value.lower() if kind.startswith("email") else value


def _previous(value: str, known: set[Identifier]) -> list[Identifier]:
    spellings = {_clean((kind, value)) for kind in RULES}
    return sorted(spellings & known) or [
        _clean(("email" if "@" in value else "anonymous_id", value))
    ]


def _star(found: list[tuple[Identifier, bool]]) -> list[Pair]:
    if not found:
        return []
    centre, _ = min(found, key=lambda f: (f[1], _rank(f[0]), _key(f[0])))
    return [frozenset((centre, other)) for other, _ in found if other != centre]


def _stars(
    named: dict[Record, list[tuple[Identifier, bool]]],
) -> dict[Pair, tuple[int, int]]:
    """Edge → its earliest evidence."""
    edges: dict[Pair, tuple[int, int]] = {}
    for record, found in named.items():
        evidence = record.occurred_at, record.number
        for pair in _star(found):
            edges[pair] = min(edges.get(pair, evidence), evidence)
    return edges


def _hubs(named: dict[Record, list[tuple[Identifier, bool]]]) -> set[Identifier]:
    neighbours = defaultdict(set)
    for a, b in map(tuple, _stars(named)):
        neighbours[a].add(b)
        neighbours[b].add(a)
    hubs = set()
    for hub, near in neighbours.items():
        within = near.union(*(neighbours[n] for n in near)) - {hub}
        strong = [i for i in within if _rule(i).priority <= 2]
        if len(near) > HUB_DEGREE and len(strong) > HUB_LIMIT:
            hubs.add(hub)
    return hubs


def _nodes(identifiers: set[Identifier], always: set[Pair]) -> dict[Identifier, Node]:
    groups = _connect(
        identifiers.union(*always) if always else identifiers, map(tuple, always)
    )
    return {i: frozenset(group & identifiers) for group in groups for i in group}


def _connect(items: Iterable, links: Iterable) -> list[set]:
    """Union-find."""
    parent = {item: item for item in items}

    def find(item):
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in links:
        parent[find(a)] = find(b)
    groups = defaultdict(set)
    for item in parent:
        groups[find(item)].add(item)
    return list(groups.values())


def _rounds(
    nodes: dict[Identifier, Node],
    edges: dict[Pair, tuple[int, int]],
    never: set[Pair],
) -> tuple[list[set[Node]], set[Node]]:
    ranks = {node: min(map(_rank, node)) for node in set(nodes.values()) if node}
    linked = {frozenset(nodes[i] for i in pair) for pair in edges}
    apart = {frozenset(nodes[i] for i in pair if i in nodes) for pair in never}
    linked = {pair for pair in linked if len(pair) == 2}
    apart = {pair for pair in apart if len(pair) == 2 and frozenset() not in pair}

    profiles: list[set[Node]] = []
    shared: set[Node] = set()
    for rank in sorted(set(ranks.values())):
        these = {node for node, of in ranks.items() if of == rank}
        profiles, refused = _round(these, profiles, linked, apart)
        shared |= refused
    return profiles, shared


def _round(
    these: set[Node],
    profiles: list[set[Node]],
    linked: set[frozenset[Node]],
    apart: set[frozenset[Node]],
) -> tuple[list[set[Node]], set[Node]]:
    place = {node: n for n, profile in enumerate(profiles) for node in profile}
    touched: dict[Node, set[int]] = {node: set() for node in these}
    peers = []
    for a, b in map(tuple, linked):
        if a in these and b in these:
            peers.append((a, b))
        for x, y in ((a, b), (b, a)):
            if x in these and y in place:
                touched[x].add(place[y])
    _separate(touched, profiles, apart)

    joiners = {n for n in these if len(touched[n]) > 1} | {n for p in peers for n in p}
    links = [(n, p) for n in joiners for p in touched[n]] + peers
    groups = _connect([*range(len(profiles)), *joiners], links)
    refused: set[Node] = set()
    result: list[set[Node]] = []
    for group in groups:
        numbers = {item for item in group if isinstance(item, int)}
        joining = {item for item in group if not isinstance(item, int)}
        riding = {n for n in these - joiners if touched[n] and touched[n] <= numbers}
        whole = joining | riding | {n for p in numbers for n in profiles[p]}
        if not joining or not _breaks(whole, apart):
            result.append(whole)
            continue
        refused |= {n for n in joining if len(touched[n]) > 1}
        kept = {
            p: profiles[p] | {n for n in joining | riding if touched[n] == {p}}
            for p in numbers
        }
        result += [*kept.values(), *({n} for n in joining if not touched[n])]
    result += [{n} for n in these - joiners if not touched[n]]
    return result, refused


def _separate(
    touched: dict[Node, set[int]],
    profiles: list[set[Node]],
    apart: set[frozenset[Node]],
) -> None:
    singles = {node: next(iter(to)) for node, to in touched.items() if len(to) == 1}
    for node, number in singles.items():
        there = profiles[number] | {n for n, to in singles.items() if to == number}
        if any(frozenset((node, other)) in apart for other in there):
            touched[node] = set()


def _breaks(whole: set[Node], apart: set[frozenset[Node]]) -> bool:
    if any(frozenset(pair) in apart for pair in combinations(whole, 2)):
        return True
    counts: dict[str, int] = defaultdict(int)
    for node in whole:
        for kind in {kind for kind, _ in node}:
            counts[kind] += 1
    return any(
        limit is not None and counts[kind] > limit
        for kind, (_, limit, _) in RULES.items()
    )


def _home(node: Node, edges: dict[Pair, tuple[int, int]], answer: Answer) -> str:
    """The profile of the earliest evidence with somebody stronger."""
    found = []
    for pair, evidence in edges.items():
        for mine, other in (tuple(pair), tuple(pair)[::-1]):
            if mine in node and other in answer.profile_of and other not in node:
                stronger = _rank(other) < min(map(_rank, node))
                if stronger and other not in answer.shared:
                    found.append((evidence, _key(other), answer.profile_of[other]))
    return min(found)[2]


def _attribute(
    named: dict[Record, list[tuple[Identifier, bool]]], answer: Answer
) -> dict[int, str]:
    result: dict[int, str] = {}
    waiting: dict[Record, Identifier] = {}
    decided: dict[Record, Identifier] = {}
    for record, found in named.items():
        found = [f for f in found if f[0] in answer.profile_of]
        if not found:
            continue
        decider, _ = min(
            found, key=lambda f: (f[0] in answer.shared, f[1], _rank(f[0]), _key(f[0]))
        )
        if decider in answer.shared and _rule(decider).when_shared == "by_time":
            waiting[record] = decider
            continue
        result[record.number] = answer.profile_of[decider]
        if decider not in answer.shared or _rule(decider).when_shared == "first":
            decided[record] = decider
    for record, device in waiting.items():
        held = sorted(
            (other.occurred_at, other.number)
            for other, decider in decided.items()
            if not other.is_withdrawn
            and any(identifier == device for identifier, _ in named[other])
            and _rank(decider) < _rank(device)
        )
        now = record.occurred_at, record.number
        before = [moment for moment in held if moment < now]
        moment = (before or held or [None])[-1 if before else 0]
        result[record.number] = (
            result[moment[1]] if moment else answer.profile_of[device]
        )
    return result
