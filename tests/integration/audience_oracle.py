"""People made up at random, rules made up at random, and a naive evaluator that reads a rule as a person would.

The evaluator (`holds`) knows the words of a rule file and plain Python. It shares nothing with the compiler: no SQL, no pydantic.
Times lie on and right beside the bounds that the rules ask for.
"""

import calendar
import hashlib
import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import duckdb

from orchestration.audience import fields
from orchestration.audience.rendering import relation_of

AS_OF = datetime(2026, 3, 31)
Row = dict[str, Any]
Rule = dict[str, Any]

COUNTRIES = ["DE", "de", "AT", "", None]
NUMBERS = [0, 1, 2, 5, Decimal("29.99"), Decimal("30.00"), None]
LOOSE = [
    "Tea",
    "tea",
    "tea bag",
    5,
    29.99,
    30,
    "30",
    "30.0",
    "abc",
    "",
    "NaN",
    True,
    None,
    ["tea", "cup"],
    ["tea bag"],
    "2026-03-30",
    1774828800,
]
TIMES_AS_TEXT = [
    "2026-03-30",
    "2026-03-31T00:00:00Z",
    "2026-03-29T23:00:00-01:00",
    "soon",
    None,
    1774828800,
    "1774915199999",
    1774915200000.5,
    99999999,
    "2024-02-29T23:59:59Z",
    "2019-04-03",
]
NAMES = ["viewed", "added", "bought"]
SPANS = [
    "86400 seconds",
    "1 day",
    "24 hours",
    "2 days",
    "1 week",
    "1 month",
    "90 minutes",
]
SPOKEN = [
    *(f"{span} ago" for span in SPANS),
    *("in 2 days", "in 1 month", "now", "today", "start of week", "start of month"),
    *("start of last month", "start of next week", "start of year"),
]
FIXED = [date(2026, 3, 30), date(2026, 3, 31), "2026-03-30T12:00:00+02:00"]


@dataclass
class World:
    """Rows by model."""

    profiles: list[Row] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def of(self, model: str, profile_id: str) -> list[Row]:
        return [row for row in self.rows[model] if row["profile_id"] == profile_id]


def make_world(pick: random.Random, people: int) -> World:
    world = World(rows={model: [] for model in MAKERS})
    for number in range(people):
        name = f"p_{number}"
        world.profiles.append(
            {
                "profile_id": name,
                "country": pick.choice(COUNTRIES),
                "order_count": pick.choice([0, 1, 2, None]),
                "revenue_in_main_currency": pick.choice(NUMBERS),
                "reachable_by_email": pick.choice([True, False, None]),
                "birth_date": pick.choice(
                    [
                        *(date(2026, 3, 30), date(2026, 2, 28), date(2000, 2, 29)),
                        *(date(1990, 3, 31), date(1990, 4, 1), date(2026, 4, 2)),
                        *(date(1999, 12, 31), date(2025, 3, 31), None),
                    ]
                ),
                "session_count_30d": pick.choice([0, 1]),
                "spend_to_average": pick.choice(
                    [None, Decimal("1.49"), Decimal("1.50")]
                ),
                "refunded_in_main_currency": pick.choice([0, Decimal("2.50"), 15]),
                "last_seen_at": pick.choice([_time(pick), None]),
            }
        )
        for model, make in MAKERS.items():
            for _ in range(pick.choice([0, 0, 1, 2, 4])):
                key = sum(map(len, world.rows.values())) + 1
                world.rows[model].append(make(pick, key) | {"profile_id": name})
    return world


def _time(pick: random.Random) -> datetime:
    """On a bound, a microsecond beside it, or simultaneous with others."""
    days = pick.choice([-200, -200, -31, -30, -28, -7, -2, -1, -1, 0, 0, 1, 2, 7, 30])
    beside = pick.choice([0, 0, 0, -1, 1])
    return AS_OF + timedelta(
        days=days, hours=pick.choice([0, 0, 12]), microseconds=beside
    )


def _event(pick: random.Random, key: int) -> Row:
    properties = {"kind": pick.choice(LOOSE), "deep": {"price": pick.choice(LOOSE)}}
    return {
        "record_id": str(UUID(int=key)),
        "canonical_name": pick.choice(NAMES),
        "occurred_at": _time(pick),
        "currency": pick.choice(["EUR", "USD", None]),
        "value": pick.choice(NUMBERS),
        "properties": json.dumps(properties | {"at": pick.choice(TIMES_AS_TEXT)}),
    }


