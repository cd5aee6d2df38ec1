"""Whatever goes wrong between the warehouse and a tool: after one clean run the tool holds what it should.

Every test is one way to fail, and ends by comparing the tool's state with the desired one.
"""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ingestion.contracts import PrivacyRequest
from ingestion.landing import new_record_id
from orchestration.destinations import egress
from orchestration.destinations.base import ActivationChange
from orchestration.destinations.delivery import SyncBusy, plan_hash
from orchestration.destinations.possible import SyncImpossible
from orchestration.destinations.webhook import WebhookDestination, WebhookSettings
from orchestration.warehouse.schema import contract_columns
from tests.chaos_receiver import SECRET, ChaosReceiver
from tests.integration.shop import Shop, people
from tests.integration.tool import FAULTS, Tool

EVERYBODY = people(*range(10))
FEWER = people(2, 3, 20)


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def settles(shop: Shop, desired: dict) -> None:
    """One clean run makes the tool what it should be, and leaves nothing to do."""
    assert shop.run().is_complete
    assert shop.tool.held == desired
    assert shop.plan() == []


@pytest.mark.parametrize(
    "point",
    [
        "delivery.attempted#1",
        "delivery.attempted#2",
        "delivery.sent#1",
        "delivery.sent#2",
        "delivery.settled#1",
        "delivery.settled#2",
        "landing.before_seal",
    ],
)
def test_a_kill_before_sending_before_the_acknowledgement_before_the_outcome_or_the_seal(
    shop, point
):
    shop.wants(people(50))
    assert shop.run().is_complete
    shop.wants(EVERYBODY)
    assert shop.run_and_die(point)
    shop.wants(FEWER)
    settles(shop, FEWER)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_while_people_come_and_go(shop, fault):
    shop.wants(EVERYBODY)
    shop.run(*[fault] * 3)
    shop.wants(FEWER)
    settles(shop, FEWER)


def test_a_storm_of_429_costs_patience_and_no_attempt(shop):
    shop.wants(EVERYBODY)
    shop.run(*["throttled"] * 100)
    assert shop.time.slept == [7.0] * 5
    assert len(shop.tool.asked) == 6
    for _ in range(3):
        assert shop.run(*["throttled_long"] * 100, hours=2).paused_seconds == 3600
        assert len(shop.tool.asked) == 1
    attempts = shop.warehouse.rows(
        "select distinct outcome from raw.deliveries where kind = 'outcome'"
    )
    assert attempts == [("retry",)]
    settles(shop, EVERYBODY)


def test_nobody_is_asked_before_the_time_that_the_destination_named(shop):
    shop.wants(EVERYBODY)
    shop.run("throttled_long")
    early = shop.run(hours=0.9)
    assert early.waits_until
    assert shop.tool.asked == []
    settles(shop, EVERYBODY)


def test_a_short_run_of_5xx_is_outlived_within_the_run(shop):
    shop.wants(EVERYBODY)
    assert shop.run("error", "applied_and_error").stopped is None
    settles(shop, EVERYBODY)


def test_a_long_outage_is_asked_about_less_and_less_often(shop):
    shop.wants(EVERYBODY)
    plan, waits = shop.warehouse.plan(shop.sync), []
    for tenth_minute in range(24 * 6):
        if not shop.deliver(*plan, ["unreachable"] * 9, hours=1 / 6).waits_until:
            waits.append(tenth_minute)
    apart = [later - earlier for earlier, later in pairwise(waits)]
    assert apart == sorted(apart)
    assert apart[0] == 1
    assert apart[-1] in (36, 37)
    settles(shop, EVERYBODY)


def test_a_batch_that_was_applied_in_part(shop):
    shop.wants(EVERYBODY)
    assert shop.run("partly", "half_applied_and_lost", "partly").total("unknown") == 4
    settles(shop, EVERYBODY)


