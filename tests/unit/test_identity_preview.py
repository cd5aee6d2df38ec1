"""What a preview says of two warehouses, and which landed records a position holds. dbt is not needed for either."""

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from ingestion.settings import Settings
from orchestration.identity.__main__ import main
from orchestration.identity.as_of import NoSuchPositionError, position
from orchestration.identity.preview import Preview, compare
from orchestration.identity.scratch import copy_loads
from orchestration.warehouse.schema import create_raw

NOON = datetime(2026, 1, 5, 12)
LATER = datetime(2026, 1, 6, 12)
# identifier → (profile before, is shared before), (profile after, is shared after); None: not there
IDENTIFIERS = {
    "ada": (("p_ada", False), ("p_ada", False)),
    "lovelace": (("p_lovelace", False), ("p_ada", False)),
    "bo": (("p_bo", False), ("p_bo", False)),
    "bea": (("p_bo", False), ("p_bea", False)),
    "cy": (("p_cy", False), ("p_cyrus", False)),
    "dee": (("p_dee", False), None),
    "eve": (None, ("p_eve", False)),
    "office": (("p_ada", True), ("p_bo", True)),
    "desk": (("p_fay", False), ("p_fay", True)),
    "fay": (("p_fay", False), ("p_fay", False)),
    "gil": (("p_gil", False), ("p_gil", False)),
}
MEMBERS = (
    [("buyers", p) for p in ("p_ada", "p_lovelace", "p_bo", "p_cy")],
    [("buyers", p) for p in ("p_ada", "p_bea", "p_cyrus", "p_gil")],
)


@pytest.fixture
def compared(tmp_path: Path) -> Preview:
    files = [tmp_path / side / "millrace.duckdb" for side in ("before", "after")]
    for side, file in enumerate(files):
        warehouse(file, side)
    return compare(files[0], files[1], NOON, audiences=True)


def warehouse(file: Path, side: int) -> None:
    file.parent.mkdir()
    with duckdb.connect(file) as c:
        c.execute(
            """
            create schema identity;
            create schema audiences;
            create schema seeds;
            create table identity.dim_identifiers (
                identifier_id bigint, identifier_type varchar, identifier_value varchar, priority bigint,
                profile_id varchar, is_shared boolean
            );
            create table identity.dim_profile_ids as
                select * from (values ('p_lovelace', 'p_ada'), ('p_cy', 'p_cyrus')) as t (any_profile_id, profile_id);
            create table audiences.fct_audience_members (audience_name varchar, profile_id varchar);
            """
        )
        for key, (value, sides) in enumerate(IDENTIFIERS.items()):
            if held := sides[side]:
                c.execute(
                    "insert into identity.dim_identifiers values (?, 'user_id', ?, 1, ?, ?)",
                    [key, value, *held],
                )
        c.executemany(
            "insert into audiences.fct_audience_members values (?, ?)", MEMBERS[side]
        )
        c.execute(f"create table seeds.hubs as select {side} as n")
        c.execute("create table seeds.kept as select 1 as n")


def test_a_preview_says_who_merges_splits_changes_id_goes_and_comes(compared):
    changes = {
        change.kind: (set(change.before), set(change.after))
        for change in compared.changes
    }
    assert changes == {
        "merge": ({"p_ada", "p_lovelace"}, {"p_ada"}),
        "split": ({"p_bo"}, {"p_bo", "p_bea"}),
        "id": ({"p_cy"}, {"p_cyrus"}),
        "gone": ({"p_dee"}, set()),
        "new": (set(), {"p_eve"}),
    }
    assert (compared.profiles_before, compared.profiles_after) == (7, 7)
    assert compared.seeds == ["hubs"]


def test_a_preview_counts_people_in_audiences_not_ids(compared):
    (move,) = compared.audiences
    assert (move.members_before, move.members_after) == (4, 4)
    assert (move.enter, move.leave, move.merge_away) == (2, 1, 1)  # bea and gil; bo


def test_a_preview_is_told_to_people_and_to_programs(compared):
    told = "\n".join(compared.lines())
    assert "p_ada (user_id:ada) + p_lovelace (user_id:lovelace) → p_ada" in told
    assert "identifiers that become shared: 1" in told
    counts = json.loads(json.dumps(compared.as_dict(), default=str))["counts"]
    assert counts == {"gone": 1, "id": 1, "merge": 1, "new": 1, "split": 1}


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A read copy with four loads; a rebuild has numbered the profiles, which came last, before the events."""
    settings = Settings(home=tmp_path)
    settings.published.parent.mkdir()
    loads = [
        (1, "profiles", LATER),
        (2, "events", NOON),
        (3, "events", LATER),
        (4, "events", None),
    ]
    with duckdb.connect(settings.published) as c:
        create_raw(c)
        for load, stream, received in loads:
            segment = f"segment-{load}"
            c.execute(
                "insert into raw.loads (load_id, stream, segment) values (?, ?, ?)",
                [load, stream, segment],
            )
            if received:
                c.execute(
                    f"insert into raw.{stream} (record_id, source_id, received_at, _segment, _load_id)"
                    " values (?, 'web', ?, ?, ?)",
                    [UUID(int=load), received, segment, load],
                )
            else:
                c.execute(
                    "insert into raw.load_rejects (stream, segment) values (?, ?)",
                    [stream, segment],
                )
        c.execute("insert into raw.sources (source_id) values ('web')")
    return settings


@pytest.mark.parametrize(
    ("asked", "loads"),
    [
        ("2", (1, 2)),
        ("4", (1, 2, 3, 4)),
        ("2026-01-05T12:00:00", (2,)),
        ("2026-01-05 13:00:00+01:00", (2,)),
        ("2027-01-01", (1, 2, 3)),
    ],
)
def test_a_position_is_a_set_of_ledger_rows(home, tmp_path, asked, loads):
    with duckdb.connect(home.published, read_only=True) as c:
        found = position(c, asked)
    assert found.loads == loads
    file = tmp_path / "scratch" / "millrace.duckdb"
    file.parent.mkdir()
    copy_loads(home, file, found.loads)
    with duckdb.connect(file) as c:
        held = c.execute(
            "select _load_id from raw.events union all select _load_id from raw.profiles order by all"
        ).fetchall()
        assert [load for (load,) in held] == [load for load in loads if load < 4]
        counts = c.execute(
            "select (select count(*) from raw.loads), (select count(*) from raw.load_rejects),"
            " (select count(*) from raw.sources)"
        ).fetchall()
    assert counts == [(len(loads), loads.count(4), 1)]


@pytest.mark.parametrize("asked", ["99", "0", "-1", "2025-01-01", "'; drop", ""])
def test_what_is_no_position_is_said_in_a_sentence(home, asked, capsys, monkeypatch):
    with (
        duckdb.connect(home.published, read_only=True) as c,
        pytest.raises(NoSuchPositionError),
    ):
        position(c, asked)
    monkeypatch.setenv("MILLRACE_HOME", str(home.home))
    assert main(["as-of", "--", asked, "ada"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
