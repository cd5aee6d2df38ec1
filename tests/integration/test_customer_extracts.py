"""Customer extracts that nobody here wrote become people, by the worked sources: shop, CRM and mailing tool."""

import csv
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from ingestion.connectors import ExtractSource, load_source
from ingestion.connectors.pulling import PullResult, pull
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.warehouse.loading import load
from tests.conftest import ROOT
from tests.integration.rooms import build, rows
from tests.landed import platform

pytestmark = pytest.mark.acceptance

NAMES = ("shopify_customers", "hubspot_contacts", "hubspot_merges", "klaviyo_people")
MODELS = ("dim_identifiers", "int_profile_attributes", "dim_consents")


@pytest.fixture(scope="module")
def extracts(acceptance_dir: Path) -> Path:
    return acceptance_dir / "7-connector-extracts"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return platform(tmp_path_factory.mktemp("customers"))


@pytest.fixture(scope="module")
def pulls(home: Settings, extracts: Path) -> dict[str, PullResult]:
    """The extracts landed as they are, loaded, and resolved to people."""
    results = {}
    with LandingWriter(home.landing) as writer:
        for name in NAMES:
            shutil.copy(ROOT / f"sources/examples/{name}.yml", home.sources_dir)
            source = load_source(home.sources_dir / f"{name}.yml")
            assert isinstance(source, ExtractSource)
            results[name] = pull(source, writer, home.home, extracts=extracts)
    load(home)
    build(home, *MODELS)
    return results


@pytest.fixture(scope="module")
def profile_of(
    home: Settings, pulls: dict[str, PullResult]
) -> dict[tuple[str, str], str]:
    found = rows(
        home.warehouse,
        "select identifier_type, identifier_value, profile_id from identity.dim_identifiers",
    )
    return {(kind, value): profile for kind, value, profile in found}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def attributes(home: Settings, profile_id: str) -> dict[str, Any]:
    return dict(
        rows(
            home.warehouse,
            "select path, value_text from profiles.int_profile_attributes"
            f" where profile_id = '{profile_id}'",
        )
    )


def test_every_row_of_the_extracts_lands(
    pulls: dict[str, PullResult], extracts: Path
) -> None:
    files = {
        "shopify_customers": "shopify/shopify_customer_data.csv",
        "hubspot_contacts": "hubspot/contact_data.csv",
        "hubspot_merges": "hubspot/contact_merge_audit_data.csv",
        "klaviyo_people": "klaviyo/person.csv",
    }
    for name, file in files.items():
        assert pulls[name].landed == len(read(extracts / file)) > 0, name
        assert pulls[name].rejected == 0, name


def test_contacts_that_the_crm_merged_are_one_person_and_all_others_stay_apart(
    profile_of: dict[tuple[str, str], str], extracts: Path
) -> None:
    people: dict[str, set[str]] = defaultdict(set)
    absorbed = 0
    for contact in read(extracts / "hubspot/contact_data.csv"):
        ids = [contact["id"], *contact["property_hs_merged_object_ids"].split(";")]
        absorbed += len(ids[1:]) if ids[1] else 0
        for each in filter(None, ids):
            people[profile_of["hubspot_contact_id", each]].add(each)
    contacts = len(read(extracts / "hubspot/contact_data.csv"))
    assert absorbed == 3
    assert len(people) == contacts - absorbed
    assert people[profile_of["hubspot_contact_id", "78971951"]] == {
        *("78971951", "76340251", "46897301", "76226001")
    }


def test_the_log_of_merges_alone_brings_two_ids_together(
    profile_of: dict[tuple[str, str], str], extracts: Path
) -> None:
    merges = read(extracts / "hubspot/contact_merge_audit_data.csv")
    pairs = [(merge["canonical_vid"], merge["vid_to_merge"]) for merge in merges]
    profiles = [
        {profile_of["hubspot_contact_id", each] for each in pair} for pair in pairs
    ]
    assert [len(each) for each in profiles] == [1, 1, 1, 1]
    assert len(set.union(*profiles)) == 4


def test_two_people_who_share_a_phone_stay_two(
    home: Settings, profile_of: dict[tuple[str, str], str], extracts: Path
) -> None:
    one, other = read(extracts / "klaviyo/person.csv")
    assert one["phone_number"] == other["phone_number"]
    first, second = (profile_of["klaviyo_id", each["id"]] for each in (one, other))
    assert first != second
    assert [profile_of["email", each["email"]] for each in (one, other)] == [
        first,
        second,
    ]
    assert rows(
        home.warehouse,
        "select identifier_value, is_shared from identity.dim_identifiers"
        " where identifier_type = 'phone'",
    ) == [("+15165555555", True)]
    assert attributes(home, first)["city"] == "Brooklyn"
    lopez = attributes(home, second)
    assert (lopez["first_name"], lopez["last_name"]) == ("MArio", "Lopez")
    assert (lopez["city"], lopez["postal_code"]) == ("Jefferson City", "64224")


def test_two_customers_with_one_address_are_one_person(
    home: Settings, profile_of: dict[tuple[str, str], str], extracts: Path
) -> None:
    customers = read(extracts / "shopify/shopify_customer_data.csv")
    people = {profile_of["shopify_customer_id", each["id"]] for each in customers}
    assert len(people) == len({each["email"] for each in customers}) == 3
    buyer = profile_of["shopify_customer_id", "3589760876641"]
    assert attributes(home, buyer) | {"created_at": "then"} == {
        "first_name": "f0962b7a185488ecb752cedac1038349",
        "last_name": "aa35cb67c26e64bb81a1bf3f17e858ba",
        "created_at": "then",
        "shop.account": "invited",
        "shop.orders": "1",
        "shop.spent": "2.8",
        "shop.tax_exempt": "false",
        "shop.verified_email": "true",
    }


def test_consent_comes_along_and_no_answer_is_none(
    home: Settings, pulls: dict[str, PullResult]
) -> None:
    assert pulls
    assert rows(
        home.warehouse,
        "select source_id, contact_value, state from profiles.dim_consents"
        " where purpose = 'marketing' and channel = 'email' order by all",
    ) == [
        ("klaviyo_people", "mrgoogle@gmail.com", "denied"),
        ("shopify_customers", "021cb20b5c78751fc7ddc091b6b69b3e", "granted"),
        ("shopify_customers", "ab0bf25ab8b2a6b78af26a141dd6f455", "denied"),
        ("shopify_customers", "dce90c7b4e52e045e5975836aff49cf1", "denied"),
    ]
