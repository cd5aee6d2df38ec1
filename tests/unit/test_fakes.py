"""The fakes have teeth: planted clients that break a vendor's documented rule are refused, and the fake holds nothing.

Written with bare requests, so that no mistake of our clients can hide here.
"""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes import (
    braze,
    criteo,
    dynamics,
    google,
    hubspot,
    klaviyo,
    mailchimp,
    meta,
    slack,
    webhook,
)
from tests.fakes.chaos import by_seed
from tests.fakes.server import TOKEN, Fake, Request, Server

BEARER = {"authorization": f"Bearer {TOKEN}"}
KLAVIYO = {"authorization": f"Klaviyo-API-Key {TOKEN}", "revision": "2026-01-15"}
BASIC = {"authorization": "Basic " + base64.b64encode(f"x:{TOKEN}".encode()).decode()}
HASH = "a" * 64
CONTACTS = hubspot.CONTACTS
SIGNAL = {
    "msdynmkt_signaluserauthid": "11111111-1111-1111-1111-111111111111",
    "msdynmkt_profileid": "11111111-1111-1111-1111-111111111111",
    "msdynmkt_signaltimestamp": "2026-01-31T12:00:00Z",
    "msdynmkt_signalingestiontimestamp": "2026-01-31T12:00:00Z",
    "msdynmkt_bindingid": "b",
    "msdynmkt_orders": 1,
}


def meta_rows(*rows: str, schema: str = "EMAIL_SHA256") -> dict[str, Any]:
    return {"payload": {"schema": schema, "data": list(rows)}}


def google_members(*hashes: str, **changed: Any) -> dict[str, Any]:
    return {
        "destinations": [
            {
                "operatingAccount": {
                    "accountType": "GOOGLE_ADS",
                    "accountId": google.ACCOUNT,
                },
                "productDestinationId": google.LIST,
            }
        ],
        "audienceMembers": [
            {"userData": {"userIdentifiers": [{"emailAddress": each}]}}
            for each in hashes
        ],
        "encoding": "HEX",
        "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
        "consent": {
            "adUserData": "CONSENT_GRANTED",
            "adPersonalization": "CONSENT_GRANTED",
        },
        **changed,
    }


def hubspot_inputs(count: int, **changed: Any) -> dict[str, Any]:
    one = {"idProperty": "email", "properties": {"orders": "1"}, **changed}
    return {"inputs": [{"id": f"u{n}@example.com", **one} for n in range(count)]}


def klaviyo_profiles(count: int, **attributes: Any) -> dict[str, Any]:
    profiles = [
        {"type": "profile", "attributes": {"email": f"u{n}@example.com", **attributes}}
        for n in range(count)
    ]
    return {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": profiles}},
            "relationships": {
                "lists": {"data": [{"type": "list", "id": klaviyo.LIST}]}
            },
        }
    }


def criteo_ids(*ids: str, **changed: Any) -> dict[str, Any]:
    attributes = {
        "operation": "add",
        "identifierType": "gum",
        "gumCallerId": criteo.CALLER,
        "identifiers": list(ids),
    }
    return {
        "data": {"type": "ContactlistAmendment", "attributes": attributes | changed}
    }


def subscribers(count: int, status: str = "subscribed") -> dict[str, Any]:
    members = [
        {"email_address": f"u{n}@example.com", "status": status} for n in range(count)
    ]
    return {"members": members, "update_existing": True}


META_PATH = f"/v25.0/{meta.AUDIENCE}/users"
INGEST = "/v1/audienceMembers:ingest"
MEMBERS = f"/3.0/lists/{mailchimp.LIST}"
SEGMENT = f"{MEMBERS}/segments/{mailchimp.SEGMENT}"
IMPORT = "/api/profile-bulk-import-jobs"
DYNAMICS = f"/api/data/v9.2/{dynamics.TRIGGER}"
TOO_MANY_HASHES = [f"{n:064x}" for n in range(10_001)]

