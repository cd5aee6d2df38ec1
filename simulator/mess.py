"""What goes wrong on the way: duplicates, late and disordered arrival, a kiosk that lends its e-mail to everybody.

Every function is deterministic for the random generator it is handed.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from simulator.calls import Call, Ids, browser_call
from simulator.people import Device, Person

KIOSK_EMAIL = "kiosk@shop.example"
KIOSK_COOKIES = 30


def arrivals(calls: list[Call], seed: int) -> list[Call]:
    """The calls in the order they arrive: some late by days, neighbours swapped, some sent twice or thrice."""
    random = Random(f"{seed}/arrivals")
    sent = [copy for call in calls for copy in _copies(call, random)]
    return sorted(sent, key=lambda call: (call.arrives_at, str(call.body)))


def _copies(call: Call, random: Random) -> Iterator[Call]:
    chance = random.random()
    if chance < 0.03:
        wait = timedelta(hours=random.uniform(1, 72))
    else:
        wait = timedelta(seconds=random.uniform(0, 20))
    first = replace(call, arrives_at=call.at + wait)
    yield first
    if random.random() < 0.02:
        for _ in range(random.choice((1, 1, 2))):
            again = timedelta(seconds=random.choice((1, 30, 7200)))
            yield replace(call, arrives_at=first.arrives_at + again)


def kiosk(
    ids: Ids,
    namespace: str,
    members: list[Person],
    seed: int,
    start: datetime,
    until: datetime,
) -> Iterator[Call]:
    """A terminal in the store: every visit a new cookie, everybody types the shop's own address, some log in."""
    random = Random(f"{seed}/kiosk")
    minutes = int((until - start).total_seconds() // 60)
    for number in range(1, KIOSK_COOKIES + 1):
        device = Device(f"a-{namespace}-kiosk-{number:03d}", "tablet")
        at = start + timedelta(minutes=random.randrange(minutes - 10))
        user_id = (
            random.choice(members).user_id if members and number % 3 == 0 else None
        )
        yield browser_call(
            ids.next("web_shop"), "page", "Kiosk", at, device, user_id=user_id
        )
        yield browser_call(
            ids.next("web_shop"),
            "identify",
            None,
            at + timedelta(minutes=1),
            device,
            user_id=user_id,
            traits={"email": KIOSK_EMAIL},
        )


def crawler(ids: Ids, namespace: str, start: datetime) -> Iterator[Call]:
    """A robot that reads the shop from end to end, a page a second."""
    agent = "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/)"
    device = Device(f"a-{namespace}-crawler", agent)
    for second in range(60):
        at = start + timedelta(hours=3, seconds=second)
        yield browser_call(ids.next("web_shop"), "page", "Crawled", at, device)
