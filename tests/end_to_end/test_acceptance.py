"""The main job on data nobody here wrote: events, orders, customers and payments in; figures and an audience out."""

import shutil
from pathlib import Path

import pytest

from simulator.receiver import Receiver
from tests import acceptance_data
from tests.conftest import ROOT
from tests.end_to_end.platform import Platform

pytestmark = pytest.mark.acceptance

AS_OF = "2024-12-31T00:00:00"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    """The tool at the other end; it outlives the runs."""
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def platform(tmp_path_factory, acceptance_dir: Path, receiver: Receiver) -> Platform:
    """The material landed through collector and connectors, and the main job run once."""
    made = Platform(
        folder=tmp_path_factory.mktemp("acceptance") / "platform",
        sources=ROOT / "tests/data/acceptance_sources",
        destinations=ROOT / "destinations.yml",
        environment={
            "MILLRACE_WEBHOOK_URL": receiver.url,
            "MILLRACE_WEBHOOK_SECRET": receiver.secret,
        },
    )
    made.extracts.mkdir(parents=True)
    for name in ("raw_customers.csv", "raw_payments.csv"):
        shutil.copy(acceptance_dir / "4-orders-jaffle" / name, made.extracts)
    made.add_key("ecom_web", "ecom-key", "integration")
    made.add_key("jaffle_backend", "jaffle-key", "integration")
    made.send(acceptance_data.ecom_calls(acceptance_dir), "ecom-key")
    made.send(acceptance_data.jaffle_order_calls(acceptance_dir), "jaffle-key")
    made.refreshed(AS_OF)
    return made


def test_the_31106_events_become_3605_sessions(platform):
    assert platform.scalar("select count(*) from staging.fct_events") == 31106 + 99
    assert platform.scalar("select count(*) from sessions.fct_sessions") == 3605


def test_sessions_partition_the_events_as_the_data_set_says(platform, acceptance_dir):
    ours = platform.query(
        "select events.event_id, sessions.session_id"
        " from sessions.int_event_sessions as sessions"
        " join staging.fct_events as events using (record_id)"
    )
    truth = acceptance_data.ecom_session_of_message(acceptance_dir)
    pairs = {(session, truth[message]) for message, session in ours}
    assert len(ours) == 31106
    assert len(pairs) == 3605


def test_orders_buyers_and_revenue_come_out(platform):
    orders = platform.query(
        "select count(*), sum(revenue), count(distinct profile_id) from orders.fct_orders"
    )
    assert [tuple(map(float, row)) for row in orders] == [(99, 1672.00, 62)]


def test_revenue_by_the_sources_own_status_comes_out(platform):
    by_status = platform.query(
        "select source_status, count(*), sum(revenue) from orders.fct_orders group by all"
    )
    assert {status: (n, float(amount)) for status, n, amount in by_status} == {
        "completed": (67, 1103.00),
        "placed": (13, 284.00),
        "return_pending": (2, 38.00),
        "returned": (4, 49.00),
        "shipped": (13, 198.00),
    }


def test_the_29_repeat_buyers_arrive_at_the_webhook_and_as_a_file(platform, receiver):
    expected = repeat_buyers(platform)
    assert len(expected) == 29
    assert receiver.state.members["repeat_buyers_webhook"].keys() == expected
    assert acceptance_data.folded_files(platform.home, "repeat_buyers_file") == expected


def test_the_twin_with_an_opt_in_purpose_sends_nobody_and_says_why(platform, receiver):
    assert "repeat_buyers_newsletter" not in receiver.state.members
    reasons = platform.query(
        "select reason, count(*) from activation.fct_sync_eligibility"
        " where sync_name = 'repeat_buyers_newsletter' group by all"
    )
    assert sum(count for _, count in reasons) == 29
    assert {reason for reason, _ in reasons} <= {"no_consent", "no_identifier"}


# What a run delivers after its refresh is known to these at the next one.
OF_DELIVERIES = {
    "activation.activation_changes",
    "activation.fct_sync_attempts",
    "activation.fct_sync_runs",
    "activation.fct_sync_state",
}


@pytest.fixture(scope="module")
def settled(platform: Platform, tmp_path_factory) -> Platform:
    """A twin on which the main job ran a second time, with nothing new."""
    twin = platform.copy(tmp_path_factory.mktemp("settled") / "twin")
    twin.refreshed(AS_OF)
    return twin


@pytest.mark.prove
def test_running_again_changes_and_publishes_nothing(platform, receiver, request):
    told = receiver.state.told.copy()
    settled = request.getfixturevalue("settled")
    assert receiver.state.told == told
    assert changed(platform.public_tables(), settled.public_tables()) == OF_DELIVERIES
    assert settled.scalar("select count(*) from activation.activation_changes") == 0


def test_one_more_order_by_a_one_time_buyer_publishes_one_enter(
    platform, receiver, tmp_path
):
    twin, told = platform.copy(tmp_path / "twin"), receiver.state.told.copy()
    buyer = one_time_buyer(twin)
    call = {
        "event": "purchase_completed",
        "timestamp": "2024-06-01T12:00:00Z",
        "customer_id": buyer,
        "properties": {"order_id": "one_more", "order_value": 10, "currency": "USD"},
    }
    twin.send([call], "jaffle-key")
    twin.refreshed(AS_OF)
    news = receiver.state.told - told
    assert news == {("repeat_buyers_webhook", "enter"): 1}
    assert buyer in receiver.state.members["repeat_buyers_webhook"]


def test_a_rebuilt_warehouse_is_equal_and_publishes_nothing(
    platform, receiver, tmp_path
):
    """All but the plan and the logs: what was delivered meanwhile is no longer to be sent."""
    before, told = platform.public_tables(), receiver.state.told.copy()
    rebuilt = platform.copy(tmp_path / "twin")
    rebuilt.forget_warehouse()
    rebuilt.refreshed(AS_OF)
    assert changed(before, rebuilt.public_tables()) == OF_DELIVERIES
    assert receiver.state.told == told


def repeat_buyers(platform: Platform) -> set[str]:
    rows = platform.query(
        "select profiles.user_id from audiences.audience_repeat_buyers"
        " join profiles.dim_profiles as profiles using (profile_id)"
    )
    return {user_id for (user_id,) in rows}


def one_time_buyer(platform: Platform) -> str:
    rows = platform.query(
        "select any_value(profiles.user_id) from orders.fct_orders"
        " join profiles.dim_profiles as profiles using (profile_id)"
        " group by profile_id having count(*) = 1 order by 1"
    )
    return rows[0][0]


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}
