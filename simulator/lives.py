"""Who comes when: a person's days, their visits, and the mails they open."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random

from simulator.calls import SHOP_URL, Call, mail_call
from simulator.catalogue import CAMPAIGNS, REFERRERS
from simulator.orders import viewed_products
from simulator.people import Person
from simulator.shopping import shopping
from simulator.visits import Shop, Visit, described, login

JUNK_USER_IDS = ("undefined", "null", "", "anonymous")


def life(shop: Shop, person: Person, seed: int) -> Iterator[Call]:
    """Everything one person does between the shop's start and its end."""
    random = Random(f"{seed}/life/{person.number}")
    if person.kind == "crm_only":
        return
    day = shop.start
    while day < shop.until:
        if random.random() < person.visits_per_day:
            at = day + timedelta(
                milliseconds=random.randrange(6 * 3600_000, 23 * 3600_000)
            )
            yield from visit(shop, person, random, at)
        day += timedelta(days=1)
    yield from _newsletters(shop, person, random)


def visit(shop: Shop, person: Person, random: Random, at: datetime) -> Iterator[Call]:
    campaign = random.choice(CAMPAIGNS) if random.random() < 0.4 else None
    referrer = (
        random.choice(REFERRERS) if campaign is None and random.random() < 0.5 else ""
    )
    device = random.choice(person.devices)
    here = Visit(shop, person, device, random, at, campaign, referrer)
    if campaign:
        key = f"{campaign.name}/{at:%Y-%m-%d}"
        shop.arrivals[key] = shop.arrivals.get(key, 0) + 1
    if not person.user_id and random.random() < 0.05:
        here.user_id = random.choice(JUNK_USER_IDS)
    yield here.browser("page", "Home", "/")
    if person.user_id and random.random() < 0.4:
        yield from login(here)
    viewed = viewed_products(random)
    for product in viewed:
        here.step(8, 150)
        path = f"/p/{product.product_id.lower()}"
        yield here.browser("page", product.name, path)
        yield here.browser(
            "track", "Product Viewed", path, properties=described(product)
        )
    if person.kind != "browser" and random.random() < 0.35:
        yield from shopping(here, viewed)
    elif random.random() < 0.04:
        yield from shopping(here, viewed, leave=True)


def _newsletters(shop: Shop, person: Person, random: Random) -> Iterator[Call]:
    """Opens and clicks of the weekly mail; the tool names people by address, one in four by its hash."""
    if not person.newsletter or person.kind == "browser":
        return
    identity = person.email if random.random() < 0.75 else hashed(person.email)
    week = shop.start
    while week < shop.until:
        at = week + timedelta(minutes=random.randrange(7 * 60, 60 * 60))
        week += timedelta(days=7)
        if random.random() > 0.4 or at >= shop.until:
            continue
        payload = {"campaign": "weekly", "subject": "New beans"}
        yield mail_call(
            shop.ids.next("mailing_tool"), "Email Opened", at, identity, payload
        )
        if random.random() < 0.3:
            clicked = at + timedelta(seconds=random.randrange(5, 90))
            link = {**payload, "url": f"{SHOP_URL}/new"}
            yield mail_call(
                shop.ids.next("mailing_tool"),
                "Email Link Clicked",
                clicked,
                identity,
                link,
            )


def hashed(email: str) -> str:
    """The address as a mailing tool passes it on."""
    return sha256(email.strip().lower().encode()).hexdigest()
