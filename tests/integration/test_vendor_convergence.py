"""Every vendor's fake holds what it should after chaos: the real plan, the real loop, the real client.

A changing audience meets requests that go wrong by seed; then one clean plan and run later the vendor has exactly the
desired people with the desired payloads, and nobody who left.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.landing import LandingWriter
from orchestration.destinations.base import ActivationChange
from orchestration.destinations.delivery import deliver
from orchestration.destinations.history import since_plan
from orchestration.destinations.register import load_destinations
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.waiting import account_of
from tests.fakes.cases import CASES
from tests.fakes.chaos import by_seed
from tests.fakes.server import Server, well
from tests.integration.plans import a_sync
from tests.integration.test_destination_convergence import Tool

PEOPLE = [f"u{number:02}" for number in range(12)]
BATCH, ROUNDS = 5, 4
STATEFUL = sorted(set(CASES) - {"dynamics", "file_drop", "slack"})
# A payload nobody had before, so that nothing refused during the chaos stays refused.
FINAL = 9
KEYS = ("user_id", "email", "phone")


class Vendor:
    """One kind of destination with its fake, fed by a platform."""

    def __init__(self, kind: str, folder: Path, server: Server) -> None:
        self.case, self.server = CASES[kind], server
        given: dict[str, Any] = {"recipient_type": self.case.recipient_type}
        declared = self.case.settings(
            kind, server.url, batch_size=BATCH, answer_seconds=0.6
        )
        self.tool = Tool(
            folder, a_sync("to_vendor", **given, **self.case.sync), **declared
        )
        purpose = self.tool.sync.purpose
        self.tool.warehouse.fill(
            "purposes", [{"purpose": purpose, "enforcement": "off"}]
        )

    def crowd(self, orders: dict[str, int]) -> None:
        """Say who is in the audience, under keys of the kind that this vendor knows."""
        warehouse, kind = self.tool.warehouse, self.case.recipient_type
        warehouse.crowd({name: {"orders": n} for name, n in orders.items()})
        keys = [(f"p_{name}", self.case.name(name)) for name in orders]
        if kind in KEYS:
            rows = [{"profile_id": person, kind: key} for person, key in keys]
            warehouse.fill("dim_profiles", rows)
            return
        rows = [
            {"identifier_type": kind, "identifier_value": key, "profile_id": person}
            for person, key in keys
        ]
        warehouse.fill("dim_identifiers", rows)

    def run(self) -> DeliverySummary:
        """Plan and deliver, hours after the run before; what was landed tells of jobs and pauses."""
        tool, landing = self.tool, self.tool.home.landing
        tool.time.skip(hours=7)
        changes, seen = tool.warehouse.plan(tool.sync)
        made = load_destinations(tool.declared, ["tool"], tool.home.outbox)["tool"]
        name, account = tool.sync.sync_name, account_of(made)
        known = since_plan(landing, name, (), account).known
        try:
            with LandingWriter(landing) as writer:
                return deliver(
                    tool.sync,
                    made,
                    changes,
                    writer,
                    landing,
                    seen,
                    known=known,
                    clock=tool.time.clock,
                )
        finally:
            made.close()

    def plan(self) -> list[ActivationChange]:
        return self.tool.warehouse.plan(self.tool.sync)[0]

    def expected(self, orders: dict[str, int]) -> dict[str, Any]:
        case = self.case
        return {
            case.there(case.name(name)): case.told({"orders": n})
            for name, n in orders.items()
        }


@pytest.fixture
def vendor(kind: str, tmp_path: Path) -> Iterator[Vendor]:
    with Server(CASES[kind].fake()) as server:
        server.fake.window = None
        yield Vendor(kind, tmp_path, server)


def churn(vendor: Vendor, seed: int) -> None:
    chance = random.Random(seed)
    vendor.server.behaviour = by_seed(seed)
    for _ in range(ROUNDS):
        members = sorted(chance.sample(PEOPLE, chance.randrange(3, len(PEOPLE))))
        vendor.crowd({name: chance.randrange(3) for name in members})
        vendor.run()
    vendor.server.behaviour = well
    desired = dict.fromkeys(sorted(chance.sample(PEOPLE, 6)), FINAL)
    vendor.crowd(desired)
    settle(vendor)
    assert vendor.server.fake.held == vendor.expected(desired)


def settle(vendor: Vendor) -> None:
    """Clean runs: one, and as many as it takes to ask about jobs until the engine gives stuck ones up."""
    runs = 6 if vendor.case.is_asynchronous else 1
    for _ in range(runs):
        vendor.run()
    assert vendor.plan() == []


@pytest.mark.parametrize("kind", STATEFUL)
def test_the_vendor_holds_exactly_the_desired_people_after_chaos(vendor):
    churn(vendor, seed=11)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 112))
@pytest.mark.parametrize("kind", STATEFUL)
def test_many_seeds_of_chaos_end_in_the_desired_state_at_every_vendor(vendor, seed):
    churn(vendor, seed)


@pytest.mark.parametrize("kind", ["braze", "criteo", "hubspot", "mailchimp", "meta"])
def test_one_person_the_vendor_refuses_is_found_and_alone_rejected(vendor):
    """Some name the failed person inside a success, some only count; both end in the same state."""
    orders = dict.fromkeys(PEOPLE, 1)
    vendor.crowd(orders)
    vendor.server.fake.poisonous = {vendor.case.there(vendor.case.name("u03"))}
    assert vendor.run().total("rejected") == 1
    del orders["u03"]
    assert vendor.server.fake.held == vendor.expected(orders)
    assert vendor.plan() == []
