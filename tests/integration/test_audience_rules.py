"""What a rule file says is what its compiled model finds: random rules over random people, against a naive evaluator."""

import random
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.audience import fields
from orchestration.audience.compiling import compiled_model
from orchestration.audience.loading import mistakes
from orchestration.audience.rendering import relation_of, rendered
from orchestration.audience.rules import Rule
from tests.integration import audience_oracle as oracle
from tests.integration.audience_oracle import AS_OF, World, make_rule, make_world

SEEDS = [
    *range(4),
    *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(4, 64)),
]
RULES_A_SEED = 60


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
        relation = _relation(model)
        connection.execute(f"create schema if not exists {relation.split('.')[0]}")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        connection.execute(f"create table {relation} ({columns})")
        for row in rows:
            connection.execute(
                f"insert into {relation} ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                list(row.values()),
            )
    return connection


def _relation(model: str) -> str:
    return (
        "audiences.audience_others"
        if model == "audience_others"
        else relation_of(model)
    )


def members(connection: duckdb.DuckDBPyConnection, who: oracle.Rule) -> list[str]:
    rule = declared(who)
    sql = rendered(compiled_model("tried", rule), AS_OF, _relation)
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


def test_what_the_random_rules_say_is_allowed():
    pick = random.Random(7)
    for _ in range(200):
        rule = declared(make_rule(pick))
        assert [
            m for m in mistakes(rule, "tried") if "no audience `others`" not in m
        ] == []
