"""Why did it not fire: each way to stop is named at its stage, with the evidence and what to do."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from ingestion.contracts import Reject
from orchestration.warehouse.schema import create_raw
from orchestration.why.__main__ import answer
from orchestration.why.evidence import Evidence, Step, told
from tests.conftest import ROOT
from tests.landed import event, land, platform

MODELS = ROOT / "dbt_project/models"
AT = datetime(2026, 1, 31, 10)
PUBLIC = {
    "journeys": ("fct_trigger_emissions", "fct_journey_decisions"),
    "activation": ("activation_changes", "fct_sync_attempts", "fct_sync_eligibility"),
}
RECORD = "00000000-0000-7000-8000-000000000001"
EMISSION = "cart_abandoned:shop|e1"


class Copy:
    """A read copy with the columns that the contracts promise, and rows as a story has them."""

    def __init__(self, folder: Path) -> None:
        self.home = platform(folder)
        self.connection = duckdb.connect()
        create_raw(self.connection)
        for schema, models in PUBLIC.items():
            self.connection.execute(f"create schema {schema}")
            for name in models:
                declared = yaml.safe_load((MODELS / schema / f"{name}.yml").read_text())
                columns = ", ".join(
                    f'"{column["name"]}" {column["data_type"]}'
                    for column in declared["models"][0]["columns"]
                )
                self.connection.execute(f"create table {schema}.{name} ({columns})")
        self.connection.execute("create schema seeds; create schema identity")
        self.connection.execute(
            "create table seeds.syncs as select 'loyal_to_tool' as sync_name"
        )
        self.connection.execute(
            "create table identity.dim_profile_ids as select 'p_' || repeat('a', 32) as any_profile_id, "
            "'p_' || repeat('a', 32) as profile_id"
        )

    def add(self, relation: str, **row: Any) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.connection.execute(
            f"insert into {relation} ({names}) values ({marks})", [*row.values()]
        )

    def trigger(self, *, profile_id: str | None = "p_ada") -> None:
        """A trigger that was landed and is an emission."""
        identifiers = [{"type": "email", "value": "ada@x.example"}]
        self.add(
            "raw.events",
            record_id=RECORD,
            source_id="shop",
            event_id="e1",
            name="cart_abandoned",
            contract_version="1.0",
            received_at=AT,
            shape="trigger",
            flags=["drift:colour"],
        )
        self.add(
            "journeys.fct_trigger_emissions",
            emission_id=EMISSION,
            trigger_name="cart_abandoned",
            trigger_key="shop|e1",
            origin="sent",
            profile_id=profile_id,
            is_resolved=profile_id is not None,
            waiting_minutes=None if profile_id else 42,
            emitted_at=AT,
            identifiers=identifiers,
            record_id=RECORD,
        )

    def journey(self) -> None:
        self.add(
            "raw.journeys",
            journey="recovery",
            entry_kind="trigger",
            entry_name="cart_abandoned",
        )

    def decided(self, outcome: str, detail: str | None = None) -> None:
        self.add(
            "journeys.fct_journey_decisions",
            journey="recovery",
            candidate_id=EMISSION,
            decision_number=1,
            profile_id="p_ada",
            recipient_key="ada@x.example",
            instance_key="c1",
            decided_at=AT,
            outcome=outcome,
            is_final=True,
            is_latest=True,
            detail=detail,
        )

    def attempted(self, outcome: str, **more: Any) -> None:
        op_id = hashlib.sha256(b"recovery|c1|ada@x.example").hexdigest()
        self.add(
            "activation.fct_sync_attempts",
            attempt_id="a1",
            op_id=op_id,
            sync_name="recovery",
            action="trigger",
            attempted_at=AT,
            outcome=outcome,
            **more,
        )

    def ask(self, what: str, of: str) -> list[Step]:
        return answer(Evidence(self.connection, self.home), what, of)


@pytest.fixture
def copy(tmp_path) -> Copy:
    return Copy(tmp_path)


def stages(steps: list[Step]) -> list[str]:
    """The stages in order; the stop is marked."""
    return [f"{'✗ ' if step.is_stop else ''}{step.stage}" for step in steps]


def test_a_trigger_that_arrived_is_followed_to_the_answer_of_the_destination(copy):
    copy.trigger()
    copy.journey()
    copy.decided("entered")
    copy.attempted("delivered", http_status=200)
    steps = copy.ask("trigger", "e1")
    assert stages(steps) == [
        *("landed", "emitted", "resolved", "listened to", "decided", "attempted"),
    ]
    assert steps == copy.ask("trigger", RECORD)
    assert "drift:colour" in "\n".join(told(iter(steps)))


def test_one_that_names_nobody_stops_there_and_says_how_long_it_has_waited(copy):
    copy.trigger(profile_id=None)
    copy.journey()
    steps = copy.ask("trigger", "e1")
    assert "✗ resolved" in stages(steps)
    assert any("email:ada@x.example, for 42 minutes" in step.said for step in steps)


def test_one_that_no_journey_listens_to_says_what_would(copy):
    copy.trigger()
    last = copy.ask("trigger", EMISSION)[-1]
    assert (last.stage, last.is_stop) == ("listened to", True)
    assert "trigger: cart_abandoned" in last.remedy


def test_one_that_was_landed_twice_leads_to_the_first(copy):
    copy.trigger()
    copy.connection.execute(
        "update journeys.fct_trigger_emissions set record_id = null"
    )
    last = copy.ask("trigger", RECORD)[-1]
    assert (last.stage, last.is_stop) == ("event", True)
    assert EMISSION in last.remedy


def test_one_that_was_refused_says_why_also_when_that_was_a_moment_ago(copy):
    refusal = {
        "source_id": "shop",
        "code": "invalid_trigger",
        "path": "cart_value",
        "detail": "cart_value: must be a number",
        "endpoint": "/triggers/cart_abandoned",
        "encoding": "utf-8",
        "raw": '{"event_id": "e9", "cart_value": "ten"}',
    }
    land(copy.home, Reject.model_validate(refusal))
    (step,) = copy.ask("trigger", "e9")
    assert (step.stage, step.is_stop) == ("refused", True)
    assert "must be a number" in step.said
    assert "rejects replay" in step.remedy


def test_one_that_is_not_in_the_copy_yet_waits_for_a_decision(copy):
    copy.journey()
    fresh = event("e2", name="cart_abandoned", shape="trigger")
    land(copy.home, fresh)
    steps = copy.ask("trigger", "e2")
    assert stages(steps) == ["landed", "✗ decided"]
    assert "relay_one" in steps[-1].remedy


@pytest.mark.parametrize("outcome", ["no_consent", "capped", "expired", "holdout"])
def test_a_journey_that_said_no_says_so_with_its_detail(copy, outcome):
    copy.trigger()
    copy.journey()
    copy.decided(outcome, "what decided")
    for steps in (copy.ask("trigger", "e1"), copy.ask("journey", EMISSION)):
        last = steps[-1]
        assert (last.stage, last.is_stop) == ("decided", True)
        assert outcome in last.said
        assert last.evidence["detail"] == "what decided"
        assert last.remedy


def test_an_entry_that_nothing_is_planned_for_says_so(copy):
    copy.trigger()
    copy.journey()
    copy.decided("entered")
    assert stages(copy.ask("trigger", "e1"))[-1] == "✗ planned"


def test_a_delivery_that_was_refused_shows_the_words_of_the_destination(copy):
    copy.attempted("rejected", http_status=400)
    copy.add("raw.deliveries", attempt_id="a1", kind="outcome", detail="bad address")
    (step,) = copy.ask("delivery", "a1")
    assert step.is_stop
    assert step.evidence == {"attempt": "a1", "status": 400, "detail": "bad address"}
    assert "correct the payload" in step.remedy


def test_a_plan_that_a_guard_holds_back_names_the_guard_and_the_command(copy):
    copy.add(
        "activation.activation_changes",
        sync_name="loyal_to_tool",
        op_id="op1",
        action="exit",
        is_blocked=True,
        blocked_by="too_many_exits",
    )
    for steps in (copy.ask("delivery", "op1"), copy.ask("delivery", "loyal_to_tool")):
        (step,) = steps
        assert (step.stage, step.is_stop) == ("held back", True)
        assert "too_many_exits" in step.said
        assert step.remedy.endswith("plan loyal_to_tool")


def test_a_person_who_is_kept_back_learns_why_from_each_sync(copy):
    person = "p_" + "a" * 32
    copy.add(
        "activation.fct_sync_eligibility",
        sync_name="loyal_to_tool",
        profile_id=person,
        is_eligible=False,
        reason="no_consent",
    )
    (step,) = copy.ask("delivery", person)
    assert (step.stage, step.is_stop) == ("loyal_to_tool", True)
    assert "no_consent" in step.said


def test_what_never_arrived_is_said_to_be_unknown(copy):
    copy.journey()
    (step,) = copy.ask("journey", "p_" + "b" * 32)
    assert step.is_stop
    assert "recovery" in step.remedy
