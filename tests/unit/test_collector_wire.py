"""Calls as senders spell them become the canonical event, or are refused with the field at fault."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from ingestion.contracts import Event
from ingestion.contracts.clock import read_moment
from ingestion.contracts.mappings import EventMapping
from ingestion.contracts.refusals import Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RECORD_ID = UUID("019a0000-0000-7000-8000-000000000001")


def read(call: dict[str, Any], **known: Any) -> Event:
    origin = Origin(
        **{
            "source_id": "web_shop",
            "received_at": NOW,
            "channel": "server",
            "endpoint": "/ingest",
            **known,
        }
    )
    return read_event(call, origin, RECORD_ID)


def refusal(call: dict[str, Any], **known: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read(call, **known)
    return caught.value


def ids(event: Event) -> list[tuple[str, str]]:
    return [(each["type"], each["value"]) for each in event.identifiers]


# What the source declares


MAPPED = EventMapping(
    identifiers={
        "loyalty_id": "properties.card.number",
        "email": "properties.contacts.0.mail",
        "crm_id": "traits.crm",
        "till": "context.till",
    },
    identity="phone",
)


def test_identifiers_are_read_where_the_source_says_they_are() -> None:
    event = read(
        {
            "type": "track",
            "event": "Till Receipt",
            "userId": "u-1",
            "properties": {
                "card": {"number": 4711},
                "contacts": [{"mail": "ada@example.com"}],
            },
            "context": {"till": True},
        },
        mapping=MAPPED,
    )
    assert ids(event) == [
        ("user_id", "u-1"),
        ("loyalty_id", "4711"),
        ("email", "ada@example.com"),
    ]
    assert event.flags == ["unreadable_identifier"]


def test_a_source_may_fix_the_type_of_an_untyped_identity() -> None:
    call = {"event_name": "x", "identity": "0171 2345678", "payload": {"card": 1}}
    assert ids(read(call, mapping=MAPPED)) == [("phone", "0171 2345678")]
    assert ids(read(call)) == [("user_id", "0171 2345678")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("identifiers", {"email": "mail"}),
        ("identifiers", {"email": "properties."}),
        ("identifiers", {"": "properties.mail"}),
        ("identity", ""),
        ("identities", {}),
    ],
)
def test_a_mapping_names_places_within_the_event(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        EventMapping.model_validate({field: value})


# Shapes


def test_a_server_event_becomes_a_track_event_under_its_own_name() -> None:
    event = read(
        {
            "event": "purchase_completed",
            "timestamp": "2026-01-31T11:00:00Z",
            "customer_id": "cust_12345",
            "properties": {"order_value": 149.99, "currency": "EUR"},
        }
    )
    assert (event.shape, event.type, event.name) == (
        "server",
        "track",
        "purchase_completed",
    )
    assert event.occurred_at == NOW - timedelta(hours=1)
    assert event.properties == {"order_value": 149.99, "currency": "EUR"}
    assert ids(event) == [("user_id", "cust_12345")]


def test_a_flat_event_keeps_its_payload_and_types_its_identity() -> None:
    event = read(
        {
            "anonymous_id": "a-1",
            "identity": "ada@example.com",
            "event_type": "track",
            "event_name": "Added to Cart",
            "payload": {"product_id": "P-1234", "price": 100.00},
        }
    )
    assert (event.shape, event.name) == ("flat", "Added to Cart")
    assert event.properties == {"product_id": "P-1234", "price": 100.00}
    assert ids(event) == [("anonymous_id", "a-1"), ("email", "ada@example.com")]


def test_a_flat_event_of_a_type_of_its_own_is_tracked_and_keeps_the_type() -> None:
    event = read({"event_type": "purchase", "identity": 7})
    assert (event.type, event.name) == ("track", "purchase")
    assert event.context == {"extra": {"event_type": "purchase"}}


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        ("ada@example.com", "email"),
        ("+44 20 7946 0958", "phone"),
        ("4420794609", "user_id"),
        ("a" * 64, "email_sha256"),
        ("ada", "user_id"),
        (12345, "user_id"),
    ],
)
def test_an_untyped_identity_is_typed_by_its_form(identity: Any, kind: str) -> None:
    assert ids(read({"event_name": "x", "identity": identity}))[0][0] == kind


@pytest.mark.parametrize(
    "kind", ["track", "page", "screen", "identify", "group", "alias"]
)
def test_every_call_of_the_spec_is_known_by_its_type(kind: str) -> None:
    event = read({"type": kind, "event": "E", "name": "N", "userId": "u"})
    assert event.shape == "segment"
    assert event.type == kind
    assert event.name == ("E" if kind == "track" else "N")


def test_the_path_names_the_type_of_a_call_that_does_not() -> None:
    assert read({"userId": "u"}, call_type="identify").type == "identify"


def test_rudderstack_puts_the_traits_of_an_identify_into_the_context() -> None:
    call = {"type": "identify", "context": {"traits": {"email": "a@b.c"}}}
    assert read(call).traits == {"email": "a@b.c"}


def test_a_call_nested_in_its_event_name_is_unfolded() -> None:
    call = {"type": "track", "event": {"event": "Order Completed", "userId": "u-1"}}
    event = read(call)
    assert event.name == "Order Completed"
    assert ids(event) == [("user_id", "u-1")]
    assert event.flags == ["nested_call"]


@pytest.mark.parametrize(
    ("call", "path", "says"),
    [
        ({}, "", "no known shape"),
        ({"type": "purchase"}, "type", "must be one of"),
        ({"type": ["track"]}, "type", "must be one of"),
        ({"type": "track"}, "event", "needs the name"),
        ({"type": "track", "event": 5}, "event", "must be text"),
        ({"event": {"a": 1}}, "event", "must be text"),
        ({"type": "page", "name": []}, "name", "must be text"),
        ({"event": "x", "properties": [1]}, "properties", "must be an object"),
        ({"event": "x", "context": "web"}, "context", "must be an object"),
        ({"event": "x", "consent": True}, "consent", "must be an object"),
        ({"event_name": "x", "payload": 3}, "payload", "must be an object"),
        ({"event": "x", "userId": {"id": 1}}, "userId", "must be text or a number"),
        ({"event": "x", "userId": True}, "userId", "must be text or a number"),
        ({"event": "x", "userId": 1e30}, "userId", "send it as text"),
        ({"event": "x", "userId": "u" * 600}, "userId", "longer than"),
        ({"event": "x", "messageId": []}, "messageId", "must be text or a number"),
        ({"type": "alias", "previousId": {}}, "previousId", "must be text"),
        ({"event_name": "x", "identity": []}, "identity", "must be text"),
        ({"event": "x", "timestamp": "yesterday"}, "timestamp", "ISO 8601"),
        ({"event": "x", "originalTimestamp": {}}, "originalTimestamp", "ISO 8601"),
        (
            {"event": "x", "timestamp": "2026-01-31", "original_timestamp": "?"},
            "original_timestamp",
            "ISO 8601",
        ),
    ],
)
def test_what_breaks_a_contract_is_refused_at_the_field_as_it_was_spelled(
    call: dict[str, Any], path: str, says: str
) -> None:
    fault = refusal(call).faults[0]
    assert fault.path == path
    assert says in fault.reason


# Identifiers


def test_every_place_an_identifier_may_stand_is_read_once() -> None:
    event = read(
        {
            "type": "track",
            "event": "E",
            "userId": " u-1 ",
            "anonymousId": 17.0,
            "email": "ada@example.com",
            "phone": "+442079460958",
            "email_hash": "ab" * 32,
            "traits": {"email": "ada@example.com", "phone": 442079460958},
            "context": {
                "traits": {"email": "countess@example.com"},
                "device": {"id": "d-1", "type": "iOS"},
                "externalIds": [{"type": "crm_id", "id": 9}],
                "externalId": [{"type": "brazeExternalId", "id": "b-1"}],
            },
        }
    )
    assert ids(event) == [
        ("user_id", "u-1"),
        ("email", "ada@example.com"),
        ("phone", "+442079460958"),
        ("email_sha256", "ab" * 32),
        ("anonymous_id", "17"),
        ("phone", "442079460958"),
        ("email", "countess@example.com"),
        ("ios.id", "d-1"),
        ("crm_id", "9"),
        ("brazeExternalId", "b-1"),
    ]


def test_a_device_without_a_type_is_just_a_device() -> None:
    assert ids(read({"event": "x", "context": {"device": {"id": "d"}}})) == [
        ("device_id", "d")
    ]


def test_external_ids_may_be_an_object() -> None:
    event = read({"event": "x", "context": {"externalIds": {"crm_id": "7"}}})
    assert ids(event) == [("crm_id", "7")]


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"])
def test_a_blank_identifies_nobody(blank: Any) -> None:
    assert ids(read({"event": "x", "userId": blank, "anonymousId": blank})) == []


def test_a_group_is_not_a_person() -> None:
    call = {"type": "group", "groupId": "acme", "traits": {"email": "info@acme.test"}}
    event = read({**call, "userId": "u-1"})
    assert ids(event) == [("user_id", "u-1")]
    assert event.context == {"extra": {"groupId": "acme"}}


def test_an_alias_names_the_previous_id() -> None:
    event = read({"type": "alias", "previousId": "a-1", "userId": "u-1"})
    assert ids(event) == [("user_id", "u-1"), ("previous_id", "a-1")]


def test_payload_in_the_place_of_an_identifier_is_kept_and_flagged() -> None:
    event = read({"event": "x", "traits": {"email": {"home": "a@b.c"}}})
    assert ids(event) == []
    assert event.traits == {"email": {"home": "a@b.c"}}
    assert event.flags == ["unreadable_identifier"]


# Time


def at(call: dict[str, Any], **known: Any) -> datetime:
    return read({"event": "x", **call}, **known).occurred_at


def test_a_wrong_clock_is_corrected_by_when_it_says_it_sent() -> None:
    event = read(
        {
            "type": "track",
            "event": "x",
            "originalTimestamp": "2020-01-01T00:00:00Z",
            "timestamp": "2026-01-31T11:59:59Z",
            "sentAt": "2020-01-01T00:00:10Z",
        }
    )
    assert event.occurred_at == NOW - timedelta(seconds=10)
    assert event.original_timestamp == datetime(2020, 1, 1, tzinfo=UTC)
    assert event.sent_at == datetime(2020, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert event.flags == ["clock_corrected"]


def test_the_timestamp_is_the_original_where_there_is_no_other() -> None:
    call = {"timestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:10Z"}
    assert at(call) == NOW - timedelta(seconds=10)


def test_a_batch_is_sent_at_once() -> None:
    given = {"timestamp": "2020-01-01T00:00:00Z"}
    assert at(given, sent_at="2020-01-01T00:00:10Z") == NOW - timedelta(seconds=10)


def test_without_a_sent_time_the_given_timestamp_stands() -> None:
    call = {
        "timestamp": "2026-01-31T11:00:00Z",
        "originalTimestamp": "2020-01-01T00:00:00Z",
    }
    assert at(call) == NOW - timedelta(hours=1)


def test_without_any_time_it_is_ours() -> None:
    assert at({"sentAt": "2020-01-01T00:00:10Z"}) == NOW


def test_a_small_difference_of_clocks_is_not_worth_a_flag() -> None:
    call = {"timestamp": "2026-01-31T11:59:00Z", "sentAt": "2026-01-31T11:59:58Z"}
    assert read({"event": "x", **call}).flags == []


@pytest.mark.parametrize(
    ("given", "naive"),
    [
        ("2026-01-31T12:00:00Z", False),
        ("2026-01-31T13:00:00+01:00", False),
        ("2026-01-31 12:00:00", True),
        ("2026-01-31T12:00:00.000000000Z", False),
        (1769860800, False),
        (1769860800000, False),
        (1769860800.0, False),
        ("1769860800000", False),
    ],
)
def test_times_come_in_many_forms(given: Any, naive: bool) -> None:
    assert read_moment(given) == (NOW, naive)


@pytest.mark.parametrize(
    "given", [True, [], {}, "", "12:00", "31.01.2026", 1e300, "9" * 30, "²" * 10]
)
def test_what_is_no_time_is_said_to_be_none(given: Any) -> None:
    with pytest.raises(ValueError, match=r"ISO 8601|epoch"):
        read_moment(given)


def test_a_time_at_the_edge_of_the_calendar_is_refused_not_a_crash() -> None:
    assert refusal({"event": "x", "timestamp": "0001-01-01T00:00:00+14:00"}).faults
    call = {"timestamp": "9999-12-31T23:59:59Z", "sentAt": "0001-01-01T00:00:00Z"}
    assert refusal({"event": "x", **call}).faults


def test_a_naive_time_is_flagged() -> None:
    assert read({"event": "x", "timestamp": "2026-01-31"}).flags == ["naive_timestamp"]


def test_a_batch_with_an_unreadable_sent_time_keeps_its_events() -> None:
    call = {"event": "x", "timestamp": "2026-01-31T11:00:00Z", "sentAt": "later"}
    event = read(call)
    assert event.occurred_at == NOW - timedelta(hours=1)
    assert event.flags == ["unreadable_sent_at"]


def test_a_day_ahead_is_let_in_and_more_is_refused() -> None:
    assert at({"timestamp": "2026-02-01T12:00:00Z"}) == NOW + timedelta(days=1)
    refused = refusal({"event": "x", "timestamp": "2026-02-01T12:00:01Z"})
    assert refused.code == "in_the_future"
    assert refused.faults[0].path == "timestamp"


def test_a_clock_that_runs_years_ahead_is_corrected_rather_than_refused() -> None:
    call = {"timestamp": "2036-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:01Z"}
    assert at(call) == NOW - timedelta(seconds=1)


# Event ids


@pytest.mark.parametrize("spelling", ["messageId", "message_id", "event_id", "eventId"])
def test_the_senders_id_is_the_events_id(spelling: str) -> None:
    assert read({"event": "x", spelling: 7}, idempotency_key="k").event_id == "7"


def test_an_idempotency_key_stands_in_for_an_id() -> None:
    assert read({"event": "x", "messageId": " "}, idempotency_key="k").event_id == "k"


def test_an_endless_idempotency_key_is_refused() -> None:
    fault = refusal({"event": "x"}, idempotency_key="k" * 600).faults[0]
    assert fault.path == "Idempotency-Key"


def test_a_single_call_that_says_when_it_happened_is_known_by_its_content() -> None:
    call = {"event": "x", "timestamp": "2026-01-31T11:00:00Z", "userId": "u"}
    first = read({**call, "sentAt": "2026-01-31T11:00:01Z", "writeKey": "k"})
    again = read({**call, "sentAt": "2026-01-31T11:30:00Z"})
    other = read({**call, "userId": "v"})
    assert first.event_id == again.event_id != other.event_id
    assert len(first.event_id) == 64


@pytest.mark.parametrize(
    ("call", "single"),
    [({}, True), ({"timestamp": "2026-01-31T11:00:00Z"}, False)],
)
def test_where_equal_calls_may_be_two_events_each_has_an_id_of_its_own(
    call: dict[str, Any], single: bool
) -> None:
    assert read({"event": "x", **call}, is_single=single).event_id == str(RECORD_ID)


# Context, channel, consent


def test_unknown_fields_are_kept_and_reported() -> None:
    event = read({"event": "x", "loyalty": "gold", "context": {"extra": {"a": 1}}})
    assert event.context == {"extra": {"a": 1, "loyalty": "gold"}}
    assert event.flags == ["unknown_field"]


def test_what_sdks_send_beside_the_event_is_kept_and_not_news() -> None:
    call = {"type": "page", "category": "Docs", "integrations": {"All": True}}
    event = read(call)
    assert event.context == {
        "extra": {"category": "Docs", "integrations": {"All": True}}
    }
    assert event.flags == []


def test_a_write_key_is_not_kept() -> None:
    assert read({"event": "x", "writeKey": "secret"}).context is None


def test_the_context_of_a_batch_is_under_that_of_its_calls() -> None:
    event = read(
        {"event": "x", "context": {"locale": "de"}},
        context={"locale": "en", "app": "shop"},
    )
    assert event.context == {"locale": "de", "app": "shop"}


def test_a_browser_is_known_by_its_header_unless_it_says_itself() -> None:
    assert read({"event": "x"}, user_agent="Firefox").context == {
        "userAgent": "Firefox"
    }
    said = {"event": "x", "context": {"userAgent": "Opera"}}
    assert read(said, user_agent="Firefox").context == {"userAgent": "Opera"}


@pytest.mark.parametrize(
    ("given", "channel"),
    [("web", "client"), ("server", "server"), ("pigeon", "batch"), (5, "batch")],
)
def test_the_channel_is_the_senders_word_or_else_the_keys(
    given: Any, channel: str
) -> None:
    assert read({"event": "x", "channel": given}, channel="batch").channel == channel


def test_consent_is_read_from_the_envelope_or_from_the_context() -> None:
    assert read({"event": "x", "consent": {"marketing": True}}).consent == {
        "marketing": True
    }
    said = {"consent": {"categoryPreferences": {"advertising": False}}}
    assert read({"event": "x", "context": said}).consent == said["consent"]
