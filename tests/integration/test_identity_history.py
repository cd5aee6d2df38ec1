"""Identity explained, previewed, as of, and undone, over real dbt builds: what is said equals what is built."""

import random
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import duckdb
import pytest

from ingestion.settings import Settings
from orchestration.identity.as_of import graph_as_of
from orchestration.identity.explain import explain, explain_profile
from orchestration.identity.graph import Identifier, Link, links_of
from orchestration.identity.preview import compare, preview
from orchestration.warehouse.schema import read_copy
from tests.end_to_end.platform import public_models
from tests.integration.warehouse import AS_OF, Warehouse

pytestmark = pytest.mark.prove

START = datetime(2026, 1, 5)
MOMENT = datetime.fromisoformat(AS_OF)
WORLDS, RECORDS = 60, 14
POOLS = {"user_id": 3, "crm_id": 3, "email": 3, "ios.id": 2, "anonymous_id": 4}
IDENTITY = (
    *("identity.dim_identifiers", "identity.dim_profile_ids"),
    *("identity.fct_identity_demotions", "identity.fct_identity_edges"),
)
# They say when something changed, so they tell one who was merged once from one who never was.
LEDGERS = {
    "identity.fct_profile_merges",
    "audiences.fct_audience_membership",
    "activation.activation_changes",
    "activation.activation_guards",
}


