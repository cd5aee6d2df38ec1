"""What became of a delivery: wanted, planned, let through, attempted, answered."""

from collections import Counter
from collections.abc import Iterator

from orchestration.why.evidence import Evidence, Row, Step

REMEDIES = {
    "no_identifier": "The sync's recipient identifier is not known of this person.",
    "invalid_identifier": "The identifier cannot be reached as it is; correct it where it comes from.",
    "erased": "They asked to be forgotten.",
    "no_consent": "Nobody recorded their agreement for this purpose; see dim_consents.",
    "consent_denied": "They said no.",
    "holdout": "They are in the part that is not told, so that the effect can be measured.",
    "duplicate_recipient": "Another profile has the same address, and is sent.",
    "rejected_by_destination": "The destination refused this very payload; it is sent again when the payload or the mapping changes.",
}
OUTCOMES = {
    "delivered": "",
    "accepted": "The destination works on it; later runs ask how the job ended.",
    "rejected": "The destination refuses it for good as it is: correct the payload or the mapping (seeds/sync_mappings.csv).",
    "retry": "It was certainly not applied; the next run tries again.",
    "unknown": "Nobody knows whether it was applied; the next refresh plans to say it again. To settle it by hand: python -m orchestration.activation resolve",
}


def by_operation(evidence: Evidence, asked: str) -> Iterator[Step]:
    """By op_id or attempt_id. Nothing when there is none."""
    attempts = _attempts(evidence, "op_id = $asked or attempt_id = $asked", asked)
    plans = evidence.rows(
        "select * from activation.activation_changes where op_id = $asked", asked=asked
    )
    yield from _plan(plans)
    yield from _answers(evidence, attempts, has_plan=bool(plans))
    for row in {row["op_id"]: row for row in [*plans, *attempts]}.values():
        yield from _since(evidence, row["sync_name"], {row["op_id"]})


def by_sync(evidence: Evidence, sync_name: str) -> Iterator[Step]:
    """A whole sync: who is kept back and why, what waits, what the destination said lately."""
    kept = evidence.rows(
        """
        select reason, count(*) as people from activation.fct_sync_eligibility
        where sync_name = $name and not is_eligible group by reason order by people desc
        """,
        name=sync_name,
    )
    for row in kept:
        yield Step(
            "not sent",
            f"{row['people']:,} people: {row['reason']}",
            remedy=REMEDIES.get(row["reason"], ""),
        )
    waits = evidence.rows(
        """
        select action, blocked_by, count(*) as changes from activation.activation_changes
        where sync_name = $name group by all order by all
        """,
        name=sync_name,
    )
    for row in waits:
        yield _waits(sync_name, row)
    answers = evidence.rows(
        """
        select attempts.outcome, attempts.http_status, min(outcomes.detail) as detail, count(*) as attempts,
            max(attempts.attempted_at) as last_at
        from activation.fct_sync_attempts as attempts
        left join raw.deliveries as outcomes
            on attempts.attempt_id = outcomes.attempt_id and outcomes.kind = 'outcome'
        where attempts.sync_name = $name
        group by attempts.outcome, attempts.http_status order by last_at desc
        """,
        name=sync_name,
    )
    for row in answers:
        yield Step(
            "answered",
            f"{row['attempts']:,} attempts {row['outcome']}, the last at {row['last_at']:%Y-%m-%d %H:%M}",
            is_stop=row["outcome"] in ("rejected", "retry", "unknown"),
            remedy=OUTCOMES[row["outcome"]],
            evidence={"status": row["http_status"], "detail": row["detail"]},
        )
    yield from _since(evidence, sync_name)


