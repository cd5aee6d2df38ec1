"""The audience models as dbt compiles them, holdouts in both languages, previews and pictures."""

import json
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import exp

from orchestration.audience.checking import Audience, uncomputable
from orchestration.audience.holdout import holdout_bucket
from orchestration.audience.pictures import SIZES, audience_metadata
from orchestration.audience.preview import (
    NoSuchRelationError,
    preview,
    read_audience,
)
from orchestration.audience.register import MODELS, written_files
from orchestration.audience.rendering import model_file, rendered
from tests.dbt import dbt, target
from tests.integration.rendered import environment

AS_OF = "2026-01-31T00:00:00"
BUYERS = {
    "name": "audience_buyers",
    "description": "A test's.",
    "config": {"meta": {"owner": "tests", "purpose": "service"}},
    "columns": [{"name": "profile_id"}],
}


def test_what_is_explained_and_checked_is_what_dbt_builds(tmp_path):
    """Rendered without dbt, every audience is the SQL that dbt compiles, but for the catalogue's name."""
    dbt(
        tmp_path / "millrace.duckdb",
        *("compile", "--quiet", "--no-populate-cache", "--select", "path:models/audiences"),
        as_of=AS_OF,
        artifacts=True,
    )  # fmt: skip
    manifest = json.loads((target() / "manifest.json").read_text("utf-8"))
    compiled = {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["name"].startswith("audience_") and node["resource_type"] == "model"
    }
    assert len(compiled) >= 8
    for name, code in compiled.items():
        ours = rendered(
            model_file(name).read_text("utf-8"), datetime.fromisoformat(AS_OF)
        )
        assert _plain(ours) == _plain(code), name


def _plain(sql: str) -> str:
    parsed = sqlglot.parse_one(sql, dialect="duckdb")
    for table in parsed.find_all(exp.Table):
        table.set("catalog", None)
    return parsed.sql(dialect="duckdb", comments=False).replace('"', "")


def test_the_register_tells_each_members_attributes_and_instances():
    blocks = written_files()[MODELS / "int_audiences_evaluated.sql"]
    with duckdb.connect() as connection:
        connection.execute("create schema audiences")
        for path in MODELS.glob("audience_*.yml"):
            columns = yaml.safe_load(path.read_text())["models"][0]["columns"]
            types = ", ".join(f"{c['name']} {c['data_type']}" for c in columns)
            connection.execute(f"create table audiences.{path.stem} ({types})")
        connection.execute(
            "insert into audiences.audience_cart_abandoners values ('ada', 3, '2026-01-01', 'o3')"
        )
        connection.execute(
            "insert into audiences.audience_existing_customers values ('ada')"
        )
        connection.execute(
            "insert into audiences.audience_contract_ending_unrenewed values ('bo', 's1|2026-02-01', 'basic', '2026-02-01')"
        )
        found = connection.execute(
            rendered(blocks, datetime.fromisoformat(AS_OF))
        ).fetchall()
    assert sorted(found) == [
        ("cart_abandoners", "ada", "", '{"order_id":"o3"}'),
        ("contract_ending_unrenewed", "bo", "s1|2026-02-01", '{"plan":"basic","contract_ends_at":"2026-02-01 00:00:00"}'),
        ("existing_customers", "ada", "", "{}"),
    ]  # fmt: skip


def test_sql_and_python_draw_the_same_holdouts():
    macros = environment()
    text = Path(MODELS.parents[1], "macros/audiences/holdout.sql").read_text("utf-8")
    macro = macros.from_string(text).module.holdout_bucket
    people = [f"p_{number}" for number in range(500)] + ["", "p_ü", "p|1"]
    with duckdb.connect() as connection:
        drawn = connection.execute(
            f"select person, {macro('salt', 'person')} from (select unnest(?) as person, 's|ß' as salt)",
            [people],
        ).fetchall()
    assert dict(drawn) == {person: holdout_bucket("s|ß", person) for person in people}
    assert holdout_bucket("s", "p_2") == 663
    assert 30 < sum(bucket < 1000 for _, bucket in drawn) < 75


