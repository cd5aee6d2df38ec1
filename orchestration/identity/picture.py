"""A piece of the identity graph as a picture: one standalone SVG, safe to put into a page as it is.

Takes nodes and edges and knows neither the warehouse nor Dagster. What belongs into the picture is graph.py's business.
"""

import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

# More boxes than this cannot be read: members go before strangers and the well connected before others, and the
# picture says how many are not shown. Of strangers, a few show what the rule is about.
MOST_NODES, MOST_STRANGERS = 60, 12
BOX_WIDTH, BOX_HEIGHT, ROW, COLUMN, MARGIN, FOOT = 200, 38, 54, 380, 24, 64
VALUE_LETTERS, LABEL_LETTERS, HINT_LETTERS = 24, 30, 300
INK, QUIET, LINE, REFUSED = "#1f2a44", "#68718a", "#7d8db0", "#b3372f"
FILLS = {"member": "#e8effb", "shared": "#fbeae8", "stranger": "#f1f1f1"}
# Marks that turn the reading direction could make one value look like another.
TURNING = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


@dataclass(frozen=True)
class Node:
    """An identifier. `role`: member of the profile shown, shared (merges nobody), or a stranger of another profile."""

    key: int
    kind: str
    value: str
    role: str = "member"
    note: str = ""


@dataclass(frozen=True)
class Edge:
    """Two identifiers seen together. `refused` is the rule that keeps it from merging anybody; None when it counts."""

    a: int
    b: int
    label: str = ""
    refused: str | None = None


@dataclass(frozen=True)
class _Place:
    x: float
    y: float

    @property
    def right(self) -> float:
        return self.x + BOX_WIDTH

    @property
    def middle(self) -> float:
        return self.y + BOX_HEIGHT / 2


