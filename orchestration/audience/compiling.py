"""Rule files → dbt models, readable and committed, the same thing afterwards as one written by hand.

A condition that is no plain trait becomes a CTE that says what it alone is for, and `final` joins them and asks. It
starts with one without whose rows nobody is in: joining everybody costs more than all the rest. Where there is none, or
traits are asked for or told, it starts with everybody. Words and their meanings are rules.py's business, attributes
attributes.py's, consent consents.py's, rows tallying.py's, layout writing.py's, the yml beside it describing.py's.
"""

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.attributes import attribute
from orchestration.audience.conditions import (
    all_of,
    amount,
    any_of,
    literal,
    none_of,
)
from orchestration.audience.consents import consent
from orchestration.audience.counting import (
    SINGLE,
    asked_of_counted,
    counted_column,
    needed,
)
from orchestration.audience.describing import HEADER
from orchestration.audience.drafting import Draft
from orchestration.audience.rules import (
    All,
    Any_,
    AttributeRule,
    AudienceRule,
    Condition,
    ConsentRule,
    Counted,
    None_,
    ProfileRule,
    Rule,
    SampleRule,
    leaves,
)
from orchestration.audience.tallying import counted
from orchestration.audience.writing import Cte, imported, written


def compiled_model(name: str, rule: Rule) -> str:
    """The SQL of audience_<name>."""
    draft = Draft()
    final = _final(draft, rule)
    imports = [imported(*pair) for pair in draft.imports.items()]
    steps = [written(cte, draft.placeholders) for cte in (*draft.steps, final)]
    return (
        HEADER.format(name=name)
        + "with\n\n"
        + "\n".join(imports)
        + "\n"
        + ",\n\n".join(steps)
        + "\n\nselect * from final\n"
    )


def _final(draft: Draft, rule: Rule) -> Cte:
    where = _condition(draft, rule.condition())
    needs = None if _asks_traits(rule) else needed(where)
    if needs is None:
        start = "profiles"
        draft.imports = {start: "dim_profiles"} | draft.imports
    else:
        start, where = needs.table, asked_of_counted(where, needs)
    joins = [
        f"left join {cte} on {start}.profile_id = {cte}.profile_id"
        for cte in draft.joined.values()
        if cte != start
    ]
    columns = [f"{start}.profile_id", *(f"profiles.{told}" for told in rule.tell)]
    asked = None if where == exp.true() else where
    return Cte("final", columns, [start, *joins], asked)


def _asks_traits(rule: Rule) -> bool:
    """Whether traits are asked for or told; a sample is drawn by one, too."""
    asked = leaves(rule.condition())
    return bool(rule.tell) or any(
        isinstance(each, ProfileRule | SampleRule) for each in asked
    )


def _condition(draft: Draft, given: Condition) -> exp.Expr:
    match given:
        case All(all_=inner):
            return all_of(_condition(draft, each) for each in inner)
        case Any_(any_=inner):
            return any_of(_condition(draft, each) for each in inner)
        case None_(none_=inner):
            return none_of(_condition(draft, each) for each in inner)
        case ProfileRule(profile=name):
            column = exp.column(name, "profiles")
            kind = fields.compared_as(fields.PROFILES, name)
            return draft.comparing.value(column, kind, given)
        case AttributeRule():
            return attribute(draft, given)
        case ConsentRule():
            return consent(draft, given)
        case AudienceRule(audience=name):
            return _membership(draft, name)
        case SampleRule():
            return _drawn(draft, given)
        case Counted():
            return counted(draft, given)
    raise TypeError(type(given).__name__)


def _drawn(draft: Draft, given: SampleRule) -> exp.Expr:
    salt = literal(f"sample:{given.sample}").sql()
    bucket = draft.placeholders.of(f"holdout_bucket({salt!r}, 'profiles.profile_id')")
    return exp.LT(this=bucket, expression=literal(int(given.percent * 100)))


def _membership(draft: Draft, audience: str) -> exp.Expr:
    name, is_new = draft.join(audience, "audience")
    if is_new:
        members = f"members_of_{audience}"
        draft.imports[members] = f"audience_{audience}"
        columns = ["profile_id", "count(*) as row_count"]
        comment = f"audience: {audience}"
        cte = Cte(name, columns, [members], None, "profile_id", comment)
        draft.steps.append(cte)
    return all_of(amount(counted_column(name, "row_count"), SINGLE))
