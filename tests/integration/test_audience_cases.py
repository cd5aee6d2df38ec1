"""Who is in which audience, as somebody who knows other platforms would read the rule: cases by hand, with the clock standing still.

The people and what they did are few enough to be held in the head. Random rules are test_audience_rules.py's.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import duckdb
import pytest

from tests.integration import audience_oracle as oracle
from tests.integration.audience_oracle import AS_OF, World, filled
from tests.integration.test_audience_rules import members

BORN = {"ann": date(1990, 4, 2), "bob": date(1990, 3, 31)}
COUNTRIES = {"ann": "DE", "bob": "de", "cem": None, "dia": ""}
# who, what, days from now, with which properties
EVENTS = [
    ("ann", "viewed", -1, {"price": 30, "cat": "Tea", "vip": True, "deep": {"a": {"b": "x"}}, "tags": ["vip", "x"], "sku": "1"}),
    ("ann", "viewed", -2, {"price": "30.00", "cat": "tea", "vip": "true", "tags": ["vip2"], "sku": "2"}),
    ("ann", "viewed", -3, {"price": "thirty", "cat": None, "vip": False, "sku": "1"}),
    ("bob", "viewed", -1, {"price": 9, "cat": "coffee", "sku": "1"}),
    ("bob", "bought", -0.5, {"sku": "2", "total": 5}),
    ("cem", "viewed", -5, {"sku": "9"}),
    ("cem", "bought", -4, {"sku": "9", "total": "7.5"}),
    ("cem", "bought", 2, {}),
]  # fmt: skip
ORDERS = [
    ("ann", "completed", -3, "EUR", 60),
    ("ann", "completed", -2, "USD", 60),
    ("bob", "completed", -3, "EUR", 100),
    ("cem", "completed", -40, "EUR", 100),
    ("dia", "incomplete", -1, "EUR", 100),
]
# whose, on which channel, what; cem has two addresses
CONSENTS = [
    ("ann", "email", "granted", "ann"),
    ("ann", "sms", "denied", "ann"),
    ("bob", "all", "denied", "bob"),
    ("cem", "all", "granted", "cem"),
    ("cem", "email", "denied", "cem's other one"),
]
ATTRIBUTES = [
    ("ann", "tags", ["vip", "new"]),
    ("bob", "tags", ["vip2"]),
    ("cem", "tags", "vip"),
    ("ann", "age", 30),
    ("bob", "age", "30"),
    ("cem", "age", None),
    ("ann", "flag", True),
]
VIEWED = {"event": "viewed"}


def viewed(field: str, **comparison: object) -> oracle.Rule:
    return {**VIEWED, "where": [{"field": field, **comparison}]}


@pytest.fixture(scope="module")
def town() -> Iterator[duckdb.DuckDBPyConnection]:
    people = [
        {"profile_id": name, "country": country, "birth_date": BORN.get(name)}
        for name, country in COUNTRIES.items()
    ]
    world = World(people, {model: [] for model in oracle.MAKERS})
    for number, (name, event, days, properties) in enumerate(EVENTS):
        world.rows["fct_profile_events"].append(
            {
                "profile_id": name,
                "record_id": str(UUID(int=number)),
                "canonical_name": event,
                "occurred_at": AS_OF + timedelta(days=days),
                "properties": json.dumps(properties),
            }
        )
    for number, (name, state, days, currency, revenue) in enumerate(ORDERS):
        at = AS_OF + timedelta(days=days)
        world.rows["fct_orders"].append(
            {
                "profile_id": name,
                "order_id": f"o{number}",
                "state": state,
                "is_purchase": state == "completed",
                "ordered_at": at,
                "last_event_at": at,
                "currency": currency,
                "revenue": Decimal(revenue),
            }
        )
    for name, channel, state, contact in CONSENTS:
        world.rows["dim_consents"].append(
            {
                "profile_id": name,
                "contact_type": "email",
                "contact_value": contact,
                "purpose": "marketing",
                "channel": channel,
                "state": state,
            }
        )
    for name, path, value in ATTRIBUTES:
        world.rows["fct_attribute_changes"].append(
            {
                "profile_id": name,
                "path": path,
                "new_value": json.dumps(value),
                "changed_at": AS_OF - timedelta(days=10),
            }
        )
    world.rows["audience_others"].append({"profile_id": "ann"})
    with filled(world) as connection:
        yield connection


# what is asked, the rule, who is in
CASES = [
    ("a number", viewed("properties.price", **{"is": 30}), "ann"),
    ("a number, sent as number or as text", {**viewed("properties.price", **{"is": 30}), "count": {"is": 2}}, "ann"),
    ("a text that looks like a number", viewed("properties.price", **{"is": "30"}), "ann"),
    ("at least", viewed("properties.price", at_least=9), "ann bob"),
    ("true, sent as such or as text", {**viewed("properties.vip", **{"is": True}), "count": {"is": 2}}, "ann"),
    ("what is missing is not false", {**viewed("properties.vip", is_not=True), "count": {"is": 1}}, "ann"),
    ("a property that is missing or null", viewed("properties.cat", exists=False), "ann cem"),
    ("a nested property", viewed("properties.deep.a.b", **{"is": "x"}), "ann"),
    ("upper and lower case matter", viewed("properties.cat", **{"is": "tea"}), "ann"),
    ("upper and lower case matter, counted", {**viewed("properties.cat", **{"is": "tea"}), "count": {"is": 1}}, "ann"),
    ("ignoring case", {**viewed("properties.cat", **{"is": "TEA", "ignoring_case": True}), "count": {"is": 2}}, "ann"),
    ("a part of a list's text", {**viewed("properties.tags", contains="vip"), "count": {"is": 1}}, ""),
    ("nothing like it", {"event": "viewed", "where": [{"none": [{"field": "properties.cat", "contains": "ea"}]}]}, "ann bob cem"),
    ("never", {**VIEWED, "count": {"is": 0}}, "dia"),
    ("at most once, so also never", {**VIEWED, "count": {"at_most": 1}}, "bob cem dia"),
    ("not lately", {**VIEWED, "when": {"last": "2 days"}, "count": {"at_most": 0}}, "cem dia"),
    ("the first of all", {**VIEWED, "take": "first", "where": [{"field": "properties.price", "is": "thirty"}]}, "ann"),
    ("the last of all", {**VIEWED, "take": "last", "where": [{"field": "properties.cat", "is": "Tea"}]}, "ann"),
    ("one after the other, the first day included", {**VIEWED, "then": {"event": "bought", "within": "1 day"}}, "bob cem"),
    ("what lies ahead has not happened", {"event": "bought", "count": {"is": 1}}, "bob cem"),
    ("what lies ahead, asked for", {"event": "bought", "when": {"next": "3 days"}}, "cem"),
    ("a missing trait is not another one", {"profile": "country", "is_not": "DE"}, "bob dia"),
    ("the complement has those whose trait is missing", {"none": [{"profile": "country", "is": "DE"}]}, "bob cem dia"),
    ("an empty text is there", {"profile": "country", "exists": True}, "ann bob dia"),
    ("one of a list, ignoring case", {"profile": "country", "in": ["De"], "ignoring_case": True}, "ann bob"),
    ("a total in one currency", {"orders": "purchases", "where": [{"field": "currency", "is": "EUR"}], "total": {"of": "revenue", "at_least": 100}}, "bob cem"),
    ("a total of a month", {"orders": "purchases", "when": {"last": "30 days"}, "where": [{"field": "currency", "is": "EUR"}], "total": {"of": "revenue", "at_least": 60}}, "ann bob"),
    ("a total of nothing is 0", {"orders": "purchases", "where": [{"field": "currency", "is": "EUR"}], "total": {"of": "revenue", "at_most": 0}}, "dia"),
    ("a total of what was sent", {"event": "bought", "total": {"of": "properties.total", "at_least": 7}}, "cem"),
    ("different values", {**VIEWED, "distinct": {"of": "properties.sku", "is": 2}}, "ann"),
    ("consent on a channel", {"consent": "marketing", "channel": "email"}, "ann cem"),
    ("consent that nobody denied", {"consent": "marketing"}, "cem"),
    ("a denial", {"consent": "marketing", "is": "denied", "channel": "email"}, "bob cem"),
    ("in another audience", {"audience": "others"}, "ann"),
    ("not in another audience", {"none": [{"audience": "others"}]}, "bob cem dia"),
    ("an attribute as a number", {"attribute": "age", "is": 30}, "ann bob"),
    ("an attribute that is missing or null", {"attribute": "age", "exists": False}, "cem dia"),
    ("a part of an attribute's text", {"attribute": "tags", "contains": "vip"}, "ann bob cem"),
    ("an attribute that is true", {"attribute": "flag", "is": True}, "ann"),
    ("empty groups", {"all": [{"any": []}, {"all": []}]}, ""),
    ("twice denied", {"none": [{"none": [VIEWED]}]}, "ann bob cem"),
    ("on a date", {"profile": "birth_date", "on": "1990-04-02"}, "ann"),
    ("a date of birth lies never ahead", {"profile": "birth_date", "next": "7 days"}, ""),
    ("nothing at all", {"event": "any", "count": {"is": 0}}, "dia"),
    ("an entry of a list", {**viewed("properties.tags", includes="vip"), "count": {"is": 1}}, "ann"),
    ("an entry of an attribute's list, or its only value", {"attribute": "tags", "includes": "vip"}, "ann cem"),
    ("an entry, ignoring case", {"attribute": "tags", "includes": "VIP2", "ignoring_case": True}, "bob"),
    ("the same product afterwards", {**VIEWED, "then": {"event": "bought", "same": ["properties.sku"]}}, "cem"),
    ("not the same product afterwards", {**VIEWED, "not_then": {"event": "bought", "same": ["properties.sku"]}}, "ann bob"),
    ("missing is the same as nothing", {**VIEWED, "then": {"event": "bought", "same": ["properties.none"]}}, ""),
    ("missing is the same as nothing, a column", {**VIEWED, "then": {"event": "bought", "same": ["currency"]}}, ""),
    ("the last one in euros", {"orders": "purchases", "take": "last", "among": [{"field": "currency", "is": "EUR"}], "when": {"before": "2 days ago"}}, "ann bob cem"),
    ("the last one of all", {"orders": "purchases", "take": "last", "when": {"before": "2 days ago"}}, "bob cem"),
    ("several events", {"event": ["viewed", "bought"], "count": {"at_least": 3}}, "ann"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "who"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_whoever_a_plain_reading_finds_is_in(
    town: duckdb.DuckDBPyConnection, rule: oracle.Rule, who: str
) -> None:
    assert members(town, rule) == who.split()
