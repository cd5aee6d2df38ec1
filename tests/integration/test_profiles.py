"""Profiles over people made up at random, refreshed in cuts that follow no order, against oracles written by hand.

Between the refreshes people merge, are parted again, and a rule is edited. What stands in the end has to be what the
oracles say about all records at once, and what a warehouse holds that saw everything in one load.
"""

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.integration import people
from tests.integration.attribute_oracle import Person, Said, folded
from tests.integration.consent_oracle import standing, words_of_event, words_of_row
from tests.integration.people import PRIORITIES, World, make_world
from tests.integration.warehouse import Warehouse

SEED = 20260131
AS_OF_FREE = [
    *("+int_profile_attributes", "+int_profile_observations", "+int_profile_days"),
    "+dim_consents",
]
ALL = [*AS_OF_FREE, "+dim_profiles"]
RULES = {
    "created_at": "min",
    "top": "max",
    "last": "latest",
    "signup_source": "first",
    "birth_date": "source_priority",
    "language": "most_frequent",
    "tags": "union",
}
SPELLINGS = {
    "firstName": "first_name",
    "address.city": "city",
    "Last Name": "last_name",
}
TABLES = [
    "profiles.int_record_traits",
    "profiles.fct_attribute_changes",
    "profiles.int_profile_attributes",
    "profiles.int_profile_days",
    "profiles.int_profile_products",
    "profiles.int_consent_statements",
    "profiles.int_consent_contacts",
    "profiles.fct_consents",
    "profiles.dim_consents",
    "profiles.dim_profiles",
]


def refreshed(folder: Path, world: World, models: list[str]) -> Warehouse:
    """A warehouse that saw the world in several loads; rules are edited before the last but one, people parted before the last."""
    warehouse = Warehouse(folder)
    people.declare(warehouse, world)
    for load in range(1, world.loads + 1):
        world.land(warehouse, load)
        if load == world.loads - 1:
            add_rules(warehouse)
        if load == world.loads:
            world.part_pairs(warehouse)
        warehouse.build(*models)
    return warehouse


def add_rules(warehouse: Warehouse) -> None:
    warehouse.add_to_seed("attribute_rules", ["last", "latest", ""], ["top", "max", ""])


def everyone(world: World) -> dict[str, Person]:
    """Every person as the oracle sees them."""
    said: dict[str, list[Said]] = defaultdict(list)
    for event in world.distinct_events():
        if person := event["_person"]:
            in_context = (event.get("context") or {}).get("traits")
            for place, traits in ((1, in_context), (2, event.get("traits"))):
                said[person].append(_said(event, event["occurred_at"], place, traits))
    for versions in world.versions():
        deleted = [row["record_id"] for row in versions if row["op"] == "delete"]
        for row in versions:
            if row["op"] == "upsert" and row["record_id"] > max(deleted, default=""):
                said[row["_person"]].append(
                    _said(row, row["observed_at"], 2, row["traits"])
                )
    return {name: folded(words, RULES, SPELLINGS) for name, words in said.items()}


def _said(row: dict[str, Any], at: str, place: int, traits: Any) -> Said:
    priority = PRIORITIES[row["source_id"]]
    return Said(at, priority, row["record_id"], place, traits or {})


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(SEED, accounts=1200, pairs=150, loads=2)