@pytest.mark.parametrize("bad", [1, 2, 3, 50])
def test_so_many_percent_of_poison_keep_nobody_else_out(shop, bad):
    shop.tool.batch_size = 100
    crowd = people(*range(100))
    shop.tool.poisonous = set(list(crowd)[:: 100 // bad][:bad])
    shop.wants(crowd)
    for _ in range(9):
        if shop.run().is_complete:
            break
    healthy = {
        name: each for name, each in crowd.items() if name not in shop.tool.poisonous
    }
    assert shop.tool.held == healthy
    assert shop.plan() == []
    rejected = shop.warehouse.rows(
        "select count(*) from activation.fct_sync_eligibility where reason = 'rejected_by_destination'"
    )
    assert rejected == [(bad,)]


def test_a_slow_destination_is_left_at_the_deadline_and_served_by_the_next_runs(shop):
    send = shop.tool.send

    def slowly(sync, changes):
        shop.time.skip(minutes=4)
        return send(sync, changes)

    shop.tool.send = slowly
    crowd = people(*range(40))
    shop.wants(crowd)
    runs = 1
    while not shop.run(hours=0).is_complete:
        assert len(shop.tool.asked) == 3
        runs += 1
    assert runs == 4
    assert shop.tool.held == crowd


def test_a_destination_that_becomes_slow_is_left_at_the_deadline_too(shop):
    send = shop.tool.send

    def more_and_more_slowly(sync, changes):
        shop.time.skip(minutes=4 * (len(shop.tool.asked) >= 3))
        return send(sync, changes)

    shop.tool.send = more_and_more_slowly
    crowd = people(*range(40))
    shop.wants(crowd)
    assert not shop.run(hours=0).is_complete
    assert len(shop.tool.asked) == 6
    assert shop.run(hours=0).is_complete
    assert shop.tool.held == crowd


def test_a_name_that_does_not_resolve_or_resolves_inwards_is_never_asked(shop):
    addresses: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        if not addresses:
            raise egress.Unresolved(f"{host} has no address right now")
        return addresses

    with ChaosReceiver() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        settings = {
            "name": "tool",
            "kind": "webhook",
            "secret": SECRET,
            "url": f"https://tool.example:{port}/hook",
        }
        outside = WebhookDestination(WebhookSettings(**settings), resolver)
        settings |= {
            "url": f"http://tool.example:{port}/hook",
            "allow_loopback": ["tool.example"],
        }
        inside = WebhookDestination(WebhookSettings(**settings), resolver)
        shop.wants(EVERYBODY)
        assert shop.run(tool=outside).total("retry") == 10
        addresses[:] = ["127.0.0.1"]
        assert "tool.example" in (shop.run(tool=outside).stopped or "")
        addresses[:] = ["93.184.215.14", "10.0.0.7"]
        assert "tool.example" in (shop.run(tool=outside).stopped or "")
        assert receiver.requests == []
        addresses[:] = ["127.0.0.1"]
        assert shop.run(tool=inside).is_complete
        assert receiver.held == EVERYBODY
        for made in (outside, inside):
            made.close()


def test_the_same_plan_delivered_twice_is_sent_once(shop):
    shop.wants(EVERYBODY)
    plan = shop.warehouse.plan(shop.sync)
    assert shop.deliver(*plan).delivered == 10
    assert shop.deliver(*plan).overtaken == 10
    assert shop.tool.asked == []
    settles(shop, EVERYBODY)


def test_two_runs_at_once_exclude_each_other(shop):
    shop.wants(EVERYBODY)
    plan = shop.warehouse.plan(shop.sync)
    send, busy = shop.tool.send, []

    def in_between(sync, changes):
        with pytest.raises(SyncBusy):
            shop.deliver(*plan)
        busy.append(len(changes))
        return send(sync, changes)

    shop.tool.send = in_between
    assert shop.deliver(*plan).delivered == 10
    assert busy
    del shop.tool.send
    settles(shop, EVERYBODY)


@pytest.mark.parametrize("hours", [-30, 24 * 400])
def test_a_clock_that_steps_back_or_far_ahead_and_home_again(shop, hours):
    shop.wants(EVERYBODY)
    shop.run("lost", "throttled_long")
    shop.wants(people(*range(5)))
    shop.run("applied_and_error", "unauthorised", hours=hours)
    shop.time.skip(hours=-hours)
    shop.wants(FEWER)
    settles(shop, FEWER)


def test_a_tool_that_forgets_is_healed_by_the_weekly_assertion(shop):
    shop.wants(EVERYBODY)
    settles(shop, EVERYBODY)
    shop.tool.forget()
    assert shop.plan() == []
    shop.says("resync")
    assert {change.reason for change in shop.plan()} == {"resync"}
    settles(shop, EVERYBODY)


def test_a_late_zombie_request_is_healed_by_the_weekly_assertion(shop):
    shop.wants(EVERYBODY)
    zombie: list[ActivationChange] = []

    def delayed(sync, changes):
        zombie.extend(changes)
        return shop.tool._lost(changes)

    send, shop.tool.send = shop.tool.send, delayed
    shop.run()
    shop.tool.send = send
    shop.wants(FEWER)
    settles(shop, FEWER)
    shop.tool.apply(zombie)
    assert shop.tool.held != FEWER
    shop.says("resync")
    settles(shop, FEWER)


def test_a_job_that_ends_is_asked_about_and_not_asserted_again(shop):
    shop.wants(EVERYBODY)
    shop.run(*["accepted"] * 3)
    assert shop.tool.held == {}
    assert shop.plan() == []
    settles(shop, EVERYBODY)
    state = shop.warehouse.rows("select distinct state from activation.fct_sync_state")
    assert state == [("acked",)]


def test_a_job_that_never_ends_is_given_up_and_its_people_asserted_again(shop):
    shop.wants(EVERYBODY)
    shop.tool.jobs_end = False
    shop.run("accepted", "accepted", "accepted")
    assert shop.run().total("accepted") == 10
    assert shop.run(hours=25).total("unknown") == 10
    shop.wants(FEWER)
    settles(shop, FEWER)


def test_revoked_credentials_stop_the_run_and_renewed_ones_go_on(shop):
    shop.wants(EVERYBODY)
    shop.run("unauthorised", "unauthorised")
    assert len(shop.tool.asked) == 1
    assert len(shop.plan()) == 10
    runs = "select http_status, is_complete from activation.fct_sync_runs"
    assert shop.warehouse.rows(runs) == [(401, False)]
    settles(shop, EVERYBODY)


def test_an_emptied_audience_waits_for_a_person_and_approval_is_bound_to_that_plan(
    shop,
):
    shop.redeclare(may_be_empty=False)
    shop.wants(EVERYBODY)
    assert shop.run().is_complete
    shop.wants({})
    assert shop.run().held == {"emptied_audience": 10}
    assert shop.tool.held == EVERYBODY
    shop.says("approval", about="of another plan")
    assert shop.run().held == {"emptied_audience": 10}
    shop.says("approval", about=plan_hash(change.op_id for change in shop.plan()))
    settles(shop, {})


def test_whoever_leaves_and_returns_is_there_although_the_tool_deduplicates(shop):
    for crowd in (EVERYBODY, {}, EVERYBODY, {}, EVERYBODY):
        shop.wants(crowd)
        settles(shop, crowd)


def known_as(shop: Shop, key: str) -> None:
    shop.warehouse.fill("dim_profiles", [{"profile_id": "p_ada", "user_id": key}])


@pytest.mark.parametrize("fault", ["lost", "unreachable", "applied_and_lost"])
def test_the_old_identifier_is_gone_before_the_new_one_comes(shop, fault):
    shop.wants({"ada": {}})
    assert shop.run().is_complete
    known_as(shop, "ada_2")
    assert shop.run(fault).put_off == 1
    assert "ada_2" not in shop.tool.held
    assert shop.run().is_complete
    assert shop.tool.asked == [["ada"], ["ada_2"]]
    assert shop.tool.held == {"ada_2": {}}


def test_whoever_came_by_one_identifier_leaves_by_it_when_the_sync_names_another(shop):
    shop.wants(people(1, 2))
    shop.run()
    shop.redeclare(recipient_type="email")
    planned = {(each.action, each.recipient_type) for each in shop.plan()}
    assert planned == {("exit", "user_id")}


def test_whoever_is_erased_during_a_backlog_goes_first_and_never_comes(shop):
    shop.redeclare(max_exit_percent=1, guard_floor=1)
    shop.wants(people(0, 1, 2))
    assert shop.run().is_complete
    crowd = people(0, 1, 2, 3, 4, 5)
    shop.wants(crowd)
    shop.run("throttled_long")
    erase(shop, "u001", "u004")
    shop.warehouse.fill(
        "dim_identifiers",
        [
            {
                "identifier_type": "user_id",
                "identifier_value": name,
                "profile_id": f"p_{name}",
            }
            for name in crowd
        ],
    )
    settles(shop, people(0, 2, 3, 5))
    assert shop.tool.asked[0] == ["u001"]
    reasons = shop.warehouse.rows(
        "select profile_id from activation.fct_sync_eligibility where reason = 'erased' order by all"
    )
    assert reasons == [("p_u001",), ("p_u004",)]


def erase(shop: Shop, *names: str) -> None:
    columns = contract_columns(PrivacyRequest)
    for name in names:
        request = PrivacyRequest(
            source_id="desk",
            request_type="erasure",
            identifiers=[{"type": "user_id", "value": name}],
            requested_at=datetime.now(UTC),
        )
        row = json.loads(request.to_line(new_record_id()))
        values = [row[column] for column in columns]
        shop.warehouse.room.connection.execute(
            f"insert into raw.privacy_requests ({', '.join(columns)}) values ({', '.join('?' * len(columns))})",
            values,
        )


def test_a_changed_mapping_tells_everybody_again_in_the_new_words(shop):
    shop.wants(EVERYBODY)
    assert shop.run().is_complete
    shop.warehouse.fill(
        "sync_mappings",
        [{"sync_name": "to_tool", "attribute": "orders", "field": "ORDERS"}],
    )
    shop.redeclare(mapping_version=2)
    assert {change.reason for change in shop.plan()} == {"mapping_changed"}
    settles(shop, {name: {"ORDERS": 1} for name in EVERYBODY})


def test_a_warehouse_that_was_lost_is_rebuilt_and_tells_nobody_anything(shop):
    shop.wants(EVERYBODY)
    shop.run("ok", "lost", "partly")
    before = shop.plan()
    shop.warehouse.forget()
    assert shop.plan() == before
    settles(shop, EVERYBODY)
    shop.warehouse.forget()
    assert shop.plan() == []


def test_a_retired_sync_takes_back_everybody_it_put_there(shop):
    shop.wants(EVERYBODY)
    shop.run("ok", "applied_and_lost")
    shop.redeclare(state="retired", max_exit_percent=1, guard_floor=1)
    settles(shop, {})


def test_a_sync_that_was_led_elsewhere_is_refused_until_everybody_was_taken_back(
    shop, tmp_path
):
    elsewhere = Tool(tmp_path / "elsewhere.ndjson")
    elsewhere.name = "elsewhere"
    shop.wants(EVERYBODY)
    shop.run()
    shop.wants(FEWER)
    plan = shop.warehouse.plan(shop.sync)
    with pytest.raises(SyncImpossible, match=r"leads to elsewhere now, .* at tool"):
        shop.deliver(*plan, tool=elsewhere)
    assert elsewhere.asked == []
    settles(shop, FEWER)
    with pytest.raises(SyncImpossible, match="set its state to retired"):
        shop.deliver(*plan, tool=elsewhere)
    shop.redeclare(state="retired")
    settles(shop, {})
    shop.redeclare(state="active")
    plan = shop.warehouse.plan(shop.sync)
    assert shop.deliver(*plan, tool=elsewhere).is_complete
    assert elsewhere.held == FEWER


def test_a_merge_and_its_undoing_are_compensated(shop):
    shop.redeclare(recipient_type="profile_id")
    shop.wants({"cookie": {}, "user": {}})
    settles(shop, {"p_cookie": {}, "p_user": {}})
    leads_to(shop, p_cookie="p_user", p_user="p_user")
    shop.wants({"user": {}})
    assert [(c.recipient_key, c.reason) for c in shop.plan()] == [
        ("p_cookie", "merged")
    ]
    settles(shop, {"p_user": {}})
    leads_to(shop, p_cookie="p_cookie", p_user="p_user")
    shop.wants({"cookie": {}, "user": {}})
    settles(shop, {"p_cookie": {}, "p_user": {}})


def leads_to(shop: Shop, **ids: str) -> None:
    rows = [{"any_profile_id": old, "profile_id": new} for old, new in ids.items()]
    shop.warehouse.fill("dim_profile_ids", rows)


def test_an_event_is_told_once_whatever_happens_to_its_request(shop):
    shop.redeclare(mode="events")
    shop.wants(EVERYBODY)
    shop.run("lost", "applied_and_lost", "partly")
    assert shop.run_and_die("delivery.sent")
    assert shop.run().is_complete
    assert [name for name, _ in shop.tool.told] == sorted(EVERYBODY)
    shop.wants({})
    shop.wants(EVERYBODY)
    assert shop.plan() == []


def test_an_upsert_keeps_who_left_and_a_snapshot_tells_the_whole_list(tmp_path):
    for mode, told in (("upsert", 1), ("snapshot", 2)):
        shop = Shop(tmp_path / mode, mode=mode)
        shop.wants(people(0, 1))
        assert shop.run().is_complete
        shop.wants(people(1, 2))
        assert shop.run().is_complete
        assert sum(len(names) for names in shop.tool.asked if names != ["u000"]) == told
        left = people(0, 1, 2) if mode == "upsert" else people(1, 2)
        assert shop.tool.held == left
        assert shop.plan() == []
