"""Access, erasure, suppression and retention over a real landing zone: what is Ada's goes, wherever it is, whatever is
killed and whatever backup comes back; what is Bo's stays, and so does what they share."""

import json
import shutil
import stat
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.contracts import ProfileRow
from ingestion.crash_points import CRASH_POINTS
from ingestion.landing import archived_segments, read_tail
from ingestion.settings import Settings
from orchestration.identity.finding import NotFoundError
from orchestration.privacy.access import write_archive
from orchestration.privacy.carrying import carry_out, retain
from orchestration.privacy.pending import still_allowed
from orchestration.privacy.places import search
from orchestration.privacy.requests import land_request, open_requests
from orchestration.privacy.subject import asked_about
from orchestration.privacy.tombstones import Records
from orchestration.warehouse.ledger import unbalanced
from orchestration.warehouse.loading import load
from orchestration.warehouse.schema import read_copy, warehouse
from orchestration.warehouse.segments import lines, measure
from tests.changes import change
from tests.integration.erased import (
    ADA,
    ADAS,
    BO,
    BOS,
    SECRETS,
    SHARED,
    copied,
    file_erasure,
    go_on,
    killed_at,
    named,
    refresh,
    two_people,
)
from tests.integration.plans import a_sync
from tests.landed import NOON, ask, event, land

POINTS = [point for point in CRASH_POINTS if point.startswith("privacy.")]


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Path:
    """A platform that holds Ada and Bo, and a backup of it is any copy."""
    folder = tmp_path_factory.mktemp("privacy") / "before"
    two_people(folder)
    return folder


@pytest.fixture
def home(before, tmp_path) -> Settings:
    return copied(before, tmp_path / "twin")


def erase_to_the_end(home: Settings) -> dict:
    """What `continue` does, the refresh by hand."""
    carry_out(home)
    refresh(home)
    (certificate,) = carry_out(home).certificates
    return certificate


def bos(home: Settings) -> list:
    """Whatever is not Ada's, as landed."""
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        return [
            connection.execute(sql).fetchall()
            for sql in (
                "select record_id, event_id, identifiers, traits from raw.events where event_id not like 'ada-%' order by 1",
                "select * exclude (_load_id) from raw.profiles where row_key like 'C-BO%' order by 1",
                "select * exclude (_load_id) from raw.rejects where raw like '%bo-%' order by 1",
                "select * exclude (_load_id) from raw.membership_changes where profile_id like 'p_b%' order by 1",
                "select * exclude (_load_id) from raw.identity_changes where profile_id like 'p_b%' order by 1",
            )
        ]


def test_the_search_finds_her_in_every_place_before(home):
    found = search(home, SECRETS)
    places = {place.split("/")[0] for place in found}
    assert places >= {
        "landing",
        "warehouse",
        "published",
        "plans",
        "logs",
        "dagster",
        "connectors",
    }


def test_nothing_of_hers_is_left_and_everything_of_his(home):
    kept = bos(home)
    file_erasure(home)
    certificate = erase_to_the_end(home)
    assert search(home, SECRETS) == {}
    assert bos(home) == kept
    assert all(kept)
    assert certificate["open"] == []
    assert certificate["rows_before"]["raw.events"] == 4
    assert certificate["rows_after"] == {}
    assert not open_requests(home)
    with warehouse(home.warehouse) as connection:
        assert unbalanced(connection) == []


def test_what_names_her_in_a_record_of_his_is_taken_out_and_nothing_else(home):
    file_erasure(home)
    erase_to_the_end(home)
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        ((properties,),) = connection.execute(
            "select properties from raw.events where event_id = 'bo-sends-ada-a-gift'"
        ).fetchall()
    assert json.loads(properties) == {
        "gift_to": "[erased]",
        "hashes": ["[erased]"] * 3,
        "note": "für",
        "seen": "https://x.example/?to=[erased]&tel=[erased]",
    }


def test_a_backup_of_the_landing_zone_brings_nobody_back(home, before):
    kept = bos(home)
    file_erasure(home)
    erase_to_the_end(home)
    shutil.copytree(before / "home/landing", home.landing, dirs_exist_ok=True)
    refresh(home)
    assert search(home, SECRETS) == {}
    assert bos(home) == kept
    home.warehouse.unlink()
    shutil.copytree(before / "home/landing", home.landing, dirs_exist_ok=True)
    refresh(home)
    assert search(home, SECRETS) == {}
    assert bos(home) == kept


def test_old_segments_landed_again_bring_nobody_back(home, before):
    """As they were before they were archived, and under names that nobody knows."""
    file_erasure(home)
    erase_to_the_end(home)
    old = Settings(home=before / "home")
    for segment in archived_segments(old.landing):
        text = b"".join(line + b"\n" for line in lines(measure(segment)))
        sealed = home.landing / segment.stream / "sealed"
        sealed.mkdir(exist_ok=True)
        (sealed / f"{segment.name}.ndjson").write_bytes(text)
        readable = b"".join(
            line for line in text.splitlines(True) if b"torn" not in line
        )
        (sealed / f"f{segment.name[1:]}.ndjson").write_bytes(readable)
    refresh(home)
    assert search(home, SECRETS) == {}