def events(load: int) -> list[dict[str, Any]]:
    """Half of every world: people who share devices and addresses."""
    rows = []
    for world in range(WORLDS):
        dice = random.Random(world)

        def value(kind: str, dice=dice, world=world) -> tuple[str, str]:
            return kind, f"w{world}{kind[0]}{dice.randrange(POOLS[kind])}@x"

        def alias(_: str, given: str, dice=dice) -> dict[str, str]:
            return {"previous_id": given} if dice.random() < 0.1 else {}

        for place in range(RECORDS):
            kinds = dice.sample(sorted(POOLS), dice.choice((1, 2, 2, 3)))
            number = world * RECORDS + place
            rows.append(
                event(
                    number,
                    {**dict(map(value, kinds)), **alias(*value(dice.choice(kinds)))},
                    START + timedelta(minutes=dice.randrange(40)),
                    load=1 + (place >= RECORDS // 2),
                )
            )
    return [row for row in rows if row["_load_id"] == load]


def event(
    number: int,
    identifiers: dict[str, str],
    at: datetime,
    load: int = 1,
    name: str = "Seen",
    **properties: Any,
) -> dict[str, Any]:
    return {
        "record_id": UUID(int=number + 1),
        "source_id": "web",
        "received_at": START + timedelta(days=load),
        "event_id": str(number),
        "type": "track",
        "name": name,
        "occurred_at": at,
        "identifiers": [{"type": k, "value": v} for k, v in identifiers.items()],
        "properties": properties,
        "context": {},
        "_load_id": load,
    }


def landed(warehouse: Warehouse, load: int, rows: list[dict[str, Any]]) -> None:
    warehouse.insert("events", rows)
    ledger = {"load_id": load, "stream": "events", "segment": f"segment-{load}"}
    warehouse.insert("loads", [ledger])


def pairs(world: int) -> list[list[str]]:
    """Two never-together rows in every other world."""
    dice = random.Random(-world)
    rows = []
    for _ in range(0 if world % 2 else 2):
        kinds = dice.sample(sorted(POOLS), 2)
        ends = [(k, f"w{world}{k[0]}{dice.randrange(POOLS[k])}@x") for k in kinds]
        rows.append([*ends[0], *ends[1], "test"])
    return rows


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> tuple[Warehouse, Settings, list[list[tuple]]]:
    """A warehouse after two loads, published; and what its identity tables said after the first.

    The ledger is left out: what is pending in it is dated by the refresh that would land it.
    """
    warehouse = Warehouse(tmp_path_factory.mktemp("history"))
    for world in range(WORLDS):
        warehouse.add_to_seed("never_together", *pairs(world))
    warehouse.add_to_seed(
        "always_together", ["user_id", "w1u0@x", "user_id", "w1u1@x", "test"]
    )
    landed(warehouse, 1, events(1))
    warehouse.build("+identity")
    with duckdb.connect(warehouse.file) as connection:
        then = [contents(connection, table) for table in IDENTITY]
    landed(warehouse, 2, events(2))
    warehouse.build("+identity")
    settings = Settings(
        home=warehouse.folder / "home", dbt_project_dir=warehouse.project
    )
    settings.published.parent.mkdir(parents=True)
    with duckdb.connect(warehouse.file) as connection:
        connection.execute("checkpoint")
    shutil.copyfile(warehouse.file, settings.published)
    return warehouse, settings, then


@pytest.fixture
def copy(history) -> Iterator[duckdb.DuckDBPyConnection]:
    with read_copy(history[1].published) as connection:
        yield connection


def test_live_edges_connect_every_profile_and_nothing_else(copy):
    whose = dict(
        copy.execute(
            "select identifier_id, profile_id from identity.dim_identifiers where not is_shared"
        ).fetchall()
    )
    groups = connected(set(whose), links_of(copy, set(whose.values())))
    assert sorted(map(len, groups)) == sorted(
        sum(p == profile for p in whose.values()) for profile in set(whose.values())
    )
    assert all(len({whose[key] for key in group}) == 1 for group in groups)
    demotions = copy.execute(
        "select demotion, count(*) from identity.fct_identity_edges group by all"
    ).fetchall()
    assert {name for name, n in demotions if n > 5} >= {
        *(None, "shared", "edge", "never together")
    }


def connected(keys: set[int], links: list[Link]) -> list[set[int]]:
    """Union by relabelling: slow and plain."""
    group = {key: {key} for key in keys}
    for link in links:
        if {link.a.key, link.b.key} <= keys:
            one, other = group[link.a.key], group[link.b.key]
            if one is not other:
                one |= other
                group |= dict.fromkeys(other, one)
    return list({id(each): each for each in group.values()}.values())


def test_pairs_of_a_world_are_explained(copy):
    """Merged: over live links alone. Not merged: a link that a rule refused, or a world apart."""
    rows = copy.execute(
        "select identifier_id, identifier_type, identifier_value, profile_id, is_shared from identity.dim_identifiers"
    ).fetchall()
    for world in range(0, WORLDS, 20):
        people = [Identifier(*row) for row in rows if row[2].startswith(f"w{world}")]
        people = [each for each in people if not each.value[len(f"w{world}")].isdigit()]
        found = list(combinations(people, 2))
        for a, b in random.Random(world).sample(found, min(20, len(found))):
            answer = explain(copy, a, b)
            at = a
            for step in answer.chain:
                assert step.start == at
                assert {step.start.key, step.end.key} == {
                    step.link.a.key,
                    step.link.b.key,
                }
                at = step.end
            assert at == b or not answer.chain
            live = [step.link.is_live for step in answer.chain]
            if answer.is_merged:
                assert live
                assert all(live)
            else:
                assert not all(live) or not live
                assert answer.chain or "No evidence connects them" in answer.reasons[0]
            assert list(answer.lines())
        for each in people[:5]:
            profile = explain_profile(copy, each)
            members = [m for m in profile.members if not m.is_shared]
            assert len(profile.came) == len(members) - 1


def test_the_graph_as_of_a_load_is_what_a_warehouse_of_that_prefix_said(history):
    _, settings, then = history
    with graph_as_of(settings, "1") as (_, file), read_copy(file) as connection:
        assert [contents(connection, table) for table in IDENTITY] == then


def test_a_preview_says_what_the_edit_then_does(history, tmp_path):
    warehouse, settings, _ = history
    edited = tmp_path / "project"
    shutil.copytree(warehouse.project, edited, symlinks=True)
    types = edited / "seeds/identifier_types.csv"
    types.write_text(types.read_text().replace("user_id,,1,1,", "user_id,,1,2,"))
    with (edited / "seeds/never_together.csv").open("a") as seed:
        for world in range(WORLDS):
            seed.write(f"email,w{world}e0@x,user_id,w{world}u0@x,test\n")
    trying = settings.model_copy(update={"dbt_project_dir": edited})
    before = settings.published.read_bytes()
    said = preview(trying, MOMENT, "", audiences=False)
    assert settings.published.read_bytes() == before

    applied = Warehouse(tmp_path / "applied")
    shutil.rmtree(applied.project / "seeds")
    shutil.copytree(edited / "seeds", applied.project / "seeds")
    for load in (1, 2):
        landed(applied, load, events(load))
    applied.build("+identity")
    assert said == compare(settings.published, applied.file, MOMENT, audiences=False)
    assert {change.kind for change in said.changes} >= {"merge", "split"}
    assert said.seeds == ["identifier_types", "never_together"]


STORY = [
    ("Seen", {"email": "ann@x", "anonymous_id": "tablet"}, {}),
    ("Seen", {"email": "ben@x", "anonymous_id": "tablet"}, {}),
    ("Product Viewed", {"anonymous_id": "tablet"}, {"product_id": "p-1"}),
    (
        "Order Completed",
        {"email": "ann@x", "anonymous_id": "tablet"},
        {"order_id": "a"},
    ),
    ("Order Completed", {"email": "ben@x"}, {"order_id": "b"}),
    ("Order Completed", {"email": "cat@x"}, {"order_id": "c"}),
    ("Order Completed", {"email": "cat@x"}, {"order_id": "d"}),
    *(
        ("consent_updated", {"email": mail}, {"purpose": "marketing", "state": state})
        for mail, state in (("ann@x", "granted"), ("ben@x", "denied"))
    ),
]
APART = ["email", "ann@x", "email", "ben@x", "two people, one tablet"]


def test_whoever_was_merged_and_parted_again_was_never_merged(tmp_path):
    """Sessions, orders, consents and audiences of both are, row by row, those of people who never were one."""
    parted, never = Warehouse(tmp_path / "parted"), Warehouse(tmp_path / "never")
    never.add_to_seed("never_together", APART)
    for warehouse in (parted, never):
        landed(
            warehouse,
            1,
            [
                event(n, who, START + timedelta(hours=n), name=name, channel="any", value=10, currency="EUR", **said)
                for n, (name, who, said) in enumerate(STORY)
            ],
        )  # fmt: skip
        warehouse.build("package:millrace")
    assert len(buyers(parted)) == 2  # cat; and ann and ben, who are taken for one
    land_facts(parted)
    parted.add_to_seed("never_together", APART)
    parted.build("package:millrace")
    assert buyers(parted) == buyers(never)
    assert len(buyers(never)) == 1
    with duckdb.connect(parted.file) as one, duckdb.connect(never.file) as other:
        for table in sorted(set(public_models()) - LEDGERS):
            assert contents(one, table) == contents(other, table), table
    reasons = parted.ask("select reason from identity.fct_profile_merges")
    assert ("split",) in reasons


def buyers(warehouse: Warehouse) -> list[tuple]:
    return warehouse.ask(
        "select profile_id from audiences.fct_audience_members where audience_name = 'repeat_buyers' order by 1"
    )


def contents(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple]:
    described = connection.execute(f"describe {table}").fetchall()
    columns = ", ".join(name for name, *_ in described if name[0] != "_")
    return connection.execute(f"select {columns} from {table} order by all").fetchall()


def land_facts(warehouse: Warehouse) -> None:
    """What the first refresh decided, landed as the platform does it."""
    pending = {
        "identity_changes": "identity.identity_changes_pending",
        "membership_changes": "audiences.membership_changes_pending",
    }
    number = 1_000
    for load, (stream, model) in enumerate(pending.items(), start=2):
        columns = [name for name, *_ in warehouse.ask(f"describe {model}")]
        rows = []
        for values in warehouse.ask(f"select * from {model} order by all"):
            number += 1
            row = dict(zip(columns, values, strict=True))
            rows.append(
                row
                | {
                    "record_id": UUID(int=number),
                    "source_id": "millrace",
                    "received_at": MOMENT,
                    "_load_id": load,
                }
            )
        warehouse.insert(stream, rows)
        ledger = {"load_id": load, "stream": stream, "segment": f"segment-{load}"}
        warehouse.insert("loads", [ledger])
