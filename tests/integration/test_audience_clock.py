"""Who comes and goes as the clock moves: the conditions that customer platforms have, told as stories of four people.

Time is days from the first moment of March 2026. What happened is in the warehouse from the beginning, so that whatever
lies after as_of has to be left out by the rule; what landed late is there from then on. Bounds are asked at the bound
and one second beside it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any
from uuid import UUID

import duckdb
import pytest

from orchestration.audience.compiling import compiled_model
from orchestration.audience.mistakes import mistakes
from orchestration.audience.rendering import rendered
from tests.integration import audience_oracle as oracle
from tests.integration.audience_oracle import World, filled
from tests.integration.test_audience_rules import declared

START = datetime(2026, 3, 1)
PEOPLE = ("ann", "bob", "cem", "dia")
EVERYBODY = " ".join(PEOPLE)
SECOND = 1 / 86_400
VIEWED, BOUGHT = {"event": "viewed"}, {"event": "bought"}


@dataclass(frozen=True)
class Told:
    """A row, and from which day on the warehouse has it."""

    model: str
    row: dict[str, Any]
    landed: float = float("-inf")


@dataclass(frozen=True)
class Case:
    rule: oracle.Rule
    told: list[Told]
    clock: dict[float, str]
    """Day → who is in, when it is as_of."""
    born: dict[str, date] = field(default_factory=dict)


def at(day: float) -> datetime:
    return START + timedelta(seconds=round(day * 86_400))


def did(
    who: str, name: str, *days: float, landed: float = float("-inf"), **sent: Any
) -> list[Told]:
    """An event on each of these days."""
    return [
        Told(
            "fct_profile_events",
            {
                "profile_id": who,
                "canonical_name": name,
                "occurred_at": at(day),
                "properties": json.dumps(sent),
            },
            landed,
        )
        for day in days
    ]


def said(
    who: str, path: str, *told: tuple[float, Any], landed: float = float("-inf")
) -> list[Told]:
    """An attribute, as it was from each of these days on; None when it was removed."""
    return [
        Told(
            "fct_attribute_changes",
            {
                "profile_id": who,
                "path": path,
                "changed_at": at(day),
                "new_value": None if value is None else json.dumps(value),
            },
            landed,
        )
        for day, value in told
    ]


def bought(who: str, day: float, revenue: int, product: str = "tea") -> list[Told]:
    order = {"profile_id": who, "order_id": f"{who} {day}", "ordered_at": at(day)}
    sums = {"state": "completed", "is_purchase": True, "currency": "EUR"}
    money = {"revenue": revenue, "last_event_at": at(day)}
    line = {"line_number": 1, "product_id": product, "quantity": 1}
    return [
        Told("fct_orders", order | sums | money),
        Told("fct_order_lines", order | line),
    ]


def answered(who: str, state: str) -> list[Told]:
    point = {"profile_id": who, "contact_type": "email", "contact_value": who}
    about = {"purpose": "marketing", "channel": "email", "state": state}
    return [Told("dim_consents", point | about)]


def other(rule: oracle.Rule) -> oracle.Rule:
    return {"none": [rule]}


PLAN = {"attribute": "plan"}
PRO = {**PLAN, "is": "pro"}
TRIAL = {"attribute": "trial"}
TWICE = {"count": {"at_least": 2}}
TEA = {"where": [{"field": "properties.kind", "is": "tea"}]}
BORN = {
    "ann": date(1990, 3, 4),
    "bob": date(2000, 2, 29),
    "cem": date(1985, 12, 31),
    "dia": date(2026, 3, 4),
}
BIRTHDAY = {"profile": "birth_date"}

CASES = {
    # What is known of somebody
    "a trait counts from the moment it is told until another is": Case(
        {"attribute": "city", "is": "Bern"},
        said("ann", "city", (0, "Bern"), (5, "Basel")),
        {-SECOND: "", 0: "ann", 5 - SECOND: "ann", 5: ""},
    ),
    "another trait is not a missing one": Case(
        {"attribute": "city", "is_not": "Bern"},
        [*said("ann", "city", (0, "Bern"), (5, "Basel")), *said("bob", "city", (3, None))],
        {-1: "", 0: "", 5: "ann"},
    ),
    "whoever is not from there, strangers included": Case(
        other({"attribute": "city", "is": "Bern"}),
        said("ann", "city", (0, "Bern"), (5, "Basel")),
        {-1: EVERYBODY, 0: "bob cem dia", 5: EVERYBODY},
    ),
    "a trait is there until it is removed": Case(
        {**PLAN, "exists": True},
        said("ann", "plan", (0, ""), (5, None)),
        {-1: "", 0: "ann", 5: ""},
    ),
    "a trait is missing before it is told and after it is removed": Case(
        {**PLAN, "exists": False},
        said("ann", "plan", (0, "pro"), (5, None)),
        {-1: EVERYBODY, 0: "bob cem dia", 5: EVERYBODY},
    ),
    "a number is one, sent as such or as text": Case(
        {"attribute": "score", "at_least": 30, "less_than": 40},
        [*said("ann", "score", (0, 30), (2, 40)), *said("bob", "score", (0, "39.9")), *said("cem", "score", (0, "many"))],
        {0: "ann bob", 2: "bob"},
    ),
    "a nested trait has a path": Case(
        {"attribute": "delivery.place", "starts_with": "b", "ignoring_case": True},
        [*said("ann", "delivery.place", (0, "Bern")), *said("bob", "place", (0, "Bern"))],
        {0: "ann"},
    ),
    "a trait has many spellings": Case(
        {"any": [{"attribute": "Last Name", "is": "Ahrens"}, {"attribute": "address.zip", "is": 8001}]},
        [*said("ann", "last_name", (0, "Ahrens")), *said("bob", "postal_code", (0, "8001"))],
        {0: "ann bob"},
    ),
    "one of a list of interests": Case(
        {"attribute": "interests", "includes": "tea"},
        [*said("ann", "interests", (0, ["tea", "cups"])), *said("bob", "interests", (0, ["tea bags"]), (1, "tea"))],
        {0: "ann", 1: "ann bob"},
    ),
    "an address of a certain company": Case(
        {"attribute": "mail", "matches": "@(shop|store)[.]example$", "ignoring_case": True},
        [*said("ann", "mail", (0, "ann@SHOP.example")), *said("bob", "mail", (0, "bob@shop.example.org")), *said("cem", "mail", (0, "shop.example"))],
        {0: "ann"},
    ),
    # Dates among the traits
    "a date within the last days, whatever it is written as": Case(
        {**TRIAL, "last": "3 days"},
        [*said("ann", "trial", (0, "2026-03-02T00:00:00Z")), *said("bob", "trial", (0, 1772409600)), *said("cem", "trial", (0, "1772409600000")), *said("dia", "trial", (0, "soon"))],
        {1: "", 1 + SECOND: "ann bob cem", 4: "ann bob cem", 4 + SECOND: ""},
    ),
    "a date of the coming days": Case(
        {**TRIAL, "next": "3 days"},
        [*said("ann", "trial", (-9, "2026-03-05")), *said("bob", "trial", (-9, "2026-03-05T00:00:00+01:00"))],
        {1 - 2 * SECOND: "bob", 1: "bob", 1 + SECOND: "ann bob", 4: "ann", 4 + SECOND: ""},
    ),
    "a date before and after a fixed one": Case(
        {**TRIAL, "since": "2026-03-02", "before": "2026-03-03T01:00:00+01:00"},
        [*said("ann", "trial", (0, "2026-03-02")), *said("bob", "trial", (0, "2026-03-03")), *said("cem", "trial", (0, "2026-03-02T23:59:59.999Z"))],
        {0: "ann cem", 99: "ann cem"},
    ),
    "a birthday this week, that of 29 February on the 28th": Case(
        {**BIRTHDAY, "anniversary": {"next": "7 days"}},
        [],
        {-8: "", -7: "bob", -4: "bob", -3: "ann bob", -1: "ann bob", 0: "ann", 3.5: "ann", 4: "", 304: "cem", 305.9: "cem", 306: "", 363: "ann bob dia"},
        BORN,
    ),
    "a birthday today, in a leap year on the day itself": Case(
        {**BIRTHDAY, "anniversary": {"on": "today"}},
        [],
        {-1: "bob", 3: "ann", 3.99: "ann", 305: "cem", 364: "bob", 368: "ann dia", 729: "", 730: "bob", 731: ""},
        BORN,
    ),
    "a birthday that has just been": Case(
        {**BIRTHDAY, "anniversary": {"last": "2 days"}},
        [],
        {-1: "", 0: "bob", 1: "bob", 2: "", 4: "ann", 5: "ann", 6: "", 306: "cem", 307: "cem", 308: ""},
        BORN,
    ),
    # How long
    "a plan for a week, from the moment the week is full": Case(
        {**PRO, "for": "7 days"},
        [*said("ann", "plan", (0, "pro"), (10, "free"), (11, "pro")), *said("bob", "plan", (0, "free"))],
        {0: "", 7 - SECOND: "", 7: "ann", 10 - SECOND: "ann", 10: "", 18 - SECOND: "", 18: "ann"},
    ),
    "a plan for less than a week": Case(
        {**PRO, "changed": {"after": "7 days ago"}},
        said("ann", "plan", (0, "pro")),
        {-SECOND: "", 0: "ann", 7 - SECOND: "ann", 7: ""},
    ),
    "a change that landed late makes the time shorter": Case(
        {**PRO, "for": "7 days"},
        [*said("ann", "plan", (0, "pro")), *said("ann", "plan", (3, "free"), (4, "pro"), landed=9)],
        {7: "ann", 8: "ann", 9: "", 11 - SECOND: "", 11: "ann"},
    ),
    "a score that stays high, whatever it is": Case(
        {"attribute": "score", "at_least": 50, "for": "7 days"},
        [*said("ann", "score", (0, 60), (5, 70)), *said("bob", "score", (0, 60), (5, 40), (6, 60))],
        {7 - SECOND: "", 7: "ann", 13: "ann bob"},
    ),
    "nothing said for a week": Case(
        {**PLAN, "exists": False, "for": "7 days"},
        [*said("ann", "plan", (0, "pro"), (5, None)), *said("bob", "plan", (0, "pro"))],
        {-1: EVERYBODY, 0: "cem dia", 12 - SECOND: "cem dia", 12: "ann cem dia"},
    ),
    "two answers at one moment, of which the second counts": Case(
        {**PRO, "for": "1 day"},
        said("ann", "plan", (-5, "pro"), (0, "free"), (0, "pro")),
        {0: "ann", 0.5: "ann"},
    ),
    "whatever changed lately": Case(
        {**PLAN, "changed": {"last": "2 days"}},
        [*said("ann", "plan", (0, "pro"), (5, None)), *said("bob", "plan", (1, "free"))],
        {0: "", 1: "ann", 2: "ann bob", 3: "bob", 4: "", 6: "ann"},
    ),
    # What was done
    "what happens at as_of has not happened yet": Case(
        VIEWED, did("ann", "viewed", 1), {1: "", 1 + SECOND: "ann", 99: "ann"}
    ),
    "twice in three days": Case(
        {**VIEWED, "when": {"last": "3 days"}, **TWICE},
        [*did("ann", "viewed", 0, 2), *did("bob", "viewed", 0, 4)],
        {2: "", 2.5: "ann", 3: "ann", 3 + SECOND: "", 4.5: ""},
    ),
    "twice in thirty seconds": Case(
        {**VIEWED, "when": {"last": "30 seconds"}, **TWICE},
        did("ann", "viewed", 0, 20 * SECOND),
        {20 * SECOND: "", 21 * SECOND: "ann", 30 * SECOND: "ann", 31 * SECOND: ""},
    ),
    "fewer than twice, so also never": Case(
        {**VIEWED, "count": {"less_than": 2}},
        did("ann", "viewed", 0, 2),
        {1: EVERYBODY, 3: "bob cem dia"},
    ),
    "once or more, but not twice": Case(
        {**VIEWED, "count": {"at_least": 1, "less_than": 2}},
        did("ann", "viewed", 0, 2),
        {1: "ann", 3: ""},
    ),
    "not for three days": Case(
        {**VIEWED, "when": {"last": "3 days"}, "count": {"is": 0}},
        did("ann", "viewed", 0),
        {0: EVERYBODY, 1: "bob cem dia", 3: "bob cem dia", 3 + SECOND: EVERYBODY},
    ),
    "with properties, all of them": Case(
        {**VIEWED, "where": [{"field": "properties.kind", "is": "tea"}, {"field": "properties.price", "at_least": 5}]},
        [*did("ann", "viewed", 0, kind="tea", price=5), *did("bob", "viewed", 0, kind="tea"), *did("bob", "viewed", 0, price=9)],
        {1: "ann"},
    ),
    "with another property, or without it": Case(
        {**VIEWED, "where": [{"none": [{"field": "properties.kind", "is": "tea"}]}]},
        [*did("ann", "viewed", 0, kind="tea"), *did("bob", "viewed", 0, kind="cup"), *did("cem", "viewed", 0)],
        {1: "bob cem"},
    ),
    "an event that landed late counts for when it happened": Case(
        {**VIEWED, "when": {"last": "4 days"}},
        did("ann", "viewed", 1, landed=3),
        {2: "", 3: "ann", 5: "ann", 5 + SECOND: ""},
    ),
    "events by the beginning of their names": Case(
        {"event": "any", "where": [{"field": "canonical_name", "starts_with": "cart_"}]},
        [*did("ann", "cart_left", 0), *did("bob", "cartoon_seen", 0)],
        {1: "ann"},
    ),
    "the last one was for tea": Case(
        {**VIEWED, "take": "last", **TEA},
        did("ann", "viewed", 0, kind="tea") + did("ann", "viewed", 2, kind="cup"),
        {0: "", 1: "ann", 2: "ann", 2 + SECOND: ""},
    ),
    "the last one for tea was cheap": Case(
        {**VIEWED, "take": "last", "among": TEA["where"], "where": [{"field": "properties.price", "less_than": 5}]},
        did("ann", "viewed", 0, kind="tea", price=9) + did("ann", "viewed", 1, kind="tea", price=4) + did("ann", "viewed", 2, kind="cup", price=9),
        {1: "", 2: "ann", 3: "ann"},
    ),
    "for the first time this week": Case(
        {**VIEWED, "take": "first", "when": {"last": "7 days"}},
        [*did("ann", "viewed", 0, 8), *did("bob", "viewed", 8)],
        {1: "ann", 7: "ann", 8: "", 9: "bob"},
    ),
    "stopped doing it": Case(
        {"all": [{**VIEWED, "when": {"since": "14 days ago", "before": "7 days ago"}}, other({**VIEWED, "when": {"last": "7 days"}})]},
        [*did("ann", "viewed", 0), *did("bob", "viewed", 0, 6)],
        {7: "", 7 + SECOND: "ann", 13: "ann", 13.5: "ann bob", 14: "ann bob", 15: "bob"},
    ),
    "does it again": Case(
        {"all": [{**VIEWED, "when": {"before": "14 days ago"}}, other({**VIEWED, "when": {"since": "14 days ago", "before": "2 days ago"}}), {**VIEWED, "when": {"last": "2 days"}}]},
        [*did("ann", "viewed", 0, 20), *did("bob", "viewed", 0, 10, 20), *did("cem", "viewed", 20)],
        {20: "", 21: "ann", 22: "ann", 23: ""},
    ),
    # One after the other
    "bought within a day of looking": Case(
        {**VIEWED, "then": {**BOUGHT, "within": "1 day"}},
        [*did("ann", "viewed", 0), *did("ann", "bought", 1), *did("bob", "viewed", 0), *did("bob", "bought", 1 + SECOND), *did("cem", "bought", 0), *did("cem", "viewed", 0.5)],
        {1: "", 2: "ann"},
    ),
    "left the checkout, until the order comes": Case(
        {"event": "checkout_started", "when": {"until": "1 day ago"}, "not_then": {**BOUGHT, "within": "3 days"}},
        [*did("ann", "checkout_started", 0), *did("ann", "bought", 2), *did("bob", "checkout_started", 0), *did("bob", "bought", 1, landed=2)],
        {1 - SECOND: "", 1: "ann bob", 2: "ann", 2 + SECOND: ""},
    ),
    "one, two, three": Case(
        {**VIEWED, "then": {"event": "added", "then": BOUGHT}},
        [*did("ann", "viewed", 0), *did("ann", "added", 1), *did("ann", "bought", 2), *did("bob", "added", 0), *did("bob", "viewed", 1), *did("bob", "bought", 2)],
        {2: "", 3: "ann"},
    ),
    "the same product, not just any": Case(
        {**VIEWED, "then": {**BOUGHT, "same": ["properties.sku"]}},
        [*did("ann", "viewed", 0, sku=1), *did("ann", "bought", 1, sku=1), *did("bob", "viewed", 0, sku=1), *did("bob", "bought", 1, sku=2)],
        {2: "ann"},
    ),
    # Habits
    "twice a week in two of three weeks": Case(
        {**VIEWED, **TWICE, "regularly": {"every": "1 week", "of_last": 3, "at_least": 2}},
        [*did("ann", "viewed", 1, 2, 8, 9), *did("bob", "viewed", 1, 2, 3), *did("cem", "viewed", 1, 8, 15)],
        {9: "", 9.5: "ann", 15: "ann", 15.5: "", 22: "ann", 23: ""},
    ),
    "periods begin with their first moment and end before their last": Case(
        {**VIEWED, "regularly": {"every": "2 days", "of_last": 2, "is": 2}},
        did("ann", "viewed", 0, 2),
        {2: "", 2 + SECOND: "ann", 4: "ann", 4 + SECOND: ""},
    ),
    "months follow the calendar": Case(
        {**VIEWED, "regularly": {"every": "1 month", "of_last": 2, "at_least": 2}},
        did("ann", "viewed", -1, 29),
        {29.5: "ann", 30: "", 31: "ann", 60: "ann", 61: ""},
    ),
    "quiet in most weeks, those without anything included": Case(
        {**VIEWED, "count": {"at_most": 1}, "regularly": {"every": "1 week", "of_last": 3, "at_least": 2}},
        did("ann", "viewed", 1, 2, 8, 9),
        {7: EVERYBODY, 15: "bob cem dia", 16: EVERYBODY, 22: "bob cem dia", 23: EVERYBODY},
    ),
    # Sums
    "spent enough this month": Case(
        {"orders": "purchases", "when": {"since": "start of month"}, "where": [{"field": "currency", "is": "EUR"}], "total": {"of": "revenue", "at_least": 50}},
        bought("ann", -1, 40) + bought("ann", 3, 20) + bought("ann", 4, 30),
        {1: "", 4: "", 5: "ann", 30: "ann", 31: ""},
    ),
    "spent last month": Case(
        {"orders": "purchases", "when": {"since": "start of last month", "before": "start of month"}},
        bought("ann", 0, 1) + bought("bob", 30.9, 1),
        {1: "", 30.95: "", 31: "ann bob", 60.9: "ann bob", 61: ""},
    ),
    "spends a lot on average": Case(
        {"orders": "purchases", "where": [{"field": "currency", "is": "EUR"}], "average": {"of": "revenue", "at_least": 30}},
        bought("ann", 0, 40) + bought("ann", 2, 20) + bought("ann", 4, 29),
        {0: "", 1: "ann", 3: "ann", 5: ""},
    ),
    "two different products": Case(
        {"order_lines": "bought", "distinct": {"of": "product_id", "at_least": 2}},
        bought("ann", 0, 1) + bought("ann", 1, 1) + bought("ann", 2, 1, "cup"),
        {2: "", 3: "ann"},
    ),
    # People
    "everybody": Case({"all": []}, [], {0: EVERYBODY}),
    # cem falls into bucket 4967 of spring, bob into 7081
    "a share of the people is the same every day": Case(
        {"sample": "spring", "percent": 50}, [], {0: "cem", 400: "cem"}
    ),
    "a share that ends right before somebody": Case(
        {"sample": "spring", "percent": 70.81}, [], {0: "cem"}
    ),
    "a share a hundredth of a percent larger": Case(
        {"sample": "spring", "percent": 70.82}, [], {0: "bob cem"}
    ),
    "the others": Case(
        other({"sample": "spring", "percent": 50}), [], {0: "ann bob dia"}
    ),
    "another draw": Case(
        {"sample": "autumn", "percent": 50}, [], {0: "ann bob dia"}
    ),
    "whoever opted in": Case(
        {"consent": "marketing"}, answered("ann", "granted") + answered("bob", "denied"), {0: "ann"}
    ),
    "whoever did not opt out": Case(
        other({"consent": "marketing", "is": "denied"}), answered("ann", "granted") + answered("bob", "denied"), {0: "ann cem dia"}
    ),
    "either of two, and not a third": Case(
        {"all": [{"any": [PRO, {**VIEWED, "when": {"last": "2 days"}}]}, other(BOUGHT)]},
        [*said("ann", "plan", (0, "pro")), *did("ann", "bought", 5), *did("bob", "viewed", 1), *said("cem", "plan", (3, "pro"))],
        {0: "ann", 2: "ann bob", 3: "ann bob cem", 4: "ann cem", 6: "cem"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with filled(World(rows={model: [] for model in oracle.MAKERS})) as connection:
        yield connection


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=name) for name, c in CASES.items()]
)
def test_people_come_and_go_as_the_clock_moves(
    warehouse: duckdb.DuckDBPyConnection, case: Case
) -> None:
    rule = declared(case.rule)
    assert [*mistakes(rule, "tried", known=set())] == []
    sql = rendered(compiled_model("tried", rule), START, oracle.relation)
    for rows, days in groupby(case.clock, lambda day: [*known(case, day)]):
        warehouse.begin()
        for model, row in rows:
            insert(warehouse, model, row)
        for day in days:
            asked = sql.replace(START.isoformat(), at(day).isoformat())
            found = sorted(who for (who,) in warehouse.execute(asked).fetchall())
            assert found == case.clock[day].split(), f"day {day}"
        warehouse.rollback()


def known(case: Case, day: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows that the warehouse has on a day."""
    for person in PEOPLE:
        row = {"profile_id": person, "birth_date": case.born.get(person)}
        yield "dim_profiles", row
    told = [(each.model, dict(each.row)) for each in case.told if each.landed <= day]
    changes = [row for model, row in told if model == "fct_attribute_changes"]
    changes.sort(key=lambda row: (row["profile_id"], row["path"], row["changed_at"]))
    for row, after in pairwise(changes):
        if (row["profile_id"], row["path"]) == (after["profile_id"], after["path"]):
            row["superseded_at"] = after["changed_at"]
    for number, (model, row) in enumerate(told):
        if model == "fct_profile_events":
            row["record_id"] = str(UUID(int=number))
        yield model, row


def insert(
    connection: duckdb.DuckDBPyConnection, model: str, row: dict[str, Any]
) -> None:
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(
        f"insert into {oracle.relation(model)} ({columns}) values ({marks})",
        [*row.values()],
    )
