"""Every public model tells every story of tests/data/cast.yml as it was.

The cast goes through the doors a user has; what must be true stands beside each story.
"""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance

from ingestion.collector.keys import KeyStore
from ingestion.settings import Settings
from orchestration.audience.rendering import relation_of
from orchestration.identity.graph import links_of, path
from orchestration.privacy import places
from orchestration.privacy.carrying import carry_out
from orchestration.privacy.requests import land_request
from orchestration.privacy.subject import asked_about, subject_of
from orchestration.profile.page import page
from orchestration.profile.reading import person
from orchestration.profile.reading import profile_of as read_profile_id
from orchestration.profile.timeline import moments
from orchestration.warehouse.facts import land_facts
from orchestration.warehouse.loading import load
from orchestration.warehouse.publishing import publish
from orchestration.warehouse.schema import read_copy
from simulator.cast import Expect, Story, calls_of, load_cast
from simulator.sending import send
from tests.conftest import ROOT
from tests.dbt import dbt
from tests.end_to_end.platform import Platform
from tests.integration.warehouse import Warehouse

CAST = load_cast(ROOT / "tests/data/cast.yml")


def stories(*aspects: str) -> pytest.MarkDecorator:
    """The stories that expect something of these aspects."""
    names = [
        name
        for name, story in CAST.people.items()
        if any(getattr(story.expect, aspect) for aspect in aspects)
    ]
    return pytest.mark.parametrize("name", names)


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Platform:
    """The cast landed and one refresh run; nothing is published."""
    made = Platform(
        folder=tmp_path_factory.mktemp("cast") / "platform",
        sources=ROOT / "sources",
        destinations=ROOT / "destinations.yml",
    )
    for file, content in CAST.files().items():
        path = made.extracts / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    store = KeyStore(made.home / "keys.json")
    sources = {call.source_id for call in CAST.calls()}
    keys = {source: store.create(source, ("integration",))[0] for source in sources}
    with made.collector() as url:
        sent = send(CAST.calls(), url, keys)
    assert not sent.refusals
    done = made.run(f"{CAST.as_of:%Y-%m-%dT%H:%M:%S}", job="refresh")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return made


@pytest.fixture(scope="module")
def profile_of(told) -> dict[str, str]:
    """`type:value` → profile."""
    return {
        f"{kind}:{value}": profile
        for kind, value, profile in told.query(
            "select identifier_type, identifier_value, profile_id from identity.dim_identifiers"
        )
    }


@stories("profiles")
def test_the_story_is_about_as_many_people_as_it_says(name, told, profile_of):
    expect = expected(name)
    assert len(profiles_in(told, name, CAST.people[name])) == expect.profiles
    for group in expect.together:
        assert len({profile_of[each] for each in group}) == 1, group
    for group in expect.apart:
        assert len({profile_of[each] for each in group}) == len(group), group


def test_every_pair_of_a_profile_is_explained_by_a_chain_of_evidence(told):
    """I7: what is said of why somebody is one person adds up to that person, and to nobody else."""
    with read_copy(told.home / "published/millrace.duckdb") as copy:
        whose = dict(
            copy.execute(
                "select identifier_id, profile_id from identity.dim_identifiers where not is_shared"
            ).fetchall()
        )
        links = links_of(copy, set(whose.values()))
    assert links
    assert all(link.is_live and (link.first or link.origin) for link in links)
    joined = defaultdict(set)
    for key, profile in whose.items():
        joined[profile].add(key)
    for link in links:
        assert whose[link.a.key] == whose[link.b.key]
    for members in joined.values():
        for a, b in combinations(sorted(members), 2):
            way = path(links, a, b)
            assert way, (a, b)
            assert {end.key for link in way for end in (link.a, link.b)} <= members