def component_svg(nodes: Sequence[Node], edges: Sequence[Edge], title: str = "") -> str:
    """The graph from left to right, starting at the first node; refused edges are dashed and say why."""
    shown = _most_connected(nodes, edges)
    known = {node.key for node in shown}
    drawn = sorted({e for e in edges if {e.a, e.b} <= known and e.a != e.b}, key=_order)
    places = _places(shown, drawn)
    degree = Counter(key for edge in drawn for key in (edge.a, edge.b))
    width = max((p.right for p in places.values()), default=BOX_WIDTH) + COLUMN / 3
    height = max((p.y + BOX_HEIGHT for p in places.values()), default=0) + FOOT
    hidden = len(nodes) - len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{_text(title or 'Identity graph', HINT_LETTERS)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *(_edge(edge, places, degree) for edge in drawn),
        *(_box(node, places[node.key]) for node in shown),
        _legend(height - FOOT / 2, hidden),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def visible(text: str, letters: int) -> str:
    """The text on one line, cut in its middle, with nothing in it that XML forbids or that hides or turns letters."""
    if len(text) > letters:
        keep = letters - 1
        text = f"{text[: keep - keep // 3]}…{text[len(text) - keep // 3 :]}"
    return "".join("�" if _is_hidden(letter) else letter for letter in text)


def _is_hidden(letter: str) -> bool:
    return (
        letter in TURNING
        or unicodedata.category(letter) in ("Cc", "Cs", "Cn", "Zl", "Zp")
        or letter in "\ufffe\uffff"
    )


def _text(text: str, letters: int) -> str:
    return escape(visible(text, letters))


def _order(edge: Edge) -> tuple[int, int, str, str]:
    return edge.a, edge.b, edge.refused or "", edge.label


def _most_connected(nodes: Sequence[Node], edges: Iterable[Edge]) -> list[Node]:
    """The first node, then members and shared ones before strangers, those with the most edges first; in their order."""
    degree = Counter(key for edge in edges for key in (edge.a, edge.b))
    far = [node.role == "stranger" for node in nodes]
    ranked = sorted(
        range(len(nodes)), key=lambda n: (n > 0, far[n], -degree[nodes[n].key], n)
    )
    near = sum(not each for each in far)
    return [nodes[n] for n in sorted(ranked[: min(MOST_NODES, near + MOST_STRANGERS)])]


def _places(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[int, _Place]:
    """Columns by the steps from the first node; within a column, beside the neighbours to the left."""
    columns = _columns(nodes, edges)
    tallest = max((len(keys) for keys in columns), default=0)
    places = {}
    for number, keys in enumerate(columns):
        top = MARGIN + (tallest - len(keys)) * ROW / 2
        for row, key in enumerate(keys):
            places[key] = _Place(MARGIN + number * COLUMN, top + row * ROW)
    return places


def _columns(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[int]]:
    neighbours: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        neighbours[edge.a].add(edge.b)
        neighbours[edge.b].add(edge.a)
    order = {node.key: n for n, node in enumerate(nodes)}
    step = _steps([node.key for node in nodes], neighbours)
    columns: list[list[int]] = [[] for _ in range(max(step.values(), default=-1) + 1)]
    row: dict[int, float] = {}
    for number, column in enumerate(columns):
        keys = [key for key in order if step[key] == number]
        beside = {
            key: [row[n] for n in neighbours[key] if step[n] == number - 1]
            for key in keys
        }
        column += sorted(keys, key=lambda key: (_mean(beside[key]), order[key]))
        row |= {key: n / len(column) for n, key in enumerate(column)}
    return columns


def _steps(keys: Sequence[int], neighbours: Mapping[int, set[int]]) -> dict[int, int]:
    """How far each node is from the first one of its piece. So every edge lies between neighbouring columns."""
    step: dict[int, int] = {}
    for start in keys:
        if start in step:
            continue
        step[start] = 0
        queue = deque([start])
        while queue:
            key = queue.popleft()
            for other in sorted(neighbours[key] - step.keys()):
                step[other] = step[key] + 1
                queue.append(other)
    return step


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 1.0


def _edge(edge: Edge, places: Mapping[int, _Place], degree: Mapping[int, int]) -> str:
    left, right = sorted(
        (edge.a, edge.b), key=lambda key: (places[key].x, places[key].y)
    )
    start, end = places[left], places[right]
    if start.x == end.x:  # an arc on the right of its column
        turn, stop = start.right + (COLUMN - BOX_WIDTH) / 2, end.right
        x, y, anchor = start.right + 60, (start.middle + end.middle) / 2, "middle"
    else:
        turn, stop = (start.right + end.x) / 2, end.x
        # Beside the box where fewer lines end, so that labels do not lie on each other.
        at_end = degree[right] <= degree[left]
        x, y = (end.x - 8, end.middle) if at_end else (start.right + 8, start.middle)
        anchor = "end" if at_end else "start"
    path = (
        f"M{start.right:.0f} {start.middle:.0f} C{turn:.0f} {start.middle:.0f}"
        f" {turn:.0f} {end.middle:.0f} {stop:.0f} {end.middle:.0f}"
    )
    colour = REFUSED if edge.refused else LINE
    dashes = ' stroke-dasharray="6 4"' if edge.refused else ""
    said = ": ".join(part for part in (edge.refused, edge.label) if part)
    return (
        f"<g><title>{_text(said, HINT_LETTERS)}</title>"
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'
        f'<text x="{x:.0f}" y="{y - 4:.0f}" text-anchor="{anchor}" font-size="10" fill="{colour}"'
        ' stroke="#ffffff" stroke-width="3" paint-order="stroke">'
        f"{_text(edge.refused or edge.label, LABEL_LETTERS)}</text></g>"
    )


def _box(node: Node, place: _Place) -> str:
    fill = FILLS.get(node.role, FILLS["stranger"])
    dashes = ' stroke-dasharray="6 4"' if node.role == "shared" else ""
    caption = f"{node.kind} · {node.note}" if node.note else node.kind
    # The inner svg clips what is wider than the box, whatever letters it is made of.
    return (
        f'<svg x="{place.x:.0f}" y="{place.y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}">'
        f"<title>{_text(f'{node.kind}: {node.value}', HINT_LETTERS)}</title>"
        f'<rect x="0.5" y="0.5" width="{BOX_WIDTH - 1}" height="{BOX_HEIGHT - 1}" rx="6" fill="{fill}"'
        f' stroke="{INK}" stroke-opacity="0.45"{dashes}/>'
        f'<text x="10" y="15" font-size="10" fill="{QUIET}">{_text(caption, VALUE_LETTERS + 7)}</text>'
        f'<text x="10" y="30" fill="{INK}">{_text(node.value, VALUE_LETTERS)}</text></svg>'
    )


def _legend(y: float, hidden: int) -> str:
    more = f" · {hidden:,} more identifiers are not shown" if hidden else ""
    return (
        f'<text x="{MARGIN}" y="{y:.0f}" font-size="10" fill="{QUIET}">'
        "solid: seen together, one person · dashed: seen together and kept apart, by the rule named"
        f"{more}</text>"
    )
