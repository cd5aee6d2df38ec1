"""Rule files → dbt models, readable and committed, the same thing afterwards as one written by hand.

A condition that is no plain trait becomes a CTE that says what it alone is for; `final` joins them to everybody and
asks. Words and their meanings are rules.py's business, layout is writing.py's, the yml beside it
describing.py's.
"""

from collections.abc import Iterable

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.conditions import (
    Comparing,
    Placeholders,
    all_of,
    amount,
    any_of,
    interval,
    literal,
    none_of,
    number_of,
)
from orchestration.audience.describing import HEADER
from orchestration.audience.fields import EVENTS, LOOSE, Source
from orchestration.audience.mistakes import source_of
from orchestration.audience.rules import (
    All,
    AllFilters,
    Amount,
    Any_,
    AnyFilters,
    AttributeRule,
    AudienceRule,
    Condition,
    ConsentRule,
    Counted,
    EventRule,
    FieldIs,
    Filter,
    None_,
    NoneFilters,
    OrderLineRule,
    OrderRule,
    ProfileRule,
    Rule,
    SessionRule,
    Step,
    SubscriptionRule,
    Window,
)
from orchestration.audience.saying import said
from orchestration.audience.times import Duration, Moment
from orchestration.audience.writing import Cte, imported, written

SINGLE = Amount.model_validate({"at_least": 1})


def compiled_model(name: str, rule: Rule) -> str:
    """The SQL of audience_<name>."""
    return _Compiler(rule).model(name)


