"""Who there is: people, their devices, and what makes their data hard.

What they do is lives.py; how it reaches the platform is calls.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

FIRST_NAMES = (
    "Anna", "Ben", "Clara", "David", "Elif", "Felix", "Greta", "Hannes", "Ida", "Jonas",
    "Katja", "Levent", "Mia", "Noah", "Olga", "Paul", "Quirin", "Rosa", "Sami", "Tereza",
)  # fmt: skip
LAST_NAMES = (
    "Arnold", "Bauer", "Cordes", "Demir", "Engel", "Fischer", "Graf", "Hoffmann", "Ivanova",
    "Jansen", "Keller", "Lorenz", "Meyer", "Novak", "Otto", "Peters", "Richter", "Sommer",
)  # fmt: skip
CITIES = (
    ("Hamburg", "DE", "de"),
    ("Berlin", "DE", "de"),
    ("Leipzig", "DE", "de"),
    ("Wien", "AT", "de"),
    ("Zürich", "CH", "de"),
    ("Rotterdam", "NL", "nl"),
)
AGENTS = {
    "desktop": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "phone": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1 Mobile Safari/604.1",
    "tablet": "Mozilla/5.0 (Linux; Android 16; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
}

Kind = Literal["member", "guest", "browser", "crm_only"]
KINDS: tuple[Kind, ...] = ("member", "guest", "browser", "crm_only")
KIND_WEIGHTS = (50, 12, 28, 10)


@dataclass(frozen=True)
class Device:
    """A browser. `skew` is how far its clock runs ahead; such a device says when it sent."""

    anonymous_id: str
    form: str
    skew: timedelta = timedelta(0)


@dataclass(frozen=True)
class Person:
    number: int
    kind: Kind
    first_name: str
    last_name: str
    city: str
    country: str
    language: str
    email: str
    phone: str
    user_id: str  # empty for people without an account
    crm_id: str  # empty for people the CRM doesn't know
    since: datetime
    devices: tuple[Device, ...]
    visits_per_day: float
    newsletter: bool
    subscribes: bool


def population(
    seed: int, namespace: str, count: int, start: datetime, days: int
) -> list[Person]:
    """`count` people; the same for the same arguments. Every id of theirs contains the namespace."""
    people = list(_individuals(Random(f"{seed}/people"), namespace, count, start, days))
    return _with_shared_tablets(people, namespace)


def _individuals(
    random: Random, namespace: str, count: int, start: datetime, days: int
) -> Iterator[Person]:
    for number in range(1, count + 1):
        kind = random.choices(KINDS, KIND_WEIGHTS)[0]
        city, country, language = random.choice(CITIES)
        first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
        devices = _devices(random, namespace, number)
        known = kind == "crm_only" or (kind == "member" and random.random() < 0.8)
        yield Person(
            number=number,
            kind=kind,
            first_name=first,
            last_name=last,
            city=city,
            country=country,
            language=language,
            email=f"{first}.{last}{number}.{namespace}@example.com".lower(),
            phone=f"+4915{namespace}{number:03d}" if random.random() < 0.6 else "",
            user_id=f"u-{namespace}-{number:04d}" if kind == "member" else "",
            crm_id=f"C-{namespace}-{number:04d}" if known else "",
            since=start + timedelta(seconds=random.randrange(days * 86400)) * 0.6,
            devices=devices,
            visits_per_day=random.choice((0.03, 0.06, 0.12, 0.3)),
            newsletter=random.random() < 0.45,
            subscribes=kind == "member" and random.random() < 0.12,
        )


def _devices(random: Random, namespace: str, number: int) -> tuple[Device, ...]:
    """One to three browsers; about one in thirty has a clock that is hours off."""
    return tuple(
        Device(
            anonymous_id=f"a-{namespace}-{number:04d}-{place}",
            form=random.choice(tuple(AGENTS)),
            skew=timedelta(hours=random.choice((-2, 3, 11)))
            if random.random() < 0.03
            else timedelta(0),
        )
        for place in range(1, random.choices((1, 2, 3), (55, 35, 10))[0] + 1)
    )


def _with_shared_tablets(people: list[Person], namespace: str) -> list[Person]:
    """Every twelfth member and the next one are a household with one tablet between them."""
    members = [person for person in people if person.kind == "member"]
    shared: dict[int, Device] = {}
    for place in range(0, len(members) - 1, 12):
        pair = members[place : place + 2]
        tablet = Device(f"a-{namespace}-family-{pair[0].number:04d}", "tablet")
        shared |= {person.number: tablet for person in pair}
    return [
        _at_home(person, shared[person.number]) if person.number in shared else person
        for person in people
    ]


def _at_home(person: Person, tablet: Device) -> Person:
    """The tablet lies on the sofa: every other visit is made on it."""
    return replace(
        person,
        devices=(person.devices[0], tablet),
        visits_per_day=max(person.visits_per_day, 0.12),
    )
