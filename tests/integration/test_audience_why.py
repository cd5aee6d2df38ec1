"""Why or why not: the clauses of every audience recombine to its membership, whoever wrote it."""

import random
import re

import pytest

from orchestration.audience.clauses import taken_apart
from orchestration.audience.compiling import compiled_model
from orchestration.audience.fields import audiences
from orchestration.audience.rendering import model_file, rendered
from orchestration.audience.why import Why, answers, why
from tests.integration import audience_oracle as oracle
from tests.integration.audience_oracle import AS_OF, filled, make_rule, make_world
from tests.integration.test_audience_rules import declared


@pytest.fixture(scope="module")
def shop():
    """People who meet every clause of the audiences that are shipped, and every audience evaluated over them."""
    pick = random.Random(3)
    world = make_world(pick, people=120)
    oracle.settle_attributes(pick, world)
    with filled(world) as connection:
        waiting = audiences()
        while waiting:
            name = waiting.pop(0)
            sql = rendered(model_file(f"audience_{name}").read_text(), AS_OF)
            if any(f"audience_{other}" in sql for other in waiting):
                waiting.append(name)
                continue
            connection.execute(f"create table audiences.audience_{name} as {sql}")
        yield connection, [person["profile_id"] for person in world.profiles]


def recombined(connection, sql: str, people: list[str]) -> dict[str, set[str]]:
    """Step → whom its clauses let in."""
    return {
        name: {
            person
            for person, answer in answers(connection, step, people).items()
            if answer.holds
        }
        for name, step in taken_apart(sql).items()
    }


@pytest.mark.parametrize("audience", audiences())
def test_the_clauses_of_every_audience_recombine_to_its_members(shop, audience):
    connection, people = shop
    sql = rendered(model_file(f"audience_{audience}").read_text(), AS_OF)
    steps = recombined(connection, sql, people)
    members = connection.execute(
        f"select profile_id from audiences.audience_{audience}"
    )
    found = {name for (name,) in members.fetchall()}
    assert [*steps.values()][-1] == found
    assert 0 < len(found) < len(people), "the test says nothing of members or of others"


LONG_WORDS = [
    {"attribute": "plan", "exists": True, "for": "2 days"},
    {"attribute": "plan", "exists": False, "changed": {"last": "1 month"}},
    {"profile": "birth_date", "anniversary": {"next": "7 days"}},
    {"event": "viewed", "regularly": {"every": "1 month", "of_last": 2, "at_least": 2}},
    {"event": "viewed", "count": {"is": 0}, "regularly": {"every": "1 week", "of_last": 3, "less_than": 3}},
    {"event": "viewed", "average": {"of": "properties.kind", "at_least": 5}},
    {"none": [{"sample": "spring", "percent": 50}, {"attribute": "plan", "matches": "^[0-9]"}]},
]  # fmt: skip


def test_the_clauses_of_compiled_rules_recombine_at_every_step(shop):
    connection, people = shop
    pick = random.Random(5)
    for who in [*LONG_WORDS, *(make_rule(pick) for _ in range(20))]:
        rule = declared(who)
        sql = rendered(compiled_model("tried", rule), AS_OF, oracle.relation)
        head, _, _ = sql.rpartition("select * from final")
        for name, found in recombined(connection, sql, people).items():
            step = f"{head} select distinct profile_id from {name}"
            rows = connection.execute(step).fetchall()
            assert found == {person for (person,) in rows} - {None}, (name, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select profile_id from orders.fct_orders where is_purchase union select profile_id from orders.fct_subscriptions",
        "with a as (select profile_id from orders.fct_orders except select profile_id from orders.fct_subscriptions) select * from a",
        "select profiles.profile_id from profiles.dim_profiles as profiles inner join orders.fct_orders as o on o.profile_id = profiles.profile_id and o.is_purchase where not exists (select 1 from orders.fct_subscriptions as s where s.profile_id = profiles.profile_id)",
        "select o.profile_id from profiles.dim_profiles as profiles inner join orders.fct_orders as o on o.profile_id = profiles.profile_id where profiles.country is null or not (o.revenue > 5 or o.currency = 'EUR')",
        "select profile_id from orders.fct_orders where profile_id in (select profile_id from orders.fct_subscriptions where state = 'active') group by profile_id having count(*) > 1 and not (sum(revenue) > 30 or max(ordered_at) is null)",
        "select profile_id from profiles.dim_profiles",
    ],
)  # fmt: skip
def test_other_shapes_of_sql_recombine_too(shop, sql):
    connection, people = shop
    found = {person for person, *_ in connection.execute(sql).fetchall()} - {None}
    assert [*recombined(connection, sql, people).values()][-1] == found


