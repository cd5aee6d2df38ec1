"""People come and go, the tool misbehaves, the process dies anywhere: after one clean run nobody is missing or left over.

The same churn must expose an engine with a bug planted into it, or it proves nothing.
"""

import random
from pathlib import Path

import pytest

from tests.integration.killed import Bug
from tests.integration.shop import Shop
from tests.integration.tool import FAULTS

PEOPLE = [f"u{number:02}" for number in range(14)]
POINTS = ("delivery.attempted", "delivery.sent", "delivery.settled")

ACKNOWLEDGES_BEFORE_SENDING: Bug = (
    "[self._receipts.attempted(batch, at) for batch in window]",
    "[lines for batch in window for lines in (self._receipts.attempted(batch, at),"
    " __import__('copy').deepcopy(self._receipts)"
    ".settled(batch, __import__('collections').defaultdict(lambda: Outcome('delivered')), at))]",
)
DROPS_THE_UNKNOWN: Bug = (
    "return {change.op_id: answer.outcomes.get(change.op_id, silence) for change in part}",
    "known = {k: o for k, o in answer.outcomes.items() if o.kind != 'unknown'};"
    " return {c.op_id: known.get(c.op_id, Outcome('retry')) for c in part}",
)
IGNORES_EMBEDDED_ERRORS: Bug = (
    "return {change.op_id: answer.outcomes.get(change.op_id, silence) for change in part}",
    "best = max(answer.outcomes.values(), key=lambda o: o.kind == 'delivered', default=silence);"
    " return {c.op_id: best for c in part}",
)


def crowd(chance: random.Random) -> dict[str, dict[str, int]]:
    members = chance.sample(PEOPLE, chance.randrange(3, len(PEOPLE)))
    return {name: {"orders": chance.randrange(3)} for name in sorted(members)}


def is_as_desired_after_churn(folder: Path, seed: int, bug: Bug | None = None) -> bool:
    """Rounds of churn, faults and kills, then one clean run."""
    shop = Shop(folder, bug, targets=("activation_changes",))
    chance = random.Random(seed)
    for _ in range(4):
        shop.wants(crowd(chance))
        faults = [chance.choice(["ok", *FAULTS]) for _ in range(6)]
        if chance.random() < 0.7:
            shop.run_and_die(
                f"{chance.choice(POINTS)}#{chance.randrange(1, 4)}", *faults
            )
        else:
            shop.run(*faults)
    desired = crowd(chance)
    shop.wants(desired)
    is_clean = shop.run().is_complete
    return is_clean and shop.tool.held == desired and shop.plan() == []


@pytest.mark.parametrize("seed", range(20))
def test_one_clean_run_after_kills_and_churn_makes_the_tool_what_it_should_be(
    tmp_path, seed
):
    assert is_as_desired_after_churn(tmp_path, seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(20, 200))
def test_many_seeds_of_kills_and_churn(tmp_path, seed):
    assert is_as_desired_after_churn(tmp_path, seed)


@pytest.mark.parametrize(
    "bug",
    [ACKNOWLEDGES_BEFORE_SENDING, DROPS_THE_UNKNOWN, IGNORES_EMBEDDED_ERRORS],
    ids=["acknowledges_before_sending", "drops_the_unknown", "ignores_embedded_errors"],
)
def test_an_engine_with_a_planted_bug_does_not_come_through(tmp_path, bug):
    assert not all(
        is_as_desired_after_churn(tmp_path / str(seed), seed, bug) for seed in range(20)
    )
