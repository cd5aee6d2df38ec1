"""The page of a person whose every value is an attack, and the order of a timeline."""

import re
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest

from orchestration.identity.picture import Edge, Node
from orchestration.profile.page import page
from orchestration.profile.reading import Person
from orchestration.profile.timeline import moments

NOON = datetime(2026, 1, 31, 12)
RECORD = UUID(int=1)
HOSTILE = "</p><script>alert(1)</script><img src=x onerror='alert(2)'>\"&\u202e\x1b[2J"


def event(**fields: Any) -> dict[str, Any]:
    names = [
        *("received_at", "sent_at", "original_timestamp", "channel", "canonical_name"),
        *("page_path", "page_title", "order_id", "product_id", "value", "currency"),
        *("properties", "session_id", "event_id"),
    ]
    return dict.fromkeys(names) | {
        "occurred_at": NOON,
        "source_id": "web",
        "event_type": "track",
        "event_name": "Product Viewed",
        "record_id": RECORD,
        **fields,
    }


def person(**fields: Any) -> Person:
    nothing: dict[str, Any] = {
        "links": [],
        "totals": {"sessions": 0, "orders": 0, "deliveries": 0},
        "graph": ([], []),
        "traits": {"profile_kind": "anchor", "name": "Ada"},
    }
    names = [
        *("identifiers", "merges", "attributes", "changes", "events", "sessions"),
        *("orders", "revenue", "consents", "consent_words", "audiences"),
        "deliveries",
    ]
    lists: dict[str, Any] = {name: [] for name in names}
    return Person(profile_id="p_ada", **{**lists, **nothing, **fields})


@pytest.fixture
def attacker() -> Person:
    said = {"path": HOSTILE, "source_id": HOSTILE, "record_id": RECORD, "rule": "fold"}
    change = {"changed_at": NOON, "old_value": None, "new_value": f'"{"<b>"}"'}
    word = {"contact_value": HOSTILE, "purpose": HOSTILE, "channel": HOSTILE}
    state = {"state": HOSTILE, "evidence": HOSTILE, "source_id": HOSTILE}
    order = {"order_id": HOSTILE, "state": HOSTILE, "currency": HOSTILE}
    return person(
        traits={"name": HOSTILE, "profile_kind": HOSTILE, "city": HOSTILE},
        identifiers=[{"type": HOSTILE, "value": HOSTILE, "is_shared": True}],
        graph=([Node(1, HOSTILE, HOSTILE), Node(2, HOSTILE, HOSTILE)], [Edge(1, 2)]),
        events=[
            event(event_name=HOSTILE, properties=f'{{"a": "<script>", "{"<i>"}": 1}}')
        ],
        attributes=[said | {"value": HOSTILE, "changed_at": NOON, "changes": 1}],
        changes=[said | change],
        consents=[word | state | {"since": NOON}],
        consent_words=[
            word
            | state
            | {"occurred_at": NOON, "record_id": RECORD, "is_counted": False}
        ],
        orders=[
            order
            | {
                "revenue": Decimal(1),
                "ordered_at": NOON,
                "source_id": HOSTILE,
                "state_record_id": None,
            }
        ],
        audiences=[
            {
                "audience_name": HOSTILE,
                "entered_at": NOON,
                "enter_reason": HOSTILE,
                "exited_at": NOON,
                "exit_reason": HOSTILE,
            }
        ],
        deliveries=[
            {
                "sync_name": HOSTILE,
                "action": HOSTILE,
                "happened_at": NOON,
                "outcome": HOSTILE,
                "detail": HOSTILE,
                "record_id": RECORD,
            }
        ],
    )


class Markup(HTMLParser):
    """The tags and attributes a browser would see, and the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_whatever_a_value_says_it_is_text(attacker: Person) -> None:
    markup = Markup(page(attacker))
    assert not markup.tags & {"script", "img"}
    assert not [name for name in markup.attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>" in text for text in markup.texts)
    assert not {"\u202e", "\x1b"} & set(page(attacker))


def test_the_page_fetches_nothing_and_runs_nothing(attacker: Person) -> None:
    html = page(attacker)
    markup = Markup(html)
    assert "default-src 'none'" in html
    assert not markup.tags & {"script", "img", "link", "iframe", "object", "a", "form"}
    assert not markup.attributes & {"src", "href", "srcset", "action", "style"}
    assert not re.search(r"url\(|@import", html)


def test_a_corrected_time_stands_beside_the_one_that_was_sent() -> None:
    early = datetime(2026, 1, 31, 9, 30)
    (moment,) = moments(person(events=[event(original_timestamp=early)]))
    assert (moment.at, moment.sent_at) == (NOON, early)
    assert "sent as 09:30:00" in page(person(events=[event(original_timestamp=early)]))


def test_what_one_record_taught_is_one_moment_and_only_what_changed() -> None:
    common = {"changed_at": NOON, "source_id": "crm", "record_id": RECORD, "rule": "x"}
    city = {"path": "city", "old_value": '"Chicago"', "new_value": '"Miami"'}
    plan = {"path": "plan", "old_value": '"pro"', "new_value": None}
    (moment,) = moments(person(changes=[common | city, common | plan]))
    assert moment.facts == (("city", "Chicago → Miami"), ("plan", "pro removed"))


def test_an_order_that_an_event_tells_of_is_told_once() -> None:
    order = {
        "order_id": "o-1",
        "state": "completed",
        "revenue": Decimal("20"),
        "currency": "EUR",
        "ordered_at": NOON,
        "first_event_at": NOON,
        "source_id": "billing",
        "state_record_id": RECORD,
    }
    told = moments(person(orders=[order], events=[event(order_id="o-1")]))
    alone = moments(person(orders=[order]))
    assert [moment.kind for moment in told] == ["event"]
    assert [moment.facts for moment in alone] == [
        (("state", "completed"), ("revenue", "20.00 EUR"))
    ]