def told(shop, audience: str, is_in: bool) -> tuple[Why, str]:
    """The answer for somebody who is in, or for somebody who is not."""
    connection, people = shop
    answered = (why(connection, audience, person, AS_OF) for person in people)
    found = next(each for each in answered if each.is_in is is_in)
    return found, "\n".join(found.lines())


def test_what_would_change_the_answer_is_said(shop):
    found, said = told(shop, "high_value_customers", is_in=False)
    assert f"{found.person} is not in high_value_customers, as of 2026-03-31" in said
    assert "To be in, this would have to be otherwise:\n  " in said
    assert " is missing)" in said or " is 1" in said or " is 0" in said
    found, said = told(shop, "high_value_customers", is_in=True)
    assert (
        "To leave, this would have to be otherwise:\n  order_count >= 2   (order_count is 2)"
        in said
    )


def test_a_clause_over_rows_shows_the_row_that_came_nearest(shop):
    connection, people = shop
    answered = [why(connection, "contract_ending_unrenewed", p, AS_OF) for p in people]
    rows = [each for each in answered if not each.is_in and len(each.deciding.rows) > 1]
    said = "\n".join(rows[0].lines())
    assert (
        f"0 of {len(rows[0].deciding.rows)} rows of subscriptions hold; the nearest:"
        in said
    )
    assert "contract_ends_at >= as_of" in said


def test_whoever_has_no_row_at_all_is_told_so(shop):
    connection, _ = shop
    nobody = why(connection, "repeat_buyers", "p_nobody", AS_OF)
    assert not nobody.is_in
    assert "To be in, they would need a row in orders." in [*nobody.lines()]
    assert nobody.as_dict()["steps"]["final"] == {
        "holds": False, "rows": 0, "rows_that_hold": 0, "clauses": [],
    }  # fmt: skip


def test_whoever_has_no_row_of_the_step_that_a_rule_begins_with_is_told_every_clause(
    shop,
):
    connection, _ = shop
    viewed = {"event": "viewed", "count": {"at_least": 2}}
    rule = declared({"all": [viewed, {"none": [{"orders": "purchases"}]}]})
    sql = rendered(compiled_model("tried", rule), AS_OF, oracle.relation)
    assert "dim_profiles" not in sql
    told = {
        name: answers(connection, step, ["p_nobody"])["p_nobody"]
        for name, step in taken_apart(sql).items()
    }
    said = "\n".join(Why("tried", "p_nobody", AS_OF, told).lines())
    assert "✗ rows of events_1: at least 2   (found: 0)" in said
    assert "✓ not\n      ✗ rows of orders_1: at least 1   (found: 0)" in said


def test_macros_are_told_by_their_names(shop):
    connection, people = shop
    rule = {
        "any": [
            {
                "event": "viewed",
                "where": [
                    {"field": "properties.at", "anniversary": {"last": "1 week"}}
                ],
            },
            {"sample": "spring", "percent": 5},
        ]
    }
    sql = rendered(compiled_model("tried", declared(rule)), AS_OF, oracle.relation)
    told = {
        name: answers(connection, step, people)
        for name, step in taken_apart(sql).items()
    }
    person = next(who for who, answer in told["events_1"].items() if answer.rows)
    steps = {name: answered[person] for name, answered in told.items()}
    said = "\n".join(Why("tried", person, AS_OF, steps).lines())
    assert (
        "next_anniversary(sent_moment(properties ->> '$.at'), as_of - interval '1' week) < cast(as_of as date)"
        in said
    )
    assert "holdout_bucket('sample:spring', profiles.profile_id) < 500" in said


def test_rows_that_a_compiled_rule_counts_are_told_in_the_words_of_the_rule(shop):
    _, said = told(shop, "lapsed_buyers", is_in=False)
    _, _, remedy = said.partition("To be in, this would have to be otherwise:\n")
    assert re.match(
        r"  rows of \w+: at least 1   \(found: \d+\)\n      \w+: \w+", remedy
    )
    assert "coalesce" not in said
