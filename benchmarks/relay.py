"""The relay: how long from a landed trigger to its noted delivery, first alone, then while one refresh after the other runs.

`python -m benchmarks.relay [--people N] [--events N] [--seconds S]`. A shop's events are the history; the triggers are
those of further people, a few a second at random moments. The destination is a webhook receiver on loopback.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from benchmarks.harness import machine
from ingestion.contracts import Event
from ingestion.landing import LandingWriter, read_tail
from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.journeys.last_word import op_id_of
from orchestration.realtime import relayed
from simulator.bulk import write_segments
from simulator.receiver import Receiver

SECONDS_BETWEEN = 0.5
SETTLE_SECONDS = 15.0
JOURNEY = {
    "name": "recovery",
    "description": "Reminds people of a cart.",
    "owner": "benchmarks",
    "entry": {"trigger": "cart_abandoned"},
    "instance_key": ["cart_id"],
    "purpose": "service",
    "recipient": "email",
    "reentry": "always",
    "exits": {"events": ["order_completed"], "after": "7d"},
    "caps": {"7d": 5},
    "max_age": "2d",
    "destination": "tool",
    "payload": {"trigger": ["cart_value"]},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relay", description=__doc__
    )
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--loop", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        for _ in relayed(Settings(), 3600):
            pass
        return
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        home = prepared(Path(folder), receiver)
        write_segments(home.landing, arguments.events)
        greet(home, arguments.people)
        refresh(home)
        print(machine())
        with running("-m", "benchmarks.relay", "--loop"):
            time.sleep(SETTLE_SECONDS)
            alone = triggers(home, "alone", arguments.people, arguments.seconds / 3)
            time.sleep(SETTLE_SECONDS)
            with refreshes(home) as count:
                beside = triggers(home, "beside", arguments.people, arguments.seconds)
                time.sleep(SETTLE_SECONDS)
        delivered = deliveries(home)
        report("alone", alone, delivered)
        report(f"beside {len(count)} refreshes", beside, delivered)


def prepared(folder: Path, receiver: Receiver) -> Settings:
    """A platform's folders and declarations; the environment names them for every process that is started."""
    for name in ("sources", "journeys"):
        (folder / name).mkdir()
    for source in ("web_shop", "shop_backend", "mailing_tool", "caller"):
        said = {
            "source_id": source,
            "kind": "events",
            "description": "A benchmark's.",
            "owner": "benchmarks",
        }
        (folder / "sources" / f"{source}.yml").write_text(yaml.safe_dump(said))
    (folder / "journeys" / "recovery.yml").write_text(yaml.safe_dump(JOURNEY))
    tool = {
        "name": "tool",
        "kind": "webhook",
        "url": receiver.url,
        "secret": receiver.secret,
        "allow_loopback": ["127.0.0.1"],
    }
    syncs = [{**tool, "name": name} for name in ("tool", "webhook", "files")]
    (folder / "destinations.yml").write_text(yaml.safe_dump({"destinations": syncs}))
    os.environ |= {
        "MILLRACE_HOME": str(folder / "home"),
        "MILLRACE_SOURCES_DIR": str(folder / "sources"),
        "MILLRACE_JOURNEYS_DIR": str(folder / "journeys"),
        "MILLRACE_DESTINATIONS_FILE": str(folder / "destinations.yml"),
    }
    return Settings()


def greet(home: Settings, people: int) -> None:
    """Everybody tells who they are, so that the first read copy knows them."""
    with LandingWriter(home.landing) as writer:
        writer.land([said(n, "identify", "identify", {}) for n in range(people)])


def triggers(
    home: Settings, phase: str, people: int, seconds: float
) -> dict[str, datetime]:
    """Land triggers for so long; operation → when it was landed."""
    dice = random.Random(7)
    landed: dict[str, datetime] = {}
    ends_at = time.monotonic() + seconds
    with LandingWriter(home.landing) as writer:
        while time.monotonic() < ends_at:
            person, cart = dice.randrange(people), f"{phase} {len(landed)}"
            properties = {"cart_id": cart, "cart_value": 12.5, "currency": "EUR"}
            event = said(person, cart, "cart_abandoned", properties)
            writer.land([event])
            operation = {
                "journey": "recovery",
                "instance_key": cart,
                "recipient_key": f"p{person}@x.example",
            }
            landed[op_id_of(operation)] = event.received_at
            time.sleep(dice.uniform(0, 2 * SECONDS_BETWEEN))
    return landed


def said(person: int, event_id: str, name: str, properties: dict[str, object]) -> Event:
    now = datetime.now(UTC)
    is_trigger = name != "identify"
    email = {"type": "email", "value": f"p{person}@x.example"}
    return Event(
        source_id="caller",
        received_at=now,
        contract=f"trigger/{name}" if is_trigger else "event",
        event_id=f"{event_id} {person}",
        type="track" if is_trigger else "identify",
        name=name,
        occurred_at=now if is_trigger else now - timedelta(hours=1),
        identifiers=[
            email,
            *([] if is_trigger else [{"type": "user_id", "value": f"p{person}"}]),
        ],
        properties=properties,
        channel="server",
        shape="trigger" if is_trigger else "segment",
    )


def refresh(home: Settings) -> None:
    command = [sys.executable, "-m", "orchestration.run", "--job", "refresh"]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])


@contextmanager
def refreshes(home: Settings) -> Iterator[list[int]]:
    """One refresh after the other, each with something to do; the list grows by one for each that ended."""
    stop, count = threading.Event(), list[int]()

    def go_on() -> None:
        while not stop.is_set():
            write_segments(home.landing, 1_000, seed=100 + len(count))
            refresh(home)
            count.append(len(count))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()


@contextmanager
def running(*arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=PROJECT_ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def deliveries(home: Settings) -> dict[str, datetime]:
    """Operation → when its delivery was noted."""
    rows = read_tail(home.landing, "deliveries", set())
    return {
        row["op_id"]: datetime.fromisoformat(row["at"])
        for row in rows
        if row["outcome"] == "delivered"
    }


def report(
    name: str, landed: dict[str, datetime], delivered: dict[str, datetime]
) -> None:
    took = sorted(
        (delivered[op] - at).total_seconds()
        for op, at in landed.items()
        if op in delivered
    )
    p95 = took[int(len(took) * 0.95)]
    print(
        f"{name}: {len(landed)} triggers, {len(took)} delivered by the relay; "
        f"median {statistics.median(took):.2f} s, p95 {p95:.2f} s, longest {took[-1]:.2f} s"
    )


if __name__ == "__main__":
    main()
