"""What every registered destination keeps, whatever its kind. A new kind needs an entry in tests/fakes/cases.py and no test.

Each kind meets the fake that was written from its vendor's pages: people enter, change and leave, requests go wrong in
every way, and what a request proves must never be more than what the fake holds.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.destinations.base import (
    ActivationChange,
    Answer,
    Destination,
    Sync,
)
from orchestration.destinations.register import KINDS, load_destinations
from tests.changes import SYNC, change
from tests.fakes.cases import CASES, Case
from tests.fakes.chaos import FAULTS, forgetting
from tests.fakes.files import Reader
from tests.fakes.server import TOKEN, Server, well

NAMES = ("ada", "bo", "cy")
IMPATIENT = {"answer_seconds": 0.6}
STATEFUL = sorted(set(CASES) - {"dynamics", "slack"})
HTTP = sorted(kind for kind, case in CASES.items() if case.is_http)
STATEFUL_HTTP = sorted(set(STATEFUL) & set(HTTP))
TRIGGERED = ["braze", "dynamics", "hubspot", "klaviyo", "slack", "webhook"]
# Seconds that a vendor asks for when its window is full, each in its own header; 60 is ours where it names none.
SILENCES = {
    "braze": 3,
    "criteo": 20,
    "dynamics": 30,
    "google": 60,
    "hubspot": 60,
    "klaviyo": 12,
    "meta": 180,
    "slack": 1,
}
# Faults of the transport after which nobody can know whether the request was applied.
SILENT = ["applied_then_torn", "torn", "late", "drip", "applied_then_error", "error"]


def made(declaration: dict[str, Any], folder: Path) -> Destination:
    file = folder / "destinations.yml"
    file.write_text(yaml.safe_dump({"destinations": [declaration]}))
    return load_destinations(file, ["tool"], folder / "outbox")["tool"]


class Room:
    """A destination of a kind, its fake, and a sync between them."""

    def __init__(self, kind: str, folder: Path, server: Server) -> None:
        self.kind, self.case, self.server = kind, CASES[kind], server
        self.fake, self.sync = server.fake, self.case.a_sync()
        self.folder = folder
        if isinstance(self.fake, Reader):
            self.fake.folder = folder / "outbox"
        self._generation = itertools.count()

    def tool(self, **changed: Any) -> Destination:
        declared = self.case.settings(self.kind, self.server.url, **changed)
        return made(declared, self.folder)

    def changes(
        self, action: str, names: Sequence[str] = NAMES, orders: int = 1
    ) -> list[ActivationChange]:
        number = next(self._generation)
        return [
            change(
                self.case.name(name),
                action,
                op_id=f"{number} {action} {name}",
                generation=number,
                recipient_type=self.case.recipient_type,
                payload=None if action == "exit" else {"orders": orders},
            )
            for name in names
        ]

    def expected(self, names: Sequence[str], orders: int = 1) -> dict[str, Any]:
        """What the fake should hold, computed apart from the client."""
        case = self.case
        return {
            case.there(case.name(name)): case.told({"orders": orders}) for name in names
        }


@pytest.fixture
def room(kind: str, tmp_path: Path) -> Iterator[Room]:
    with Server(CASES[kind].fake()) as server:
        yield Room(kind, tmp_path, server)


def sent(
    tool: Destination, sync: Sync, changes: list[ActivationChange], close: bool = True
) -> Answer:
    """Send, and wait for the job if there is one."""
    given = tool.send(sync, changes)
    jobs = {each.job for each in given.outcomes.values() if each.job}
    settled = {job: tool.poll(sync, job) for job in jobs}
    outcomes = {
        op_id: settled[each.job] if each.job else each
        for op_id, each in given.outcomes.items()
    }
    if close:
        tool.close()
    return Answer(outcomes, given.refused, given.pause, given.stop)


def kinds_of(given: Answer) -> set[str]:
    return {outcome.kind for outcome in given.outcomes.values()}


def test_every_registered_kind_is_tested_here():
    assert CASES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", sorted(CASES))
def test_it_says_what_it_can_do_and_may_be_closed_twice(room):
    tool = room.tool()
    assert tool.name == "tool"
    assert tool.batch_size >= 1
    takes_anybody = room.kind in ("file_drop", "slack", "webhook")
    assert (tool.recipient_types is None) == takes_anybody
    if tool.recipient_types is not None:
        assert room.case.recipient_type in tool.recipient_types
    assert ("enter" in tool.actions) == (room.kind in STATEFUL)
    assert ("trigger" in tool.actions) == (room.kind in [*TRIGGERED, "file_drop"])
    tool.close()
    tool.close()


@pytest.mark.parametrize("kind", STATEFUL)
def test_the_vendor_holds_who_entered_what_changed_and_not_who_left(room):
    tool = room.tool()
    assert kinds_of(sent(tool, room.sync, room.changes("enter"), close=False)) == {
        "delivered"
    }
    assert room.fake.held == room.expected(NAMES)
    sent(tool, room.sync, room.changes("update", orders=5), close=False)
    assert room.fake.held == room.expected(NAMES, orders=5)
    given = sent(tool, room.sync, room.changes("exit", NAMES[:1]))
    assert kinds_of(given) == {"delivered"}
    assert room.fake.held == room.expected(NAMES[1:], orders=5)
    assert room.fake.refusals == []


@pytest.mark.parametrize("kind", STATEFUL)
def test_who_left_is_removed_by_the_handle_that_the_entry_brought(room):
    tool = room.tool()
    entered = room.changes("enter")
    given = tool.send(room.sync, entered)
    handles = [given.outcomes[each.op_id].handle or each.handle for each in entered]
    left = [
        each.model_copy(update={"handle": handle, "recipient_key": "erased"})
        for each, handle in zip(room.changes("exit"), handles, strict=True)
    ]
    assert kinds_of(sent(tool, room.sync, left)) == {"delivered"}
    assert room.fake.held == {}


@pytest.mark.parametrize("kind", ["braze", "google", "klaviyo", "meta"])
def test_who_came_by_an_address_leaves_by_it_when_the_sync_names_by_phone_now(room):
    tool = room.tool()
    sent(tool, room.sync, room.changes("enter"), close=False)
    by_phone = room.sync.model_copy(update={"recipient_type": "phone"})
    arrives = change("+491711234567", recipient_type="phone", payload={"orders": 1})
    given = sent(tool, by_phone, [*room.changes("exit"), arrives])
    assert kinds_of(given) == {"delivered"}
    assert len(room.fake.held) == 1


@pytest.mark.parametrize("kind", ["braze", "hubspot"])
def test_whoever_is_unknown_there_stays_so_in_mode_update(room):
    tool = room.tool()
    assert tool.updates_only
    by_update = room.sync.model_copy(update={"mode": "update"})
    sent(tool, by_update, room.changes("update"))
    assert room.fake.held == {}


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_batch_of_all_kinds_is_one_answer_and_removing_who_is_not_there_is_no_error(
    room,
):
    changes = [
        *room.changes("exit", ["dee"]),
        *room.changes("update", ["bo"]),
        *room.changes("enter", ["ada"]),
    ]
    given = sent(room.tool(), room.sync, changes)
    assert set(given.outcomes) == {each.op_id for each in changes}
    assert kinds_of(given) == {"delivered"}
    assert given.refused is given.pause is given.stop is None
    assert room.fake.held == room.expected(["ada", "bo"])


@pytest.mark.parametrize("kind", ["hubspot"])
def test_what_is_refused_after_something_was_delivered_is_tried_again_alone(room):
    odd = [
        each.model_copy(update={"payload": {"shoe_size": 44}})
        for each in room.changes("enter", ["ada", "bo"])
    ]
    changes = [*room.changes("exit", ["cy"]), *odd]
    given = sent(room.tool(), room.sync, changes)
    assert given.refused is None
    assert [given.outcomes[each.op_id].kind for each in changes] == [
        "delivered",
        "retry",
        "retry",
    ]
    assert sent(room.tool(), room.sync, odd).refused is not None


@pytest.mark.parametrize("kind", STATEFUL)
def test_sending_the_same_operations_again_changes_nothing(room):
    tool, changes = room.tool(), room.changes("enter")
    first = sent(tool, room.sync, changes, close=False)
    assert kinds_of(sent(tool, room.sync, changes)) == kinds_of(first)
    assert room.fake.held == room.expected(NAMES)


@pytest.mark.parametrize("kind", TRIGGERED)
def test_a_trigger_happens_once_for_each_person(room):
    tool = room.tool()
    for each in room.changes("trigger"):
        assert kinds_of(sent(tool, room.sync, [each], close=False)) == {"delivered"}
    tool.close()
    assert len(room.fake.events) == len(NAMES)
    assert room.fake.refusals == []


@pytest.mark.parametrize("kind", TRIGGERED)
def test_two_occasions_of_one_person_are_two_triggers_although_they_come_together(room):
    occasions = [*room.changes("trigger", ["ada"]), *room.changes("trigger", ["ada"])]
    given = sent(room.tool(), room.sync, occasions)
    assert set(given.outcomes) == {each.op_id for each in occasions}
    assert kinds_of(given) == {"delivered"}
    assert len(room.fake.events) == 2


@pytest.mark.parametrize("kind", sorted(set(HTTP) - {"webhook", "slack"}))
def test_who_can_never_be_matched_is_rejected_alone_without_a_request(room):
    action = "enter" if room.kind in STATEFUL else "trigger"
    good, bad = room.changes(action, NAMES[:2])
    bad = bad.model_copy(update={"recipient_key": "no such thing", "handle": "x"})
    changes = [bad] if room.kind == "dynamics" else [good, bad]
    given = sent(room.tool(), room.sync, changes)
    assert given.outcomes[bad.op_id].kind == "rejected"
    assert "no such thing" not in str(given.outcomes[bad.op_id].detail)
    assert room.fake.refusals == []
    if len(changes) == 2:
        assert given.outcomes[good.op_id].kind == "delivered"
        assert room.fake.held == room.expected(NAMES[:1])


@pytest.mark.parametrize("kind", HTTP)
def test_a_wrong_credential_stops_the_sync_and_is_never_told(room, kind):
    secrets = {
        "webhook": {"secret": "whsec_" + "d3Jvbmc="},
        "braze": {"api_key": "wrong"},
        "hubspot": {"access_token": "wrong"},
        "klaviyo": {"api_key": "wrong"},
        "mailchimp": {"api_key": "wrong"},
        "meta": {"access_token": "wrong"},
        "slack": {"path": "/services/T00/B00/wrong"},
    }
    access = {**room.case.declared.get("access", {}), "client_secret": "wrong"}
    tool = room.tool(**secrets.get(kind, {"access": access}))
    action = "enter" if kind in STATEFUL else "trigger"
    given = sent(tool, room.sync, room.changes(action, NAMES[:1]))
    assert given.stop is not None
    assert kinds_of(given) == {"retry"}
    (outcome,) = given.outcomes.values()
    # Slack has no credential but its address.
    assert outcome.http_status == (404 if kind == "slack" else 401)
    assert "wrong" not in f"{given} {tool!r}"
    assert room.fake.held == {}
    assert room.fake.events == []


@pytest.mark.parametrize("kind", sorted(SILENCES))
def test_too_many_requests_are_answered_with_the_silence_the_vendor_asks_for(room):
    action = "enter" if room.kind in STATEFUL else "trigger"
    room.fake.exhaust()
    given = sent(room.tool(), room.sync, room.changes(action, NAMES[:1]))
    assert given.pause == pytest.approx(SILENCES[room.kind], abs=2)
    assert kinds_of(given) == {"retry"}
    assert room.fake.held == {}


@pytest.mark.parametrize("kind", sorted(SILENCES))
def test_its_pace_stays_below_the_documented_window(room):
    tool = room.tool()
    tool.close()
    most, seconds = room.fake.window
    assert tool.pace is not None
    assert tool.pace.requests / tool.pace.seconds <= most / seconds


@pytest.mark.parametrize("fault", ["throttled", "throttled_until", "busy"])
@pytest.mark.parametrize("kind", HTTP)
def test_a_pause_is_understood_in_every_form_and_nothing_counts_as_sent(room, fault):
    action = "enter" if room.kind in STATEFUL else "trigger"
    room.server.behaviour = FAULTS[fault]
    given = sent(room.tool(), room.sync, room.changes(action, NAMES[:1]))
    assert given.pause == pytest.approx(7, abs=1.5)
    assert kinds_of(given) == {"retry"}


@pytest.mark.parametrize("kind", HTTP)
def test_silence_is_unknown_whether_or_not_it_was_applied(room):
    """After the token, so that the request itself goes wrong."""
    action = "enter" if room.kind in STATEFUL else "trigger"
    tool = room.tool(**IMPATIENT)
    tool.send(room.sync, room.changes(action, NAMES[:1]))
    for fault in SILENT:
        room.server.behaviour = FAULTS[fault]
        started = time.monotonic()
        given = tool.send(room.sync, room.changes(action, NAMES[:1]))
        assert time.monotonic() - started < 5, fault
        assert kinds_of(given) == {"unknown"}, fault
        assert given.refused is given.pause is given.stop is None
    tool.close()


@pytest.mark.parametrize("kind", HTTP)
def test_a_success_that_cannot_be_read_proves_nothing(room):
    action = "enter" if room.kind in STATEFUL else "trigger"
    tool = room.tool()
    tool.send(room.sync, room.changes(action, NAMES[:1]))
    room.server.behaviour = FAULTS["garbled"]
    given = tool.send(room.sync, room.changes(action, NAMES[:1]))
    tool.close()
    # Only a status is documented for these, so a body of any kind is no contradiction.
    says_nothing = {"dynamics"}
    assert kinds_of(given) == (
        {"delivered"} if room.kind in says_nothing else {"unknown"}
    )


@pytest.mark.parametrize("kind", STATEFUL_HTTP)
def test_failures_inside_a_success_are_found_and_nobody_absent_counts_as_delivered(
    room,
):
    room.server.behaviour = FAULTS["partly"]
    changes = room.changes("enter")
    given = sent(room.tool(), room.sync, changes)
    there = set(room.fake.held)
    assert len(there) == 2
    if given.refused is not None:
        return
    for each in changes:
        if given.outcomes[each.op_id].kind == "delivered":
            assert room.case.there(each.recipient_key) in there
    assert kinds_of(given) != {"delivered"}


@pytest.mark.parametrize("kind", STATEFUL_HTTP)
def test_a_vendor_that_forgets_is_believed_unless_a_second_request_finds_it_out(room):
    """So only asserting everything again, from time to time, heals it."""
    room.server.behaviour = forgetting
    given = sent(room.tool(), room.sync, room.changes("enter"))
    finds_out = room.kind in ("hubspot", "mailchimp")
    assert kinds_of(given) == ({"unknown"} if finds_out else {"delivered"})
    assert room.fake.held == {}


@pytest.mark.parametrize("kind", ["google", "klaviyo"])
def test_a_stuck_job_stays_accepted_and_a_forgotten_one_is_unknown(room):
    tool = room.tool()
    room.server.behaviour = FAULTS["stuck"]
    given = tool.send(room.sync, room.changes("enter"))
    (job,) = {each.job for each in given.outcomes.values()}
    room.server.behaviour = well
    assert kinds_of(given) == {"accepted"}
    assert tool.poll(room.sync, job).kind == "accepted"
    assert tool.poll(room.sync, "999").kind == "unknown"
    tool.close()


@pytest.mark.parametrize("kind", HTTP)
def test_what_is_out_of_reach_is_tried_again_and_raises_nothing(kind, tmp_path):
    case: Case = CASES[kind]
    tool = made(case.settings(kind, "http://127.0.0.1:1"), tmp_path)
    action = "enter" if kind in STATEFUL else "trigger"
    changes = [change(case.name("ada"), action, recipient_type=case.recipient_type)]
    changes = [changes[0].model_copy(update={"payload": {"orders": 1}})]
    given = tool.send(case.a_sync(), changes)
    tool.close()
    assert kinds_of(given) == {"retry"}


@pytest.mark.parametrize("kind", HTTP)
def test_no_request_leaves_for_an_address_that_is_not_public(kind, tmp_path):
    case: Case = CASES[kind]
    with Server(case.fake()) as server:
        tool = made(case.settings(kind, server.url, allow_loopback=[]), tmp_path)
        action = "enter" if kind in STATEFUL else "trigger"
        one = change(case.name("ada"), action, recipient_type=case.recipient_type)
        one = one.model_copy(update={"payload": {"orders": 1}})
        given = tool.send(case.a_sync(), [one])
        tool.close()
        assert given.stop is not None
        assert server.fake.requests == []


@pytest.mark.parametrize("kind", HTTP)
def test_nothing_it_says_or_shows_holds_a_secret(room):
    tool = room.tool()
    action = "enter" if room.kind in STATEFUL else "trigger"
    room.server.behaviour = FAULTS["error"]
    given = sent(tool, room.sync, room.changes(action, NAMES[:1]), close=False)
    assert TOKEN not in f"{given} {tool!r}"
    assert SYNC.sync_name not in repr(tool)
    tool.close()
