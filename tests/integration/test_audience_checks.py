"""What every audience model must be: those that there are, and each rule against a planted violation."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from orchestration.audience import checking
from orchestration.audience.checking import Audience, problems, problems_of
from orchestration.audience.lineage import Lineage

META = {"owner": "tests", "purpose": "advertising"}
PROFILES = "{{ ref('dim_profiles') }}"


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    return Lineage()


def found(
    lineage: Lineage, sql: str, columns: list[str] | None = None, **meta: Any
) -> list[str]:
    described = {
        "name": "audience_planted",
        "description": "A test's.",
        "config": {"meta": META | meta},
        "columns": [{"name": name} for name in columns or ["profile_id"]],
    }
    return [*problems_of(Audience("audience_planted", sql, described), lineage)]


def test_every_audience_of_the_project_is_as_it_has_to_be():
    assert problems() == []


def test_a_right_audience_has_no_problem(lineage):
    assert (
        found(lineage, f"select profile_id from {PROFILES} where order_count > 1") == []
    )


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (f"select profile_id from {PROFILES} where last_seen_at > now()", "time is `as_of()`"),
        (f"select profile_id from {PROFILES} where last_seen_at > current_timestamp", "time is `as_of()`"),
        (f"select profile_id from {PROFILES} where birth_date > current_date", "time is `as_of()`"),
        (f"select profile_id from {PROFILES} where last_seen_at > get_current_timestamp()", "time is `as_of()`"),
        (f"select profile_id from {PROFILES} where random() < 0.5", "nobody is drawn by lot"),
        (f"select profile_id from {PROFILES} order by uuid() limit 5", "nobody is drawn by lot"),
        ("select profile_id from {{ ref('int_profile_days') }}", "reads int_profile_days, which is not public"),
        ("select profile_id from raw.profiles", "reads profiles, which is not public"),
        ("select profile_id from {{ ref('dim_profile') }}", "did you mean dim_profiles?"),
        (f"select profile_id, email from {PROFILES}", "its yml declares profile_id"),
        (f"select email as profile_id_ from {PROFILES}", "returns profile_id_"),
        ("select profile_id from {{ ref('fct_events') }} where _load_id > 5", "fct_events._load_id, which is operational"),
        ("selec profile_id", "is no SELECT"),
        ("select (profile_id from x", "cannot be read"),
    ],
)  # fmt: skip
def test_a_planted_violation_is_caught(lineage, sql, sentence):
    assert any(sentence in each for each in found(lineage, sql)), found(lineage, sql)


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"owner": ""}, "has no owner"),
        ({"purpose": ""}, "has no purpose"),
        ({"purpose": "advertizing"}, "did you mean advertising?"),
        ({"expected_size": {"min": 1}}, "`from` and `to`, not min"),
        ({"holdout_percent": 101}, "between 0 and 100"),
    ],
)
def test_an_audience_that_does_not_describe_itself_is_caught(lineage, meta, sentence):
    sql = f"select profile_id from {PROFILES}"
    assert any(sentence in each for each in found(lineage, sql, **meta))


BIRTHDAYS = "dim_profiles.birth_date, which may be used for service and marketing only"


@pytest.mark.parametrize(
    "sql",
    [
        f"select profile_id from {PROFILES} where birth_date < {{{{ as_of() }}}}",
        f"select p.profile_id from {PROFILES} as p inner join {PROFILES} as q on p.birth_date = q.birth_date",
        f"select profile_id from {PROFILES} group by profile_id having max(birth_date) is null",
        f"with a as (select * from {PROFILES}), b as (select profile_id, extract(year from birth_date) as y from a), c as (select profile_id from b where y > 2000) select * from c",
        f"select profile_id from {PROFILES} where exists (select 1 from {PROFILES} as q where q.birth_date is null)",
        f"with a as (select profile_id, row_number() over (order by birth_date) as place from {PROFILES}) select profile_id from a where place < 10",
    ],
)  # fmt: skip
def test_a_column_that_the_purpose_forbids_is_found_wherever_it_decides(lineage, sql):
    said = found(lineage, sql)
    assert len(said) == 1
    assert BIRTHDAYS in said[0]
    assert said[0].endswith("audience_planted ← dim_profiles.birth_date")
    assert found(lineage, sql, purpose="marketing") == []


def test_a_column_that_is_merely_there_decides_nothing(lineage):
    sql = f"with people as (select * from {PROFILES}) select profile_id from people"
    assert found(lineage, sql) == []


def test_a_forbidden_column_is_found_through_the_models_in_between():
    """A tag deep below, a trait derived from it, an audience of that, an audience of that audience."""

    class Tagged(Lineage):
        def purposes(self, column):
            return ["service"] if str(column) == "fct_orders.is_purchase" else None

    audience = "select profile_id from {{ ref('audience_repeat_buyers') }}"
    assert found(Tagged(), audience) == [
        "audience_planted, for advertising, derives from fct_orders.is_purchase, which may be used for service only: "
        "audience_planted ← audience_repeat_buyers.profile_id ← fct_orders.is_purchase"
    ]

    class Deeper(Lineage):
        def purposes(self, column):
            return [] if str(column) == "fct_orders.revenue" else None

    trait = f"select profile_id from {PROFILES} where spend_to_average > 2"
    assert found(Deeper(), trait) == [
        "audience_planted, for advertising, derives from fct_orders.revenue, which no audience may use: "
        "audience_planted ← dim_profiles.spend_to_average ← fct_profile_revenue.revenue ← fct_orders.revenue"
    ]


def test_a_refresh_asks_again_only_when_a_file_has_changed(tmp_path):
    marker = tmp_path / "target" / "right"
    checking.check_before_build(marker)
    assert len(json.dumps(marker.read_text())) == 66
    written = marker.stat().st_mtime_ns
    checking.check_before_build(marker)
    assert marker.stat().st_mtime_ns == written


def test_lineage_reads_every_model_that_an_audience_may_read(lineage):
    """No public model above the records ends the way upward."""
    models = Path(checking.DBT_PROJECT, "models")
    for layer in ("profiles", "orders", "sessions"):
        for path in (models / layer).glob("[df][ic][mt]_*.sql"):
            sqlglot.parse_one(
                checking.rendered(path.read_text(), checking.ANY_TIME), dialect="duckdb"
            )
            for column in lineage._columns(path.stem):
                assert lineage.upstream(checking.Column(path.stem, column)) is not None