# fake, headers, method, path, body, the refusal's status
WRONG: list[tuple[type[Fake], dict[str, str], str, str, Any, int]] = [
    (meta.Meta, {}, "POST", META_PATH, meta_rows(HASH), 400),
    (meta.Meta, BEARER, "POST", META_PATH, meta_rows(*TOO_MANY_HASHES), 400),
    (meta.Meta, BEARER, "POST", META_PATH, meta_rows(HASH, schema="EMAIL"), 400),
    (meta.Meta, BEARER, "POST", "/v25.0/9/users", meta_rows(HASH), 400),
    (google.Google, {}, "POST", INGEST, google_members(HASH), 401),
    (google.Google, BEARER, "POST", INGEST, google_members(*TOO_MANY_HASHES), 400),
    (google.Google, BEARER, "POST", INGEST, google_members("ada@example.com"), 400),
    (google.Google, BEARER, "POST", INGEST, google_members(HASH, encoding=""), 400),
    (google.Google, BEARER, "POST", INGEST, google_members(HASH, termsOfService={}), 400),
    (google.Google, BEARER, "POST", INGEST, google_members(HASH, destinations=[]), 400),
    (braze.Braze, {}, "POST", "/users/track", {"attributes": [{"email": "a@b.org"}]}, 401),
    (braze.Braze, BEARER, "POST", "/users/track", {"attributes": [{}] * 76}, 400),
    (braze.Braze, BEARER, "POST", "/users/track", {"attributes": [{}] * 40, "events": [{}] * 40}, 400),
    (hubspot.HubSpot, {}, "POST", f"{CONTACTS}/upsert", hubspot_inputs(1), 401),
    (hubspot.HubSpot, BEARER, "POST", f"{CONTACTS}/upsert", hubspot_inputs(101), 400),
    (hubspot.HubSpot, BEARER, "POST", f"{CONTACTS}/upsert", hubspot_inputs(1, properties={"nope": "1"}), 400),
    (hubspot.HubSpot, BEARER, "POST", f"{CONTACTS}/upsert", hubspot_inputs(1, properties={"orders": 1}), 400),
    (hubspot.HubSpot, BEARER, "POST", f"{CONTACTS}/upsert", {"inputs": [*hubspot_inputs(1)["inputs"]] * 2}, 400),
    (hubspot.HubSpot, BEARER, "PUT", "/crm/lists/2026-03/9/memberships/add-and-remove", {}, 404),
    (klaviyo.Klaviyo, {}, "POST", IMPORT, klaviyo_profiles(1), 401),
    (klaviyo.Klaviyo, {"authorization": KLAVIYO["authorization"]}, "POST", IMPORT, klaviyo_profiles(1), 400),
    (klaviyo.Klaviyo, KLAVIYO, "POST", IMPORT, klaviyo_profiles(10_001), 400),
    (klaviyo.Klaviyo, KLAVIYO, "POST", IMPORT, klaviyo_profiles(1, properties={"note": "x" * 5_000_001}), 413),
    (klaviyo.Klaviyo, KLAVIYO, "POST", IMPORT, klaviyo_profiles(1, email="ada"), 400),
    (klaviyo.Klaviyo, KLAVIYO, "DELETE", f"/api/lists/{klaviyo.LIST}/relationships/profiles", {"data": [{"type": "profile", "id": "u0@example.com"}]}, 400),
    (mailchimp.Mailchimp, BEARER, "POST", MEMBERS, subscribers(1), 401),
    (mailchimp.Mailchimp, BASIC, "POST", MEMBERS, subscribers(501), 400),
    (mailchimp.Mailchimp, BASIC, "POST", MEMBERS, subscribers(1, status="present"), 400),
    (mailchimp.Mailchimp, BASIC, "POST", SEGMENT, {"members_to_add": ["a@b.org"] * 501}, 400),
    (dynamics.Dynamics, {}, "POST", DYNAMICS, SIGNAL, 401),
    (dynamics.Dynamics, BEARER, "POST", DYNAMICS, SIGNAL | {"msdynmkt_profileid": "ada"}, 400),
    (dynamics.Dynamics, BEARER, "POST", DYNAMICS, SIGNAL | {"msdynmkt_city": "Rome"}, 400),
    (dynamics.Dynamics, BEARER, "POST", DYNAMICS, {k: v for k, v in SIGNAL.items() if k != "msdynmkt_orders"}, 400),
    (dynamics.Dynamics, BEARER, "POST", DYNAMICS, SIGNAL | {"msdynmkt_signaltimestamp": "2026-01-31 12:00"}, 400),
    (criteo.Criteo, {}, "PATCH", criteo.PATH, criteo_ids("gum_00000001"), 401),
    (criteo.Criteo, BEARER, "PATCH", criteo.PATH, criteo_ids("gum_00000001", gumCallerId=None), 400),
    (criteo.Criteo, BEARER, "PATCH", criteo.PATH, criteo_ids(*(f"gum_{n:08}" for n in range(50_001))), 400),
    (criteo.Criteo, BEARER, "PATCH", criteo.PATH, criteo_ids("gum_00000001", identifierType="cookie"), 400),
    (slack.Slack, {}, "POST", "/services/T00/B00/other", {"text": "hi"}, 404),
    (slack.Slack, {}, "POST", slack.PATH, {"message": "hi"}, 400),
    (slack.Slack, {}, "POST", slack.PATH, {"text": "<!channel> hi"}, 403),
    (webhook.Receiver, {}, "POST", "/", {"data": {"changes": []}}, 401),
]  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("fake", "headers", "method", "path", "body", "status"),
    WRONG,
    ids=[f"{w[0].__name__}-{n}" for n, w in enumerate(WRONG)],
)
def test_whoever_breaks_a_documented_rule_is_refused_and_changes_nothing(
    client, fake, headers, method, path, body, status
):
    with Server(fake()) as server:
        untouched = repr(server.fake.state)
        reply = client.request(method, server.url + path, json=body, headers=headers)
        assert reply.status_code == status
        assert len(server.fake.refusals) == 1
        assert repr(server.fake.state) == untouched
        assert server.fake.events == []