def _order(pick: random.Random, key: int) -> Row:
    state = pick.choice(["incomplete", "checkout", "completed", "refunded"])
    bought = state in ("completed", "refunded")
    return {
        "order_id": f"o{key:05d}",
        "state": state,
        "is_purchase": bought,
        "is_abandoned": not bought and pick.random() < 0.7,
        "ordered_at": _time(pick) if bought else None,
        "last_event_at": _time(pick),
        "currency": pick.choice(["EUR", "USD", None]),
        "revenue": pick.choice(NUMBERS),
    }


MAKERS: dict[str, Any] = {
    "fct_profile_events": _event,
    "fct_orders": _order,
    "fct_order_lines": lambda pick, key: {
        "order_id": f"o{key:05d}",
        "line_number": 1,
        "product_id": pick.choice(["tea", "cup", None]),
        "quantity": pick.choice([1, 2, None]),
        "ordered_at": pick.choice([_time(pick), None]),
    },
    "fct_sessions": lambda pick, key: {
        "session_id": f"s{key:05d}",
        "started_at": _time(pick),
        "is_bot": pick.random() < 0.2,
        "is_engaged": pick.random() < 0.5,
        "channel": pick.choice(["Email", "Direct"]),
        "page_view_count": pick.choice([0, 1, 5]),
    },
    "fct_subscriptions": lambda pick, key: {
        "subscription_id": f"c{key:05d}",
        "plan": pick.choice(["basic", "pro", None]),
        "state": pick.choice(["active", "cancelled"]),
        "is_ended": pick.random() < 0.3,
        "contract_ends_at": pick.choice([_time(pick), None]),
        "is_renewal_confirmed": pick.random() < 0.5,
    },
    "dim_consents": lambda pick, key: {
        "contact_type": pick.choice(["email", "phone", "user_id"]),
        "contact_value": pick.choice(["one", "other"]),
        "purpose": pick.choice(["marketing", "advertising"]),
        "channel": pick.choice(["all", "email", "sms"]),
        "state": pick.choice(["granted", "granted", "denied"]),
    },
    "fct_attribute_changes": lambda pick, key: {
        "path": f"path-{key}",
        "new_value": pick.choice([None, *map(json.dumps, LOOSE)]),
        "changed_at": _time(pick),
        "superseded_at": None,
    },
    "audience_others": lambda pick, key: {},
}


def settle_attributes(pick: random.Random, world: World) -> None:
    """Each attribute of a person is one chain of changes: a value holds until the next."""
    chains: dict[tuple[str, str], list[Row]] = {}
    for row in world.rows["fct_attribute_changes"]:
        row["path"] = pick.choice(["plan", "city"])
        chains.setdefault((row["profile_id"], row["path"]), []).append(row)
    for chain in chains.values():
        chain.sort(key=lambda row: row["changed_at"])
        for row, after in pairwise(chain):
            row["superseded_at"] = after["changed_at"]