@pytest.mark.parametrize(
    "model",
    [
        *("fct_profile_events", "fct_orders", "fct_sessions"),
        *("fct_attribute_changes", "dim_consents"),
    ],
)
def test_whoever_a_rule_can_count_something_of_is_a_profile(told, model):
    """So a compiled audience need not ask who there is."""
    counted = f"select distinct profile_id from {relation_of(model)} where profile_id is not null"
    everybody = "select profile_id from profiles.dim_profiles"
    assert told.query(counted)
    assert told.query(f"{counted} and profile_id not in ({everybody})") == []


@stories("events")
def test_every_event_happened_once_and_when_it_did(name, told):
    ids = event_ids(name)
    rows = told.query(
        f"select event_id, occurred_at from staging.fct_events where event_id in {listed(ids)}"
    )
    assert len(rows) == len(ids) == expected(name).events
    occurred = dict(rows)
    for event, at in expected(name).times.items():
        assert abs(
            occurred[event] - at.astimezone(UTC).replace(tzinfo=None)
        ) < timedelta(seconds=10)


@stories("sessions")
def test_visits_are_cut_where_they_end(name, told):
    for cookie, count in expected(name).sessions.items():
        where = f"where anonymous_id = '{cookie}'"
        assert (
            told.scalar(f"select count(*) from sessions.fct_sessions {where}") == count
        ), cookie


@stories("orders")
def test_orders_are_in_the_state_that_their_events_add_up_to(name, told):
    for order_id, says in expected(name).orders.items():
        columns = list(says)
        rows = told.query(
            f"select {', '.join(columns)} from orders.fct_orders where order_id = '{order_id}'"
        )
        assert [dict(zip(columns, map(plain, row), strict=True)) for row in rows] == [
            says
        ], order_id


@stories("audiences")
def test_the_right_people_are_in_the_audiences(name, told, profile_of):
    members = defaultdict(set)
    for audience, profile in told.query(
        "select audience_name, profile_id from audiences.fct_audience_members"
    ):
        members[audience].add(profile)
    for audience, says in expected(name).audiences.items():
        assert {profile_of[each] for each in says.members} <= members[audience], (
            audience
        )
        assert not {profile_of[each] for each in says.others} & members[audience], (
            audience
        )


@stories("attributes", "consent")
def test_what_is_known_and_allowed_is_what_was_said_last(name, told, profile_of):
    for identifier, says in expected(name).attributes.items():
        rows = told.query(
            f"select {', '.join(says)} from profiles.dim_profiles"
            f" where profile_id = '{profile_of[identifier]}'"
        )
        assert [dict(zip(says, row, strict=True)) for row in rows] == [says], identifier
    for contact, says in expected(name).consent.items():
        kind, _, value = contact.partition(":")
        rows = told.query(
            "select purpose || '/' || channel, state from profiles.dim_consents"
            f" where contact_type = '{kind}' and contact_value = '{value}'"
        )
        assert dict(rows) == says, contact


@stories("syncs")
def test_syncs_send_whom_they_may_and_say_why_not(name, told, profile_of):
    for sync, says in expected(name).syncs.items():
        reasons = dict(
            told.query(
                "select profile_id, reason from activation.fct_sync_eligibility"
                f" where sync_name = '{sync}'"
            )
        )
        for identifier in says.sent:
            assert reasons[profile_of[identifier]] is None, (sync, identifier)
        for identifier, reason in says.not_sent.items():
            assert reasons[profile_of[identifier]] == reason, (sync, identifier)


def expected(name: str) -> Expect:
    return CAST.people[name].expect


def event_ids(name: str) -> set[str]:
    calls = calls_of(name, CAST.people[name])
    return {call.body.get("messageId") or call.body["event_id"] for call in calls}


def profiles_in(told: Platform, name: str, story: Story) -> set[str]:
    """Whose the story's events and rows are."""
    keys = {
        str(row["customer_id"] if source == "crm_customers" else row["order_id"])
        for source, rows in story.rows.items()
        for row in rows
        if source != "billing_payments"
    }
    found = told.query(
        "select profile_id from identity.fct_profile_events"
        f" where event_id in {listed(event_ids(name))}"
        " union select profile_id from staging.stg_landing__profiles"
        f" join identity.int_record_profiles using (record_id) where row_key in {listed(keys)}"
        " union select profile_id from staging.stg_landing__records"
        f" join identity.int_record_profiles using (record_id) where row_key in {listed(keys)}"
    )
    return {profile for (profile,) in found}


