"""When a destination is asked: pace, pauses, back-off, jobs, and who waits for whom."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from ingestion.contracts import Delivery
from ingestion.landing import LandingWriter, read_tail
from orchestration.destinations.base import Answer, Outcome, Pace, every
from orchestration.destinations.delivery import (
    deliver,
    plan_hash,
)
from orchestration.destinations.history import Known, Pause, Pending
from orchestration.destinations.possible import SyncImpossible
from orchestration.destinations.receipts import (
    REPEATED,
    Receipts,
    RunName,
    without_people,
)
from orchestration.destinations.waiting import back_off, waits_until
from tests.changes import SYNC, Scripted, change
from tests.later import Later

DELIVERED = Outcome("delivered", 200)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def all_delivered(changes) -> Answer:
    return Answer(every(changes, DELIVERED))


class Desk:
    """A landing zone, a clock, and runs of one sync."""

    def __init__(self, folder: Path) -> None:
        self.landing, self.time = folder / "landing", Later()

    def run(self, destination, changes, sync=SYNC, **options):
        with LandingWriter(self.landing) as writer:
            return deliver(
                sync,
                destination,
                changes,
                writer,
                self.landing,
                (),
                clock=self.time.clock,
                **options,
            )

    @property
    def landed(self) -> list[dict]:
        return list(read_tail(self.landing, "deliveries", set()))

    def outcomes(self) -> dict[str, str]:
        return {
            row["recipient_key"]: row["outcome"]
            for row in self.landed
            if row["kind"] == "outcome"
        }


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def paced(requests: int, seconds: float, batch_size: int = 1) -> Scripted:
    tool = Scripted(all_delivered, batch_size)
    tool.pace = Pace(requests, seconds, "account 1")
    return tool


def people(count: int) -> list:
    return [change(f"u{number:03}") for number in range(count)]


def test_requests_are_spread_evenly_over_the_window_of_the_pace(desk):
    desk.run(paced(10, 60), people(4))
    assert [round(slept) for slept in desk.time.slept] == [6, 6, 6]


def test_a_sync_may_be_slower_than_its_destination(desk):
    slow = SYNC.model_copy(update={"requests_per_minute": 5})
    desk.run(paced(10, 60), people(2), slow)
    assert [round(slept) for slept in desk.time.slept] == [12]


def test_the_pace_is_kept_across_syncs_of_one_account(desk):
    other = SYNC.model_copy(update={"sync_name": "other"})
    desk.run(paced(10, 60), people(1))
    desk.run(paced(10, 60), [change("u000", sync_name="other")], other)
    assert [round(slept) for slept in desk.time.slept] == [6]


def test_a_pace_too_slow_to_sleep_for_ends_the_run_and_says_when_to_go_on(desk):
    summary = desk.run(paced(1, 3600), people(2))
    assert summary.delivered == 1
    assert "pace" in summary.stopped
    assert desk.time.slept == []
    assert desk.run(paced(1, 3600), people(2)).waits_until
    desk.time.skip(hours=1)
    assert desk.run(paced(1, 3600), people(2)).delivered == 1


def test_a_person_may_insist_although_the_destination_is_left_alone(desk):
    desk.run(Scripted(all_delivered), people(1))
    pausing = Answer(every(people(2), Outcome("retry", 429)), pause=3600)
    desk.time.skip(hours=1)
    desk.run(Scripted(lambda _: pausing), people(2)[1:])
    assert desk.run(Scripted(all_delivered), people(2)).waits_until
    assert desk.run(Scripted(all_delivered), people(2), despite_pause=True).delivered


def test_a_short_silence_is_kept_and_the_same_attempt_goes_on(desk):
    answers = iter([Answer(every(people(1), Outcome("retry", 429)), pause=3.0)])
    tool = Scripted(lambda changes: next(answers, all_delivered(changes)))
    assert desk.run(tool, people(1)).is_complete
    assert desk.time.slept == [3.0]
    assert [row["kind"] for row in desk.landed] == ["attempt", "outcome", "run"]


def test_every_failed_run_doubles_the_wait_up_to_a_bound():
    waits, pause = [], None
    for _ in range(12):
        waits.append(back_off(pause))
        pause = Pause(NOON, NOON + timedelta(seconds=waits[-1]))
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == 6 * 3600


def test_a_pause_that_no_destination_asks_for_was_written_by_a_clock_that_ran_ahead():
    sensible = Pause(NOON, NOON + timedelta(hours=1))
    assert waits_until(sensible, NOON) == NOON + timedelta(hours=1)
    assert waits_until(sensible, NOON + timedelta(hours=2)) is None
    assert waits_until(Pause(NOON, NOON + timedelta(days=400)), NOON) is None


def pending(job: str, hours: float, action: str = "enter") -> Pending:
    asked = change("ada", action)
    fields = asked.model_dump(include=set(REPEATED))
    return Pending(job, datetime.now(UTC) - timedelta(hours=hours), fields)


class Polled(Scripted):
    poll_after = timedelta(0)

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(all_delivered)
        self.outcome, self.polled = outcome, []

    def poll(self, sync, job) -> Outcome:
        self.polled.append(job)
        return self.outcome


@pytest.mark.parametrize("kind", ["delivered", "rejected", "unknown"])
def test_a_job_is_asked_about_once_for_all_of_its_attempts(desk, kind):
    tool = Polled(Outcome(kind, 200))
    known = Known(pending={"a1": pending("j", 1), "a2": pending("j", 1)})
    desk.run(tool, [], known=known)
    assert tool.polled == ["j"]
    settled = [row for row in desk.landed if row["kind"] == "outcome"]
    assert [(row["attempt_id"], row["outcome"]) for row in settled] == [
        ("a1", kind),
        ("a2", kind),
    ]


@pytest.mark.parametrize(("hours", "outcomes"), [(23, {}), (25, {"ada": "unknown"})])
def test_a_job_that_still_runs_is_waited_for_a_day(desk, hours, outcomes):
    tool = Polled(Outcome("accepted", 200, job="j"))
    desk.run(tool, [], known=Known(pending={"a1": pending("j", hours)}))
    assert desk.outcomes() == outcomes


def test_a_job_of_a_destination_that_cannot_be_asked_ends_by_its_age(desk):
    known = Known(pending={"a1": pending("j", 25)})
    desk.run(Scripted(all_delivered), [], known=known)
    assert desk.outcomes() == {"ada": "unknown"}


@pytest.mark.parametrize(
    ("minutes", "before", "is_asked"),
    [
        (29, None, 0),
        (31, None, 1),
        (45, 31, 0),
        (61, 31, 1),
        (100, 61, 0),
        (121, 61, 1),
    ],
)
def test_a_job_is_asked_about_when_the_vendor_says_and_then_ever_less_often(
    desk, minutes, before, is_asked
):
    tool = Polled(Outcome("accepted", 200))
    tool.poll_after = timedelta(minutes=30)
    job = pending("j", minutes / 60)
    ran_at = job.accepted_at + timedelta(minutes=before) if before else None
    desk.run(tool, [], known=Known(pending={"a1": job}, ran_at=ran_at))
    assert len(tool.polled) == is_asked


def test_nobody_comes_while_their_old_handle_may_be_there(desk):
    old, new = change("old", "exit", profile_id="p"), change("new", profile_id="p")
    unknown = Scripted(lambda changes: Answer({}))
    assert desk.run(unknown, [new, old]).put_off == 1
    assert unknown.asked == [["old"]]
    removing = Known(pending={"a1": pending("j", 1, "exit")})
    still = Polled(Outcome("accepted", 200))
    other = change("other", profile_id="p_ada")
    assert desk.run(still, [other], known=removing).put_off == 1


def test_an_approval_is_good_for_its_plan_alone(desk):
    blocked = {"is_blocked": True, "blocked_by": "too_many_exits"}
    plan = [change("ada", "exit", **blocked), change("bo", "exit", **blocked)]
    approved = Known(approvals=frozenset({plan_hash(c.op_id for c in plan)}))
    less = desk.run(Scripted(all_delivered), plan[:1], known=approved)
    assert less.held == {"too_many_exits": 1}
    assert desk.run(Scripted(all_delivered), plan, known=approved).delivered == 2


def test_a_stale_plan_lets_only_those_out_who_said_so(desk):
    plan = [change("ada"), change("bo", "exit", reason="consent_withdrawn")]
    summary = desk.run(Scripted(all_delivered), plan, known=Known(held_by="stale_plan"))
    assert summary.held == {"stale_plan": 1}
    assert desk.outcomes() == {"bo": "delivered"}


def test_a_trigger_of_unknown_outcome_is_sent_again_under_its_id_and_a_told_one_is_not(
    desk,
):
    events = SYNC.model_copy(update={"mode": "events"})
    plan = [change("ada", "trigger")]
    desk.run(Scripted(lambda changes: Answer({})), plan, events)
    again = Scripted(all_delivered)
    assert desk.run(again, plan, events).delivered == 1
    assert desk.run(again, plan, events).overtaken == 1
    assert len(again.asked) == 1


@pytest.mark.parametrize(
    ("lacks", "sync", "sentence"),
    [
        (
            {"actions": frozenset({"trigger"})},
            {},
            "mode mirror needs enter, exit, update",
        ),
        ({"recipient_types": frozenset({"email"})}, {}, "knows nobody by user_id"),
        ({"actions": frozenset({"enter"})}, {"mode": "events"}, "needs trigger"),
        ({"updates_only": False}, {"mode": "update"}, "creates nobody"),
    ],
)
def test_a_sync_that_asks_for_too_much_is_told_so_before_anything_is_sent(
    desk, lacks, sync, sentence
):
    tool = Scripted(all_delivered)
    for name, value in lacks.items():
        setattr(tool, name, value)
    with pytest.raises(SyncImpossible, match=sentence):
        desk.run(tool, people(1), SYNC.model_copy(update=sync))
    assert tool.asked == []


def test_receipts_repeat_no_address_of_what_a_destination_says():
    said = 'unknown contact <ada@x.example>, "phone": "+49 171 1234567", code 4711'
    assert without_people(said) == 'unknown contact <***>, "phone": "***", code 4711'


@pytest.mark.parametrize("handle", [None, "as the vendor knows them"])
def test_receipts_are_the_lines_that_their_contract_would_write(handle):
    run = RunName("buyers_to_tool", "account 1", "r1")
    ada, bo = change('"},{"record_id":"\n ä'), change("bo", "exit")
    outcome = Outcome("accepted", 202, "said +49 171 1234567", handle, "j")
    receipts = Receipts(run)
    attempts = receipts.attempted([ada, bo], NOON).splitlines()
    outcomes = receipts.settled([bo, ada], every([bo, ada], outcome), NOON)
    told = {
        "outcome": "accepted",
        "http_status": 202,
        "detail": "said ***",
        "job": "j",
    }
    expected = [
        (ada, "r1.1", {"kind": "attempt"}),
        (bo, "r1.2", {"kind": "attempt"}),
        (bo, "r1.2", {"kind": "outcome", "handle": handle or bo.handle, **told}),
        (ada, "r1.1", {"kind": "outcome", "handle": handle or ada.handle, **told}),
    ]
    ids = []
    for line, (who, attempt_id, fields) in zip(
        [*attempts, *outcomes.splitlines()], expected, strict=True
    ):
        row = orjson.loads(line)
        ids.append(row["record_id"])
        record = Delivery.model_validate(
            {
                **{name: getattr(who, name) for name in REPEATED},
                "sync_name": run.sync_name,
                "account": run.account,
                "run_id": run.run_id,
                "attempt_id": attempt_id,
                "received_at": NOON,
                "at": NOON,
                **fields,
            }
        )
        assert row == orjson.loads(record.to_line(UUID(row["record_id"])))
    assert ids == sorted(set(ids))
