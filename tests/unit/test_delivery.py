"""The delivery loop against a scripted destination and the real landing zone."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.landing import LandingWriter, read_tail, sealed_segments
from orchestration.destinations.base import Answer, Outcome, every
from orchestration.destinations.delivery import SyncBusy, deliver
from tests.changes import SYNC, Scripted, change

DELIVERED = Outcome("delivered", 200)
REFUSED = Answer(refused=Outcome("rejected", 400, "bad row"))


def all_delivered(changes) -> Answer:
    return Answer(every(changes, DELIVERED))


def refusing(*poisonous: str):
    """A destination's word: a request with one of these in it is refused as a whole."""

    def says(changes) -> Answer:
        if any(each.recipient_key in poisonous for each in changes):
            return REFUSED
        return all_delivered(changes)

    return says


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def writer(root) -> Iterator[LandingWriter]:
    with LandingWriter(root) as made:
        yield made


@pytest.fixture
def run(root, writer):
    def run_(destination, changes, seen=(), **options):
        return deliver(SYNC, destination, changes, writer, root, seen, **options)

    return run_


def landed(root: Path) -> list[dict]:
    return list(read_tail(root, "deliveries", set()))


def outcomes(root: Path) -> dict[str, str]:
    return {
        row["recipient_key"]: row["outcome"]
        for row in landed(root)
        if row["kind"] == "outcome"
    }


def is_finished(root: Path) -> bool:
    """Whether some run worked its plan through."""
    return any(
        row["kind"] == "run" and row["outcome"] == "delivered" for row in landed(root)
    )


def people(count: int) -> list:
    return [change(f"u{number:03}") for number in range(count)]


def test_the_attempt_is_on_disk_before_the_request_and_the_outcome_after(root, run):
    before = []

    def says(changes) -> Answer:
        before.extend((row["kind"], row["op_id"]) for row in landed(root))
        return all_delivered(changes)

    run(Scripted(says), [change("ada")])
    assert before == [("attempt", "op of ada")]
    attempt, outcome, done = landed(root)
    assert (attempt["kind"], outcome["kind"], done["kind"]) == (
        "attempt",
        "outcome",
        "run",
    )
    assert attempt["attempt_id"] == outcome["attempt_id"]
    assert (outcome["outcome"], outcome["http_status"]) == ("delivered", 200)


def test_an_operation_the_answer_does_not_mention_is_unknown(root, run):
    summary = run(
        Scripted(lambda changes: Answer({"op of ada": DELIVERED})),
        [change("ada"), change("bo")],
    )
    assert outcomes(root) == {"ada": "delivered", "bo": "unknown"}
    assert summary.total("unknown") == 1


def test_exits_go_first_so_that_an_old_handle_is_gone_before_the_new_one_comes(run):
    tool = Scripted(all_delivered, batch_size=2)
    run(tool, [change("new"), change("changed", "update"), change("old", "exit")])
    assert tool.asked == [["old"], ["changed", "new"]]


def test_one_bad_row_in_a_hundred_is_found_with_fifteen_requests_and_alone_rejected(
    root, run
):
    tool = Scripted(refusing("u042"))
    summary = run(tool, people(100))
    assert len(tool.asked) == 15
    assert (summary.delivered, summary.total("rejected")) == (99, 1)
    assert outcomes(root)["u042"] == "rejected"


@pytest.mark.parametrize("poisonous", [2, 3, 50])
def test_every_bad_row_is_found_when_the_budget_allows(run, poisonous):
    bad = [f"u{number * 2:03}" for number in range(poisonous)]
    summary = run(Scripted(refusing(*bad)), people(100), requests_per_batch=200)
    assert summary.total("rejected") == poisonous
    assert summary.delivered == 100 - poisonous


def test_when_the_budget_ends_the_undecided_are_tried_again_and_never_rejected(
    root, run
):
    bad = [f"u{number:03}" for number in range(0, 100, 2)]
    summary = run(Scripted(refusing(*bad)), people(100), requests_per_batch=20)
    assert summary.requests == 20
    rejected = {key for key, outcome in outcomes(root).items() if outcome == "rejected"}
    assert rejected <= set(bad)
    assert summary.total("retry") > 0
    assert len(outcomes(root)) == 100


