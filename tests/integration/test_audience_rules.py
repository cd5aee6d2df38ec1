"""What a rule file says is what its compiled model finds: random rules over random people, against a naive evaluator."""

import random
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import duckdb
import pytest

from orchestration.audience.compiling import compiled_model
from orchestration.audience.mistakes import mistakes
from orchestration.audience.rendering import rendered
from orchestration.audience.rules import Rule
from tests.integration import audience_oracle as oracle
from tests.integration.audience_oracle import (
    AS_OF,
    World,
    filled,
    make_rule,
    make_world,
    relation,
)

SEEDS = [
    *range(4),
    *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(4, 64)),
]
RULES_A_SEED = 60


def members(connection: duckdb.DuckDBPyConnection, who: oracle.Rule) -> list[str]:
    rule = declared(who)
    sql = rendered(compiled_model("tried", rule), AS_OF, relation)
    return sorted(row[0] for row in connection.execute(sql).fetchall())


def declared(who: oracle.Rule) -> Rule:
    return Rule.model_validate(
        {"description": "A test's.", "owner": "tests", "purpose": "service", "who": who}
    )


@pytest.fixture(scope="module", params=SEEDS)
def population(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[int, World, duckdb.DuckDBPyConnection]]:
    pick = random.Random(request.param)
    world = make_world(pick, people=30)
    oracle.settle_attributes(pick, world)
    with filled(world) as connection:
        yield request.param, world, connection


def test_a_compiled_rule_finds_whom_a_plain_reading_of_it_finds(population):
    seed, world, connection = population
    pick = random.Random(1000 + seed)
    sizes = set()
    for _ in range(RULES_A_SEED):
        who = make_rule(pick)
        found = members(connection, who)
        expected = sorted(
            person["profile_id"]
            for person in world.profiles
            if oracle.holds(who, person, world)
        )
        assert found == expected, who
        sizes.add(len(found))
    assert len(sizes) > 10, "the rules divide nobody"


DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
SEEN = {"event": "viewed"}
# rule, when `viewed` and then `bought` happened, from as_of on, and whether the person is in
BOUNDS = [
    (SEEN | {"when": {"last": "1 day"}}, -DAY, None, True),
    (SEEN | {"when": {"last": "1 day"}}, -DAY - TICK, None, False),
    (SEEN | {"when": {"last": "1 day"}}, 0 * DAY, None, False),
    (SEEN | {"when": {"next": "1 day"}}, 0 * DAY, None, True),
    (SEEN | {"when": {"next": "1 day"}}, DAY, None, False),
    (SEEN | {"when": {"next": "1 day"}}, DAY - TICK, None, True),
    (SEEN, -TICK, None, True),
    (SEEN, 0 * DAY, None, False),
    (SEEN | {"when": {"since": "1 day ago"}}, 0 * DAY, None, False),
    (SEEN | {"when": {"until": "now"}}, 0 * DAY, None, True),
    (SEEN | {"when": {"on": "1 day ago"}}, -DAY, None, True),
    (SEEN | {"when": {"on": "1 day ago"}}, -TICK, None, True),
    (SEEN | {"when": {"on": "1 day ago"}}, 0 * DAY, None, False),
    (SEEN | {"when": {"on": "today", "until": "now"}}, 0 * DAY, None, True),
    (SEEN | {"when": {"since": "1 month ago"}}, -31 * DAY, None, True),
    (SEEN | {"when": {"since": "1 month ago"}}, -31 * DAY - TICK, None, False),
    (SEEN | {"then": {"event": "bought", "within": "1 day"}}, -2 * DAY, -DAY, True),
    (SEEN | {"then": {"event": "bought", "within": "1 day"}}, -2 * DAY, TICK - DAY, False),
    (SEEN | {"then": {"event": "bought"}}, -DAY, -DAY, True),
    (SEEN | {"then": {"event": "bought"}}, -DAY, -DAY - TICK, False),
    (SEEN | {"then": {"event": "bought"}}, -DAY, 0 * DAY, False),
    (SEEN | {"not_then": {"event": "bought", "within": "1 day"}}, -2 * DAY, -DAY, False),
    (SEEN | {"count": {"is": 0}}, None, None, True),
    (SEEN | {"count": {"is": 0}}, -DAY, None, False),
    ({"all": []}, None, None, True),
    ({"any": []}, None, None, False),
    ({"none": []}, None, None, True),
    ({"profile": "country", "is_not": "DE"}, None, None, False),
    ({"none": [{"profile": "country", "is": "DE"}]}, None, None, True),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "viewed", "bought", "is_in"), BOUNDS)
def test_bounds_are_where_they_are_said_to_be(rule, viewed, bought, is_in):
    world = World([{"profile_id": "p"}], {model: [] for model in oracle.MAKERS})
    for number, (name, at) in enumerate([("viewed", viewed), ("bought", bought)]):
        if at is not None:
            event = {"record_id": str(UUID(int=number)), "canonical_name": name}
            moment = {"occurred_at": AS_OF + at, "profile_id": "p"}
            world.rows["fct_profile_events"].append(event | moment)
    with filled(world) as connection:
        assert members(connection, rule) == ["p"] * is_in


def test_what_the_random_rules_say_is_allowed():
    pick = random.Random(7)
    for _ in range(200):
        rule = declared(make_rule(pick))
        # They ask for texts that a column never holds, too, which is told and evaluated all the same.
        told = mistakes(rule, "tried", known={"others"})
        assert [each for each in told if " is never `" not in each] == []
