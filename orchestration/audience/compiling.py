"""Rule files → dbt models, readable and committed, the same thing afterwards as one written by hand.

A condition that is no plain trait becomes a CTE that says what it alone is for; `final` joins them and asks. It begins
with one without whose rows nobody is in, because joining everybody costs more than all the rest, else with everybody. Words and their meanings are rules.py's business, layout is writing.py's, the yml beside it
describing.py's.
"""

from collections.abc import Iterable

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.comparisons import Comparison, Window
from orchestration.audience.conditions import (
    Comparing,
    Placeholders,
    all_of,
    amount,
    any_of,
    literal,
    none_of,
    number_of,
)
from orchestration.audience.counting import (
    NONE,
    SINGLE,
    asked_of_counted,
    came_after,
    counted_column,
    holds,
    is_judged_by_time_alone,
    mean,
    named,
    needed,
    rest_of,
    rows_of_kind,
    window_of,
)
from orchestration.audience.describing import HEADER
from orchestration.audience.fields import EVENTS, LOOSE, Source
from orchestration.audience.mistakes import source_of
from orchestration.audience.rules import (
    All,
    AllFilters,
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
    ProfileRule,
    Regularly,
    Rule,
    SampleRule,
    Step,
    leaves,
)
from orchestration.audience.saying import said
from orchestration.audience.standing import stood, stood_since
from orchestration.audience.times import Duration, Moment
from orchestration.audience.writing import Cte, imported, one_line, written

EVERYBODY = {"profiles": "dim_profiles"}


def compiled_model(name: str, rule: Rule) -> str:
    """The SQL of audience_<name>."""
    return _Compiler(rule).model(name)


