"""Consent as the rules say it, one statement after the other: latest wins, a denial wins ties, no guesses.

Shares nothing with the models; the words are those that people.py uses.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MEANS = {
    "granted": "granted",
    "yes": "granted",
    "true": "granted",
    "denied": "denied",
    "no": "denied",
    "false": "denied",
    "pending": "undecided",
}
PURPOSES = {"marketing": "marketing", "newsletter": "marketing", "ads": "advertising"}
STRENGTH = ["user_id", "email", "phone", "anonymous_id"]
NOT_FOR_MAIL = ("sms", "phone", "voice", "whatsapp")

Contact = tuple[str, str]
Key = tuple[str, str, str, str]


class Word(NamedTuple):
    """One statement about one contact point."""

    occurred_at: str
    record_id: str
    contact: Contact
    purpose: str
    channel: str
    state: str
    is_undated: bool


def standing(words: Iterable[Word]) -> dict[Key, tuple[str, str]]:
    """(contact, purpose, channel) → the state that stands and the record that began it."""
    by_topic: dict[tuple[Contact, str], list[Word]] = defaultdict(list)
    for word in words:
        by_topic[word.contact, word.purpose].append(word)
    states: dict[Key, tuple[str, str]] = {}
    for said in by_topic.values():
        for word in sorted(
            said, key=lambda w: (w.occurred_at, w.state == "denied", w.record_id)
        ):
            if word.state == "undecided" or _is_overruled(word, said):
                continue
            key = (*word.contact, word.purpose, word.channel)
            if key not in states or states[key][0] != word.state:
                states[key] = (word.state, word.record_id)
    return states


def _is_overruled(word: Word, said: list[Word]) -> bool:
    """A grant of unknown age counts for nothing once there was a denial."""
    return word.is_undated and any(
        other.state == "denied"
        and other.occurred_at <= word.occurred_at
        and (other.channel == word.channel or "all" in (other.channel, word.channel))
        for other in said
    )


def words_of_event(event: dict[str, Any]) -> Iterator[Word]:
    said = set(_envelope(event.get("consent") or {}))
    properties = event.get("properties", {})
    if event.get("name") == "consent_updated":
        said.add(
            (properties["purpose"], properties["channel"], str(properties["status"]))
        )
    if event.get("name") == "Email Bounced" and properties["kind"] == "hard":
        said.add(("marketing", "email", "denied"))
    given = [(one["type"], one["value"]) for one in event["identifiers"]]
    named = properties.get("contact")
    found = set()
    for sent_purpose, sent_channel, status in said:
        is_named = named and event.get("name") == "consent_updated"
        purpose, state = PURPOSES.get(sent_purpose.lower()), MEANS.get(status.lower())
        channel = _channel(sent_channel)
        if purpose and state:
            reached = (
                [("email", named.strip().lower())]
                if is_named
                else _reached(given, channel)
            )
            found |= {(contact, purpose, channel, state) for contact in reached}
    for contact, purpose, channel, state in found:
        yield Word(
            event["occurred_at"],
            event["record_id"],
            contact,
            purpose,
            channel,
            state,
            False,
        )


def words_of_row(versions: list[dict[str, Any]]) -> Iterator[Word]:
    """The words of one extract row over its versions: each column speaks when it changes."""
    before: dict[str, str | None] = {}
    for row in versions:
        if row["op"] == "delete":
            continue
        said: dict[tuple[str, str], bool] = {}
        for column, status in row["consent"].items():
            state = MEANS.get(str(status).lower())
            previous, repeated = before.get(column), column in before
            before[column] = state
            purpose = PURPOSES.get(column.lower())
            if not purpose or not state or (repeated and state == previous):
                continue
            is_undated = state == "granted" and previous is None
            said[purpose, state] = said.get((purpose, state), False) or is_undated
        given = [(one["type"], one["value"]) for one in row["identifiers"]]
        for (purpose, state), is_undated in said.items():
            for contact in _reached(given, "all"):
                yield Word(
                    row["observed_at"],
                    row["record_id"],
                    contact,
                    purpose,
                    "all",
                    state,
                    is_undated,
                )


def _envelope(consent: dict[str, Any]) -> Iterator[tuple[str, str | None, str]]:
    for purpose, status in consent.get("categoryPreferences", consent).items():
        if isinstance(status, dict):
            for channel, word in status.items():
                yield purpose, channel, str(word)
        elif status is not None:
            yield purpose, None, str(status)


def _channel(sent: str | None) -> str:
    return (sent or "all").lower().replace("-", "")


def _reached(given: list[Contact], channel: str) -> list[Contact]:
    """The contact points the channel reaches, else the strongest identifier."""
    fitting = [
        (kind, value)
        for kind, value in given
        if (kind == "email" and channel not in NOT_FOR_MAIL)
        or (kind == "phone" and channel != "email")
    ]
    return fitting or [min(given, key=lambda contact: STRENGTH.index(contact[0]))]