def listed(texts: set[str]) -> str:
    return "(" + ", ".join(f"'{text}'" for text in sorted(texts) or [""]) + ")"


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def test_any_identifier_of_a_story_leads_to_the_same_person(told, profile_of):
    with read_copy(told.home / "published/millrace.duckdb") as connection:
        for name in CAST.people:
            for together in expected(name).together:
                found = {each: read_profile_id(connection, each) for each in together}
                assert set(found.values()) == {profile_of[together[0]]}, name
        former = connection.execute(
            "select any_profile_id, profile_id from identity.dim_profile_ids"
        )
        for any_id, profile_id in former.fetchall()[:50]:
            assert read_profile_id(connection, any_id) == profile_id


def test_the_timeline_of_a_person_holds_every_event_of_theirs_once(told, profile_of):
    with read_copy(told.home / "published/millrace.duckdb") as connection:
        lisa = person(connection, profile_of["user_id:lisa"])
    records = [moment.record for moment in moments(lisa) if moment.kind == "event"]
    assert len(records) == len(set(records)) == 7
    assert moments(lisa) == sorted(moments(lisa), key=lambda moment: moment.at)
    assert "lisa@late.example" in page(lisa)


def test_one_command_shows_somebody_and_says_when_there_is_nobody(told):
    command = [sys.executable, "-m", "orchestration.profile", "show"]
    shown = {
        asked: subprocess.run(
            [*command, asked], cwd=ROOT, env=told.env, capture_output=True, text=True
        )
        for asked in ("email:Lisa@Late.example", "email:nobody@nowhere.example")
    }
    lisa, nobody = shown.values()
    assert lisa.returncode == 0, lisa.stderr
    for said in ("user_id:lisa", "Timeline", "Product Viewed", "first_name"):
        assert said in lisa.stdout
    assert nobody.returncode == 1
    assert "No record names" in nobody.stderr


def test_a_trait_is_added_by_the_two_lines_that_contributing_shows(told, tmp_path):
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    lines = dict(re.findall(r"```(sql|yaml)\n(.*?)```", page, re.S))
    edited = Warehouse(tmp_path)
    shutil.copy(told.home / "warehouse/millrace.duckdb", edited.file)
    (edited.project / "models").unlink()
    shutil.copytree(ROOT / "dbt_project/models", edited.project / "models")
    beside = re.compile(r"as company,$|- {name: company,")
    for kind, file in (("sql", "dim_profiles.sql"), ("yaml", "dim_profiles.yml")):
        path = edited.project / "models/profiles" / file
        text = path.read_text("utf-8").splitlines(keepends=True)
        place = next(n for n, line in enumerate(text) if beside.search(line))
        path.write_text("".join([*text[: place + 1], lines[kind], *text[place + 1 :]]))
    edited.build("dim_profiles")
    tiers = edited.ask(
        "select first_name, loyalty_tier from profiles.dim_profiles"
        " where loyalty_tier is not null"
    )
    assert tiers == [("Carl", "gold")]


