"""What every registered destination keeps, whatever its kind. A new kind needs a line in DECLARATIONS and no test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestration.destinations.base import Destination
from orchestration.destinations.register import KINDS, load_destinations
from tests.changes import SYNC, change
from tests.chaos_receiver import SECRET, ChaosReceiver

# Per kind: a declaration that works against the receiver, and one whose other end is out of reach.
DECLARATIONS = {
    "webhook": (
        {"url": "{receiver}", "secret": SECRET, "allow_loopback": ["127.0.0.1"]},
        {
            "url": "http://127.0.0.1:1/",
            "secret": SECRET,
            "allow_loopback": ["127.0.0.1"],
        },
    ),
    "file_drop": ({"folder": "drop"}, {"folder": "/proc/nowhere"}),
}
CHANGES = [
    change("ada", payload={"city": "Köln", "note": 'say "hi",\n=1+1', "orders": 2}),
    change("bo", "update", payload={}),
    change("cy", "exit"),
]


def made(kind: str, declaration: dict, folder: Path, receiver: str) -> Destination:
    entry = {"name": "tool", "kind": kind, **declaration}
    filled = {k: receiver if v == "{receiver}" else v for k, v in entry.items()}
    file = folder / "destinations.yml"
    file.write_text(yaml.safe_dump({"destinations": [filled]}))
    return load_destinations(file, ["tool"], folder / "outbox")["tool"]


@pytest.fixture
def receiver() -> Iterator[ChaosReceiver]:
    with ChaosReceiver() as listening:
        yield listening


@pytest.fixture(params=sorted(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture
def destination(kind, tmp_path, receiver) -> Iterator[Destination]:
    tool = made(kind, DECLARATIONS[kind][0], tmp_path, receiver.url)
    yield tool
    tool.close()


def test_every_registered_kind_is_tested_here():
    assert DECLARATIONS.keys() == KINDS.keys()


def test_every_operation_has_exactly_one_outcome(destination):
    given = destination.send(SYNC, CHANGES)
    assert set(given.outcomes) == {each.op_id for each in CHANGES}
    assert {outcome.kind for outcome in given.outcomes.values()} == {"delivered"}
    assert given.refused is given.pause is given.stop is None


def test_a_single_operation_may_be_sent(destination):
    assert len(destination.send(SYNC, CHANGES[2:]).outcomes) == 1


def test_sending_the_same_operations_again_is_harmless(destination):
    first = destination.send(SYNC, CHANGES)
    again = destination.send(SYNC, CHANGES)
    assert {o.kind for o in again.outcomes.values()} == {
        o.kind for o in first.outcomes.values()
    }


def test_what_is_out_of_reach_is_an_outcome_and_no_exception(kind, tmp_path, receiver):
    tool = made(kind, DECLARATIONS[kind][1], tmp_path, receiver.url)
    given = tool.send(SYNC, CHANGES)
    tool.close()
    assert set(given.outcomes) == {each.op_id for each in CHANGES}
    assert {o.kind for o in given.outcomes.values()} <= {"retry", "unknown"}


def test_it_names_itself_takes_at_least_one_change_and_may_be_closed_twice(destination):
    assert destination.name == "tool"
    assert destination.batch_size >= 1
    destination.close()
