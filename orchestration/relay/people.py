"""Whom a trigger is about, as the copy knows it, and whether the tail could have changed anything about them.

In doubt nobody is named: then the refresh decides, which sees everything.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import orjson

from orchestration.relay.copy import Copy
from orchestration.relay.news import News, plain
from orchestration.relay.tail import Row
from orchestration.warehouse.phones import e164

Identifier = tuple[str, str]


class People:
    """The people of one copy, asked about for many triggers at once."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._same_as = dict(
            copy.ask(
                "select identifier_type, same_as from seeds.identifier_types where same_as is not null"
            )
        )
        self._regions = dict(
            copy.ask("select source_id, default_region from raw.sources")
        )

    def of(self, triggers: Iterable[Row]) -> list[dict[str, Any]]:
        """The triggers whose person is beyond doubt by the copy, as rows of fct_trigger_emissions."""
        named = [(row, self._normal(row)) for row in triggers]
        wanted = sorted({each for _, identifiers in named for each in identifiers})
        owners = self._owners(wanted)
        emissions = []
        for row, identifiers in named:
            found = {owners.get(each) for each in identifiers}
            if len(found) == 1 and (profile_id := found.pop()):
                emissions.append(_emission(row, profile_id))
        return emissions

    def beyond_doubt(self, profiles: Iterable[str], news: News) -> set[str]:
        """Those of whom the tail says nothing that could change an answer, and whom more than triggers speak of."""
        wanted = sorted(set(profiles))
        if not wanted:
            return set()
        values: dict[str, set[str]] = defaultdict(set)
        for profile_id, value in self._copy.ask(
            "select profile_id, identifier_value from identity.dim_identifiers where profile_id in (select unnest(?))",
            wanted,
        ):
            values[profile_id].add(plain(value))
        return {
            profile_id
            for profile_id in self._spoken_of(wanted)
            if self._is_unchanged(values[profile_id], news)
        }

    def _is_unchanged(self, own: set[str], news: News) -> bool:
        around = news.around(own)
        if around & news.touched:
            return False
        strangers = around - own
        if not all(news.is_device(value) for value in strangers):
            return False
        # A new device is only one device more; one that somebody else is known by makes two people one.
        spelled = sorted({s for value in strangers for s in news.spellings[value]})
        return not self._owners(spelled)

    def _owners(self, identifiers: list[Identifier]) -> dict[Identifier, str]:
        """Identifier → profile, of those that the copy knows and that are nobody else's."""
        if not identifiers:
            return {}
        rows = self._copy.ask(
            "select identifier_type, identifier_value, case when is_shared then '' else profile_id end"
            " from identity.dim_identifiers inner join (select unnest(?) as identifier_type, unnest(?) as identifier_value)"
            " using (identifier_type, identifier_value)",
            [kind for kind, _ in identifiers],
            [value for _, value in identifiers],
        )
        return {(kind, value): profile_id for kind, value, profile_id in rows}

    def _spoken_of(self, profiles: list[str]) -> set[str]:
        """Whoever is known by anything but triggers: as fct_trigger_emissions has it, a little stricter."""
        rows = self._copy.ask(
            "select distinct set_profiles.profile_id from identity.int_set_profiles as set_profiles"
            " inner join identity.int_identifier_sets as sets using (identifier_set_id)"
            " left join journeys.fct_trigger_emissions as emissions on sets.first_record_id = emissions.record_id"
            " where set_profiles.profile_id in (select unnest(?)) and emissions.record_id is null",
            profiles,
        )
        return {profile_id for (profile_id,) in rows}

    def _normal(self, row: Row) -> list[Identifier]:
        region = self._regions.get(row["source_id"]) or ""
        return [
            (kind, _form(kind, each["value"].strip(), region))
            for each in row["identifiers"]
            for kind in [self._same_as.get(each["type"], each["type"])]
        ]


def _form(kind: str, value: str, region: str) -> str:
    if kind == "email":
        return unicodedata.normalize("NFC", value).lower()
    if kind == "email_sha256":
        return value.lower()
    if kind == "phone":
        return e164(value, region) or ""
    return value


def _emission(row: Row, profile_id: str) -> dict[str, Any]:
    key = f"{row['source_id']}|{row['event_id']}"
    return {
        "emission_id": f"{row['name']}:{key}",
        "trigger_name": row["name"],
        "trigger_key": key,
        "origin": "sent",
        "profile_id": profile_id,
        "is_resolved": True,
        "emitted_at": row["occurred_at"],
        "properties": orjson.dumps(row["properties"] or {}).decode(),
    }
