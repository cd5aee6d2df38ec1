"""The warehouse on a cluster: loading exactly once, what comes home, whose it is. Sail stands in for Spark; see test_spark.py."""

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from ingestion.landing import archived_segments, sealed_segments
from orchestration.cluster.home import bring_home, forget
from orchestration.cluster.loading import load
from orchestration.cluster.session import cluster
from orchestration.cluster.tables import WrongCluster
from orchestration.privacy.tombstones import Tombstone, hashes_of, key_of, put
from orchestration.warehouse import ledger, loading
from orchestration.warehouse.engines import books, distinct_events, landed
from orchestration.warehouse.schema import StaysOnCluster, read_copy
from tests.integration.clusters import die, in_file, on_cluster, on_sail, sail
from tests.integration.lines import BAD, GOOD, phoned
from tests.landed import NOON, ask, event, land, line, platform, seal_text


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sail(tmp_path_factory.mktemp("sail")) as started:
        yield started


def test_a_cluster_reads_and_refuses_the_lines_that_the_file_does(
    tmp_path: Path, endpoint: str
) -> None:
    home = platform(tmp_path)
    seal_text(home, b"".join(GOOD), "00-good")
    seal_text(home, b"".join([*GOOD[:2], *BAD, phoned("p1"), phoned("p2")]), "01-mixed")
    seal_text(home, b"", "02-empty")
    seal_text(home, b"rubbish\n", "03-rubbish")
    there = on_sail(home, endpoint)
    result = load(there)
    assert (result.segments, result.rejected["events"]) == (4, len(BAD) + 1)
    loading.load(home)
    assert on_cluster(there, "events") == in_file(home, "events")
    assert on_cluster(there, "phone_numbers") == in_file(home, "phone_numbers")
    columns = ("segment", "line", "raw")
    rejects = on_cluster(there, "load_rejects", *columns)
    assert rejects == in_file(home, "load_rejects", *columns)
    columns = ("segment", "lines", "loaded", "rejected", "bytes", "sha256")
    assert on_cluster(there, "loads", *columns) == in_file(home, "loads", *columns)
    assert books(there) == ({**books(home)[0]}, [])
    with landed(there) as connection:
        assert ledger.received_per_source(connection)
        assert "web_shop" in ledger.last_received(connection, "events")
    assert distinct_events(there) == len(in_file(home, "events")) - 2
    assert load(there).segments == 0


def test_a_loader_killed_anywhere_leaves_every_record_on_the_cluster_once(
    tmp_path: Path, endpoint: str
) -> None:
    home = platform(tmp_path)
    for part in range(3):
        seal_text(home, b"".join(line(f"e{part}{n}") for n in range(4)), f"0{part}")
    land(home, event("e9"))
    there = on_sail(home, endpoint)
    die(there, "loader.inserted")
    assert on_cluster(there, "events") == []
    with cluster(there) as connected:
        unseen = connected.execute("select count(*) from raw.events__kept").rows
    assert unseen == [(13,)]  # what was written is there, and nobody sees it
    die(there, "loader.committed")
    assert len(sealed_segments(home.landing)) == 4
    assert len(on_cluster(there, "events")) == 13
    die(there, "loader.archived")
    assert load(there).finished == 4
    found = [event_id for (event_id,) in on_cluster(there, "events", "event_id")]
    assert found == sorted([f"e{p}{n}" for p in range(3) for n in range(4)] + ["e9"])
    assert len(archived_segments(home.landing)) == 4
    assert books(there)[1] == []


def test_segments_in_the_archive_are_read_where_the_cluster_can(
    tmp_path: Path, endpoint: str
) -> None:
    home = platform(tmp_path / "one")
    land(home, event("e1"), event("e2"))
    loading.load(home)  # so the archive has it, compressed
    there = on_sail(home, endpoint, spark_landing=str(tmp_path / "shared"))
    assert load(there).rows["events"] == 2
    assert not list(tmp_path.glob("shared/*"))


def test_two_homes_do_not_load_into_one_catalog(tmp_path: Path, endpoint: str) -> None:
    mine, other = platform(tmp_path / "mine"), platform(tmp_path / "other")
    there = on_sail(mine, endpoint)
    load(there)
    theirs = other.model_copy(
        update={"target": "sail", "spark_remote": there.spark_remote}
    )
    with pytest.raises(WrongCluster, match=r"holds the warehouse of .*/mine/home"):
        load(theirs)


LATER = datetime(2026, 6, 1)