def filled(world: World) -> duckdb.DuckDBPyConnection:
    """The public models with the rows of a world; columns that it does not name are NULL."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set timezone = 'UTC'")
    connection.execute("set disabled_optimizers = 'outer_join_simplification'")
    tables = {"dim_profiles": world.profiles, **world.rows}
    for model, rows in tables.items():
        types = {"profile_id": "varchar"}
        if model != "audience_others":
            types = fields.columns(model)
        table = relation(model)
        connection.execute(f"create schema if not exists {table.split('.')[0]}")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        connection.execute(f"create table {table} ({columns})")
        for row in rows:
            connection.execute(
                f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                list(row.values()),
            )
    return connection


def relation(model: str) -> str:
    return (
        "audiences.audience_others"
        if model == "audience_others"
        else relation_of(model)
    )


# Random rules


def make_rule(pick: random.Random, depth: int = 3) -> Rule:
    if depth and pick.random() < 0.55:
        word = pick.choice(["all", "any", "none"])
        return {
            word: [
                make_rule(pick, depth - 1) for _ in range(pick.choice([0, 1, 2, 2, 3]))
            ]
        }
    return pick.choice(LEAVES)(pick)


def _profile(pick: random.Random) -> Rule:
    column = pick.choice(
        [
            "country",
            "order_count",
            "revenue_in_main_currency",
            "reachable_by_email",
            "birth_date",
            "last_seen_at",
        ]
    )
    return {"profile": column} | _comparison(pick, KINDS[column])


KINDS = {
    **dict.fromkeys(
        ["country", "currency", "channel", "plan", "state", "product_id"], "text"
    ),
    **dict.fromkeys(
        [
            "order_count",
            "revenue_in_main_currency",
            "value",
            "revenue",
            "page_view_count",
            "quantity",
        ],
        "number",
    ),
    **dict.fromkeys(["reachable_by_email", "is_renewal_confirmed"], "boolean"),
    **dict.fromkeys(["birth_date", "last_seen_at", "contract_ends_at"], "time"),
    **dict.fromkeys(
        ["properties.kind", "properties.deep.price", "properties.none"], "loose"
    ),
    "properties.at": "loose time",
}
PATTERNS = ["^t", "[0-9]{2}", "a$", "e[^a-z]|^$", "E", "^(Te|EU)"]
TEXTS = ["DE", "de", "tea", "Tea", "EUR", "Email", "basic", "completed", "a", "30"]


def _comparison(pick: random.Random, kind: str) -> Rule:
    if pick.random() < 0.15:
        return {"exists": pick.random() < 0.5}
    if kind in ("time", "loose time"):
        if pick.random() < 0.4:
            return {"anniversary": _anniversary(pick)}
        return make_window(pick)
    if kind == "boolean":
        return {pick.choice(["is", "is_not"]): pick.random() < 0.5}
    if kind == "number" or (kind == "loose" and pick.random() < 0.5):
        words = ["is", "is_not", "at_least", "at_most", "more_than", "less_than"]
        said = {
            word: pick.choice([0, 1, 2, 5, 29.99, 30])
            for word in pick.sample(words, pick.choice([1, 1, 2]))
        }
        return (
            said if pick.random() < 0.8 else {pick.choice(["in", "not_in"]): [1, 29.99]}
        )
    said = pick.choice(
        [
            {
                pick.choice(
                    ["is", "is_not", "contains", "starts_with", "ends_with"]
                ): pick.choice(TEXTS)
            },
            {pick.choice(["in", "not_in"]): pick.sample(TEXTS, 3)},
        ]
    )
    if pick.random() < 0.1:
        said = {"matches": pick.choice(PATTERNS)}
    if kind == "loose" and pick.random() < 0.1:
        return {"includes": pick.choice(["tea", "Tea", "a"])}
    if kind == "loose" and pick.random() < 0.2:
        return {pick.choice(["is", "is_not"]): True}
    return said | ({"ignoring_case": True} if pick.random() < 0.3 else {})


def _anniversary(pick: random.Random) -> Rule:
    days = ["1 day", "2 days", "1 week", "1 month", "12 months", "365 days", "0 days"]
    asked = {
        "next": pick.choice(days),
        "last": pick.choice(days),
        "on": pick.choice(
            [*SPOKEN, *FIXED, "in 2 days", date(2026, 2, 28), date(2028, 2, 29)]
        ),
    }
    return {word: asked[word] for word in pick.sample([*asked], pick.choice([1, 1, 2]))}


def make_window(pick: random.Random) -> Rule:
    words = pick.sample(
        ["last", "next", "since", "until", "after", "before", "on"],
        pick.choice([1, 1, 2]),
    )
    return {
        word: pick.choice(SPANS)
        if word in ("last", "next")
        else pick.choice([*SPOKEN, *FIXED])
        for word in words
    }


def _counted(pick: random.Random, fields: list[str], money: str, time: bool) -> Rule:
    rule: Rule = {}
    if pick.random() < 0.6:
        rule["where"] = [_filter(pick, fields) for _ in range(pick.choice([1, 1, 2]))]
    if time and pick.random() < 0.6:
        rule["when"] = make_window(pick)
    if time and pick.random() < 0.25 and "next" not in rule.get("when", {}):
        among = [_filter(pick, fields)] if pick.random() < 0.4 else []
        chosen = {"take": pick.choice(["first", "last"])}
        return rule | chosen | ({"among": among} if among else {})
    if time and "when" not in rule and pick.random() < 0.4:
        total = pick.choice([1, 2, 3, 5])
        words = ["at_least", "at_most", "is", "is_not", "less_than"]
        rule["regularly"] = {
            "every": pick.choice(SPANS),
            "of_last": total,
            pick.choice(words): pick.randint(0, total),
        }
    if pick.random() < 0.5:
        rule["count"] = {
            pick.choice(
                ["is", "is_not", "at_least", "at_most", "more_than", "less_than"]
            ): pick.choice([0, 1, 2])
        }
    if "regularly" in rule:
        return rule
    if pick.random() < 0.2:
        rule["where"] = (
            [*rule.get("where", []), {"field": "currency", "is": "EUR"}]
            if "currency" in fields
            else rule.get("where", [])
        )
        rule["total"] = {
            "of": money,
            pick.choice(["at_least", "at_most", "more_than"]): pick.choice(
                [0, 5, 29.99, 60]
            ),
        }
    if "total" in rule and pick.random() < 0.5:
        rule["average"] = rule.pop("total")
    if pick.random() < 0.2:
        rule["distinct"] = {
            "of": fields[0],
            pick.choice(["is", "at_least", "less_than"]): pick.choice([0, 1, 2]),
        }
    return rule


def _filter(pick: random.Random, fields: list[str]) -> Rule:
    if pick.random() < 0.3:
        word = pick.choice(["all", "any", "none"])
        return {word: [_filter(pick, fields) for _ in range(pick.choice([0, 1, 2]))]}
    name = pick.choice(fields)
    return {"field": name} | _comparison(pick, KINDS[name])


EVENT_FIELDS = [
    "properties.kind",
    "properties.deep.price",
    "properties.none",
    "properties.at",
    "currency",
    "value",
]


def _events(pick: random.Random) -> Rule:
    rule = {"event": pick.choice([*NAMES, NAMES[:2], "any"])}
    rule |= _counted(
        pick, EVENT_FIELDS, pick.choice(["value", "properties.deep.price"]), time=True
    )
    for word in ("then", "not_then"):
        if pick.random() < 0.25:
            rule[word] = _step(pick, depth=2)
    return rule


def _step(pick: random.Random, depth: int) -> Rule:
    step: Rule = {"event": pick.choice([*NAMES, "any"])}
    if pick.random() < 0.5:
        step["within"] = pick.choice(SPANS)
    if pick.random() < 0.3:
        step["where"] = [_filter(pick, EVENT_FIELDS)]
    if pick.random() < 0.3:
        step["same"] = pick.sample(["currency", "properties.kind"], pick.choice([1, 2]))
    if depth > 1 and pick.random() < 0.3:
        step[pick.choice(["then", "not_then"])] = _step(pick, depth - 1)
    return step


LEAVES = [
    _profile,
    _events,
    _events,
    lambda pick: (
        {"attribute": pick.choice(["plan", "city", "address.city"])}
        | _comparison(pick, pick.choice(["loose", "loose", "loose time"]))
        | pick.choice([{}, {"for": pick.choice(SPANS)}])
        | pick.choice([{}, {}, {"changed": make_window(pick)}])
    ),
    lambda pick: (
        {"sample": pick.choice(["spring", "autumn"])}
        | {"percent": pick.choice([0, 12.34, 50, 100])}
    ),
    lambda pick: (
        {"orders": pick.choice(["purchases", "carts", "any"])}
        | _counted(pick, ["state", "currency", "revenue"], "revenue", time=True)
    ),
    lambda pick: (
        {"order_lines": "bought"}
        | _counted(pick, ["product_id", "quantity"], "quantity", time=True)
    ),
    lambda pick: (
        {"sessions": pick.choice(["any", "engaged"])}
        | _counted(pick, ["channel", "page_view_count"], "page_view_count", time=True)
    ),
    lambda pick: (
        {"subscriptions": pick.choice(["any", "running"])}
        | {
            k: v
            for k, v in _counted(
                pick,
                ["plan", "contract_ends_at", "is_renewal_confirmed"],
                "x",
                time=False,
            ).items()
            if k not in ("total", "average")
        }
    ),
    lambda pick: (
        {"consent": "marketing", "is": pick.choice(["granted", "denied"])}
        | pick.choice([{}, {"channel": "email"}, {"contact": "email"}])
    ),
    lambda pick: {"audience": "others"},
]


# The evaluator


def holds(rule: Rule, person: Row, world: World) -> bool:
    """Whether the person is in."""
    if "all" in rule:
        return all(holds(each, person, world) for each in rule["all"])
    if "any" in rule:
        return any(holds(each, person, world) for each in rule["any"])
    if "none" in rule:
        return not any(holds(each, person, world) for each in rule["none"])
    who = person["profile_id"]
    if "profile" in rule:
        return compare(person[rule["profile"]], rule)
    if "attribute" in rule:
        return _attribute(rule, world.of("fct_attribute_changes", who))
    if "sample" in rule:
        digest = hashlib.sha256(f"sample:{rule['sample']}|{who}".encode()).hexdigest()
        return int(digest[:8], 16) % 10_000 < Decimal(str(rule["percent"])) * 100
    if "consent" in rule:
        return _consent(rule, world.of("dim_consents", who))
    if "audience" in rule:
        return bool(world.of("audience_others", who))
    return _counts(rule, world, who)


def _attribute(rule: Rule, rows: list[Row]) -> bool:
    path = rule["attribute"].removeprefix("address.")
    chain = [row for row in rows if row["path"] == path]

    def standing(at: datetime) -> Row | None:
        found = [
            row
            for row in chain
            if row["changed_at"] <= at
            and not (row["superseded_at"] and row["superseded_at"] <= at)
        ]
        return found[0] if found else None

    def satisfies(at: datetime) -> bool:
        row = standing(at)
        told = row["new_value"] if row else None
        return compare(None if told is None else _text(json.loads(told)), rule)

    moments = [AS_OF]
    if "for" in rule:
        began = shifted(AS_OF, rule["for"], -1)
        changes = [row["changed_at"] for row in chain]
        moments += [began, *(at for at in changes if began < at <= AS_OF)]
    if not all(satisfies(at) for at in moments):
        return False
    now = standing(AS_OF)
    return "changed" not in rule or (
        now is not None and in_window(now["changed_at"], rule["changed"])
    )


def _consent(rule: Rule, rows: Iterable[Row]) -> bool:
    said: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        channels = ("all", rule.get("channel", row["channel"]))
        if row["purpose"] != rule["consent"] or row["channel"] not in channels:
            continue
        if row["contact_type"] == rule.get("contact", row["contact_type"]):
            said.setdefault((row["contact_type"], row["contact_value"]), set()).add(
                row["state"]
            )
    if rule["is"] == "granted":
        return {"granted"} in said.values()
    return any("denied" in states for states in said.values())


SUBJECTS = {
    "event": ("fct_profile_events", "occurred_at", ("record_id",)),
    "orders": ("fct_orders", "last_event_at", ("order_id",)),
    "order_lines": ("fct_order_lines", "ordered_at", ("order_id", "line_number")),
    "sessions": ("fct_sessions", "started_at", ("session_id",)),
    "subscriptions": ("fct_subscriptions", None, ()),
}


def _counts(rule: Rule, world: World, who: str) -> bool:
    subject = next(word for word in SUBJECTS if word in rule)
    model, time, ties = SUBJECTS[subject]
    if rule.get("orders") == "purchases":
        time = "ordered_at"
    rows = [
        row for row in world.of(model, who) if _is_kind(subject, rule[subject], row)
    ]
    rows = [r for r in rows if all(passes(each, r) for each in rule.get("among", ()))]
    if rule.get("take"):
        rows = [row for row in rows if row[time] is not None and row[time] < AS_OF]
        rows.sort(key=lambda row: (row[time], *(row[tie] for tie in ties)))
        rows = rows[:1] if rule["take"] == "first" else rows[-1:]
    if "regularly" in rule:
        return _regular(rule, rows, time, world, who)
    window = rule.get("when", {})
    has_end = {"last", "next", "until", "before", "on"} & set(window)
    kept = [
        row
        for row in rows
        if (time is None or has_end or (row[time] is not None and row[time] < AS_OF))
        and (not window or in_window(row[time], window))
        and all(passes(each, row) for each in rule.get("where", ()))
        and came_after(rule, row, world, who)
    ]
    if (
        "count" in rule or not {"total", "average", "distinct"} & set(rule)
    ) and not compare(Decimal(len(kept)), rule.get("count", {"at_least": 1})):
        return False
    if "total" in rule:
        values = [_number(value(row, rule["total"]["of"])) for row in kept]
        total = sum((v for v in values if v is not None), Decimal(0))
        if not compare(total, rule["total"]):
            return False
    if "average" in rule:
        values = [_number(value(row, rule["average"]["of"])) for row in kept]
        known = [v for v in values if v is not None]
        mean = sum(known, Decimal(0)) / len(known) if known else None
        if not compare(mean, rule["average"]):
            return False
    if "distinct" in rule:
        found = {value(row, rule["distinct"]["of"]) for row in kept} - {None}
        return compare(Decimal(len(found)), rule["distinct"])
    return True


def _regular(
    rule: Rule, rows: list[Row], time: str | None, world: World, who: str
) -> bool:
    assert time
    regularly = rule["regularly"]
    number, unit = regularly["every"].split()
    good = 0
    for period in range(regularly["of_last"]):
        begins = shifted(AS_OF, f"{int(number) * (period + 1)} {unit}", -1)
        ends = shifted(AS_OF, f"{int(number) * period} {unit}", -1)
        found = [
            row
            for row in rows
            if row[time] is not None
            and begins <= row[time] < ends
            and all(passes(each, row) for each in rule.get("where", ()))
            and came_after(rule, row, world, who)
        ]
        good += compare(Decimal(len(found)), rule.get("count", {"at_least": 1}))
    return compare(Decimal(good), regularly)


def _is_kind(subject: str, which: Any, row: Row) -> bool:
    if subject == "event":
        names = [which] if isinstance(which, str) else which
        return "any" in names or row["canonical_name"] in names
    if subject == "orders":
        return {
            "purchases": row["is_purchase"],
            "carts": row["state"] in ("incomplete", "checkout"),
            "any": True,
        }[which]
    if subject == "order_lines":
        return row["ordered_at"] is not None
    if subject == "sessions":
        return not row["is_bot"] and (which == "any" or row["is_engaged"])
    return which == "any" or not row["is_ended"]


def came_after(rule: Rule, row: Row, world: World, who: str) -> bool:
    for word in ("then", "not_then"):
        if word not in rule:
            continue
        step = rule[word]
        found = any(
            (later["occurred_at"], later["record_id"])
            > (row["occurred_at"], row["record_id"])
            and later["occurred_at"] < AS_OF
            and _is_kind("event", step["event"], later)
            and (
                "within" not in step
                or later["occurred_at"]
                <= shifted(row["occurred_at"], step["within"], 1)
            )
            and all(passes(each, later) for each in step.get("where", ()))
            and all(
                value(row, name) is not None and value(row, name) == value(later, name)
                for name in step.get("same", ())
            )
            and came_after(step, later, world, who)
            for later in world.of("fct_profile_events", who)
        )
        if found != (word == "then"):
            return False
    return True


def passes(given: Rule, row: Row) -> bool:
    if "all" in given:
        return all(passes(each, row) for each in given["all"])
    if "any" in given:
        return any(passes(each, row) for each in given["any"])
    if "none" in given:
        return not any(passes(each, row) for each in given["none"])
    name = given["field"]
    return compare(value(row, name), given)


def value(row: Row, name: str) -> Any:
    if not name.startswith("properties."):
        return row[name]
    found = json.loads(row["properties"])
    for key in name.split(".")[1:]:
        found = found.get(key) if isinstance(found, dict) else None
    return _text(found)


def _text(sent: Any) -> str | None:
    if sent is None or isinstance(sent, str):
        return sent
    return json.dumps(sent, separators=(",", ":"))


def _number(given: Any) -> Decimal | None:
    if isinstance(given, str):
        return Decimal(given) if re.fullmatch(r"-?\d+(\.\d+)?", given) else None
    return None if given is None else Decimal(given)


def compare(found: Any, words: Rule) -> bool:
    """Every word has to hold; a missing value satisfies none but `exists: false`."""
    window = {
        w: v
        for w, v in words.items()
        if w in ("last", "next", "since", "until", "after", "before", "on")
    }
    if window and not in_window(_moment(found), window):
        return False
    if "anniversary" in words and not _comes_again(
        _moment(found), words["anniversary"]
    ):
        return False
    return all(
        _word(found, word, operand, bool(words.get("ignoring_case")))
        for word, operand in words.items()
        if word in WORDS and not (word == "is" and "consent" in words)
    )


WORDS = (
    "is",
    "is_not",
    "in",
    "not_in",
    "at_least",
    "at_most",
    "more_than",
    "less_than",
    "contains",
    "includes",
    "starts_with",
    "ends_with",
    "matches",
    "exists",
)


def _word(found: Any, word: str, operand: Any, fold: bool) -> bool:
    if word == "exists":
        return (found is not None) == operand
    if found is None:
        return False
    if word in ("is_not", "not_in"):
        return not _word(found, {"is_not": "is", "not_in": "in"}[word], operand, fold)
    if word == "in":
        return any(_word(found, "is", each, fold) for each in operand)
    if isinstance(operand, bool) and isinstance(found, str):
        operand = "true" if operand else "false"
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        number, asked = _number(found), Decimal(str(operand))
        return (
            number is not None
            and {
                "is": number == asked,
                "at_least": number >= asked,
                "at_most": number <= asked,
                "more_than": number > asked,
                "less_than": number < asked,
            }[word]
        )
    if word == "matches":
        return bool(re.search(operand, found, re.IGNORECASE if fold else 0))
    if fold:
        found, operand = found.lower(), operand.lower()
    return {
        "is": lambda: found == operand,
        "contains": lambda: operand in found,
        "includes": lambda: operand in [found, *_entries(found)],
        "starts_with": lambda: found.startswith(operand),
        "ends_with": lambda: found.endswith(operand),
    }[word]()


def _entries(found: str) -> list[Any]:
    try:
        entries = json.loads(found)
    except ValueError:
        return []
    return entries if isinstance(entries, list) else []


def in_window(time: datetime | None, window: Rule) -> bool:
    if time is None:
        return False
    for word, said in window.items():
        if word == "last":
            fits = shifted(AS_OF, said, -1) <= time < AS_OF
        elif word == "next":
            fits = AS_OF <= time < shifted(AS_OF, said, 1)
        elif word == "on":
            fits = time.date() == spoken(said).date()
        else:
            bound = spoken(said)
            fits = {
                "since": time >= bound,
                "until": time <= bound,
                "after": time > bound,
                "before": time < bound,
            }[word]
        if not fits:
            return False
    return True


def _comes_again(time: datetime | None, days: Rule) -> bool:
    """Every word names days; on one of them the month and day of the time come again."""
    today, day = AS_OF.date(), timedelta(days=1)
    for word, said in days.items():
        first, end = today, today
        if word == "next":
            end = shifted(AS_OF, said, 1).date()
        elif word == "last":
            first = shifted(AS_OF, said, -1).date()
        else:
            first = spoken(said).date()
            end = first + day
        asked = [first + day * number for number in range((end - first).days)]
        if time is None or not any(_recurs(time.date(), each) for each in asked):
            return False
    return True


def _recurs(of: date, on: date) -> bool:
    day = of.day
    if (of.month, of.day) == (2, 29) and not calendar.isleap(on.year):
        day = 28
    return on.year > of.year and (on.month, on.day) == (of.month, day)


def spoken(said: Any) -> datetime:
    if said == "now":
        return AS_OF
    if said == "today":
        return datetime(AS_OF.year, AS_OF.month, AS_OF.day)
    if isinstance(said, str) and said.startswith("start of "):
        *which, unit = said.split()[2:]
        start = datetime(AS_OF.year, AS_OF.month, AS_OF.day)
        back = {"week": start.weekday(), "month": AS_OF.day - 1}
        start -= timedelta(days=back.get(unit, AS_OF.timetuple().tm_yday - 1))
        sign = {"last": -1, "next": 1}[which[0]] if which else 0
        return shifted(start, f"1 {unit}", sign)
    if isinstance(said, str) and said.endswith(" ago"):
        return shifted(AS_OF, said.removesuffix(" ago"), -1)
    if isinstance(said, str) and said.startswith("in "):
        return shifted(AS_OF, said.removeprefix("in "), 1)
    found = _moment(said)
    assert found, said
    return found


def _moment(given: Any) -> datetime | None:
    if isinstance(given, datetime) or given is None:
        return given
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day)
    number = _number(given)
    if number is not None:
        seconds = number / 1000 if number >= 10**11 else number
        since = timedelta(microseconds=int(seconds * 1_000_000))
        return datetime(1970, 1, 1) + since if number >= 10**8 else None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    offset = found.utcoffset() or timedelta()
    return found.replace(tzinfo=None) - offset


def shifted(time: datetime, span: str, sign: int) -> datetime:
    number, unit = span.split()
    count = int(number) * sign
    if unit.startswith("year"):
        count, unit = 12 * count, "months"
    if unit.startswith("month"):
        months = time.year * 12 + time.month - 1 + count
        year, month = divmod(months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return time.replace(year=year, month=month + 1, day=min(time.day, last))
    return time + timedelta(**{unit.rstrip("s") + "s": count})
