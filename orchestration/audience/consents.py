"""Conditions on consent, judged by contact point."""

from sqlglot import exp

from orchestration.audience.conditions import (
    all_of,
    amount,
    literal,
)
from orchestration.audience.counting import (
    SINGLE,
    counted_column,
)
from orchestration.audience.drafting import Draft
from orchestration.audience.rules import (
    ConsentRule,
)
from orchestration.audience.saying import said
from orchestration.audience.writing import Cte


def consent(draft: Draft, given: ConsentRule) -> exp.Expr:
    name, is_new = draft.join(given, "consents")
    if is_new:
        draft.imports["consents"] = "dim_consents"
        wanted = {"is_granted": 1, "is_denied": 0}
        if given.is_ == "denied":
            wanted = {"is_denied": 1}
        where = all_of(_is(column, flag) for column, flag in wanted.items())
        columns = ["profile_id", "count(*) as row_count"]
        contacts = _contacts(f"{name}_contacts", given)
        draft.steps += [
            contacts,
            Cte(name, columns, [contacts.name], where, "profile_id"),
        ]
    return all_of(amount(counted_column(name, "row_count"), SINGLE))


def _contacts(name: str, given: ConsentRule) -> Cte:
    """What was said about each contact point."""
    asked = [_is("purpose", given.consent)]
    if given.channel:
        listed = [literal("all"), literal(given.channel)]
        asked.append(exp.In(this=exp.column("channel"), expressions=listed))
    if given.contact:
        asked.append(_is("contact_type", given.contact))
    words = [
        f"max(case when state = '{state}' then 1 else 0 end) as is_{state}"
        for state in ("granted", "denied")
    ]
    contact = ["profile_id", "contact_type", "contact_value"]
    comment = said(given) + "; each contact point by itself"
    return Cte(
        name,
        [*contact, *words],
        ["consents"],
        all_of(asked),
        ", ".join(contact),
        comment,
    )


def _is(column: str, value: object) -> exp.Expr:
    return exp.EQ(this=exp.column(column), expression=literal(value))