def by_person(evidence: Evidence, profile_id: str) -> Iterator[Step]:
    """Every sync that wants the person, and what became of it."""
    wanted = evidence.rows(
        "select * from activation.fct_sync_eligibility where profile_id = $id order by sync_name, instance_key",
        id=profile_id,
    )
    if not wanted:
        yield Step(
            "wanted",
            f"{profile_id} is in no audience of a sync",
            is_stop=True,
            remedy=f"python -m orchestration.audience why <audience> {profile_id}",
        )
    for row in wanted:
        sync = row["sync_name"]
        if not row["is_eligible"]:
            why = REMEDIES.get(row["reason"], "")
            yield Step(sync, f"not sent: {row['reason']}", is_stop=True, remedy=why)
            continue
        yield Step(sync, f"wanted, as {row['recipient_type']}")
        plans = evidence.rows(
            "select * from activation.activation_changes where sync_name = $sync and profile_id = $id",
            sync=sync,
            id=profile_id,
        )
        yield from _plan(plans)
        yield from _since(evidence, sync, {plan["op_id"] for plan in plans})
    ids = (
        "select any_profile_id from identity.dim_profile_ids where profile_id = $asked"
    )
    attempts = _attempts(evidence, f"profile_id in ({ids})", profile_id)
    yield from _answers(evidence, attempts, has_plan=False)


def of_journey(
    evidence: Evidence, journey: str, recipient_key: str, op_id: str
) -> Iterator[Step]:
    """What became of an entry into a journey, once it was decided."""
    plans = evidence.rows(
        "select * from activation.activation_changes where sync_name = $name and op_id = $op",
        name=journey,
        op=op_id,
    )
    attempts = _attempts(evidence, "op_id = $asked", op_id)
    yield from _plan(plans)
    yield from _answers(evidence, attempts, has_plan=bool(plans))
    yield from _since(evidence, journey, {op_id})
    if not plans and not attempts:
        yield Step(
            "planned",
            f"nothing is planned for {recipient_key}",
            is_stop=True,
            remedy="Quiet hours hold it, or it was decided after the read copy was made: refresh.",
        )


def _plan(plans: list[Row]) -> Iterator[Step]:
    for row in plans:
        yield _waits(row["sync_name"], {**row, "changes": 1})


def _waits(sync_name: str, row: Row) -> Step:
    said = f"{row['changes']:,} {row['action']} planned"
    if row["blocked_by"]:
        return Step(
            "held back",
            f"{said}, held back by {row['blocked_by']}",
            is_stop=True,
            remedy=f"Look at it, then approve it: python -m orchestration.activation plan {sync_name}",
        )
    return Step(
        "planned",
        said,
        remedy="Sent by the next publish: python -m orchestration.run --job publish",
    )


def _attempts(evidence: Evidence, where: str, asked: str) -> list[Row]:
    return evidence.rows(
        f"select * from activation.fct_sync_attempts where {where} order by record_id",
        asked=asked,
    )


def _answers(evidence: Evidence, attempts: list[Row], has_plan: bool) -> Iterator[Step]:
    last = attempts[-1:] if has_plan else attempts[-10:]
    for row in last:
        detail = evidence.rows(
            "select detail from raw.deliveries where attempt_id = $id and kind = 'outcome' order by record_id desc",
            id=row["attempt_id"],
        )
        outcome = row["outcome"]
        yield Step(
            "attempted",
            f"{row['sync_name']} {row['action']} at {row['attempted_at']:%Y-%m-%d %H:%M}: {outcome}",
            is_stop=outcome in ("rejected", "retry", "unknown"),
            remedy=OUTCOMES[outcome],
            evidence={
                "attempt": row["attempt_id"],
                "status": row["http_status"],
                "detail": detail[0]["detail"] if detail else None,
            },
        )


def _since(
    evidence: Evidence, sync_name: str, ops: set[str] | None = None
) -> Iterator[Step]:
    """Outcomes that were landed after the copy was made, of these operations or of the whole sync."""
    counted = Counter(
        row["outcome"]
        for row in evidence.tail("deliveries")
        if row["kind"] == "outcome"
        and row["sync_name"] == sync_name
        and (ops is None or row["op_id"] in ops)
    )
    for outcome, count in counted.items():
        yield Step(
            "since the read copy",
            f"{count:,} {outcome}",
            is_stop=outcome in ("rejected", "retry", "unknown"),
            remedy=OUTCOMES[outcome],
        )
