"""Who is named in somebody else's record: by address, by number in E.164, by the hash of either. Read off the bytes.

The sieve asks the same of rows, by the same expression, and a test holds both to one answer. Here it is asked of whole
landing zones, where a look at each byte is all that can be afforded: memchr finds the signs, numpy the digits of hashes,
and only the texts around them are read.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import orjson
from numpy.typing import NDArray

from orchestration.privacy.sieve import MENTION
from orchestration.privacy.tombstones import WORD, Register, hashed

# Bytes that are looked at together. Reason: the second look finds them in the processor's cache. Valid: a line and up.
BLOCK = 1 << 20
# Texts whose answer is kept, because senders repeat themselves. Valid: 0 and up.
KEPT = 100_000
# No word is read that begins further from its sign. Valid: 254, the longest address of RFC 5321, and up.
REACH = 4096

_MENTION = re.compile(MENTION.encode())
# Every run of 32 digits holds four places that are multiples of this, one after the other; what is between them is looked
# at only where all four are digits.
_STEP = 8
_BETWEEN = (4, 12, 20, 2)
_SHORTEST = 32

Bytes = NDArray[np.uint8]


class Mentions:
    """The erased people of a register, as texts may name them."""

    def __init__(self, register: Register) -> None:
        self._key = register.key
        self._drawn: dict[str, datetime] = {}
        for each in register.tombstones:
            if each.kind == "erasure":
                for tombstone in each.hashes:
                    known = self._drawn.get(tombstone, each.at)
                    self._drawn[tombstone] = max(known, each.at)
        self._kept: dict[bytes, list[tuple[str, datetime]]] = {}

    def of(self, text: bytes) -> dict[str, set[str]]:
        """Record → words in it that name somebody who was erased after it was received."""
        found: dict[str, set[str]] = defaultdict(set)
        if not self._drawn:
            return found
        for place, said in texts(text):
            for word, drawn_at in self._forbidden(said):
                record = _record_around(text, place)
                if record is not None and _moment(record["received_at"]) <= drawn_at:
                    found[str(record["record_id"])].add(word)
        return found

    def _forbidden(self, said: bytes) -> list[tuple[str, datetime]]:
        """The words in a text that the register forbids, each with the time until which it does."""
        if (kept := self._kept.get(said)) is not None:
            return kept
        words = (word.decode("utf-8", "replace") for word in _MENTION.findall(said))
        hashes = ((word, hashed(self._key, WORD, _form(word))) for word in words)
        found = [(word, self._drawn[h]) for word, h in hashes if h in self._drawn]
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[said] = found
        return found


def texts(text: bytes) -> Iterator[tuple[int, bytes]]:
    """What stands between quotes around each sign of a mention, and where the sign is. No word reaches beyond quotes."""
    for start in range(0, len(text), BLOCK):
        end = min(start + BLOCK, len(text))
        for places in (
            _places(text, b"@", start, end),
            _places(text, b"+", start, end),
            _places(text, b"%", start, end),
            _digits(text, start, end),
        ):
            done = 0
            for at in places:
                if at < done:
                    continue
                begin = text.rfind(b'"', max(0, at - REACH), at) + 1
                done = text.find(b'"', at)
                done = len(text) if done < 0 else done
                yield at, text[begin or max(0, at - REACH) : done]


def _form(word: str) -> str:
    """As the sieve has it: outside of URLs, without the end of a sentence."""
    return word.rstrip(".").lower().replace("%40", "@").replace("%2b", "+")


def _places(text: bytes, sign: bytes, start: int, end: int) -> Iterator[int]:
    at = text.find(sign, start, end)
    while at >= 0:
        yield at
        at = text.find(sign, at + 1, end)


def _digits(text: bytes, start: int, end: int) -> list[int]:
    """Places within what may be a hash: a run of hexadecimal digits, though not all of them were looked at."""
    size = min(end + _SHORTEST, len(text)) - start
    block = np.frombuffer(text, np.uint8, count=size, offset=start)
    sampled = _is_hex(np.ascontiguousarray(block[::_STEP]))
    pairs = sampled[:-1] & sampled[1:]
    likely = np.flatnonzero(pairs[:-2] & pairs[2:]) * _STEP
    for between in _BETWEEN:
        likely = likely[_is_hex(block[likely + between])]
    return (likely + start).tolist()


def _is_hex(characters: Bytes) -> NDArray[np.bool_]:
    """By arithmetic on bytes: a table would turn each into an index of eight."""
    digits = characters - np.uint8(ord("0"))
    letters = (characters | np.uint8(32)) - np.uint8(ord("a"))
    return (digits < 10) | (letters < 6)


def _record_around(text: bytes, place: int) -> dict[str, str] | None:
    """The line there, if it is a record."""
    start, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
    try:
        record = orjson.loads(text[start : end if end >= 0 else len(text)])
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and "received_at" in record else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
