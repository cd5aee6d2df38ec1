"""Activation: planning a million members with one percent of churn, and delivering changes to a webhook on loopback.

The limit of planning is one hash join of the two tables it compares, desired and delivered, told to count what it finds.
The limit of delivering is a bare loop over httpx that posts the same bodies to the same receiver, unsigned, with no
guard on where it connects and no record. Both limits do less than the product must; the ratios say what its promises
cost.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import httpx

from benchmarks.harness import Figure, Usage, dbt, measure, module
from ingestion.landing import LandingWriter
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.webhook import (
    WebhookDestination,
    WebhookSettings,
    _body,
)
from orchestration.warehouse.schema import SESSION

PLANNED = ("int_changes_planned", "activation_guards", "activation_changes")
PLANNING_TARGET = 3.0
DELIVERY_TARGET = 1.25
"""Four fifths of the throughput is five fourths of the time."""
SECRET = "whsec_" + "bWlsbHJhY2UtYmVuY2htYXJr"
BATCH = 100
SYNC = Sync(
    sync_name="bench",
    audience_name="crowd",
    destination="bench",
    mode="mirror",
    recipient_type="user_id",
    purpose="service",
    channel="any",
    mapping_version=1,
    max_exit_percent=30,
    max_enter_percent=200,
    guard_floor=50,
    may_be_empty=False,
    description="Of a benchmark.",
)


def planning(folder: Path, events: int, runs: int) -> Figure:
    """`events` members, of whom one percent changed, left or came."""
    seconds = _measured(folder, "plan", str(events), str(runs))
    return _figure(
        f"planning {events:,} members, 1 % churn : one hash join",
        seconds,
        PLANNING_TARGET,
    )


def delivery(folder: Path, events: int, runs: int) -> Figure:
    """A tenth of `events` changes, by the CPU they cost the sender."""
    return _delivery(folder, events, runs, "CPU s")


def delivery_time(folder: Path, events: int, runs: int) -> Figure:
    """The same by the clock: on a machine with other work it says more about that than about us."""
    return _delivery(folder, events, runs, "s of time")


def _delivery(folder: Path, events: int, runs: int, measured: str) -> Figure:
    changes = max(events // 10, BATCH)
    seconds = _measured(folder, DELIVERED[measured], str(changes), str(runs))
    return _figure(
        f"delivering {changes:,} changes : bare httpx loop, {measured}",
        seconds,
        DELIVERY_TARGET,
    )


DELIVERED = {"CPU s": "deliver", "s of time": "deliver_by_the_clock"}
FIGURES = {
    "activation_planning": planning,
    "activation_delivery": delivery,
    "activation_delivery_time": delivery_time,
}


def _measured(folder: Path, *arguments: str) -> tuple[Usage, list[list[float]]]:
    log = folder / "figure.log"
    usage = measure(module(__name__, str(folder), *arguments), log)
    lines = log.read_text().splitlines()
    return usage, [json.loads(line) for line in lines if line.startswith("[")]


def _figure(
    name: str, measured: tuple[Usage, list[list[float]]], target: float
) -> Figure:
    usage, pairs = measured
    ratios = sorted(subject / limit for subject, limit in pairs)
    subject, limit = (
        sorted(side)[len(pairs) // 2] for side in zip(*pairs, strict=True)
    )
    return Figure(
        name=name,
        unit="",
        subject=Usage(subject, usage.wall_seconds, usage.peak_mib),
        limit=Usage(limit, usage.wall_seconds, usage.peak_mib),
        ratio=ratios[len(ratios) // 2],
        spread=(ratios[0], ratios[-1]),
        target=target,
    )


def _plan(folder: Path, members: int, runs: int) -> None:
    dbt(folder, "compile", "--quiet", "--no-populate-cache", "--select", *PLANNED)
    compiled = {
        path.stem: path.read_text()
        for path in (folder / "target/compiled").rglob("activation/*.sql")
    }
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        _fill(connection, members)
        for _ in range(runs):
            started = time.process_time()
            for name in PLANNED:
                connection.execute(
                    f"create or replace table activation.{name} as {compiled[name]}"
                )
            planned = time.process_time() - started
            started = time.process_time()
            connection.execute(JOIN)
            print(json.dumps([planned, time.process_time() - started]), flush=True)
        ((changes,),) = connection.execute(
            "select count(*) from activation.activation_changes"
        ).fetchall()
    assert 0.005 * members < changes < 0.02 * members, changes


JOIN = """
create or replace table main.joined as
select desired.recipient_key, desired.payload_hash
from activation.int_sync_members as desired
full outer join activation.int_sync_delivered as delivered
    on desired.sync_name = delivered.sync_name
    and desired.recipient_key = delivered.recipient_key