NEIGHBOURS = (
    "select * from profiles.dim_profiles",
    "select * from orders.fct_orders",
    "select * from audiences.fct_audience_members",
    "select * from profiles.dim_consents",
    "select * from identity.dim_identifiers where identifier_value <> 'family-tablet'",
    "select * from staging.fct_events",
)


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_an_erased_person_is_nowhere_and_the_others_are_as_they_were(told, tmp_path):
    """The mother goes; the father stays, and the tablet is his alone from here on. No backup brings her back."""
    twin = told.copy(tmp_path / "twin")
    settings = Settings(home=twin.home, sources_dir=twin.sources)
    with told_to_dagster(told, twin, "mother@family.example") as instance:
        assert said_in(instance) == "asked for mother@family.example"
    with read_copy(settings.published) as copy:
        theirs = subject_of(copy, [asked_about(copy, "mother@family.example")])
        before = [rows_without(copy, sql, theirs) for sql in NEIGHBOURS]
    assert ("anonymous_id", "family-tablet") in theirs.shared
    found = {place.split("/")[0] for place in places.search(settings, theirs.values)}
    assert found >= {"landing", "warehouse", "published", "dagster"}
    land_request(settings, "erasure", theirs.named, "dpo", "letter of mother")
    assert carry_out(settings).erased
    rebuild(settings)
    (certificate,) = carry_out(settings).certificates
    assert certificate["open"] == []
    assert certificate["rows_after"] == {}
    assert certificate["rows_before"]["staging.fct_events"] >= 4
    assert places.search(settings, theirs.values) == {}
    with read_copy(settings.published) as copy:
        assert [rows_without(copy, sql, theirs) for sql in NEIGHBOURS] == before
    with DagsterInstance.from_config(str(twin.home / "dagster")) as instance:
        assert said_in(instance) == "asked for [erased]"
    shutil.copytree(told.home / "landing", settings.landing, dirs_exist_ok=True)
    load(settings)
    settings.warehouse.unlink()
    shutil.copytree(told.home / "landing", settings.landing, dirs_exist_ok=True)
    load(settings)
    assert places.search(settings, theirs.values) == {}


PAGES = AssetKey(["published", "profile_pages"])


@contextmanager
def told_to_dagster(told: Platform, twin: Platform, value: str):
    """The instance of the platform with somebody's address among its events."""
    shutil.copytree(told.home / "dagster", twin.home / "dagster")
    with DagsterInstance.from_config(str(twin.home / "dagster")) as instance:
        instance.report_runless_asset_event(
            AssetMaterialization(PAGES, description=f"asked for {value}")
        )
        yield instance


def said_in(instance: DagsterInstance) -> str | None:
    event = instance.get_latest_materialization_event(PAGES)
    return event.asset_materialization.description


def rebuild(settings: Settings) -> None:
    """What the job refresh does to a warehouse that was forgotten, without pulls, checks and pictures."""
    load(settings)
    as_of = CAST.as_of.astimezone(UTC).replace(tzinfo=None)
    no_tests = ("--exclude-resource-type", "test", "unit_test")
    dbt(settings.warehouse, "build", "--quiet", *no_tests, as_of=as_of.isoformat())
    land_facts(settings, as_of)
    publish(settings)


def rows_without(copy, sql: str, person) -> list[tuple]:
    """The rows that are not of the person."""
    cursor = copy.execute(sql)
    names = [column[0] for column in cursor.description]
    keep = [i for i, name in enumerate(names) if not name.startswith("_")]
    gone = {*person.profile_ids, *person.records}
    return sorted(
        tuple(str(row[i]) for i in keep)
        for row in cursor.fetchall()
        if not gone & {str(value) for value in row}
    )


def test_access_writes_everything_about_one_person_and_nothing_of_another(told):
    """Every landed record, and a page; from the command line, answered within the request's deadline."""
    said = told.python(
        *("-m", "orchestration.privacy", "access", "mother@family.example"),
        *("--requester", "dpo", "--proof", "passport"),
    )
    assert said.returncode == 0, said.stderr
    assert "anonymous_id:family-tablet" in said.stdout
    (path,) = (told.home / "privacy/access").glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    landed = [json.loads(line) for line in files["raw.events.ndjson"].splitlines()]
    assert len(landed) == 4
    assert {"identity.dim_identifiers.ndjson", "sessions.fct_sessions.ndjson"} <= set(
        files
    )
    assert any(name.endswith(".html") for name in files)
    assert not [name for name, text in files.items() if "father" in text]
