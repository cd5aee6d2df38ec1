"""What is particular about each vendor: its own words for failure, its own limits, and what it must not be told."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from orchestration.destinations.base import Destination
from orchestration.destinations.register import KINDS, load_destinations
from tests.changes import change
from tests.fakes import dynamics, google, hubspot, klaviyo, mailchimp, slack
from tests.fakes.cases import CASES
from tests.fakes.chaos import FAULTS
from tests.fakes.server import Fake, Request, Response, Server, say, well

LIMITS = {
    "braze": 75,
    "criteo": 50_000,
    "dynamics": 1,
    "google": 10_000,
    "hubspot": 100,
    "klaviyo": 100,
    "mailchimp": 500,
    "meta": 10_000,
}
Make = Callable[..., Destination]


@pytest.fixture
def server(kind: str) -> Iterator[Server]:
    with Server(CASES[kind].fake()) as listening:
        yield listening


@pytest.fixture
def make(kind: str, server: Server, tmp_path: Path) -> Iterator[Make]:
    opened: list[Destination] = []

    def make_(**changed: Any) -> Destination:
        entry = CASES[kind].settings(kind, server.url, **changed)
        file = tmp_path / "destinations.yml"
        file.write_text(yaml.safe_dump({"destinations": [entry]}))
        opened.append(load_destinations(file, ["tool"], tmp_path)["tool"])
        return opened[-1]

    yield make_
    for each in opened:
        each.close()


def person(name: str, action: str = "enter", **fields: Any):
    payload = None if action == "exit" else {"orders": 1}
    given = {"recipient_type": "email", "payload": payload, **fields}
    return change(f"{name}@example.com", action, **given)


def only(kind: str):
    return pytest.mark.parametrize("kind", [kind])


@pytest.mark.parametrize("kind", sorted(LIMITS))
def test_no_declaration_gets_past_the_documented_batch(kind):
    settings = KINDS[kind][0]
    entry = CASES[kind].settings(kind, "https://vendor.example")
    assert settings.model_validate(entry).batch_size == LIMITS[kind]
    with pytest.raises(ValidationError, match="batch_size"):
        settings.model_validate({**entry, "batch_size": LIMITS[kind] + 1})


def fails_with(code: int, **headers: str):
    def behave(fake: Fake, request: Request, wire: Any) -> None:
        body = {"error": {"code": code, "message": "no"}}
        say(
            wire,
            Response(400, body, {k.replace("_", "-"): v for k, v in headers.items()}),
        )

    return behave


@only("meta")
def test_metas_code_and_not_its_status_says_what_a_400_means(make, server):
    tool, sync = make(), CASES["meta"].a_sync()
    for code, stops, pauses in [
        (190, True, False),
        (200, True, False),
        (17, False, True),
    ]:
        server.behaviour = fails_with(code)
        given = tool.send(sync, [person("ada"), person("bo")])
        assert (given.stop is not None, given.pause is not None) == (stops, pauses)
        assert {each.kind for each in given.outcomes.values()} == {"retry"}
    server.behaviour = fails_with(2)
    given = tool.send(sync, [person("ada")])
    assert {each.kind for each in given.outcomes.values()} == {"unknown"}
    server.behaviour = fails_with(100)
    assert tool.send(sync, [person("ada"), person("bo")]).refused is not None
    single = tool.send(sync, [person("ada")])
    assert {each.kind for each in single.outcomes.values()} == {"rejected"}


@only("meta")
def test_meta_is_left_alone_for_the_minutes_its_usage_header_names(make, server):
    server.fake.exhaust()
    assert make().send(CASES["meta"].a_sync(), [person("ada")]).pause == 180


@pytest.mark.parametrize("kind", ["criteo", "meta"])
def test_one_invalid_row_refuses_the_batch_so_that_it_is_found(make, server, kind):
    case = CASES[kind]
    people = [
        change(case.name(name), recipient_type=case.recipient_type)
        for name in ("ada", "bo")
    ]
    server.behaviour = FAULTS["partly"]
    given = make().send(case.a_sync(), people)
    assert given.refused is not None
    assert str(given.refused.detail).startswith("1 invalid")


@pytest.mark.parametrize(
    ("kind", "form"), [("meta", "4915112345678"), ("google", "+4915112345678")]
)
def test_phones_go_to_google_with_their_plus_and_to_meta_without(make, server, form):
    ada = change("+4915112345678", recipient_type="phone")
    kind = CASES["google"] if form.startswith("+") else CASES["meta"]
    make().send(kind.a_sync(recipient_type="phone"), [ada])
    assert server.fake.held == {hashlib.sha256(form.encode()).hexdigest(): {}}


@only("google")
def test_google_is_sent_nobody_whose_consent_is_not_for_ads(make, server):
    given = make().send(CASES["google"].a_sync(purpose="service"), [person("ada")])
    assert given.stop is not None
    assert server.fake.held == {}
    left = person("ada", "exit")
    given = make().send(CASES["google"].a_sync(purpose="service"), [left])
    assert given.stop is None


@only("google")
def test_a_job_that_failed_in_part_is_unknown_and_one_that_failed_whole_is_tried_again(
    make, server
):
    tool, sync = make(), CASES["google"].a_sync()
    server.behaviour = FAULTS["partly"]
    given = tool.send(sync, [person("ada"), person("bo")])
    server.behaviour = well
    (job,) = {each.job for each in given.outcomes.values()}
    part = tool.poll(sync, job)
    assert (part.kind, part.detail) == (
        "unknown",
        "1 PROCESSING_ERROR_REASON_INTERNAL_ERROR",
    )
    assert isinstance(server.fake, google.Google)
    server.fake.jobs[job]["requestStatus"] = "FAILED"
    assert tool.poll(sync, job).kind == "retry"


@pytest.mark.parametrize("kind", ["google", "dynamics", "criteo"])
def test_a_token_is_asked_for_once_and_used_until_it_ends(make, server, kind):
    case, tool = CASES[kind], make()
    action = "trigger" if kind == "dynamics" else "enter"
    for name in ("ada", "bo", "cy"):
        one = change(
            case.name(name),
            action,
            recipient_type=case.recipient_type,
            payload={"orders": 1},
        )
        tool.send(case.a_sync(), [one])
    asked = [r for r in server.fake.requests if r.path.endswith("/token")]
    assert len(asked) == 1
    assert len(server.fake.requests) == 4


@only("hubspot")
def test_who_is_removed_without_a_record_id_is_looked_up_by_address(make, server):
    tool, sync = make(), CASES["hubspot"].a_sync()
    tool.send(sync, [person("ada"), person("bo")])
    assert isinstance(server.fake, hubspot.HubSpot)
    given = tool.send(sync, [person("ada", "exit"), person("stranger", "exit")])
    assert {each.kind for each in given.outcomes.values()} == {"delivered"}
    assert list(server.fake.held) == ["bo@example.com"]
    assert "ada@example.com" in server.fake.state["contacts"]


@only("hubspot")
def test_who_is_found_under_another_address_is_unknown_and_not_taken_for_absent(
    make, server
):
    tool, sync = make(), CASES["hubspot"].a_sync()
    tool.send(sync, [person("ada")])
    server.fake.state["contacts"]["ada@example.com"]["properties"]["email"] = "a@b.org"
    given = tool.send(sync, [person("ada", "exit")])
    assert {each.kind for each in given.outcomes.values()} == {"unknown"}


def refuses(fake: Fake, request: Request, wire: Any) -> None:
    say(wire, Response(400, {"message": "the list is of another kind"}))


@pytest.mark.parametrize("kind", ["hubspot", "mailchimp"])
@pytest.mark.parametrize(
    ("fault", "pauses", "stops"),
    [
        (FAULTS["throttled"], 7, False),
        (FAULTS["torn"], None, False),
        (refuses, None, True),
    ],
    ids=["throttled", "torn", "refused"],
)
def test_a_failure_after_the_first_of_two_requests_is_unknown_and_not_retry(
    make, server, kind, fault, pauses, stops
):
    seen: list[str] = []

    def second_fails(fake: Fake, request: Request, wire: Any) -> None:
        seen.append(request.path)
        (fault if len(seen) == 2 else well)(fake, request, wire)

    server.behaviour = second_fails
    given = make().send(CASES[kind].a_sync(), [person("ada")])
    assert {each.kind for each in given.outcomes.values()} == {"unknown"}
    assert given.pause == pauses
    assert (given.stop is not None) == stops


@only("hubspot")
def test_records_are_told_apart_by_trace_or_by_address(make, server):
    assert isinstance(server.fake, hubspot.HubSpot)
    tool, sync = make(), CASES["hubspot"].a_sync()
    server.fake.echoes_traces = False
    server.fake.poisonous = {"bo@example.com"}
    ada, bo = person("ada"), person("bo")
    given = tool.send(sync, [ada, bo])
    assert given.outcomes[ada.op_id].handle == "1000"
    assert given.outcomes[bo.op_id].kind == "rejected"


@only("hubspot")
def test_an_unknown_property_refuses_the_batch(make):
    odd = [person("ada", payload={"shoe_size": 44}), person("bo")]
    assert make().send(CASES["hubspot"].a_sync(), odd).refused is not None


@only("hubspot")
def test_a_trigger_that_is_sent_again_is_one_event_at_hubspot(make, server):
    tool, one = make(), person("ada", "trigger")
    for _ in range(2):
        tool.send(CASES["hubspot"].a_sync(), [one])
    assert [each["uuid"] for each in server.fake.events] == [one.op_id]


@pytest.mark.parametrize("kind", ["braze", "hubspot"])
def test_a_sync_that_only_updates_creates_nobody(make, server, kind):
    tool, sync = make(), CASES[kind].a_sync()
    tool.send(sync, [person("ada")])
    before = dict(server.fake.held)
    only_updates = CASES[kind].a_sync(mode="update")
    stranger = person("stranger", "update")
    tool.send(only_updates, [person("ada", "update"), stranger])
    assert server.fake.held == before


@only("klaviyo")
def test_more_bytes_than_klaviyo_takes_are_halved_and_never_sent(make, server):
    big = {"note": "x" * 3_000_000}
    tool, sync = make(), CASES["klaviyo"].a_sync()
    given = tool.send(sync, [person("ada", payload=big), person("bo", payload=big)])
    assert given.refused is not None
    assert given.refused.http_status == 413
    assert server.fake.requests == []
    given = tool.send(sync, [person("ada", payload=big)])
    assert {each.kind for each in given.outcomes.values()} == {"accepted"}


@only("klaviyo")
def test_klaviyo_removes_by_its_own_ids_and_who_it_does_not_know_is_gone(make, server):
    tool, sync = make(), CASES["klaviyo"].a_sync()
    tool.send(sync, [person("ada"), person("bo")])
    given = tool.send(sync, [person("ada", "exit"), person("stranger", "exit")])
    assert {each.kind for each in given.outcomes.values()} == {"delivered"}
    assert isinstance(server.fake, klaviyo.Klaviyo)
    assert list(server.fake.held) == ["bo@example.com"]


@only("mailchimp")
def test_who_unsubscribed_at_mailchimp_stays_so_and_is_rejected_alone(make, server):
    assert isinstance(server.fake, mailchimp.Mailchimp)
    server.fake.unsubscribed = {"ada@example.com"}
    ada, bo = person("ada"), person("bo")
    given = make().send(CASES["mailchimp"].a_sync(), [ada, bo])
    assert given.outcomes[ada.op_id].kind == "rejected"
    assert given.outcomes[bo.op_id].kind == "delivered"
    assert list(server.fake.held) == ["bo@example.com"]


@only("mailchimp")
def test_mailchimp_subscribes_nobody_for_another_purpose_and_gets_mapped_fields_only(
    make, server
):
    tool = make()
    given = tool.send(CASES["mailchimp"].a_sync(purpose="service"), [person("ada")])
    assert given.stop is not None
    assert server.fake.requests == []
    ada = person("ada", payload={"orders": 2, "diagnosis": "private"})
    tool.send(CASES["mailchimp"].a_sync(), [ada])
    assert b"private" not in b"".join(each.body for each in server.fake.requests)


@only("braze")
def test_leaving_takes_everything_away_that_entering_told_and_creates_nobody(
    make, server
):
    tool, sync = make(), CASES["braze"].a_sync()
    tool.send(sync, [person("ada")])
    tool.send(sync, [person("ada", "exit"), person("stranger", "exit")])
    assert server.fake.state == {"ada@example.com": {}}


@only("dynamics")
def test_every_trigger_is_bound_to_one_instance_and_complete(make, server):
    case = CASES["dynamics"]
    one = change(
        case.name("ada"), "trigger", payload={"orders": 1, "visit": "v7", "more": 2}
    )
    make(binding="visit").send(case.a_sync(), [one])
    make().send(case.a_sync(), [one])
    bindings = [each["msdynmkt_bindingid"] for each in server.fake.events]
    assert bindings == ["v7", one.op_id]
    assert "msdynmkt_more" not in server.fake.events[0]
    given = make().send(case.a_sync(), [one.model_copy(update={"payload": {}})])
    (outcome,) = given.outcomes.values()
    assert (outcome.kind, outcome.detail) == ("rejected", "the trigger requires orders")


@only("dynamics")
def test_the_pace_keeps_below_the_minute_beyond_which_triggers_vanish(make):
    pace = make().pace
    assert pace is not None
    assert pace.requests / pace.seconds <= dynamics.Dynamics.triggers_a_minute / 60


def test_thirty_attributes_are_refused_at_load():
    entry = CASES["dynamics"].settings("dynamics", "https://org.example")
    with pytest.raises(ValidationError, match="at most 29"):
        KINDS["dynamics"][0].model_validate(
            {**entry, "attributes": [f"a{n}" for n in range(30)]}
        )


def test_cookies_need_the_caller_id():
    entry = CASES["criteo"].settings("criteo", "https://api.example")
    with pytest.raises(ValidationError, match="gum_caller_id"):
        KINDS["criteo"][0].model_validate({**entry, "gum_caller_id": None})


@only("slack")
def test_a_message_names_nobody_and_calls_no_channel(make, server):
    people = [
        person("ada", "trigger", payload={"orders": "<!channel>", "city": "Rome"})
    ]
    people += [person("bo", "trigger")]
    sync = CASES["slack"].a_sync(description="Carts left & lost")
    given = make().send(sync, people)
    assert {each.kind for each in given.outcomes.values()} == {"delivered"}
    (message,) = server.fake.events
    lines = message["text"].splitlines()
    assert lines == [
        "*Carts left &amp; lost* 2 people",
        "• orders: &lt;!channel&gt;",
        "• orders: 1",
    ]


@only("slack")
def test_an_alert_says_whether_it_was_told(make, server):
    tool = make()
    assert tool.tell("the credential of braze expired")
    assert server.fake.events == [{"text": "the credential of braze expired"}]
    server.behaviour = FAULTS["error"]
    assert not tool.tell("again")


def test_the_slack_address_is_a_secret_and_shows_nowhere():
    entry = CASES["slack"].settings("slack", "https://hooks.slack.com")
    assert slack.PATH not in repr(KINDS["slack"][0].model_validate(entry))