where desired.payload_hash is distinct from delivered.payload_hash
"""


def _fill(connection: duckdb.DuckDBPyConnection, members: int) -> None:
    """Everybody was delivered once; since then one in 300 changed, one in 300 left and one in 300 came."""
    people = f"from range({members}) as r (i)"
    connection.execute(
        f"""
        create schema activation; create schema seeds; create schema staging;
        create schema identity; create schema journeys;
        create table seeds.syncs as select
            'bench' as sync_name, 'crowd' as audience_name, 'mirror' as mode, 'active' as state,
            'user_id' as recipient_type, 1::bigint as mapping_version, 30::bigint as max_exit_percent,
            200::bigint as max_enter_percent, 50::bigint as guard_floor, false as may_be_empty;
        create table activation.int_sync_members as select
            'bench' as sync_name, 'mirror' as mode, 'p_' || md5(i::varchar) as profile_id, '' as instance_key,
            'user_id' as recipient_type, 'user_' || i as recipient_key,
            json_object('orders', i % 7 + (i % 300 = 0)::int) as payload, sha256(payload::varchar) as payload_hash,
            1::bigint as mapping_version, null::varchar as reason
        {people} where i % 300 <> 1;
        create table activation.int_sync_delivered as select
            'bench' as sync_name, 'user_' || i as recipient_key, 'user_id' as recipient_type, recipient_key as handle,
            'p_' || md5(i::varchar) as profile_id, 'acked' as state, true as is_present, true as is_acked,
            false as is_resynced, false as is_pending, 1::bigint as mapping_version, 1::bigint as generation,
            sha256(json_object('orders', i % 7)::varchar) as payload_hash
        {people} where i % 300 <> 2;
        create table activation.int_recipient_consents as
            select sync_name, recipient_key, profile_id, null::varchar as obstacle from activation.int_sync_members;
        create table activation.fct_sync_attempts as select
            'bench' as sync_name, 'user_' || i as recipient_key, 'p_' || md5(i::varchar) as profile_id,
            'op_' || i as op_id, 'enter' as action, 0::bigint as generation, 'h' as payload_hash,
            1::bigint as mapping_version, 'delivered' as outcome
        {people};
        create table staging.stg_landing__deliveries as
            select 'bench' as sync_name, 'run' as kind, 'delivered' as outcome;
        create table identity.dim_profile_ids as
            select profile_id as any_profile_id, profile_id from activation.int_sync_members;
        create table journeys.int_journey_triggers as
            select *, recipient_key as handle, 0::bigint as generation, 'trigger' as action, '' as op_id,
            false as is_rejected, false as is_exempt from activation.int_sync_members where false;
        """
    )


def _deliver(
    folder: Path,
    changes: int,
    runs: int,
    seconds: Callable[[], float] = time.process_time,
) -> None:
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=_receive, args=(ports,), daemon=True)
    receiver.start()
    url = f"http://127.0.0.1:{ports.get()}/"
    plan = [_change(number) for number in range(changes)]
    for run in range(runs):
        started = seconds()
        _engine(SYNC, plan, url, folder / f"run{run}")
        delivered = seconds() - started
        started = seconds()
        _bare(SYNC, plan, url)
        print(json.dumps([delivered, seconds() - started]))
    receiver.terminate()
    receiver.join()


def _receive(ports: "multiprocessing.Queue[int]") -> None:
    """In a process of its own: a real receiver shares no interpreter with whoever sends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    ports.put(server.server_port)
    server.serve_forever()


def _engine(sync: Sync, plan: list[ActivationChange], url: str, folder: Path) -> None:
    settings = WebhookSettings(
        name="bench",
        kind="webhook",
        url=url,
        secret=SECRET,
        allow_loopback=("127.0.0.1",),
        batch_size=BATCH,
    )
    destination, landing = WebhookDestination(settings), folder / "landing"
    with LandingWriter(landing) as writer:
        summary = deliver(sync, destination, plan, writer, landing, ())
    destination.close()
    assert summary.delivered == len(plan), summary.sentence()


def _bare(sync: Sync, plan: Sequence[ActivationChange], url: str) -> None:
    with httpx.Client(trust_env=False) as client:
        for start in range(0, len(plan), BATCH):
            body = _body(sync, plan[start : start + BATCH])
            answer = client.post(url, content=body.encode())
            assert answer.status_code == 204


def _change(number: int) -> ActivationChange:
    return ActivationChange(
        sync_name=SYNC.sync_name,
        op_id=f"{number:064x}",
        action="enter",
        recipient_key=f"user_{number}",
        recipient_type="user_id",
        handle=f"user_{number}",
        profile_id=f"p_{number:032x}",
        payload={"order_count": number % 7, "last_order_date": "2026-01-01"},
        payload_hash=f"{number:064x}",
        mapping_version=1,
        generation=0,
        reason="member",
        is_blocked=False,
        blocked_by=None,
    )


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    _, where, what, size, times = sys.argv
    figures: dict[str, Callable[[Path, int, int], None]] = {
        "plan": _plan,
        "deliver": _deliver,
        "deliver_by_the_clock": partial(_deliver, seconds=time.monotonic),
    }
    figures[what](Path(where), int(size), int(times))
