"""Extracts in object storage: a real S3 server on loopback, every format, and what goes wrong there."""

import gzip
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import s3fs
import zstandard
from moto.server import ThreadedMotoServer

from ingestion.connectors.rows import ExtractError
from tests.pulls import Shop

PEOPLE = """
kind: profiles
description: People.
owner: tests
extract:
  files: %s
  format: %s
  options: {key: "${CRM_KEY}", secret: "${CRM_SECRET}", client_kwargs: {endpoint_url: "${CRM_ENDPOINT}"}}
row_key: [id]
identifiers: {email: mail}
"""
ROWS = [{"id": 1, "mail": "ada@x.example"}, {"id": 2, "mail": "ben@x.example"}]
CSV = b"id,mail\n1,ada@x.example\n2,ben@x.example\n"
NDJSON = b'{"id": 1, "mail": "ada@x.example"}\n{"id": 2, "mail": "ben@x.example"}\n'
SECRET = "a-very-secret-key"


def parquet(folder: Path) -> bytes:
    path = folder / "made.parquet"
    duckdb.sql(
        f"copy (select * from (values (1, 'ada@x.example'), (2, 'ben@x.example')) as p(id, mail)) to '{path}'"
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(tmp_path, endpoint, monkeypatch) -> s3fs.S3FileSystem:
    monkeypatch.setenv("CRM_KEY", "reader")
    monkeypatch.setenv("CRM_SECRET", SECRET)
    monkeypatch.setenv("CRM_ENDPOINT", endpoint)
    storage = s3fs.S3FileSystem(
        key="owner",
        secret=SECRET,
        client_kwargs={"endpoint_url": endpoint},
        use_listings_cache=False,
    )
    storage.mkdir("crm")
    yield storage
    storage.rm("crm", recursive=True)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("p.csv", "csv"),
        ("p.csv.gz", "csv"),
        ("p.ndjson.zst", "ndjson"),
        ("p.json", "json"),
        ("p.parquet", "parquet"),
    ],
)
def test_every_format_is_read_from_a_bucket(tmp_path, bucket, name, form):
    content = {
        "p.csv": CSV,
        "p.csv.gz": gzip.compress(CSV),
        "p.ndjson.zst": zstandard.compress(NDJSON),
        "p.json": b"[" + NDJSON.replace(b"}\n{", b"},{") + b"]",
    }
    bucket.pipe(f"crm/daily/{name}", content.get(name) or parquet(tmp_path))
    shop = Shop(tmp_path)
    source = shop.declare(PEOPLE % ("s3://crm/daily/*", form))
    result = shop.pull(source)
    assert (result.landed, shop.pull(source).changed) == (2, False)
    assert datetime.now(UTC) - result.newest < timedelta(minutes=5)
    rows = shop.landed("profiles")
    assert {row["file"] for row in rows} == {f"crm/daily/{name}"}
    assert [row["line"] for row in rows] == ([2, 3] if form == "csv" else [1, 2])


def test_a_new_object_is_seen_and_later_names_have_the_last_word(tmp_path, bucket):
    shop = Shop(tmp_path)
    source = shop.declare(PEOPLE % ("s3://crm/**/*.csv", "csv"))
    bucket.pipe("crm/2026/01.csv", CSV)
    assert shop.pull(source).landed == 2
    bucket.pipe("crm/2026/02.csv", CSV.replace(b"ada@", b"adele@"))
    result = shop.pull(source)
    assert (result.files, result.landed, result.superseded) == (2, 1, 1)


def test_a_wrong_place_or_a_server_that_is_gone_is_a_sentence_without_a_secret(
    tmp_path, bucket, monkeypatch
):
    shop = Shop(tmp_path)
    empty = shop.pull(shop.declare(PEOPLE % ("s3://crm/none/*.csv", "csv")))
    assert (empty.files, empty.read) == (0, 0)
    monkeypatch.setenv("CRM_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ExtractError, match="check the place") as told:
        shop.pull(shop.declare(PEOPLE % ("s3://crm/*.csv", "csv")))
    assert SECRET not in str(told.value)
    monkeypatch.delenv("CRM_SECRET")
    with pytest.raises(ExtractError, match="set CRM_SECRET in the environment"):
        shop.pull(shop.declare(PEOPLE % ("s3://crm/*.csv", "csv")))