class _Compiler:
    """One rule on its way to SQL."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.placeholders = Placeholders()
        self.comparing = Comparing(self.placeholders)
        self.imports: dict[str, str] = {"profiles": "dim_profiles"}
        self.steps: list[Cte] = []
        self.joined: dict[str, str] = {}  # what a CTE asks → its name

    def model(self, name: str) -> str:
        where = self._condition(self.rule.condition())
        final = Cte(
            "final",
            ["profiles.profile_id", *(f"profiles.{told}" for told in self.rule.tell)],
            [
                "profiles",
                *(
                    f"left join {cte} on profiles.profile_id = {cte}.profile_id"
                    for cte in self.joined.values()
                ),
            ],
            None if where == exp.true() else where,
        )
        imports = [imported(*pair) for pair in self.imports.items()]
        steps = [written(cte, self.placeholders) for cte in (*self.steps, final)]
        return (
            HEADER.format(name=name)
            + "with\n\n"
            + "\n".join(imports)
            + "\n"
            + ",\n\n".join(steps)
            + "\n\nselect * from final\n"
        )

    def _condition(self, given: Condition) -> exp.Expr:
        match given:
            case All(all_=inner):
                return all_of(self._condition(each) for each in inner)
            case Any_(any_=inner):
                return any_of(self._condition(each) for each in inner)
            case None_(none_=inner):
                return none_of(self._condition(each) for each in inner)
            case ProfileRule(profile=name):
                column = exp.column(name, "profiles")
                return self.comparing.value(
                    column, _kind_of(fields.PROFILES, name), given
                )
            case AttributeRule():
                return self._attribute(given)
            case ConsentRule():
                return self._consent(given)
            case AudienceRule(audience=name):
                return self._membership(name)
            case Counted():
                return self._counted(given)
        raise TypeError(type(given).__name__)

    def _join(self, asked: object, kind: str) -> tuple[str, bool]:
        """The name of the CTE for what is asked, and whether it has still to be written."""
        key = f"{kind} {asked!r}"
        if key in self.joined:
            return self.joined[key], False
        number = 1 + sum(each.startswith(f"{kind} ") for each in self.joined)
        return self.joined.setdefault(key, f"{kind}_{number}"), True

    def _attribute(self, given: AttributeRule) -> exp.Expr:
        name, is_new = self._join(given.attribute, "attribute")
        if is_new:
            self.imports["attribute_changes"] = "fct_attribute_changes"
            now = Moment()
            stands = [
                exp.EQ(this=exp.column("path"), expression=literal(given.attribute)),
                exp.Not(
                    this=exp.Is(this=exp.column("new_value"), expression=exp.null())
                ),
                *self.comparing.window(exp.column("changed_at"), _window(until=now)),
                any_of(
                    [
                        exp.Is(this=exp.column("superseded_at"), expression=exp.null()),
                        *self.comparing.window(
                            exp.column("superseded_at"), _window(after=now)
                        ),
                    ]
                ),
            ]
            value = self.placeholders.filled(
                self.placeholders.of("json_text('new_value', '$')").sql()
            )
            self.steps.append(
                Cte(
                    name,
                    ["profile_id", f"{value} as value"],
                    ["attribute_changes"],
                    all_of(stands),
                    comment=f"attribute: {given.attribute}",
                )
            )
        return self.comparing.value(exp.column("value", name), "loose", given)

    def _consent(self, given: ConsentRule) -> exp.Expr:
        name, is_new = self._join(given, "consents")
        if is_new:
            self.imports["consents"] = "dim_consents"
            asked: list[exp.Expr] = [
                exp.EQ(this=exp.column("purpose"), expression=literal(given.consent))
            ]
            if given.channel:
                listed = [literal("all"), literal(given.channel)]
                asked.append(exp.In(this=exp.column("channel"), expressions=listed))
            if given.contact:
                asked.append(
                    exp.EQ(
                        this=exp.column("contact_type"),
                        expression=literal(given.contact),
                    )
                )
            words = [
                f"max(case when state = '{state}' then 1 else 0 end) as is_{state}"
                for state in ("granted", "denied")
            ]
            contact = ["profile_id", "contact_type", "contact_value"]
            self.steps.append(
                Cte(
                    f"{name}_contacts",
                    [*contact, *words],
                    ["consents"],
                    all_of(asked),
                    ", ".join(contact),
                    comment=said(given) + "; each contact point by itself",
                )
            )
            wanted = {"is_granted": 1, "is_denied": 0}
            if given.is_ == "denied":
                wanted = {"is_denied": 1}
            self.steps.append(
                Cte(
                    name,
                    ["profile_id", "count(*) as row_count"],
                    [f"{name}_contacts"],
                    all_of(
                        exp.EQ(this=exp.column(column), expression=literal(flag))
                        for column, flag in wanted.items()
                    ),
                    "profile_id",
                )
            )
        return all_of(amount(_counted_column(name, "row_count"), SINGLE))

    def _membership(self, audience: str) -> exp.Expr:
        name, is_new = self._join(audience, "audience")
        if is_new:
            self.imports[f"members_of_{audience}"] = f"audience_{audience}"
            self.steps.append(
                Cte(
                    name,
                    ["profile_id", "count(*) as row_count"],
                    [f"members_of_{audience}"],
                    None,
                    "profile_id",
                    comment=f"audience: {audience}",
                )
            )
        return all_of(amount(_counted_column(name, "row_count"), SINGLE))

    def _counted(self, given: Counted) -> exp.Expr:
        """Rows that hold, counted or added up per person."""
        source = source_of(given)
        asked = given.model_copy(
            update={"count": None, "total": None, "distinct": None}
        )
        measured = [
            given.total and given.total.of,
            given.distinct and given.distinct.of,
        ]
        name, is_new = self._join((type(given), asked, measured), source.relation)
        if is_new:
            self._count(name, source, given)
        tests: list[exp.Expr] = []
        if given.count or not (given.total or given.distinct):
            tests += amount(_counted_column(name, "row_count"), given.count or SINGLE)
        if given.total:
            tests += amount(_counted_column(name, "total"), given.total)
        if given.distinct:
            tests += amount(_counted_column(name, "distinct_count"), given.distinct)
        return all_of(tests)

    def _count(self, name: str, source: Source, given: Counted) -> None:
        self.imports[source.relation] = source.model
        relation = source.relation
        kind_of_row = list(_rows(given))
        kind_of_row += [self._filter(source, each) for each in given.among]
        judged = [self._filter(source, each) for each in given.where]
        if source.time and (given.take or not (given.when and given.when.has_end)):
            time = exp.column(source.time)
            until_now = [*self.comparing.window(time, _window(before=Moment()))]
            (kind_of_row if given.take else judged).extend(until_now)
        window: list[exp.Expr] = []
        if given.when and source.time:
            window = [*self.comparing.window(exp.column(source.time), given.when)]
            judged = [*window, *judged]
        comment = said(given)
        if given.take:
            relation = f"{name}_placed"
            self._place(relation, source, given, kind_of_row, comment)
            comment = ""
            kind_of_row = [exp.EQ(this=exp.column("place"), expression=literal(1))]
        if isinstance(given, EventRule):
            # What came later came after the window's beginning too; saying so spares most of the comparing.
            since = [each for each in window if isinstance(each, exp.GT | exp.GTE)]
            judged += self._steps(name, relation, given, since)
        columns = ["profile_id", "count(*) as row_count"]
        if given.total:
            summed = self._field(source, given.total.of)
            if _kind_of(source, given.total.of) == "loose":
                summed = number_of(summed)
            total = self.placeholders.filled(summed.sql(dialect="duckdb").lower())
            columns.append(f"sum({total}) as total")
        if given.distinct:
            counted = self._field(source, given.distinct.of)
            text = self.placeholders.filled(counted.sql(dialect="duckdb"))
            columns.append(f"count(distinct {text}) as distinct_count")
        where = [*kind_of_row, *judged]
        self.steps.append(
            Cte(
                name,
                columns,
                [relation],
                all_of(where) if where else None,
                "profile_id",
                comment,
            )
        )

    def _place(
        self,
        name: str,
        source: Source,
        given: Counted,
        where: list[exp.Expr],
        comment: str,
    ) -> None:
        direction = "asc" if given.take == "first" else "desc"
        order = ", ".join(f"{by} {direction}" for by in (source.time, *source.ties))
        place = f"row_number() over (partition by profile_id order by {order}) as place"
        if len(place) > 80:
            place = (
                "row_number() over (\n            partition by profile_id\n            "
                f"order by {order}\n        ) as place"
            )
        self.steps.append(
            Cte(name, ["*", place], [source.relation], all_of(where), comment=comment)
        )

    def _steps(
        self,
        name: str,
        relation: str,
        given: EventRule | Step,
        since: list[exp.Expr],
    ) -> Iterable[exp.Expr]:
        for word, step in (("then", given.then), ("not_then", given.not_then)):
            if step is None:
                continue
            later = f"{name}_{word}"
            where = [
                _named(step.event),
                *(each.copy() for each in since),
                *self.comparing.window(
                    exp.column("occurred_at"), _window(before=Moment())
                ),
                *(self._filter(EVENTS, each) for each in step.where),
            ]
            where += self._steps(later, "events", step, since)
            self.steps.append(
                Cte(
                    later,
                    ["profile_id", "occurred_at", "record_id", *self._kept(step)],
                    ["events"],
                    all_of(each for each in where if each != exp.true()),
                    comment=f"{word}: {said(step)}",
                )
            )
            came = _came_after(later, relation, step.within, self._same(relation, step))
            yield exp.Not(this=came) if word == "not_then" else came

    def _kept(self, step: Step) -> Iterable[str]:
        """What a later event has to have in common with the one before it."""
        for number, name in enumerate(step.same, 1):
            text = self.placeholders.filled(self._field(EVENTS, name).sql())
            yield f"{text} as same_{number}"

    def _same(self, relation: str, step: Step) -> list[exp.Expr]:
        return [
            exp.EQ(
                this=exp.column(f"same_{number}", "later"),
                expression=self._field(EVENTS, name)
                if LOOSE.fullmatch(name)
                else exp.column(name, relation),
            )
            for number, name in enumerate(step.same, 1)
        ]

    def _filter(self, source: Source, given: Filter) -> exp.Expr:
        match given:
            case AllFilters(all_=inner):
                return all_of(self._filter(source, each) for each in inner)
            case AnyFilters(any_=inner):
                return any_of(self._filter(source, each) for each in inner)
            case NoneFilters(none_=inner):
                return none_of(self._filter(source, each) for each in inner)
            case FieldIs(field=name):
                column = self._field(source, name)
                return self.comparing.value(column, _kind_of(source, name), given)
        raise TypeError(type(given).__name__)

    def _field(self, source: Source, name: str) -> exp.Expr:
        found = LOOSE.fullmatch(name)
        if source is not EVENTS or not found:
            return exp.column(name)
        keys = found[2].removeprefix(".").split(".")
        path = "".join(f".{k}" if k.isidentifier() else f'."{k}"' for k in keys)
        return self.placeholders.of(f"json_text('{found[1]}', '${path}')")


def _came_after(
    later: str, relation: str, within: Duration | None, same: list[exp.Expr]
) -> exp.Expr:
    def column(name: str, of: str) -> exp.Expr:
        return exp.column(name, of)

    time, before = column("occurred_at", "later"), column("occurred_at", relation)
    tests: list[exp.Expr] = [
        exp.EQ(
            this=column("profile_id", "later"),
            expression=column("profile_id", relation),
        ),
        any_of(
            [
                exp.GT(this=time, expression=before),
                all_of(
                    [
                        exp.EQ(this=time.copy(), expression=before.copy()),
                        exp.GT(
                            this=column("record_id", "later"),
                            expression=column("record_id", relation),
                        ),
                    ]
                ),
            ]
        ),
    ]
    if within:
        end = exp.Add(this=before.copy(), expression=interval(within))
        tests.append(exp.LTE(this=time.copy(), expression=end))
    tests += same
    found = exp.select("1").from_(exp.alias_(exp.to_table(later), "later", table=True))
    return exp.Exists(this=found.where(*tests))


def _rows(given: Counted) -> Iterable[exp.Expr]:
    """What makes a row one of the kind that was asked for."""
    match given:
        case EventRule(event=names):
            yield from (each for each in [_named(names)] if each != exp.true())
        case OrderRule(orders="purchases"):
            yield exp.column("is_purchase")
        case OrderRule(orders="carts"):
            states = [literal("incomplete"), literal("checkout")]
            yield exp.In(this=exp.column("state"), expressions=states)
        case OrderLineRule():
            yield exp.Not(
                this=exp.Is(this=exp.column("ordered_at"), expression=exp.null())
            )
        case SessionRule(sessions=which):
            yield exp.Not(this=exp.column("is_bot"))
            if which == "engaged":
                yield exp.column("is_engaged")
        case SubscriptionRule(subscriptions="running"):
            yield exp.Not(this=exp.column("is_ended"))


def _named(names: tuple[str, ...]) -> exp.Expr:
    if "any" in names:
        return exp.true()
    column = exp.column("canonical_name")
    if len(names) == 1:
        return exp.EQ(this=column, expression=literal(names[0]))
    return exp.In(this=column, expressions=[literal(name) for name in names])


def _counted_column(cte: str, column: str) -> exp.Expr:
    """Nobody's rows are none, not unknown."""
    return exp.Coalesce(
        this=exp.column(column, cte), expressions=[exp.Literal.number(0)]
    )


def _kind_of(source: Source, name: str) -> str:
    """As fields.kind_of, but days apart from times."""
    if fields.columns(source.model).get(name) == "date":
        return "date"
    return fields.kind_of(source, name)


def _window(**words: Moment) -> Window:
    return Window.model_construct(_fields_set=set(words), **words)  # type: ignore[arg-type]
