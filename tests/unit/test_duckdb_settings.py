"""The settings that dbt gives DuckDB, held against what they are there for."""

import duckdb
import jinja2
import yaml

from tests.conftest import ROOT

ANTI_JOIN = """
with
everyone as (select * from people),
welcome as (select * from everyone where reason is null),
reasons as (select name, min(reason) as reason from everyone group by name)
select guests.name, reasons.reason
from guests
left join welcome on guests.name = welcome.name
left join reasons on guests.name = reasons.name
where welcome.name is null
order by guests.name
"""


def test_an_anti_join_over_a_reused_cte_keeps_the_ctes_filter() -> None:
    profiles = yaml.safe_load((ROOT / "dbt_project/profiles.yml").read_text())
    with duckdb.connect() as connection:
        for name, value in profiles["millrace"]["outputs"]["duckdb"][
            "settings"
        ].items():
            rendered = jinja2.Template(value).render(env_var=lambda _, usual: usual)
            connection.execute(f"set {name} = '{rendered}'")
        connection.execute("create table people (name varchar, reason varchar)")
        connection.execute("insert into people values ('ada', null), ('bo', 'banned')")
        connection.execute("create table guests (name varchar)")
        connection.execute("insert into guests values ('ada'), ('bo'), ('cy')")
        answer = connection.execute(ANTI_JOIN).fetchall()
    assert answer == [("bo", "banned"), ("cy", None)]