def test_runs_with_a_small_budget_still_come_to_an_end_because_each_decides_something(
    root, run
):
    left, runs = people(16), 0
    bad = {each.recipient_key for each in left[::2]}
    while left:
        run(Scripted(refusing(*bad)), left, requests_per_batch=6)
        undecided = {
            key for key, outcome in outcomes(root).items() if outcome == "retry"
        }
        assert len(undecided) < len(left)
        left = [each for each in left if each.recipient_key in undecided]
        runs += 1
    assert {
        key for key, outcome in outcomes(root).items() if outcome == "rejected"
    } == bad
    assert runs > 1


def test_a_pause_ends_the_run_and_uses_no_further_attempt(root, run):
    waiting = Outcome("retry", 429)
    tool = Scripted(lambda changes: Answer(every(changes, waiting), pause=30.0), 10)
    summary = run(tool, people(30))
    assert len(tool.asked) == 1
    assert summary.paused_seconds == 30
    assert not summary.is_complete
    assert set(outcomes(root).values()) == {"retry"}
    assert len(outcomes(root)) == 10


def test_a_stop_in_the_middle_of_a_bisection_leaves_the_rest_to_be_tried_again(
    root, run
):
    answers = iter([REFUSED, Answer({"op of u000": DELIVERED}, stop="credentials")])
    summary = run(Scripted(lambda changes: next(answers)), people(2))
    assert outcomes(root) == {"u000": "delivered", "u001": "retry"}
    assert summary.stopped == "credentials"


def test_a_destination_that_only_fails_is_left_alone_after_a_few_requests(run):
    silent = Outcome("unknown", None, "ReadTimeout")
    tool = Scripted(lambda changes: Answer(every(changes, silent)), batch_size=1)
    summary = run(tool, people(30))
    assert len(tool.asked) == 3
    assert "3 requests in a row" in summary.stopped


def test_blocked_changes_are_held_back_and_say_by_which_guard(root, run):
    tool = Scripted(all_delivered)
    blocked = {"is_blocked": True, "blocked_by": "too_many_exits"}
    summary = run(
        tool,
        [
            change("ada", "exit", **blocked),
            change("bo", "exit", reason="consent_withdrawn"),
        ],
    )
    assert tool.asked == [["bo"]]
    assert summary.held == {"too_many_exits": 1}
    assert not is_finished(root)


def test_whoever_was_attempted_since_the_plan_waits_for_the_next_one(run):
    tool = Scripted(lambda changes: Answer({}))
    run(tool, [change("ada")])
    stale = change("ada", op_id="another operation of the same stale plan")
    assert run(tool, [stale]).overtaken == 1
    assert len(tool.asked) == 1


def test_what_certainly_did_not_arrive_may_be_sent_again_on_the_same_plan(run):
    lost = Outcome("retry", None, "ConnectError")
    run(Scripted(lambda changes: Answer(every(changes, lost))), [change("ada")])
    again = Scripted(all_delivered)
    assert run(again, [change("ada")]).delivered == 1


def test_what_the_plan_has_seen_holds_nothing_back(root, run, writer):
    run(Scripted(all_delivered), [change("ada")])
    writer.seal()
    seen = {segment.name for segment in sealed_segments(root, "deliveries")}
    next_plan = [change("ada", "exit", op_id="next", generation=1)]
    assert run(Scripted(all_delivered), next_plan, seen).delivered == 1


def test_only_a_plan_that_was_worked_through_is_a_finished_run(root, run):
    lost = Outcome("retry", None, "ConnectError")
    run(Scripted(lambda changes: Answer(every(changes, lost))), [change("ada")])
    assert not is_finished(root)
    run(Scripted(all_delivered), [change("ada")])
    assert is_finished(root)
    said = len(landed(root))
    run(Scripted(all_delivered), [change("ada")])
    assert len(landed(root)) == said


def test_an_empty_plan_lands_nothing(root, run):
    summary = run(Scripted(all_delivered), [])
    assert landed(root) == []
    assert summary.sentence() == "buyers_to_tool: nothing to publish"


def test_two_runs_of_one_sync_exclude_each_other(root, run):
    locks = root.parent / "locks"
    locks.mkdir()
    with (locks / f"{SYNC.sync_name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SyncBusy):
            run(Scripted(all_delivered), [change("ada")])
    assert run(Scripted(all_delivered), [change("ada")]).delivered == 1


def test_a_change_of_another_sync_is_refused_before_anything_is_sent(root, run):
    with pytest.raises(ValueError, match="other_sync"):
        run(Scripted(all_delivered), [change("ada", sync_name="other_sync")])
    assert landed(root) == []
