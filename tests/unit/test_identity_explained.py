"""Why two identifiers are one person, or why not, over a read copy made by hand; and hostile values everywhere."""

import json
import random
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations, product
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import duckdb
import pytest

from orchestration.identity.__main__ import main
from orchestration.identity.explain import explain, explain_profile
from orchestration.identity.finding import NotFoundError, find
from orchestration.identity.graph import Identifier, Link, component, path
from orchestration.identity.picture import MOST_NODES, Edge, Node, component_svg
from tests.conftest import ROOT

NOON = datetime(2026, 1, 5, 12)
HOSTILE = {
    "sql": "'; drop table identity.dim_identifiers; --",
    "html": "<script>alert('x')</script>&amp;\"",
    "terminal": "\x1b[31mred\x07\x00",
    "turned": "ada\u202egnp.exe",
    "colon": "user_id:ada",
    "script": "日本語 🧑\u200d🚀 ÅÅ",
    "long": "x" * 1_000_000,
    "surrounding": "a\nb\tc",
}
# Who they are: (type, value, profile, is it shared)
PEOPLE = {
    "ada": ("user_id", "ada", "p_ada", False),
    "ada_mail": ("email", "ada@x.org", "p_ada", False),
    "ada_phone": ("phone", "+4930123456", "p_ada", False),
    "bo": ("user_id", "bo", "p_bo", False),
    "bo_cookie": ("anonymous_id", "bo-laptop", "p_bo", False),
    "office": ("email", "office@x.org", "p_ada", True),
    "number": ("user_id", "12345", "p_number", False),
    "same_number": ("crm_id", "12345", "p_crm", False),
    "alone": ("anonymous_id", "alone", "p_alone", False),
    "twin": ("email", "twin@x.org", "p_twin", False),
} | {name: ("user_id", value, f"p_{name}", False) for name, value in HOSTILE.items()}
KEYS = {name: number for number, name in enumerate(PEOPLE, start=1)}
HUB = 99
EDGES = [
    ("ada", "ada_mail", None, "one record"),
    ("ada_mail", "ada_phone", None, "one record"),
    ("bo", "bo_cookie", None, "one record"),
    ("ada", "office", "shared", "limit of user_id"),
    ("bo", "office", "shared", "limit of user_id"),
    ("ada_mail", "twin", "never together", "never together"),
    *(("ada", name, "edge", "limit of user_id") for name in HOSTILE),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A read copy with what explanations read, and nothing else."""
    file = tmp_path_factory.mktemp("home") / "published/millrace.duckdb"
    file.parent.mkdir()
    seeds = ROOT / "dbt_project/seeds"
    with duckdb.connect(file) as c:
        for schema in ("identity", "seeds", "raw", "staging"):
            c.execute(f"create schema {schema}")
        for seed in ("identifier_types", "blocked_identifiers"):
            c.execute(f"create table seeds.{seed} as from '{seeds / seed}.csv'")
        c.execute(SCHEMA)
        for name, key in KEYS.items():
            c.execute(
                "insert into identity.dim_identifiers values (?, ?, ?, ?, ?, ?, ?)",
                [key, *PEOPLE[name], 1, UUID(int=key)],
            )
        for place, (a, b, demotion, rule) in enumerate(EDGES):
            insert_edge(
                c, KEYS[a], PEOPLE[a], KEYS[b], PEOPLE[b], demotion, rule, place
            )
        hub = ("email", "test@x.org")
        c.execute(
            "insert into identity.fct_identity_demotions values ('hub', ?, ?, ?)",
            [HUB, *hub],
        )
        for name in ("alone", "bo_cookie"):
            insert_edge(c, KEYS[name], PEOPLE[name], HUB, hub, "hub", "hub", HUB)
    return file


def insert_edge(c, a, person_a, b, person_b, demotion, rule, place) -> None:
    declared = rule == "never together"
    evidence = [None] * 3 if declared else [NOON, UUID(int=place + 1), "web"]
    c.execute(
        f"insert into identity.fct_identity_edges values ({', '.join('?' * 17)})",
        [
            *(a, *person_a[:2], b, *person_b[:2]),
            demotion is None,
            "never together" if declared else "record",
            *(demotion, rule, person_a[2] if demotion is None else None),
            *evidence,
            *evidence,
        ],
    )


SCHEMA = """
    create table identity.dim_identifiers (
        identifier_id bigint, identifier_type varchar, identifier_value varchar, profile_id varchar,
        is_shared boolean, priority bigint, first_record_id uuid
    );
    create table identity.fct_identity_demotions (
        demotion varchar, identifier_id bigint, identifier_type varchar, identifier_value varchar
    );
    create table identity.fct_identity_edges (
        identifier_id_a bigint, identifier_type_a varchar, identifier_value_a varchar,
        identifier_id_b bigint, identifier_type_b varchar, identifier_value_b varchar,
        is_live boolean, origin varchar, demotion varchar, rule varchar, profile_id varchar,
        first_seen_at timestamp, earliest_record_id uuid, earliest_source_id varchar,
        last_seen_at timestamp, latest_record_id uuid, latest_source_id varchar
    );
    create table identity.int_identifier_rules as select 'user_id' as identifier_type, 1 as max_per_profile;
    create table identity.int_candidate_identifiers as
        select * from (values (1, 1), (2, 8)) as t (identifier_set_id, identifier_id);
    create table identity.int_identifier_sets as
        select set_id as identifier_set_id, [{type: 'device_id', value: '0-0'}] as identifiers
        from range(1, 3) as t (set_id);
    create table seeds.never_together as
        select 'email' as identifier_type_a, 'twin@x.org' as identifier_value_a, 'email' as identifier_type_b,
            'ada@x.org' as identifier_value_b, 'sisters; the shop decided' as reason;
    create table raw.sources as select 'crm' as source_id, 'DE' as default_region;
    create table staging.fct_events as select
        '00000000-0000-0000-0000-000000000001'::uuid as record_id, 'identify' as event_type, null as event_name;
    create table staging.stg_landing__profiles (record_id uuid, row_key varchar);
    create table staging.stg_landing__records (record_id uuid, row_key varchar);
"""


@pytest.fixture(scope="module")
def copy(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(file, read_only=True) as connection:
        yield connection


def why(copy: duckdb.DuckDBPyConnection, a: str, b: str) -> str:
    return "\n".join(explain(copy, find(copy, a), find(copy, b)).lines())


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("user_id:ada", "ada"),
        ("customer_id:ada", "ada"),
        (" Ada@X.org ", "ada_mail"),
        ("email:ADA@x.ORG", "ada_mail"),
        ("phone:030 123456", "ada_phone"),
        ("crm_id:12345", "same_number"),
        ("user_id:user_id:ada", "colon"),
    ],
)
def test_an_identifier_is_found_as_the_warehouse_writes_it(copy, asked, name):
    assert find(copy, asked).key == KEYS[name]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("12345", "crm_id:12345 and user_id:12345: say which one"),
        ("nobody@x.org", "No record names 'nobody@x.org'"),
        ("email:undefined", "blocked_identifiers blocks it"),
        ("0000-00", "Only zeros and dashes"),
        ("email: ", "is blank"),
    ],
)
def test_what_is_unknown_or_ambiguous_is_said_in_a_sentence(copy, asked, says):
    with pytest.raises(NotFoundError, match=re.escape(says)):
        find(copy, asked)


def test_a_chain_names_every_step_with_its_record_source_and_time(copy):
    told = why(copy, "ada", "030 123456")
    assert told.startswith("user_id:ada and phone:+4930123456 are one person: p_ada")
    assert "first 2026-01-05 12:00:00 web record 00000000-0000-0000-0000-0" in told
    assert "identify" in told
    assert told.index("email:ada@x.org") < told.rindex("phone:+4930123456")


def test_two_accounts_with_one_address_are_told_which_limit_keeps_them_apart(copy):
    told = why(copy, "bo", "ada")
    assert "are not one person: p_bo and p_ada" in told
    assert "email:office@x.org merges nobody" in told
    assert "at most 1 user_id; email:office@x.org would bring together 2" in told


def test_a_never_together_row_and_its_reason_are_told(copy):
    assert "(sisters; the shop decided)" in why(copy, "ada@x.org", "twin@x.org")


def test_a_hub_between_two_people_is_told(copy):
    told = why(copy, "alone", "bo-laptop")
    assert "email:test@x.org is blocked as a hub" in told
    assert "nobody (a hub)" in why(copy, "test@x.org", "alone")


def test_people_without_evidence_are_told_so_and_a_blocked_value_in_both_is_named(copy):
    told = why(copy, "user_id:12345", "ada")
    assert "No evidence connects them" in told
    told = why(copy, "ada", "crm_id:12345")
    assert "records of both carry device_id '0-0', which identifies nobody" in told


def test_a_shared_identifier_is_at_home_and_merged_with_nobody(copy):
    told = why(copy, "ada", "office@x.org")
    assert "are not merged, but both are at home in p_ada" in told


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_is_found_told_and_drawn_and_does_nothing(copy, name):
    asked = find(copy, f"user_id:{HOSTILE[name]}")
    assert asked.value == HOSTILE[name]
    answer = explain(copy, asked, find(copy, "user_id:ada"))
    told = "\n".join([*answer.lines(), *explain_profile(copy, asked).lines()])
    assert len(told) < 5_000
    assert not set(told) & set("\x1b\x07\x00\u202e\t")
    assert (
        json.loads(json.dumps(answer.as_dict(), default=str))["a"]["value"]
        == (HOSTILE[name])
    )
    svg = component_svg(*component(copy, asked.profile_id or ""), title=asked.value)
    tags = {
        element.tag.partition("}")[2] for element in ElementTree.fromstring(svg).iter()
    }
    assert tags <= {"svg", "title", "rect", "g", "path", "text"}
    assert len(svg) < 20_000


def test_the_commands_answer_for_people_and_for_programs(
    file, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("MILLRACE_HOME", str(file.parent.parent))
    assert main(["explain", "ada", "ada@x.org", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["is_merged"]
    assert [step["rule"] for step in answer["chain"]] == ["one record"]
    assert main(["explain", "ada"]) == 0
    assert "email:ada@x.org  by user_id:ada, web 2026-01-05" in capsys.readouterr().out
    assert main(["picture", "ada", "--out", str(tmp_path / "ada.svg")]) == 0
    ElementTree.parse(tmp_path / "ada.svg")
    assert main(["explain", "nobody"]) == 1
    assert "No record names 'nobody'" in capsys.readouterr().err


def test_the_path_is_the_shortest_of_those_with_the_fewest_refusals():
    """Against a search that tries every way of every length, on random graphs."""
    for seed in range(60):
        dice = random.Random(seed)
        nodes = [Identifier(n, "t", str(n)) for n in range(7)]
        links = [
            Link(a, b, dice.random() < 0.6, "record", None, "", None, None)
            for a, b in combinations(nodes, 2)
            if dice.random() < 0.3
        ]
        costs = naive_costs(len(nodes), links)
        for start, end in product(range(len(nodes)), repeat=2):
            way = path(links, start, end)
            if way is None:
                assert (start, end) not in costs
                continue
            assert (sum(not link.is_live for link in way), len(way)) == costs[
                start, end
            ]
            at = start
            for link in way:
                assert at in (link.a.key, link.b.key)
                at = link.other(at).key
            assert at == end


def naive_costs(size: int, links: list[Link]) -> dict[tuple[int, int], tuple[int, int]]:
    """(refusals, steps) of the best way between any two, by Floyd and Warshall."""
    best = {(n, n): (0, 0) for n in range(size)}
    for link in links:
        for pair in ((link.a.key, link.b.key), (link.b.key, link.a.key)):
            best[pair] = min(best.get(pair, (9, 9)), (int(not link.is_live), 1))
    for middle, a, b in product(range(size), repeat=3):
        if (a, middle) in best and (middle, b) in best:
            first, second = best[a, middle], best[middle, b]
            through = first[0] + second[0], first[1] + second[1]
            best[a, b] = min(best.get((a, b), through), through)
    return best


def test_a_picture_of_a_giant_shows_what_can_be_read_and_says_how_much_it_leaves_out():
    nodes = [Node(n, "anonymous_id", f"cookie-{n}") for n in range(5_000)]
    edges = [Edge(0, n, "web") for n in range(1, 5_000)]
    svg = component_svg(nodes, edges)
    assert svg.count("<rect") == MOST_NODES + 1
    assert f"{5_000 - MOST_NODES:,} more identifiers are not shown" in svg


def test_a_refused_edge_is_dashed_and_says_why():
    nodes = [Node(1, "user_id", "ada"), Node(2, "email", "office", "shared")]
    svg = component_svg(nodes, [Edge(1, 2, "web", refused="limit of user_id")])
    assert '<path d="M224 43 C314 43 314 43 404 43" fill="none" stroke="#b3372f"' in svg
    assert svg.count("stroke-dasharray") == 2
    assert ">limit of user_id</text>" in svg
