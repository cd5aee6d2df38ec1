"""Journeys against an oracle: random people, occasions and nights, looked at at random moments, some of them twice."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.integration.journey_oracle import Candidate, Judge, World
from tests.integration.journeys import JourneyRoom, a_journey

START = datetime(2026, 3, 27, 9)  # two days before the clocks of Berlin go forward
PUBLIC = (
    "journeys.fct_journey_decisions",
    "journeys.fct_journey_instances",
    "observability.obs_trigger_funnel",
)


def some_journeys(dice: random.Random):
    """Two journeys for the same trigger, strict in different ways."""
    for name in ("first", "second"):
        fields = {
            "reentry": dice.choice(["never", "after exit", "after 1d", "always"]),
            "caps": dice.choice([{}, {"24h": 1}, {"24h": 2, "7d": 3}]),
            "exits": {
                "events": ["order_completed"],
                "after": dice.choice(["6h", "3d"]),
            },
            "per_hour": dice.choice([None, 1, 2]),
            "purpose": dice.choice(["service", "marketing"]),
            "exclude": dice.choice([[], ["buyers"]]),
            "suppress": dice.choice([[], ["staff"]]),
            "holdout_percent": dice.choice([0, 30]),
            "max_age": dice.choice(["12h", "2d"]),
        }
        zones = {"default": "Europe/Berlin", "attribute": "time_zone"}
        if dice.random() < 0.6:
            fields["quiet_hours"] = {
                "from": dice.choice(["21:00", "12:00"]),
                "until": dice.choice(["08:00", "14:30"]),
                "time_zone": zones,
            }
        yield a_journey(name, **fields)


class Town:
    """The same town twice: as tables and as the oracle's world."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        journeys = list(some_journeys(self.dice))
        self.room, self.judge = JourneyRoom(*journeys), Judge(journeys)
        self.world, self.now = World(), START
        self.names = ["ann", "bob", "cem", "dia", "eve"]
        for name in self.names:
            self._move_in(name)

    def _move_in(self, name: str) -> None:
        address = {"cem": "shared@x.example", "dia": "shared@x.example", "eve": None}
        email = address.get(name, f"{name}@x.example")
        self.room.person(name, email=email)
        self.world.canonical[name] = name
        self.world.emails[name] = email
        if zone := {"bob": "America/New_York", "cem": "Asia/Kolkata"}.get(name):
            self.world.zones[name] = zone
            row = {"profile_id": name, "path": "time_zone", "value_text": zone}
            self.room.insert("profiles.int_profile_attributes", [row])

    def live(self, steps: int) -> Iterator[None]:
        happenings = [
            *([self.an_occasion] * 5),
            *(self.an_order, self.a_word_of_consent, self.a_membership),
            *(self.a_name_for_a_stranger, self.a_merge, self.an_end_of_asking),
        ]
        for _ in range(steps):
            for _ in range(self.dice.randrange(4)):
                self.dice.choice(happenings)()
            self.look()
            yield
            self.now += timedelta(minutes=self.dice.choice([0, 1, 20, 61, 300, 800]))

    def look(self) -> None:
        """Both decide; a part of what is to be told arrives."""
        told = self.room.decide(self.now.isoformat())
        expected = self.judge.decide(self.world, self.now)
        assert told == {f"{journey} {key}": o for (journey, key), o in expected.items()}
        outcome = self.dice.choice(["delivered", "delivered", "retry", "unknown"])
        due = self.room.ask("select op_id from journeys.int_journey_triggers")
        keys = self.room.ask(
            "select journey, candidate_id from journeys.int_journey_triggers as due"
            " inner join raw.journey_decisions as entered on due.sync_name = entered.journey and outcome = 'entered'"
            " and sha256(journey || '|' || instance_key || '|' || entered.recipient_key) = due.op_id"
        )
        assert len(keys) == len(due) == len(set(due))
        self.room.deliver(outcome)
        if outcome == "delivered":
            self.judge.arrived |= {(row[0], row[1].partition(":")[2]) for row in keys}

    def an_occasion(self) -> None:
        number = len(self.world.candidates)
        person = self.dice.choice([*self.names, None])
        name = person and self.world.canonical[person]
        cart = self.dice.choice("abc")
        at = self.now - timedelta(minutes=self.dice.randrange(90))
        key = f"{number:03}"
        self.room.emit(key, name, at.isoformat(), cart_id=cart)
        for journey in self.judge.journeys:
            self.world.candidates.append(Candidate(journey, key, person, cart, at))

    def an_order(self) -> None:
        person = self.world.canonical[self.dice.choice(self.names)]
        at = self.now - timedelta(minutes=self.dice.randrange(60))
        row = {
            "profile_id": person,
            "canonical_name": "order_completed",
            "occurred_at": at,
        }
        self.room.insert("identity.fct_profile_events", [row])
        self.world.happened.append((person, "order_completed", at))

    def a_word_of_consent(self) -> None:
        email = self.world.emails[self.dice.choice(self.names)]
        state = self.dice.choice(["granted", "granted", "denied"])
        if email:
            self.world.consents[email] = state
            self.room.run(
                f"delete from profiles.dim_consents where contact_value = '{email}'"
            )
            row = {
                "contact_type": "email",
                "contact_value": email,
                "purpose": "marketing",
                "channel": "all",
                "state": state,
            }
            self.room.insert("profiles.dim_consents", [row])

    def a_membership(self) -> None:
        person = self.world.canonical[self.dice.choice(self.names)]
        audience = self.dice.choice(["buyers", "staff"])
        self.world.members ^= {(audience, person)}
        self.room.run("delete from audiences.fct_audience_members")
        rows = [{"audience_name": a, "profile_id": p} for a, p in self.world.members]
        self.room.insert("audiences.fct_audience_members", rows)

    def a_name_for_a_stranger(self) -> None:
        unknown = [c for c in self.world.candidates if c.person is None]
        if not unknown:
            return
        key, person = self.dice.choice(unknown).key, self.dice.choice(self.names)
        for each in unknown:
            if each.key == key:
                each.person = person
        self.room.run(
            f"update journeys.fct_trigger_emissions set profile_id = '{self.world.canonical[person]}' where trigger_key = '{key}'"
        )

    def a_merge(self) -> None:
        if self.dice.random() < 0.7 or len(self.names) < 4:
            return
        old, new = "bob", "ann"
        if self.world.canonical[old] == new:
            return
        self.world.canonical[old] = new
        self.names.remove(old)
        self.judge.merged(old, new)
        self.world.members = {(a, p) for a, p in self.world.members if p != old}
        self.room.run(
            f"delete from audiences.fct_audience_members where profile_id = '{old}'"
        )
        self.room.run(f"delete from profiles.dim_profiles where profile_id = '{old}'")
        self.room.run(
            f"delete from profiles.int_profile_attributes where profile_id = '{old}'"
        )
        for table in (
            "identity.dim_profile_ids",
            "identity.dim_identifiers",
            "identity.fct_profile_events",
            "journeys.fct_trigger_emissions",
        ):
            self.room.run(
                f"update {table} set profile_id = '{new}' where profile_id = '{old}'"
            )

    def an_end_of_asking(self) -> None:
        """The warehouse no longer computes a trigger."""
        if not self.world.candidates or self.dice.random() < 0.5:
            return
        key = self.dice.choice(self.world.candidates).key
        mine = [c for c in self.world.candidates if c.key == key]
        if any(
            (c.journey, c.key) not in self.judge.outcomes or c.person is None
            for c in mine
        ):
            return
        for each in mine:
            each.asks = False
        self.room.run(
            f"delete from journeys.fct_trigger_emissions where trigger_key = '{key}'"
        )


def tables(room: JourneyRoom) -> list[list[tuple]]:
    return [room.ask(f"select * from {name} order by all") for name in PUBLIC]


def lives_through(seed: int, steps: int) -> set[str]:
    """Every outcome that was decided, after the balance and a rebuild were compared."""
    town = Town(seed)
    for _ in town.live(steps):
        pass
    room, now = town.room, town.now.isoformat()
    room.decide(now)
    room.look(now)
    before = tables(room)
    assert room.ask("select * from journeys.journey_decisions_pending") == []
    assert room.unbalanced() == []
    room.rebuild(now)
    assert tables(room) == before
    return {
        outcome
        for (outcome,) in room.ask("select distinct outcome from raw.journey_decisions")
    }


@pytest.mark.parametrize("seed", [7])
def test_decisions_are_those_of_the_oracle_whenever_one_looks(seed):
    assert len(lives_through(seed, steps=14)) >= 6


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_towns_decide_like_the_oracle(seed):
    lives_through(seed, steps=25)