@pytest.fixture
def published():
    """The tables of a read copy that previews and pictures look at."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema profiles; create schema audiences; create schema identity; create schema orders;
            create table profiles.dim_profiles (profile_id varchar, user_id varchar, email varchar, phone varchar);
            insert into profiles.dim_profiles values
                ('p_stays', 'u1', 'a@x.org', null), ('p_comes', null, 'b@x.org', '+491'), ('p_goes', null, null, null);
            create table identity.dim_identifiers (identifier_type varchar, profile_id varchar);
            insert into identity.dim_identifiers values
                ('anonymous_id', 'p_comes'), ('device_id', 'p_comes'), ('email', 'p_stays');
            create table audiences.fct_audience_members (audience_name varchar, profile_id varchar);
            insert into audiences.fct_audience_members values
                ('buyers', 'p_stays'), ('buyers', 'p_goes'), ('others', 'p_comes'), ('others', 'p_stays');
            create table audiences.fct_audience_membership (audience_name varchar, entered_at timestamp, exited_at timestamp);
            insert into audiences.fct_audience_membership values
                ('buyers', '2026-01-01', null), ('buyers', '2026-01-02', null), ('buyers', '2026-01-01', '2026-01-02');
            create table orders.fct_orders (profile_id varchar, is_purchase boolean);
            insert into orders.fct_orders values ('p_stays', true), ('p_comes', true), ('p_goes', false);
            """
        )
        yield connection


def test_a_preview_counts_people_and_says_who_would_come_and_go(published):
    sql = "select profile_id from {{ ref('fct_orders') }} where is_purchase"
    audience = Audience("audience_buyers", sql, BUYERS)
    told = preview(published, audience, datetime.fromisoformat(AS_OF))
    assert (told.members, told.people, told.members_today) == (2, 3, 2)
    assert told.reachable == {"user id": 1, "e-mail": 2, "phone": 1, "device": 1}
    assert told.overlaps == {"others": 2}
    assert (told.entering, told.leaving) == (["b@x.org"], ["p_goes"])
    assert told.problems == []
    assert "  today: 2 (1 would enter, 1 would leave)" in [*told.lines()]


def test_a_preview_says_what_is_wrong_and_what_is_missing(published):
    moment = datetime.fromisoformat(AS_OF)
    clock = "select profile_id from {{ ref('fct_orders') }} where now() is not null"
    told = preview(published, Audience("audience_buyers", clock, BUYERS), moment)
    assert "must not be built: audience_buyers asks" in "\n".join(told.lines())
    twice = "select a.profile_id from {{ ref('fct_orders') }} as a cross join {{ ref('fct_orders') }} as b"
    told = preview(published, Audience("audience_buyers", twice, BUYERS), moment)
    assert told.problems[-1].startswith("audience_buyers returns 3 more than once")
    unbuilt = "select profile_id from {{ ref('fct_sessions') }}"
    with pytest.raises(NoSuchRelationError, match="refresh first"):
        preview(published, Audience("audience_buyers", unbuilt, BUYERS), moment)


def test_a_rule_file_is_previewed_before_it_is_compiled(tmp_path):
    path = tmp_path / "tried.yml"
    path.write_text(
        "description: A test's.\nowner: tests\npurpose: service\nwho: {orders: purchases}\n"
    )
    audience = read_audience(str(path))
    assert "fct_orders" in audience.sql
    assert audience.purpose == "service"
    assert (
        read_audience("repeat_buyers").sql
        == model_file("audience_repeat_buyers").read_text()
    )


def test_the_pictures_show_what_the_tables_say(published):
    pictures = audience_metadata(published)
    assert set(pictures) == {"sizes_over_time", "overlaps", "coverage"}
    assert all(
        "data:image/png;base64," in p.md_str for p in pictures.values() if p.md_str
    )
    assert published.execute(SIZES).fetchall() == [
        ("buyers", datetime(2026, 1, 1), 2),
        ("buyers", datetime(2026, 1, 2), 2),
    ]
    published.execute("delete from audiences.fct_audience_members")
    assert audience_metadata(published) == {}


def test_an_audience_that_cannot_be_computed_is_named():
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema audiences;
            create table told as select 'p_1' as profile_id, 'many' as age;
            create view audiences.audience_people as select profile_id from told;
            create view audiences.audience_adults as
            select profile_id, cast(age as integer) as age from told;
            """
        )
        (sentence,) = uncomputable(connection)
    assert sentence.startswith("audience_adults cannot be computed: Conversion Error")