@pytest.fixture(scope="module")
def warehouse(world: World, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return refreshed(tmp_path_factory.mktemp("people"), world, AS_OF_FREE)


@pytest.fixture(scope="module")
def names(warehouse: Warehouse) -> dict[str, str]:
    """profile → the name the oracle knows the person by."""
    return dict(
        warehouse.ask(
            "select profile_id, identifier_value from identity.dim_identifiers"
            " where identifier_type = 'user_id'"
            " or (identifier_type = 'email' and identifier_value like 'o%')"
        )
    )


@pytest.fixture(scope="module")
def logged(
    warehouse: Warehouse, names: dict[str, str]
) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    """The log of the models: person → path → changes in order."""
    found: dict[str, dict[str, list[tuple[Any, ...]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for profile, path, *change in warehouse.ask(
        "select profile_id, path, old_value, new_value, cast(record_id as varchar)"
        " from profiles.fct_attribute_changes order by profile_id, path, step_number"
    ):
        found[names[profile]][path].append(tuple(change))
    return found


def test_every_change_of_every_attribute_is_the_one_that_folding_by_hand_finds(
    world: World, logged: dict[str, dict[str, list[tuple[Any, ...]]]]
) -> None:
    persons = everyone(world)
    assert len(persons) == len(world.accounts) + 2 * len(world.pairs)
    for name, person in persons.items():
        assert dict(logged.get(name, {})) == dict(person.log), name


def test_folding_the_changes_gives_the_profile_back(
    warehouse: Warehouse, world: World, names: dict[str, str]
) -> None:
    standing_values = {
        (names[profile], path): value
        for profile, path, value in warehouse.ask(
            "select profile_id, path, value from profiles.int_profile_attributes"
        )
    }
    assert standing_values == {
        (name, path): attribute.value
        for name, person in everyone(world).items()
        for path, attribute in person.attributes.items()
        if attribute.value is not None
    }


def test_nothing_said_is_lost_by_merging_and_parting(
    warehouse: Warehouse, world: World, names: dict[str, str]
) -> None:
    """Each observation is a step of its person's fold: the value, or behind it in the lineage."""
    said = Counter(
        (names[profile], record)
        for profile, record in warehouse.ask(
            "select profile_id, cast(record_id as varchar) from profiles.int_profile_observations"
        )
    )
    records = [*world.distinct_events(), *(r for v in world.versions() for r in v)]
    persons = {row["record_id"]: row["_person"] for row in records}
    assert all(persons[record] == name for name, record in said)
    landed = "select count(*) from profiles.int_record_traits"
    assert sum(said.values()) == warehouse.ask(landed)[0][0] > 5000


def test_consent_is_what_reading_every_word_in_order_gives(
    warehouse: Warehouse, world: World
) -> None:
    words = [w for event in world.distinct_events() for w in words_of_event(event)]
    words += [w for versions in world.versions() for w in words_of_row(versions)]
    found = {
        tuple(row[:4]): tuple(row[4:])
        for row in warehouse.ask(
            "select contact_type, contact_value, purpose, channel, state, cast(record_id as varchar)"
            " from profiles.dim_consents"
        )
    }
    assert found == standing(words)
    assert Counter(state for state, _ in found.values()).keys() == {"granted", "denied"}


def test_consent_as_it_stood_at_any_time_is_a_filter_over_the_ledger(
    warehouse: Warehouse, world: World
) -> None:
    words = [w for event in world.distinct_events() for w in words_of_event(event)]
    words += [w for versions in world.versions() for w in words_of_row(versions)]
    times = sorted({word.occurred_at for word in words})
    assert len(times) > 50
    for moment in times[::4]:
        known = [word for word in words if word.occurred_at <= moment]
        held = warehouse.ask(
            "select contact_type, contact_value, purpose, channel, state"
            f" from profiles.fct_consents where occurred_at <= timestamptz '{moment}'"
            f" and (superseded_at > timestamptz '{moment}' or superseded_at is null)"
        )
        stood = [(*key, state) for key, (state, _) in standing(known).items()]
        assert sorted(held) == sorted(stood), moment


def test_no_word_about_consent_that_nobody_understood_counts(
    warehouse: Warehouse,
) -> None:
    unknown = warehouse.ask(
        "select count(*) filter (where purpose is null), count(*) filter (where state is null)"
        " from profiles.int_consent_statements"
    )
    assert min(unknown[0]) > 100
    assert not warehouse.ask(
        "select * from profiles.int_consent_contacts where purpose is null or state is null"
    )


def test_the_days_of_a_person_hold_every_event_once(
    warehouse: Warehouse, world: World, names: dict[str, str]
) -> None:
    days = Counter(
        {
            (names[profile], str(day)): count
            for profile, day, count in warehouse.ask(
                "select profile_id, activity_date, event_count from profiles.int_profile_days"
            )
            if names[profile] in world.accounts
        }
    )
    assert days == Counter(
        (event["_person"], event["occurred_at"][:10])
        for event in world.distinct_events()
        if event["_person"] in world.accounts
    )


def test_every_kind_of_step_was_met(warehouse: Warehouse, world: World) -> None:
    """The random input is worth something: each rule and each cell of the table occurs often."""
    kinds = Counter(
        kind
        for (kind,) in warehouse.ask(
            "select kind from profiles.int_profile_observations where not is_withdrawn"
        )
    )
    rules = {
        rule
        for (rule,) in warehouse.ask(
            "select distinct rule from profiles.fct_attribute_changes"
        )
    }
    assert rules == {"fold", *RULES.values()}
    assert set(kinds) == {"scalar", "list", "null"}
    assert min(kinds.values()) > 500
    withdrawn = warehouse.ask(
        "select count(*) from profiles.int_profile_observations where is_withdrawn"
    )
    assert withdrawn[0][0] > 50


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(12))
def test_refreshing_in_cuts_gives_what_one_refresh_over_everything_gives(
    tmp_path: Path, seed: int
) -> None:
    pick = random.Random(seed)
    accounts, pairs = pick.randint(20, 300), pick.randint(1, 40)
    world = make_world(seed, accounts, pairs, loads=3)
    cut = refreshed(tmp_path / "cut", world, ALL)
    whole = Warehouse(tmp_path / "whole")
    people.declare(whole, world)
    for load in range(1, world.loads + 1):
        world.land(whole, load)
    add_rules(whole)
    world.part_pairs(whole)
    whole.build(*ALL)
    for table in TABLES:
        ask = f"select * from {table} order by all"
        assert cut.ask(ask) == whole.ask(ask), table
