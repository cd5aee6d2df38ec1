"""What a journey decided about whoever asked to enter, and what became of those whom it let in."""

import hashlib
from collections.abc import Iterator

from orchestration.why import delivery
from orchestration.why.evidence import Evidence, Row, Step

REMEDIES = {
    "unresolved_identity": "Nobody is known by this identifier but from such calls; it is looked at again until it expires.",
    "held_quiet_hours": "It goes out when the recipient's quiet hours are over.",
    "held_pacing": "It waits for somebody it depends on, or for the hourly pace.",
    "exited_before_release": "What ended it happened first; detail says what.",
    "erased": "They asked to be forgotten.",
    "suppressed": "They asked to be left alone, or are in an audience that is.",
    "no_consent": "There is no agreement for the journey's purpose, or a refusal; see dim_consents.",
    "no_identifier": "The journey's recipient identifier is not known of this person.",
    "invalid_identifier": "The identifier cannot be reached as it is.",
    "duplicate_recipient": "The contact point was told of this occasion under another profile.",
    "holdout": "They are in the part that is not told, so that the effect can be measured.",
    "excluded": "They are in an audience that does not enter.",
    "reentry_blocked": "They were in already; the journey's re-entry policy says no.",
    "capped": "The contact point was reached often enough in the window.",
    "expired": "It was older than the journey's max_age when it was decided: was the relay off, or the person unknown for long?",
}


def by_name(evidence: Evidence, journey: str) -> Iterator[Step]:
    """The whole journey: its funnel, and where people stop."""
    funnel = evidence.rows(
        """
        select coalesce(sum(emitted_count), 0) as emitted, coalesce(sum(resolved_count), 0) as resolved,
            coalesce(sum(eligible_count), 0) as eligible, coalesce(sum(entered_count), 0) as entered,
            coalesce(sum(delivered_count), 0) as delivered
        from observability.obs_trigger_funnel where journey = $name
        """,
        name=journey,
    )[0]
    counts = " → ".join(f"{count:,} {stage}" for stage, count in funnel.items())
    yield Step("funnel", counts, is_stop=not funnel["emitted"])
    stops = evidence.rows(
        """
        select outcome, count(*) as people, min(detail) as detail, max(decided_at) as last_at
        from journeys.fct_journey_decisions
        where journey = $name and is_latest and outcome <> 'entered'
        group by outcome order by people desc
        """,
        name=journey,
    )
    for row in stops:
        yield Step(
            "stopped",
            f"{row['people']:,}: {row['outcome']}, the last on {row['last_at']:%Y-%m-%d %H:%M}",
            is_stop=True,
            remedy=REMEDIES.get(row["outcome"], ""),
            evidence={"for instance": row["detail"]},
        )
    yield from delivery.by_sync(evidence, journey)


def by_person(evidence: Evidence, profile_id: str) -> Iterator[Step]:
    """Everything that asked on behalf of the person."""
    asked = evidence.rows(
        "select distinct candidate_id from journeys.fct_journey_decisions where profile_id = $id order by 1",
        id=profile_id,
    )
    if not asked:
        yield Step(
            "asked",
            f"nothing ever asked for {profile_id}: no trigger named them, no audience that starts a journey holds them",
            is_stop=True,
            remedy=f"python -m orchestration.why trigger {profile_id}",
        )
    for row in asked:
        yield from of_candidate(evidence, row["candidate_id"])


def of_known(evidence: Evidence, candidate_id: str) -> Iterator[Step]:
    """By candidate id. Nothing when nobody ever decided about it."""
    known = evidence.rows(
        "select 1 as found from journeys.fct_journey_decisions where candidate_id = $id limit 1",
        id=candidate_id,
    )
    if known:
        yield from of_candidate(evidence, candidate_id)


def of_candidate(evidence: Evidence, candidate_id: str) -> Iterator[Step]:
    """The decisions about one candidate, and what followed from the last one of each journey."""
    decisions = evidence.rows(
        """
        select * from journeys.fct_journey_decisions
        where candidate_id = $id order by journey, decision_number
        """,
        id=candidate_id,
    )
    for row in decisions:
        yield _decided(row)
        if row["is_latest"] and row["outcome"] == "entered":
            yield from delivery.of_journey(
                evidence, row["journey"], row["recipient_key"], op_id(row)
            )
    known = {row["journey"] for row in decisions}
    for row in evidence.tail("journey_decisions"):
        if row["candidate_id"] == candidate_id:
            known.add(row["journey"])
            yield Step(
                "since the read copy",
                f"{row['journey']} decided {row['outcome']}",
                is_stop=row["outcome"] != "entered",
                remedy=REMEDIES.get(row["outcome"], ""),
                evidence={"detail": row["detail"]},
            )
    if not known:
        yield Step(
            "decided",
            "not decided yet",
            is_stop=True,
            remedy="The relay (sensors relay_one and relay_two) or the next refresh decides.",
        )


def _decided(row: Row) -> Step:
    outcome = row["outcome"]
    return Step(
        "decided",
        f"{row['journey']}: {outcome} on {row['decided_at']:%Y-%m-%d %H:%M}",
        is_stop=row["is_latest"] and outcome != "entered",
        remedy=REMEDIES.get(outcome, ""),
        evidence={"detail": row["detail"], "occasion": row["instance_key"]},
    )


def op_id(row: Row) -> str:
    """The one operation of an entry, as int_journey_triggers has it."""
    said = f"{row['journey']}|{row['instance_key']}|{row['recipient_key']}"
    return hashlib.sha256(said.encode()).hexdigest()
