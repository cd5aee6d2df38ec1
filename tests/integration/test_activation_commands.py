"""Looking at plans, approving, applying, asserting again, settling by hand; and the alerts that say when to."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from ingestion.settings import Settings, settings
from orchestration.activation.__main__ import main
from orchestration.activation.alerts import look_and_tell
from orchestration.activation.waking import due_syncs, waiting
from orchestration.destinations.syncs import load_syncs
from orchestration.jobs import reassert
from orchestration.resources import platform as platform_resource
from orchestration.warehouse.schema import read_copy
from tests.chaos_receiver import SECRET, ChaosReceiver, answer
from tests.conftest import ROOT
from tests.integration.shop import Shop, people

EVERYBODY = people(*range(10))


class Desk(Shop):
    """A shop whose plans are published, with the command line in front."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, receiver: ChaosReceiver
    ) -> None:
        super().__init__(folder, may_be_empty=False)
        self.receiver = receiver
        entry = {
            "name": "tool",
            "kind": "webhook",
            "url": receiver.url,
            "secret": SECRET,
            "allow_loopback": ["127.0.0.1"],
            "batch_size": 4,
        }
        declared = folder / "destinations.yml"
        declared.write_text(yaml.safe_dump({"destinations": [entry]}))
        seed = folder / "dbt/seeds/syncs.csv"
        seed.parent.mkdir(parents=True)
        types = ROOT / "dbt_project/seeds/identifier_types.csv"
        seed.with_name(types.name).write_text(types.read_text())
        row = self.sync.model_dump(mode="json")
        row["requests_per_minute"] = ""
        header = ",".join(row)
        seed.write_text(f"{header}\n{','.join(map(str, row.values()))}\n")
        journeys = folder / "journeys"
        journeys.mkdir()
        patch.setenv("MILLRACE_HOME", str(self.home.home))
        patch.setenv("MILLRACE_DESTINATIONS_FILE", str(declared))
        patch.setenv("MILLRACE_DBT_PROJECT_DIR", str(folder / "dbt"))
        patch.setenv("MILLRACE_JOURNEYS_DIR", str(journeys))

    def refresh(self, crowd: dict | None = None) -> None:
        """A refresh that heard of somebody just now."""
        if crowd is not None:
            self.wants(crowd)
        self.warehouse.room.connection.execute("delete from raw.events")
        self.warehouse.room.connection.execute(
            "insert into raw.events (received_at) values (?)", [datetime.now(UTC)]
        )
        self.warehouse.publish()

    def document(self) -> dict:
        assert main(["plan", "to_tool"]) == 0
        return json.loads((self.home.home / "plans/to_tool.json").read_text())


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    with ChaosReceiver() as receiver:
        yield Desk(tmp_path, monkeypatch, receiver)


def test_a_plan_says_what_would_happen_and_shows_nobody(desk, capsys):
    desk.refresh(EVERYBODY | {"ada@x.example": {"orders": "twenty"}})
    document = desk.document()
    assert document["changes"] == [{"action": "enter", "reason": "member", "count": 11}]
    assert (document["verdict"], document["requests"]) == ("ready", 3)
    assert document["seconds"] > 0
    assert {guard["is_blocked"] for guard in document["guards"]} == {False}
    assert "ada" not in json.dumps(document["samples"])
    assert document["plan"] in capsys.readouterr().out


def test_the_plan_that_was_looked_at_is_applied_and_no_other(desk, capsys):
    desk.refresh(EVERYBODY)
    looked_at = desk.document()["plan"]
    desk.refresh(people(1, 2))
    assert main(["apply", "to_tool", "--plan", looked_at]) == 1
    assert "has changed since" in capsys.readouterr().err
    assert desk.receiver.requests == []
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) == 0
    assert desk.receiver.held == people(1, 2)


def test_a_blocked_plan_is_applied_once_it_is_approved(desk, capsys):
    desk.refresh(EVERYBODY)
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) == 0
    desk.refresh({})
    document = desk.document()
    assert document["verdict"] == "needs approval"
    assert document["held_back_by"] == ["emptied_audience"]
    plan = document["plan"]
    assert main(["apply", "to_tool", "--plan", plan]) == 2
    assert "Approve it first" in capsys.readouterr().out
    assert main(["approve", "to_tool", "--plan", "another", "--why", "x"]) == 1
    assert main(["approve", "to_tool", "--plan", plan, "--why", "shop closed"]) == 0
    assert main(["apply", "to_tool", "--plan", plan]) == 0
    assert desk.receiver.held == {}


def test_a_resync_asserts_everybody_again(desk, capsys):
    desk.refresh(EVERYBODY)
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) == 0
    desk.receiver.members.clear()
    assert main(["resync", "to_tool", "--why", "they lost their list"]) == 0
    desk.refresh()
    assert desk.document()["changes"] == [
        {"action": "enter", "reason": "resync", "count": 10}
    ]
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) == 0
    assert desk.receiver.held == EVERYBODY
    assert main(["resync", "nothing_of_the_kind", "--why", "x"]) == 1
    assert "declared are: to_tool" in capsys.readouterr().err


def test_the_job_of_every_sunday_asserts_every_active_sync_again(desk):
    desk.refresh(EVERYBODY)
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) == 0
    done = reassert.execute_in_process(
        resources={"platform": platform_resource(settings())}
    )
    assert done.success
    desk.refresh()
    assert {change.reason for change in desk.plan()} == {"resync"}


