"""Whoever is erased leaves every destination that holds them, also the one that was down; and whoever says no between two
steps of a run is told nothing any more."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.contracts import ProfileRow
from orchestration.privacy.carrying import carry_out
from orchestration.privacy.pending import still_allowed
from orchestration.privacy.places import search
from tests.changes import change
from tests.integration.erased import (
    ADA,
    ADAS,
    BO,
    BOS,
    SECRETS,
    copied,
    file_erasure,
    named,
    two_people,
)
from tests.integration.plans import a_sync
from tests.integration.vendors import DOWN, KNOWN_BY, UP, Vendors, vendors
from tests.landed import NOON, event, land


def there(person: str, email: str) -> dict[str, str]:
    """What each vendor calls a person."""
    digest = hashlib.sha256(email.encode()).hexdigest()
    return {"webhook": person, "mailchimp": email, "meta": digest}


HERS, HIS = there(ADA, ADAS[1][1]), there(BO, BOS[1][1])
BOTH = {kind: {HERS[kind], HIS[kind]} for kind in KNOWN_BY}
HIM_ALONE = {kind: {HIS[kind]} for kind in KNOWN_BY}


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Path:
    """A platform that holds Ada and Bo, and has heard of him a moment ago."""
    folder = tmp_path_factory.mktemp("privacy") / "before"
    now = datetime.now(UTC)
    two_people(folder, event("just-now", received_at=now, identifiers=named(BOS[0])))
    return folder


@pytest.fixture
def shop(before: Path, tmp_path: Path) -> Iterator[Vendors]:
    with vendors(copied(before, tmp_path / "twin"), tmp_path) as made:
        made.refresh()
        yield made


@pytest.mark.parametrize(
    "down",
    [
        "meta",
        pytest.param("webhook", marks=pytest.mark.prove),
        pytest.param("mailchimp", marks=pytest.mark.prove),
    ],
)
def test_three_destinations_one_of_them_down_converge_to_her_removal(shop, down):
    """Until the last one has answered, what its removal needs is kept, and nothing else."""
    shop.deliver()
    assert shop.held() == BOTH
    file_erasure(shop.home)
    shop.refresh()
    shop.servers[down].behaviour = DOWN
    shop.deliver()
    assert shop.held() == HIM_ALONE | {down: BOTH[down]}
    assert carry_out(shop.home).waiting, "one of them still holds her"

    assert carry_out(shop.home, despite_open=True).erased
    shop.refresh()
    (certificate,) = carry_out(shop.home).certificates
    assert certificate["waiting_for_destinations"] == [f"to_{down}"]
    kept = search(shop.home, SECRETS)
    assert {place.split("/")[1] for place in kept if place.startswith("landing")} == {
        *("deliveries", "privacy_requests")
    }
    assert {kind: [c.reason for c in found] for kind, found in shop.plan().items()} == {
        down: ["erased"]
    }

    shop.servers[down].behaviour = UP
    shop.deliver()
    assert shop.held() == HIM_ALONE
    assert carry_out(shop.home).erased
    shop.refresh()
    (certificate,) = carry_out(shop.home).certificates
    assert certificate["open"] == []
    assert search(shop.home, SECRETS) == {}
    assert shop.plan() == {}


COOKIE, EMAIL = ADAS[3], ADAS[1]
SAYS_NO = {
    "by a link in a letter": [
        event("no", name="Email Unsubscribed", identifiers=named(EMAIL))
    ],
    "as an event that names the address alone": [
        event(
            "no",
            name="consent_updated",
            identifiers=named(("anonymous_id", "nobody")),
            properties={"purpose": "marketing", "status": "no", "email": EMAIL[1]},
        )
    ],
    "beside a visit": [
        event(
            "no",
            name="Page Viewed",
            identifiers=named(COOKIE),
            consent={"marketing": {"email": "Opted-Out"}},
        )
    ],
    "by a cookie that turned out to be hers": [
        event("her", identifiers=named(COOKIE, ("anonymous_id", "new"))),
        event(
            "no",
            identifiers=named(("anonymous_id", "new")),
            consent={"marketing": False},
        ),
    ],
    "at the desk of the CRM": [
        ProfileRow(
            source_id="crm",
            row_key="C-ADA-17",
            row_hash="2" * 64,
            observed_at=NOON,
            received_at=NOON,
            identifiers=named(EMAIL),
            consent={"marketing": "no"},
        )
    ],
}
PLAN = [
    change("hers", profile_id=ADA),
    change("hers", "update", profile_id=ADA),
    change("hers", "trigger", profile_id=ADA),
    change(EMAIL[1], profile_id="p_of_long_ago"),
    change("hers", "exit", profile_id=ADA),
    change("his", profile_id=BO),
]
FOR_MARKETING, FOR_SERVICE = (
    a_sync("any", purpose=p) for p in ("marketing", "service")
)


def test_whoever_says_no_between_two_steps_of_a_run_is_told_nothing_after(shop):
    """The plan was made and half delivered; she leaves with the next one."""
    shop.deliver("webhook")
    land(shop.home, *SAYS_NO["by a link in a letter"])
    shop.deliver("mailchimp", "meta")
    assert shop.held() == HIM_ALONE | {"webhook": BOTH["webhook"]}
    shop.refused = {EMAIL[1]}
    shop.refresh()
    shop.deliver()
    assert shop.held() == HIM_ALONE


@pytest.mark.parametrize("said", SAYS_NO)
def test_a_no_is_heard_however_it_was_said_and_holds_back_nobody_else(
    before, tmp_path, said
):
    home = copied(before, tmp_path / "twin")
    yes = event("yes", identifiers=named(COOKIE), consent={"marketing": "granted"})
    land(home, yes, event("visit", identifiers=named(EMAIL)))
    assert still_allowed(PLAN, FOR_MARKETING, home) == PLAN
    land(home, *SAYS_NO[said])
    assert still_allowed(PLAN, FOR_MARKETING, home) == PLAN[4:]
    assert still_allowed(PLAN, FOR_SERVICE, home) == PLAN
