"""Whatever a destination does and whenever the process dies: one clean plan and run later it holds what it should.

The plan is the real SQL over the real landing zone; the receiver keeps state and misbehaves by script.
"""

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.landing import LandingWriter
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.register import load_destinations
from orchestration.destinations.summary import DeliverySummary
from tests.chaos_receiver import FAULTS, SECRET, ChaosReceiver
from tests.conftest import ROOT
from tests.integration.plans import Warehouse, a_sync
from tests.landed import platform
from tests.later import Later

PEOPLE = [f"u{number:02}" for number in range(30)]
BATCH = 4


@pytest.fixture
def receiver() -> Iterator[ChaosReceiver]:
    with ChaosReceiver() as listening:
        yield listening


class Tool:
    """A platform, one sync, and the destination it feeds."""

    def __init__(self, folder: Path, sync: Sync, **declared: object) -> None:
        self.home, self.sync, self.folder = platform(folder), sync, folder
        self.warehouse, self.time = Warehouse(self.home, sync), Later()
        self.declared = folder / "destinations.yml"
        entry = {"name": "tool", "batch_size": BATCH, **declared}
        self.declared.write_text(yaml.safe_dump({"destinations": [entry]}))

    def run(self) -> DeliverySummary:
        """Plan and deliver, long enough after the run before."""
        self.time.skip(hours=7)
        return self.deliver(*self.warehouse.plan(self.sync))

    def deliver(
        self, changes: list[ActivationChange], seen: set[str]
    ) -> DeliverySummary:
        made = load_destinations(self.declared, ["tool"], self.home.outbox)["tool"]
        try:
            with LandingWriter(self.home.landing) as writer:
                return deliver(
                    self.sync,
                    made,
                    changes,
                    writer,
                    self.home.landing,
                    seen,
                    clock=self.time.clock,
                )
        finally:
            made.close()

    def run_and_die(self, crash_at: str) -> int:
        """Plan, and deliver in a process that is killed at a crash point; its exit code."""
        changes, seen = self.warehouse.plan(self.sync)
        plan = self.folder / "plan.json"
        given = {
            "home": str(self.home.home),
            "sync": self.sync.model_dump(),
            "changes": [change.model_dump() for change in changes],
            "segments": sorted(seen),
            "destinations": str(self.declared),
        }
        plan.write_text(json.dumps(given))
        command = [sys.executable, "-m", "tests.integration.delivery_child", str(plan)]
        environment = {**os.environ, "MILLRACE_CRASH_AT": crash_at}
        return subprocess.run(
            command, cwd=ROOT, env=environment, check=False
        ).returncode


def webhook(folder: Path, receiver: ChaosReceiver, **sync: object) -> Tool:
    return Tool(
        folder,
        a_sync("to_webhook", **sync),
        kind="webhook",
        url=receiver.url,
        secret=SECRET,
        allow_loopback=["127.0.0.1"],
        answer_seconds=0.6,
    )


def files(folder: Path) -> Tool:
    return Tool(folder, a_sync("to_files"), kind="file_drop")


def folded(tool: Tool) -> dict[str, Any]:
    """What a reader of the files believes: manifests only, and per recipient the highest generation."""
    rows = []
    for manifest in (tool.home.outbox / "to_files").glob("*.manifest.json"):
        declared = json.loads(manifest.read_text())
        with (manifest.parent / declared["file"]).open(newline="") as file:
            read = list(csv.DictReader(file))
        assert len(read) == declared["rows"]
        rows += read
    rows.sort(key=lambda row: int(row["generation"]))
    last = {row["recipient"]: row for row in rows}
    return {
        name: json.loads(row["attributes"])
        for name, row in last.items()
        if row["action"] != "exit"
    }


def crowd(random_: random.Random) -> dict[str, dict[str, int]]:
    members = random_.sample(PEOPLE, random_.randrange(5, len(PEOPLE)))
    return {name: {"orders": random_.randrange(3)} for name in sorted(members)}


def churn_through_chaos(tool: Tool, receiver: ChaosReceiver, seed: int) -> None:
    """Some rounds of a changing audience and a misbehaving receiver, then one clean plan and run."""
    chance = random.Random(seed)
    faults = [*FAULTS, *["ok"] * len(FAULTS)]
    for _ in range(5):
        tool.warehouse.crowd(crowd(chance))
        script = [chance.choice(faults) for _ in range(100)]
        receiver.script = lambda number, script=script: script[number % 100]
        tool.run()
    receiver.script = lambda _: "ok"
    desired = crowd(chance)
    tool.warehouse.crowd(desired)
    summary = tool.run()
    assert summary.is_complete, summary.sentence()
    assert receiver.held == desired
    assert tool.warehouse.plan(tool.sync)[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_misbehaving_receiver_holds_what_it_should_after_one_clean_run(
    tmp_path, receiver, seed
):
    churn_through_chaos(webhook(tmp_path, receiver), receiver, seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 130))
