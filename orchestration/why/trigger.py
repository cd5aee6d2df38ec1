"""What became of a trigger: refused, landed, an event or a repeat, whose it is, who listens, what they decided."""

from collections.abc import Iterator

from orchestration.why import journey
from orchestration.why.evidence import Evidence, Row, Step

REPLAY = "Correct the sender or the contract, then: python -m ingestion rejects replay"


def by_id(evidence: Evidence, asked: str) -> Iterator[Step]:
    """By record id, event id or emission id. Nothing when no trigger has it."""
    for row in evidence.rows(
        "select * from raw.events where shape = 'trigger' and "
        "(event_id = $asked or cast(record_id as varchar) = $asked) order by record_id",
        asked=asked,
    ):
        yield from _landed(evidence, row)
    for row in evidence.tail("events"):
        if row["shape"] == "trigger" and asked in (row["event_id"], row["record_id"]):
            yield Step("landed", f"{row['name']} at {row['received_at']}")
            candidate = f"{row['name']}:{row['source_id']}|{row['event_id']}"
            yield from journey.of_candidate(evidence, candidate)
    yield from _refused(evidence, asked)
    computed = "emission_id = $asked or (origin = 'computed' and trigger_key = $asked)"
    for row in _emissions(evidence, computed, asked):
        yield from _emitted(evidence, row)


def by_person(evidence: Evidence, profile_id: str) -> Iterator[Step]:
    """Every trigger about the person."""
    found = _emissions(evidence, "profile_id = $asked", profile_id)
    for row in found:
        yield from _emitted(evidence, row)
    if not found:
        yield Step(
            "emitted",
            f"no trigger is about {profile_id}",
            is_stop=True,
            remedy="Was it sent under another identifier, or refused? python -m orchestration.event_log find <identifier>",
        )


def by_name(evidence: Evidence, name: str) -> Iterator[Step]:
    """All of one trigger: who sent it, who was refused, who listens."""
    sent = evidence.rows(
        """
        select origin, count(*) as emissions, count(*) filter (where not is_resolved) as unresolved,
            max(emitted_at) as last_at
        from journeys.fct_trigger_emissions where trigger_name = $name group by origin order by origin
        """,
        name=name,
    )
    for row in sent:
        yield Step(
            "emitted",
            f"{row['emissions']:,} {row['origin']}, the last at {row['last_at']:%Y-%m-%d %H:%M}; "
            f"{row['unresolved']:,} name nobody who is known",
        )
    yield from _refused(evidence, name)
    yield from _listening(evidence, name)


def _landed(evidence: Evidence, row: Row) -> Iterator[Step]:
    yield Step(
        "landed",
        f"{row['name']} {row['contract_version']} from {row['source_id']} at {row['received_at']:%Y-%m-%d %H:%M:%S}",
        evidence={"record": row["record_id"], "flags": ", ".join(row["flags"] or [])},
    )
    emitted = _emissions(
        evidence, "cast(record_id as varchar) = $asked", str(row["record_id"])
    )
    if not emitted:
        yield Step(
            "event",
            "it repeats an event that was landed before",
            is_stop=True,
            remedy=f"Follow that one: python -m orchestration.why trigger '{row['name']}:{row['source_id']}|{row['event_id']}'",
        )
    for emission in emitted:
        yield from _emitted(evidence, emission)


def _emitted(evidence: Evidence, row: Row) -> Iterator[Step]:
    yield Step(
        "emitted",
        f"{row['emission_id']} ({row['origin']}) at {row['emitted_at']:%Y-%m-%d %H:%M}",
        evidence={"properties": row["properties"]},
    )
    if row["is_resolved"]:
        yield Step("resolved", f"it is about {row['profile_id']}")
    else:
        named = ", ".join(f"{i['type']}:{i['value']}" for i in row["identifiers"] or [])
        yield Step(
            "resolved",
            f"nobody is known as {named}, for {row['waiting_minutes']:,} minutes now",
            is_stop=True,
            remedy=journey.REMEDIES["unresolved_identity"],
        )
    listening = list(_listening(evidence, row["trigger_name"]))
    yield from listening
    if not any(step.is_stop for step in listening):
        yield from journey.of_candidate(evidence, row["emission_id"])


def _listening(evidence: Evidence, name: str) -> Iterator[Step]:
    journeys = evidence.rows(
        "select journey from raw.journeys where entry_kind = 'trigger' and entry_name = $name order by 1",
        name=name,
    )
    if journeys:
        names = ", ".join(row["journey"] for row in journeys)
        yield Step("listened to", f"by {names}")
    else:
        yield Step(
            "listened to",
            "by no journey",
            is_stop=True,
            remedy=f"A journey whose entry is trigger: {name} would (journeys/*.yml).",
        )


def _refused(evidence: Evidence, asked: str) -> Iterator[Step]:
    """Rejects that name it, by record or within their bytes."""
    rows = evidence.rows(
        """
        select * from raw.rejects
        where (cast(record_id as varchar) = $asked or contains(raw, $asked) or endpoint = '/triggers/' || $asked)
            and (endpoint like '%trigger%' or code like '%trigger%')
        order by record_id desc limit 5
        """,
        asked=asked,
    )
    tail = [
        row
        for row in evidence.tail("rejects")
        if "trigger" in f"{row['endpoint']} {row['code']}"
        and (asked in (row["raw"] or "") or row["endpoint"] == f"/triggers/{asked}")
    ]
    for row in [*rows, *tail]:
        yield Step(
            "refused",
            f"{row['code']} at {row['received_at']}: {row['detail']}",
            is_stop=True,
            remedy=REPLAY,
            evidence={"record": row["record_id"], "field": row["path"]},
        )


def _emissions(evidence: Evidence, where: str, asked: str) -> list[Row]:
    return evidence.rows(
        f"select * from journeys.fct_trigger_emissions where {where} order by emitted_at, emission_id",
        asked=asked,
    )
