"""Whoever is named in passing is found in bytes as in rows: random payloads, the sieve as the oracle."""

import random
import re
import string
from datetime import timedelta

import duckdb
import orjson
import pytest

from ingestion.landing import new_record_id
from orchestration.privacy import mentions
from orchestration.privacy.mentions import Mentions
from orchestration.privacy.sieve import Redact, Sieve
from orchestration.privacy.tombstones import Register, Tombstone, hashes_of
from orchestration.warehouse.schema import create_raw
from tests.landed import NOON, event

KEY = "k"
AT = NOON.replace(tzinfo=None)
LENGTHS = (31, 32, 33, 39, 40, 41, 63, 64, 65)
ENDS = ["x.de", "ü", "a.b@c", "", "x.de."]
FILLINGS = [
    '"',
    "\\",
    " ",
    ",",
    "(",
    "ü",
    "_",
    "-",
    "\n",
    "x",
    "",
    "?a=",
    "&",
    ".",
    "%",
]


def word(chance: random.Random) -> str:
    """Something that is a mention, or nearly."""
    kind = chance.randrange(4)
    if kind == 0:
        return "".join(chance.choices(string.hexdigits, k=chance.choice(LENGTHS)))
    if kind == 1:
        digits = "".join(chance.choices(string.digits, k=chance.randrange(6, 17)))
        return chance.choice(["+", "%2b", "%2B"]) + digits
    letters = chance.choices("abü.+-", k=chance.randrange(1, 5))
    return "".join(letters) + chance.choice(["@", "%40"]) + chance.choice(ENDS)


def some_text(chance: random.Random, words: list[str]) -> str:
    parts = chance.choices(words, k=chance.randrange(2))
    return "".join(
        f"{chance.choice(FILLINGS)}{p}{chance.choice(FILLINGS)}" for p in parts
    )


@pytest.mark.parametrize("seed", range(2))
def test_bytes_and_rows_name_the_same_people(seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(mentions, "BLOCK", chance.choice([50, 999, 1 << 20]))
    words = [word(chance) for _ in range(40)]
    records = [
        event(
            str(n),
            identifiers=[],
            received_at=NOON + timedelta(days=chance.randrange(-1, 2)),
            properties={"a": some_text(chance, words), "b": [some_text(chance, words)]},
            traits={"c": {"d": some_text(chance, words)}},
        )
        for n in range(200)
    ]
    lines = [record.to_line(new_record_id()) for record in records]
    forbidden = hashes_of(KEY, [], words=map(as_given, chance.sample(words, 20)))
    register = Register(KEY, (Tombstone("r", "erasure", AT, AT, forbidden),))
    said = {
        record: frozenset(change.values)
        for changes in in_rows(lines, register).values()
        for record, change in changes.items()
        if isinstance(change, Redact)
    }
    assert len(said) > 15
    assert Mentions(register).of(b"".join(lines)) == said


def as_given(word: str) -> str:
    """As an identifier would have it."""
    return re.sub("%2b", "+", word, flags=re.I).replace("%40", "@").rstrip(".")


def in_rows(lines: list[bytes], register: Register):
    """What the sieve says of the same records as rows of raw.events."""
    columns = ("record_id", "received_at", "properties", "traits")
    connection = duckdb.connect()
    create_raw(connection)
    for line in lines:
        row = orjson.loads(line)
        values = [
            orjson.dumps(row[c]).decode() if c in columns[2:] else row[c]
            for c in columns
        ]
        connection.execute(
            f"insert into raw.events ({', '.join(columns)}, _segment) values (?, ?, ?, ?, 's')",
            values,
        )
    return Sieve(connection, register).forbidden("events", "raw.events")


def test_a_text_without_anybody_says_so():
    register = Register(KEY, (Tombstone("r", "erasure", AT, AT, frozenset({"f"})),))
    for text in (b"", b"\n", b"@", b"+1", b"a" * 33, b'{"torn":"a@b.de\n'):
        assert Mentions(register).of(text) == {}