def test_meta_and_criteo_count_what_is_no_identifier_and_do_not_add_it(client):
    with Server(meta.Meta()) as server:
        body = meta_rows(HASH, "ada@example.com", HASH.upper())
        reply = client.post(server.url + META_PATH, json=body, headers=BEARER)
        assert reply.json()["num_invalid_entries"] == 2
        assert server.fake.held == {HASH: {}}
    with Server(criteo.Criteo()) as server:
        body = criteo_ids("gum_00000001", "no cookie")
        reply = client.patch(server.url + criteo.PATH, json=body, headers=BEARER)
        assert reply.json()["data"]["attributes"]["nbInvalidIdentifiers"] == 1
        assert server.fake.held == {"gum_00000001": {}}


def test_braze_and_mailchimp_say_inside_a_success_what_failed(client):
    with Server(braze.Braze()) as server:
        attributes = [
            {"email": "ada", braze.ATTRIBUTE: {"is_member": True}},
            {"email": "a@b.org", "external_id": "a"},
        ]
        reply = client.post(
            f"{server.url}/users/track", json={"attributes": attributes}, headers=BEARER
        )
        assert reply.status_code == 201
        assert [each["index"] for each in reply.json()["errors"]] == [0, 1]
        assert server.fake.held == {}
    with Server(mailchimp.Mailchimp()) as server:
        assert isinstance(server.fake, mailchimp.Mailchimp)
        server.fake.unsubscribed = {"u1@example.com"}
        reply = client.post(server.url + MEMBERS, json=subscribers(2), headers=BASIC)
        assert reply.status_code == 200
        assert reply.json()["error_count"] == 1
        foreign = {"members_to_add": ["u1@example.com"]}
        reply = client.post(server.url + SEGMENT, json=foreign, headers=BASIC)
        assert reply.json()["errors"][0]["email_addresses"] == ["u1@example.com"]
        assert server.fake.held == {}


def test_google_processes_nobody_without_consent(client):
    with Server(google.Google()) as server:
        body = google_members(HASH, consent={})
        reply = client.post(server.url + INGEST, json=body, headers=BEARER)
        job = reply.json()["requestId"]
        status = client.get(
            f"{server.url}/v1/requestStatus:retrieve?requestId={job}", headers=BEARER
        ).json()["requestStatusPerDestination"][0]
        assert status["requestStatus"] == "FAILED"
        assert server.fake.held == {}


def test_dynamics_drops_triggers_beyond_its_minute_without_a_word(client):
    with Server(dynamics.Dynamics()) as server:
        assert isinstance(server.fake, dynamics.Dynamics)
        server.fake.triggers_a_minute = 1
        for _ in range(2):
            reply = client.post(server.url + DYNAMICS, json=SIGNAL, headers=BEARER)
            assert reply.status_code == 204
        assert len(server.fake.events) == 1


def test_a_window_is_full_after_so_many_requests_and_not_before(client):
    with Server(slack.Slack()) as server:
        said = [
            client.post(server.url + slack.PATH, json={"text": "hi"}).status_code
            for _ in range(6)
        ]
        assert said == [200] * 5 + [429]


def test_chaos_is_the_same_for_the_same_seed_and_another_for_another():
    class Wire:
        def __getattr__(self, name: str) -> Any:
            raise OSError(name)

    def course(seed: int) -> list[int]:
        fake, behave = slack.Slack(), by_seed(seed)
        fake.window = None
        request = Request("POST", slack.PATH, {}, {}, b'{"text": "hi"}')
        reached = []
        for _ in range(12):
            try:
                behave(fake, request, Wire())
            except OSError:
                reached.append(len(fake.events))
        return reached

    assert course(1) == course(1) != course(2)