def test_many_seeds_of_chaos_end_in_the_desired_state(tmp_path, receiver, seed):
    churn_through_chaos(webhook(tmp_path, receiver), receiver, seed)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_alone_is_healed_and_nobody_who_left_stays(
    tmp_path, receiver, fault
):
    tool = webhook(tmp_path, receiver)
    tool.warehouse.crowd({name: {"orders": 1} for name in PEOPLE[:6]})
    receiver.script = lambda _: fault
    tool.run()
    receiver.script = lambda _: "ok"
    desired = {name: {"orders": 1} for name in PEOPLE[3:8]}
    tool.warehouse.crowd(desired)
    assert tool.run().is_complete
    assert receiver.held == desired


@pytest.mark.parametrize(
    "point",
    [
        "delivery.attempted",
        "file_drop.written",
        "delivery.sent",
        "delivery.settled",
    ],
)
def test_files_tell_the_desired_state_after_a_kill(tmp_path, point):
    tool = files(tmp_path)
    tool.warehouse.crowd({name: {"orders": 1} for name in PEOPLE[:10]})
    assert tool.run_and_die(f"{point}#2") == -9
    desired = {name: {"orders": 1} for name in PEOPLE[2:4]}
    tool.warehouse.crowd(desired)
    assert tool.run().is_complete
    assert folded(tool) == desired


def test_poison_is_rejected_alone_and_not_tried_again_until_it_changes(
    tmp_path, receiver
):
    tool = webhook(tmp_path, receiver)
    receiver.poisonous = {"u01", "u05"}
    people = {name: {"orders": 1} for name in PEOPLE[:8]}
    tool.warehouse.crowd(people)
    summary = tool.run()
    assert (summary.delivered, summary.total("rejected")) == (6, 2)
    assert tool.warehouse.plan(tool.sync)[0] == []
    receiver.poisonous = set()
    tool.warehouse.crowd(people | {"u05": {"orders": 2}})
    assert [c.recipient_key for c in tool.warehouse.plan(tool.sync)[0]] == ["u05"]
    assert tool.run().delivered == 1
    reasons = tool.warehouse.rows(
        "select profile_id, reason from activation.fct_sync_eligibility where not is_eligible"
    )
    assert reasons == [("p_u01", "rejected_by_destination")]


def test_a_guard_holds_an_exodus_back_but_lets_withdrawn_consent_pass(
    tmp_path, receiver
):
    tool = webhook(
        tmp_path, receiver, purpose="marketing", max_exit_percent=30, guard_floor=10
    )
    tool.warehouse.fill("purposes", [{"purpose": "marketing", "enforcement": "opt_in"}])
    tool.warehouse.fill("dim_consents", consents(dict.fromkeys(PEOPLE, "granted")))
    tool.warehouse.crowd({name: {} for name in PEOPLE[:20]})
    assert tool.run().delivered == 20
    states = dict.fromkeys(PEOPLE, "granted") | {"u00": "denied", "u12": "denied"}
    tool.warehouse.fill("dim_consents", consents(states))
    tool.warehouse.crowd({name: {} for name in PEOPLE[:10]})
    summary = tool.run()
    assert summary.held == {"too_many_exits": 9}
    assert summary.delivered == 2
    assert sorted(receiver.held) == sorted(set(PEOPLE[:20]) - {"u00", "u12"})


def consents(states: dict[str, str]) -> list[dict[str, str]]:
    return [
        {
            "contact_type": "user_id",
            "contact_value": name,
            "purpose": "marketing",
            "channel": "all",
            "state": state,
        }
        for name, state in states.items()
    ]


def test_a_killed_first_run_is_finished_although_it_would_look_like_a_flood(
    tmp_path, receiver
):
    tool = webhook(tmp_path, receiver, max_enter_percent=200, guard_floor=1)
    people = {name: {} for name in PEOPLE}
    tool.warehouse.crowd(people)
    assert tool.run_and_die("delivery.settled#1") == -9
    assert tool.run().is_complete
    assert receiver.held == people
    tool.warehouse.crowd(people | {f"new{n}": {} for n in range(100)})
    assert tool.run().held == {"too_many_enters": 100}


def test_a_promotion_publishes_nothing_and_a_merge_removes_the_other(
    tmp_path, receiver
):
    tool = webhook(tmp_path, receiver, recipient_type="profile_id")
    tool.warehouse.crowd({"cookie1": {}, "cookie2": {}})
    assert tool.run().delivered == 2
    tool.warehouse.crowd({"user": {}})
    leads_to = [
        {"any_profile_id": "p_cookie1", "profile_id": "p_user"},
        {"any_profile_id": "p_user", "profile_id": "p_user"},
        {"any_profile_id": "p_cookie2", "profile_id": "p_cookie2"},
    ]
    tool.warehouse.fill("dim_profile_ids", leads_to)
    (exit_,) = tool.warehouse.plan(tool.sync)[0]
    assert (exit_.recipient_key, exit_.reason) == ("p_cookie2", "no_longer_member")
    leads_to[2]["profile_id"] = "p_user"
    tool.warehouse.fill("dim_profile_ids", leads_to)
    (exit_,) = tool.warehouse.plan(tool.sync)[0]
    assert (exit_.recipient_key, exit_.reason) == ("p_cookie2", "merged")
    assert tool.run().is_complete
    assert sorted(receiver.held) == ["p_cookie1"]