def test_the_crm_cannot_bring_her_back_but_she_can_come_back_herself(home):
    file_erasure(home)
    erase_to_the_end(home)
    later = datetime.now(NOON.tzinfo) + timedelta(minutes=1)
    land(
        home,
        ProfileRow(
            source_id="crm",
            row_key="1",
            row_hash="2" * 64,
            observed_at=later,
            identifiers=named(ADAS[1]),
        ),
        event(
            "ada-of-old",
            occurred_at=NOON,
            received_at=later,
            identifiers=named(ADAS[0]),
        ),
        event(
            "ada-is-back",
            occurred_at=later,
            received_at=later,
            identifiers=named(ADAS[0]),
        ),
    )
    assert load(home).forbidden == 2
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        found = connection.execute(
            "select event_id from raw.events where event_id like 'ada%'"
        ).fetchall()
    assert found == [("ada-is-back",)]


def go_on_until_killed(home: Settings, point: str) -> None:
    """The certificate wants a refresh before it, as does whoever runs beside a rewriting."""
    if point == "privacy.certified":
        go_on(home)
        refresh(home)
    assert killed_at(home, point), f"{point} was never reached"
    if point == "privacy.drafted":
        refresh(home)


def ends_as_if_undisturbed(home: Settings, kept: list) -> bool:
    carry_out(home)
    refresh(home)
    carry_out(home)
    requests = list(read_tail(home.landing, "privacy_requests", set()))
    assert [row["request_type"] for row in requests] == ["erasure", "done"]
    assert requests[1]["certificate"]["rows_before"]["raw.events"] == 4
    assert not list((home.home / "privacy/cases").glob("*.json"))
    assert search(home, SECRETS) == {}
    refresh(home)
    return bos(home) == kept


def test_killed_at_every_boundary_one_after_the_other_it_ends_as_if_undisturbed(home):
    kept = bos(home)
    for point in POINTS:
        go_on_until_killed(home, point)
    assert ends_as_if_undisturbed(home, kept)


@pytest.mark.prove
@pytest.mark.parametrize("point", [*POINTS, "privacy.drafted#3", "privacy.replaced#2"])
def test_killed_at_a_boundary_and_continued_it_ends_as_if_undisturbed(home, point):
    kept = bos(home)
    go_on_until_killed(home, point)
    assert ends_as_if_undisturbed(home, kept)


def test_a_suppression_takes_in_nothing_more_and_takes_nothing_away(home):
    land_request(home, "suppression", ADAS, "dpo", "mail")
    assert carry_out(home).suppressed
    later = datetime.now(NOON.tzinfo) + timedelta(minutes=1)
    mine, his = named(ADAS[0]), named(BOS[0])
    land(
        home,
        event("ada-later", received_at=later, identifiers=mine),
        event("bo-later", received_at=later, identifiers=his),
    )
    assert load(home).forbidden == 1
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        found = connection.execute(
            "select event_id from raw.events where event_id like 'ada%' or event_id = 'bo-later' order by 1"
        ).fetchall()
    assert [name for (name,) in found] == [
        "ada-calls",
        "ada-from-the-office",
        "ada-logs-in",
        "ada-reads",
        "bo-later",
    ]


def test_what_is_past_its_time_goes_and_a_backup_does_not_bring_it_back(home, before):
    """Of all rejects, and of the events of some names, whoever sent them."""
    now = NOON.replace(tzinfo=None) + timedelta(days=91)
    land(home, event("o'neil-looks", name="It's Seen"), event("seen", name="it's seen"))
    load(home)
    seen = Records("events", ("web_shop", "it's"), ("track",), ("IT'S SEEN",))
    days = {Records("rejects"): 90, seen: 30, Records("events", names=("Seen",)): 1}
    rewritten = retain(home, days, now)
    assert {(each.stream, each.lines_before - each.lines) for each in rewritten} == {
        ("rejects", 2),
        ("events", 2),
    }
    (certificate,) = (home.home / "privacy/certificates").glob("retention_*.json")
    went = json.loads(certificate.read_bytes())["records_taken_out"]
    assert went == {"events": 2, "rejects": 2}
    shutil.copytree(before / "home/landing", home.landing, dirs_exist_ok=True)
    refresh(home)
    assert ask(home, "select count(*) from raw.rejects") == [(0,)]
    assert ask(home, "select count(*) from raw.events") == [(8,)]
    assert retain(home, days, now) == []


def test_a_shared_identifier_says_not_whose_request_it_is(home):
    with (
        read_copy(home.published) as connection,
        pytest.raises(NotFoundError, match="shared by several"),
    ):
        asked_about(connection, SHARED[1])


def test_access_shows_what_is_hers_and_leaves_out_what_is_his(home):
    path, counted = write_archive(home, "hers", [ADAS[0]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert counted["raw.events"] == 4
    assert counted["raw.rejects"] == 1
    assert "office@analytical.example" in texts["about.json"]
    everything = "".join(texts.values())
    assert not [value for _, value in BOS if value in everything]


def test_the_platforms_own_user_alone_reads_what_is_private(home):
    file_erasure(home)
    carry_out(home)
    for path in (home.home / "privacy").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path


def test_a_plan_made_before_she_asked_tells_nobody_of_her_any_more(home):
    """Removals go out all the same, and what is planned for others."""
    plan = [
        change("hers", profile_id=ADA),
        change("ada@lovelace.example", profile_id="p_of_long_ago"),
        change("hers", "exit", profile_id=ADA),
        change("his", profile_id=BO),
    ]
    assert still_allowed(plan, a_sync("any"), home) == plan
    file_erasure(home)
    assert still_allowed(plan, a_sync("any"), home) == plan[2:]