def test_who_is_erased_does_not_reach_the_cluster(
    tmp_path: Path, endpoint: str
) -> None:
    home = platform(tmp_path)
    ada, ben = [{"type": "email", "value": f"{n}@x.example"} for n in ("ada", "ben")]
    land(home, event("of-ada", identifiers=[ada]), event("of-ben", identifiers=[ben]))
    hashes = hashes_of(key_of(home), [("email", "ada@x.example")])
    put(home, Tombstone("r1", "erasure", LATER, LATER, hashes))
    there = on_sail(home, endpoint)
    assert load(there).forbidden == 1
    assert on_cluster(there, "events", "event_id") == [("of-ben",)]
    with cluster(there) as connected:
        kept = connected.execute("select event_id from raw.events__kept").rows
    assert kept == [("of-ben",)]


ORDERS = """
    select
        concat('o', id) as order_id,
        '01a2012b-0000-7000-8000-000000000001' as record_id,
        '{"a": 1}' as said,
        cast(1.5 as decimal(18, 4)) as total,
        timestamp_ntz'2026-01-31 12:00:00' as at
    from range(25)
"""
MANIFEST = {
    "nodes": {
        name: {
            "resource_type": "model",
            "schema": schema,
            "name": name,
            "alias": name,
            "config": {"materialized": "table"},
            "depends_on": {"nodes": []},
            "columns": {
                column: {"name": column, "data_type": kind}
                for column, kind in kinds.items()
            },
        }
        for schema, name, kinds in [
            (
                "orders",
                "fct_orders",
                {"order_id": "varchar", "record_id": "uuid", "said": "json"},
            ),
            ("orders", "int_orders", {}),
            ("orders", "fct_never_built", {}),
            ("staging", "fct_events", {}),
        ]
    }
}


def test_what_people_ask_for_comes_home_and_events_stay(
    tmp_path: Path, endpoint: str
) -> None:
    home = platform(tmp_path)
    land(home, event("e1"))
    there = on_sail(home, endpoint)
    load(there)
    with cluster(there) as connected:
        for schema in ("orders", "staging"):
            connected.execute(f"create schema {schema}")
        for table in ("orders.fct_orders", "orders.int_orders"):
            connected.execute(f"create table {table} as {ORDERS}")
        connected.execute("create view staging.fct_events as select * from raw.events")
        # what a run that was killed on its way home left lying
        connected.execute("create schema going_home")
        connected.execute("create table going_home.int_orders as select 1 as one")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(MANIFEST))
    rows = bring_home(there, manifest, at_once=10)
    assert (rows["orders.fct_orders"], rows["orders.int_orders"]) == (25, 25)
    with cluster(there) as connected:
        schemas = connected.execute("show schemas").rows
        assert "going_home" not in {row[0] for row in schemas}
    with read_copy(there.warehouse) as copy:
        orders = copy.sql("select distinct order_id from orders.fct_orders")
        assert len(orders.fetchall()) == 25
        kinds = [str(kind) for kind in copy.sql("from orders.fct_orders").types]
        assert kinds == ["VARCHAR", "UUID", "JSON", "DECIMAL(18,4)", "TIMESTAMP"]
        assert copy.sql("select loaded from raw.loads").fetchall() == [(1,)]
        assert copy.sql("select sql_text from journeys.kept_sql").fetchall()
        assert ledger.newest_received(copy, "events") == NOON.replace(tzinfo=None)
        assert ledger.newest_received(copy, "deliveries") is None
    with (
        pytest.raises(StaysOnCluster, match=r"raw\.events stays on the cluster"),
        read_copy(there.warehouse) as copy,
    ):
        copy.execute("from raw.events")
    with (
        pytest.raises(duckdb.CatalogException, match="fct_never_built"),
        read_copy(there.warehouse) as copy,
    ):
        copy.execute("from orders.fct_never_built")
    everything = there.model_copy(update={"copy_events": True})
    bring_home(everything, manifest)
    assert ask(home, "select event_id from staging.fct_events") == [("e1",)]
    forget(there)
    with cluster(there) as connected:
        assert not connected.has("raw.loads")
        assert not connected.has("orders.fct_orders")


@pytest.mark.prove
def test_segments_are_read_from_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "AWS_ACCESS_KEY_ID": "owner",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    storage = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    storage.start()
    files = s3fs.S3FileSystem()
    files.mkdir("segments")
    try:
        with sail(tmp_path) as endpoint:
            home = platform(tmp_path / "home")
            land(home, event("e1"), event("e2"))
            there = on_sail(home, endpoint, spark_landing="s3a://segments/staged")
            assert load(there).rows["events"] == 2
            assert on_cluster(there, "events", "event_id") == [("e1",), ("e2",)]
            assert files.find("segments") == []
    finally:
        storage.stop()
