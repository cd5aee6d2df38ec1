"""Identity on cases whose answers are known: documented stories, labelled people, and a very long chain."""

import csv
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from ingestion.connectors import ExtractSource, load_source
from ingestion.connectors.mapping import mapped
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from tests.conftest import ROOT
from tests.integration.warehouse import Warehouse

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAMES = UUID("5f6b8e1e-6a51-4d0c-9a5e-1c1f3b1a7d10")
MEMBERS = (
    "select identifier_type, identifier_value, profile_id from identity.dim_identifiers"
)
CHAIN = 5000


def landed(case: str, call: dict[str, Any], place: int) -> dict[str, Any]:
    """The call as the collector lands it, after `place` others; every case is a source."""
    origin = Origin(
        source_id=case,
        received_at=NOON + timedelta(seconds=place),
        channel="server",
        endpoint="/v1/batch",
    )
    event = read_event(call, origin, UUID(int=place + 1))
    return event.model_dump(mode="json") | {"_load_id": place + 1}


@pytest.fixture(scope="module")
def cases(acceptance_dir: Path) -> dict[str, dict[str, Any]]:
    path = acceptance_dir / "2-segment-spec/identity_cases.json"
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]}


@pytest.fixture(scope="module")
def people(acceptance_dir: Path) -> list[dict[str, str]]:
    with (acceptance_dir / "6-identity-fake1000/fake_1000.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def warehouse(
    cases: dict[str, dict[str, Any]],
    people: list[dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The documented cases and the labelled people, these once by e-mail and once also by name and birth date."""
    warehouse = Warehouse(tmp_path_factory.mktemp("cases"))
    warehouse.add_to_seed(
        "identifier_types",
        ["register_id", "", 2, "", "first", "true", "Row of the labelled people"],
    )
    calls = [(name, call) for name, case in cases.items() for call in case["events"]]
    warehouse.insert(
        "events", [landed(*call, place) for place, call in enumerate(calls)]
    )
    warehouse.insert(
        "profiles",
        [
            extract_row(person, world)
            for world in ("by_email", "by_person")
            for person in people
        ],
    )
    warehouse.build("+int_record_profiles", "+dim_identifiers")
    return warehouse


REGISTER = load_source(ROOT / "sources/examples/member_register.yml")
assert isinstance(REGISTER, ExtractSource)


def extract_row(person: dict[str, str], world: str) -> dict[str, Any]:
    """The row as the example reads it; the worlds know different things and never meet."""
    return {
        "record_id": uuid5(NAMES, f"{world}:{person['unique_id']}"),
        "source_id": "labelled",
        "received_at": NOON,
        "row_key": f"{world}:{person['unique_id']}",
        "op": "upsert",
        "row_hash": "1",
        "_load_id": 1,
        "identifiers": [
            {"type": each["type"], "value": f"{world}:{each['value']}"}
            for each in mapped(REGISTER, person)["identifiers"]
            if world == "by_person" or each["type"] != "name_birth_date"
        ],
    }


def profiles_of(warehouse: Warehouse, values: set[tuple[str, str]]) -> dict[str, set]:
    found: dict[str, set] = defaultdict(set)
    for kind, value, profile in warehouse.ask(MEMBERS):
        if (kind, value) in values:
            found[profile].add((kind, value))
    return found


@pytest.mark.acceptance
def test_jane_doe_is_one_person_on_five_devices(
    warehouse: Warehouse, cases: dict[str, dict[str, Any]]
) -> None:
    expected = {
        (kind, value)
        for kind, values in cases["jane_doe_cross_device"]["expect"][
            "identifiers"
        ].items()
        for value in values
    }
    assert list(profiles_of(warehouse, expected).values()) == [expected]


@pytest.mark.acceptance
def test_an_address_of_two_accounts_merges_neither(warehouse: Warehouse) -> None:
    accounts = {("user_id", "abc123"), ("user_id", "abc456")}
    assert len(profiles_of(warehouse, accounts)) == 2
    shared = warehouse.ask(
        "select is_shared from identity.dim_identifiers where identifier_value = 'jane@example1.com'"
    )
    assert shared == [(True,)]


@pytest.mark.acceptance
def test_blanks_never_link(warehouse: Warehouse) -> None:
    cookies = {("anonymous_id", f"a{number}") for number in range(1, 7)}
    assert len(profiles_of(warehouse, cookies)) == 6


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("world", "profiles", "pairs"), [("by_email", 635, 682), ("by_person", 588, 823)]
)
def test_labelled_people_are_found_without_a_false_pair(
    warehouse: Warehouse,
    people: list[dict[str, str]],
    world: str,
    profiles: int,
    pairs: int,
) -> None:
    cluster = {person["unique_id"]: person["cluster"] for person in people}
    groups: dict[str, list[str]] = defaultdict(list)
    for kind, value, profile in warehouse.ask(MEMBERS):
        if kind == "register_id" and value.startswith(world):
            groups[profile].append(value.removeprefix(f"{world}:"))
    found = [pair for group in groups.values() for pair in combinations(group, 2)]
    assert len(groups) == profiles
    assert len(found) == pairs
    assert [pair for pair in found if cluster[pair[0]] != cluster[pair[1]]] == []


@pytest.mark.acceptance
def test_jane_kims_history_tells_how_her_profiles_became_one(
    cases: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path)
    case = "jane_kim_merge_history"
    for place, call in enumerate(cases[case]["events"]):
        warehouse.insert("events", [landed(case, call, place)])
        warehouse.build("+identity")
        profiles = len(warehouse.ask("select * from identity.int_profiles"))
        assert profiles == (1, 1, 2, 1)[place]
        land_pending(warehouse, place)

    history = warehouse.ask(
        "select previous_profile_id, surviving_profile_id, reason, cause_record_id "
        "from identity.fct_profile_merges order by cause_record_id"
    )
    first, known, second, merged = history
    person = known[1]
    assert first[0] == first[1] == known[0]  # the cookie of event 1
    assert second[0] == second[1] == merged[0] != first[0]  # the cookie of event 3
    assert merged[1] == person
    assert [row[2] for row in history] == ["first", "promoted", "first", "promoted"]
    assert [row[3].int for row in history] == [1, 2, 3, 4]  # the event that caused it
    resolved = warehouse.ask("select distinct profile_id from identity.dim_profile_ids")
    assert resolved == [(person,)]


def land_pending(warehouse: Warehouse, place: int) -> None:
    names = "identifier_type, identifier_value, previous_profile_id, profile_id, reason"
    rows = warehouse.ask(
        f"select {names}, as_of, cause_record_id from identity.identity_changes_pending"
    )
    columns = [*names.split(", "), "as_of", "cause_record_id"]
    warehouse.insert(
        "identity_changes",
        [
            dict(zip(columns, row, strict=True))
            | {
                "record_id": UUID(int=1000 * (place + 1) + number),
                "source_id": "millrace",
                "_load_id": place + 1,
            }
            for number, row in enumerate(rows)
        ],
    )


def test_a_chain_of_five_thousand_devices_is_one_profile(tmp_path: Path) -> None:
    """Each record names a phone and the cookie before or after it, so that the ends are ten thousand steps apart."""
    warehouse = Warehouse(tmp_path)
    links = [(n, n) for n in range(CHAIN)] + [(n + 1, n) for n in range(CHAIN - 1)]
    warehouse.insert(
        "events",
        [
            {
                "record_id": UUID(int=place + 1),
                "source_id": "app",
                "received_at": NOON,
                "event_id": str(place),
                "type": "screen",
                "occurred_at": NOON,
                "identifiers": [
                    {"type": "ios.id", "value": f"phone {phone}"},
                    {"type": "anonymous_id", "value": f"cookie {cookie}"},
                ],
                "_load_id": 1,
            }
            for place, (phone, cookie) in enumerate(links)
        ],
    )
    warehouse.build("+int_resolved_identifiers")
    counts = warehouse.ask(
        "select count(*), count(distinct representative_id) from identity.int_resolved_identifiers"
    )
    assert counts == [(2 * CHAIN, 1)]