class _Compiler:
    """One rule on its way to SQL."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.placeholders = Placeholders()
        self.comparing = Comparing(self.placeholders)
        self.imports: dict[str, str] = {}
        self.steps: list[Cte] = []
        self.joined: dict[str, str] = {}  # what a CTE asks → its name

    def model(self, name: str) -> str:
        where = self._condition(self.rule.condition())
        needs = None if self._asks_everybody() else needed(where)
        if needs is None:
            start, self.imports = "profiles", EVERYBODY | self.imports
        else:
            start, where = needs.table, asked_of_counted(where, needs)
        final = Cte(
            "final",
            [f"{start}.profile_id", *(f"profiles.{told}" for told in self.rule.tell)],
            [
                start,
                *(
                    f"left join {cte} on {start}.profile_id = {cte}.profile_id"
                    for cte in self.joined.values()
                    if cte != start
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

    def _asks_everybody(self) -> bool:
        """Whether traits are asked for or told, which all people have."""
        asked = leaves(self.rule.condition())
        return bool(self.rule.tell) or any(
            isinstance(each, ProfileRule | SampleRule) for each in asked
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
            case SampleRule(sample=name, percent=percent):
                drawn = f"holdout_bucket({literal(f'sample:{name}').sql()!r}, 'profiles.profile_id')"
                return exp.LT(
                    this=self.placeholders.of(drawn),
                    expression=literal(int(percent * 100)),
                )
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
        asked: list[exp.Expr] = []
        if given.for_:
            asked += self._held(given, given.for_)
        elif given.said(Comparison):
            name = self._standing(given)
            value, moment = exp.column("value", name), exp.column("moment", name)
            asked.append(self.comparing.value(value, "loose", given, moment))
        if given.changed:
            at = exp.column("changed_at", self._standing(given))
            asked += self.comparing.window(at, given.changed)
        return all_of(asked)

    def _standing(self, given: AttributeRule) -> str:
        """The CTE of what an attribute is now: what is asked of it."""
        told = self._told()
        columns = ["profile_id", f"{self._line(told)} as value"]
        if given.said(Window) or given.anniversary:
            moment = self.comparing.time(told, "loose")
            columns.append(f"{self._line(moment)} as moment")
        if given.changed:
            columns.append("changed_at")
        name, is_new = self._join((given.attribute, columns), "attribute")
        if is_new:
            now = all_of(stood(self.comparing, given.attribute, Moment()))
            comment = f"attribute: {given.attribute}"
            self.steps.append(
                Cte(name, columns, ["attribute_changes"], now, comment=comment)
            )
        return name

    def _held(self, given: AttributeRule, length: Duration) -> Iterable[exp.Expr]:
        """Something stood when the time began, and nothing since then that the comparison does not hold for."""
        began = Moment(shift=length)
        if given.exists is not False:
            name, is_new = self._join((given.attribute, length), "attribute")
            if is_new:
                comment = f"attribute: {given.attribute}, as it was {began}"
                where = all_of(stood(self.comparing, given.attribute, began))
                self._count_changes(name, where, comment)
            yield from amount(counted_column(name, "row_count"), SINGLE)
        name, is_new = self._join(given, "attribute")
        if is_new:
            value = self.comparing.value(self._told(), "loose", given)
            where = all_of(
                [*stood_since(self.comparing, given.attribute, began), none_of([value])]
            )
            self._count_changes(name, where, f"{said(given)}: what speaks against it")
        yield from amount(counted_column(name, "row_count"), NONE)

    def _count_changes(self, name: str, where: exp.Expr, comment: str) -> None:
        columns = ["profile_id", "count(*) as row_count"]
        cte = Cte(name, columns, ["attribute_changes"], where, "profile_id", comment)
        self.steps.append(cte)

    def _told(self) -> exp.Expr:
        self.imports["attribute_changes"] = "fct_attribute_changes"
        return self.placeholders.of("json_text('new_value', '$')")

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
        return all_of(amount(counted_column(name, "row_count"), SINGLE))

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
        return all_of(amount(counted_column(name, "row_count"), SINGLE))

    def _counted(self, given: Counted) -> exp.Expr:
        """Rows that hold, counted or added up per person."""
        source = source_of(given)
        if given.regularly:
            return self._regular(source, given, given.regularly)
        asked = given.model_copy(
            update=dict.fromkeys(("count", "total", "average", "distinct"))
        )
        measured = [
            given.total and given.total.of,
            given.average and given.average.of,
            given.distinct and given.distinct.of,
        ]
        name, is_new = self._join((type(given), asked, measured), source.relation)
        if is_new:
            self._count(name, source, given)
        tests: list[exp.Expr] = []
        if given.count or not (given.total or given.average or given.distinct):
            tests += amount(counted_column(name, "row_count"), given.count or SINGLE)
        if given.total:
            tests += amount(counted_column(name, "total"), given.total)
        if given.average:
            tests += mean(name, given.average)
        if given.distinct:
            tests += amount(counted_column(name, "distinct_count"), given.distinct)
        return all_of(tests)

    def _regular(
        self, source: Source, given: Counted, regularly: Regularly
    ) -> exp.Expr:
        """Periods that have so many rows. Where none are enough, those that have too many: the others have no row here."""
        wanted = given.count or SINGLE
        none_are_enough = holds(0, wanted)
        name, is_new = self._join((type(given), given), source.relation)
        if is_new:
            where = all_of(amount(exp.column("row_count"), wanted))
            where = exp.not_(where) if none_are_enough else where
            comment = (
                f"{said(given)}: periods that have {'not ' * none_are_enough}so many"
            )
            self._count_periods(name, source, given, regularly)
            self.steps.append(
                Cte(
                    name,
                    ["profile_id", "count(*) as row_count"],
                    [f"{name}_periods"],
                    where,
                    "profile_id",
                    comment,
                )
            )
        periods = rest_of(regularly) if none_are_enough else regularly
        return all_of(amount(counted_column(name, "row_count"), periods))

    def _count_periods(
        self,
        name: str,
        source: Source,
        given: Counted,
        regularly: Regularly,
    ) -> None:
        """How many rows a person has in each period."""
        assert source.time
        rows, periods = f"{name}_rows", f"{name}_periods"
        last = window_of(last=regularly.every.times(regularly.of_last))
        relation, judged = self._judged(
            name, source, given.model_copy(update={"when": last})
        )
        time = exp.column(source.time)
        lines = [
            f"            when {self._line(began)} then {number}"
            for number in range(1, regularly.of_last)
            for began in self.comparing.window(
                time, window_of(since=Moment(shift=regularly.every.times(number)))
            )
        ]
        lines = ["case", *lines, f"            else {regularly.of_last}"]
        place = "\n".join([*lines, "        end as period"])
        if regularly.of_last == 1:
            place = "1 as period"
        self.steps += [
            Cte(
                rows,
                ["*", place],
                [relation],
                all_of(judged),
                comment=f"What {name} counts, each in its period; the last one is 1",
            ),
            Cte(
                periods,
                ["profile_id", "period", "count(*) as row_count"],
                [rows],
                None,
                "profile_id, period",
            ),
        ]

    def _line(self, given: exp.Expr) -> str:
        return one_line(given, self.placeholders)

    def _count(self, name: str, source: Source, given: Counted) -> None:
        relation, where = self._judged(name, source, given)
        columns = ["profile_id", "count(*) as row_count"]
        if given.total:
            columns.append(f"sum({self._number(source, given.total.of)}) as total")
        if given.average:
            number = self._number(source, given.average.of)
            columns += [
                f"sum({number}) as value_sum",
                f"count({number}) as value_count",
            ]
        if given.distinct:
            counted = self._field(source, given.distinct.of)
            text = self.placeholders.filled(counted.sql(dialect="duckdb"))
            columns.append(f"count(distinct {text}) as distinct_count")
        self.steps.append(
            Cte(
                name,
                columns,
                [relation],
                all_of(where) if where else None,
                "profile_id",
                "" if given.take else said(given),
            )
        )

    def _number(self, source: Source, name: str) -> str:
        field = self._field(source, name)
        is_loose = _kind_of(source, name) == "loose"
        return self._line(number_of(field) if is_loose else field)

    def _judged(
        self, name: str, source: Source, given: Counted
    ) -> tuple[str, list[exp.Expr]]:
        """The relation of the rows that are asked for, and what has to hold for them."""
        self.imports[source.relation] = source.model
        relation = source.relation
        kind_of_row = list(rows_of_kind(given))
        kind_of_row += [self._filter(source, each) for each in given.among]
        judged = [self._filter(source, each) for each in given.where]
        if source.time and (given.take or not (given.when and given.when.has_end)):
            time = exp.column(source.time)
            until_now = [*self.comparing.window(time, window_of(before=Moment()))]
            (kind_of_row if given.take else judged).extend(until_now)
        window: list[exp.Expr] = []
        if given.when and source.time:
            window = [*self.comparing.window(exp.column(source.time), given.when)]
            judged = [*window, *judged]
        if given.take and is_judged_by_time_alone(given):
            relation = f"{name}_{given.take}"
            self._take_time(relation, source, given, kind_of_row)
            kind_of_row = []
        elif given.take:
            relation = f"{name}_placed"
            self._place(relation, source, given, kind_of_row)
            kind_of_row = [exp.EQ(this=exp.column("place"), expression=literal(1))]
        if isinstance(given, EventRule):
            # What came later came after the window's beginning too; saying so spares most of the comparing.
            since: list[exp.Expr] = [
                each for each in window if isinstance(each, exp.GT | exp.GTE)
            ]
            judged += self._steps(name, relation, given, since)
        return relation, [*kind_of_row, *judged]

    def _take_time(
        self, name: str, source: Source, given: Counted, where: list[exp.Expr]
    ) -> None:
        """Of the first or last row only its time, which needs no order."""
        chosen = "min" if given.take == "first" else "max"
        columns = ["profile_id", f"{chosen}({source.time}) as {source.time}"]
        cte = Cte(
            name, columns, [source.relation], all_of(where), "profile_id", said(given)
        )
        self.steps.append(cte)

    def _place(
        self, name: str, source: Source, given: Counted, where: list[exp.Expr]
    ) -> None:
        direction = "asc" if given.take == "first" else "desc"
        order = ", ".join(f"{by} {direction}" for by in (source.time, *source.ties))
        place = f"row_number() over (partition by profile_id order by {order}) as place"
        if len(place) > 80:
            place = (
                "row_number() over (\n            partition by profile_id\n            "
                f"order by {order}\n        ) as place"
            )
        cte = Cte(
            name, ["*", place], [source.relation], all_of(where), comment=said(given)
        )
        self.steps.append(cte)

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
                named(step.event),
                *(each.copy() for each in since),
                *self.comparing.window(
                    exp.column("occurred_at"), window_of(before=Moment())
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
            came = came_after(later, relation, step.within, self._same(relation, step))
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


def _kind_of(source: Source, name: str) -> str:
    """As fields.kind_of, but days apart from times."""
    if fields.columns(source.model).get(name) == "date":
        return "date"
    return fields.kind_of(source, name)