def test_a_person_settles_what_nobody_knows(desk, capsys):
    desk.receiver.script = lambda _: "applied_then_reset"
    desk.refresh(people(1))
    assert main(["apply", "to_tool", "--plan", desk.document()["plan"]]) in (0, 2)
    arguments = ["--outcome", "delivered", "--why", "seen in their list"]
    assert main(["resolve", "to_tool", "u001", *arguments]) == 0
    desk.refresh()
    assert desk.document()["verdict"] == "nothing to do"
    assert main(["resolve", "to_tool", "nobody", *arguments]) == 1
    assert "nothing was ever attempted for nobody" in capsys.readouterr().err


def test_old_news_hold_a_plan_back(desk):
    desk.refresh(people(1))
    two_days_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(desk.home.published, (two_days_ago, two_days_ago))
    assert desk.document()["held_back_by"] == ["stale_plan"]
    desk.warehouse.publish()
    desk.warehouse.room.connection.execute("delete from raw.events")
    desk.warehouse.publish()
    assert desk.document()["held_back_by"] == ["stale_upstream"]


class Ear:
    """Takes alerts, unless it is deaf."""

    def __init__(self) -> None:
        self.is_deaf, self.cursor = False, None

    def tell(self, sentence: str) -> bool:
        return not self.is_deaf

    def look(self, home: Settings) -> list[str]:
        now = datetime.now(UTC)
        self.cursor, told = look_and_tell(home, self.cursor, now, self)
        return told


def test_an_alert_is_told_once_and_once_more_when_it_is_over(desk):
    ear = Ear()
    desk.refresh(EVERYBODY)
    main(["apply", "to_tool", "--plan", desk.document()["plan"]])
    assert ear.look(desk.home) == []
    desk.refresh({})
    ear.is_deaf = True
    assert ear.look(desk.home) == []
    ear.is_deaf = False
    (told,) = ear.look(desk.home)
    assert "10 changes are held back by emptied_audience" in told
    assert ear.look(desk.home) == []
    desk.refresh(EVERYBODY)
    assert ear.look(desk.home) == [f"Over: {told}"]
    assert ear.look(desk.home) == []


def test_refused_credentials_a_growing_backlog_and_an_overdue_erasure_are_told(desk):
    ear = Ear()
    desk.refresh(people(0))
    main(["apply", "to_tool", "--plan", desk.document()["plan"]])
    desk.receiver.script = lambda _: lambda r, h, c: answer(h, 401)
    told = []
    for size in (3, 4, 5):
        desk.refresh(people(*range(size)))
        main(["apply", "to_tool", "--plan", desk.document()["plan"], "--now"])
        told += ear.look(desk.home)
    assert [
        sentence for sentence in told if "refuses our credentials (401)" in sentence
    ]
    assert [sentence for sentence in told if "backlog grows (2, 3, 4" in sentence]
    _ask_to_be_erased(desk, "u000", days_ago=29)
    desk.refresh()
    assert ear.look(desk.home) == []
    _ask_to_be_erased(desk, "u000", days_ago=31)
    desk.refresh()
    said = "1 erased people are still there"
    assert any(said in sentence for sentence in ear.look(desk.home))


def _ask_to_be_erased(desk: Desk, name: str, days_ago: int) -> None:
    desk.warehouse.room.connection.execute(
        "insert into raw.privacy_requests (request_type, identifiers, requested_at)"
        f" values ('erasure', [{{'type': 'user_id', 'value': '{name}'}}], ?)",
        [datetime.now(UTC) - timedelta(days=days_ago)],
    )


def test_a_sync_wakes_for_changes_for_the_end_of_a_pause_and_for_jobs(desk):
    def due(**later: float) -> bool:
        with read_copy(desk.home.published) as connection:
            wanted = waiting(connection)
        now = datetime.now(UTC) + timedelta(**later)
        return "to_tool" in due_syncs(desk.home.landing, wanted, now)

    desk.refresh(people(1))
    assert due()
    desk.run("throttled_long", hours=0)
    assert not due(minutes=30)
    assert due(minutes=61)
    desk.refresh()
    assert not due(minutes=30)
    assert due(minutes=61)
    desk.run("accepted", hours=2)
    assert not due(hours=2)
    assert due(hours=2, minutes=11)
    desk.refresh()
    assert not due(hours=2, minutes=9)
    assert due(hours=2, minutes=11)
    assert desk.run(hours=2).delivered == 1
    desk.refresh()
    assert not due(hours=9)


def test_every_shipped_sync_can_be_read():
    syncs = load_syncs(ROOT / "dbt_project/seeds/syncs.csv")
    assert syncs
    assert {sync.state for sync in syncs} == {"active"}


def test_a_sync_that_cannot_be_planned_says_why_and_hides_no_other(
    desk, tmp_path, capsys
):
    seed, declared = tmp_path / "dbt/seeds/syncs.csv", tmp_path / "destinations.yml"
    header, row = seed.read_text().splitlines()
    locked = row.replace("to_tool,", "to_vault,", 1)
    locked = locked.replace(f",{desk.sync.destination},", ",vault,", 1)
    seed.write_text("\n".join([header, locked, row, ""]))
    entries = yaml.safe_load(declared.read_text())["destinations"]
    entries.append({**entries[0], "name": "vault", "secret": "${NOT_SET_ANYWHERE}"})
    declared.write_text(yaml.safe_dump({"destinations": entries}))
    desk.refresh(EVERYBODY)
    assert main(["plan"]) == 1
    said = capsys.readouterr()
    assert "the environment has no NOT_SET_ANYWHERE" in said.err
    assert "to_tool → tool (mirror): ready" in said.out
