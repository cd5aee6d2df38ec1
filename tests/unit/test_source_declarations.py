"""Declaring sources: what ships is valid, and every mistake is a sentence with the field and the remedy."""

from pathlib import Path

import pytest

from ingestion.connectors import SourceError, load_sources
from tests.conftest import ROOT

CUSTOMERS = """
source_id: customers
kind: profiles
description: Customers.
owner: somebody
extract: {files: customers.csv, format: csv}
row_key: [id]
identifiers: {email: email}
"""


def mistakes(folder: Path, text: str, name: str = "customers") -> str:
    (folder / f"{name}.yml").write_text(text)
    with pytest.raises(SourceError) as caught:
        load_sources(folder)
    return str(caught.value)


@pytest.mark.parametrize("folder", ["sources", "tests/data/acceptance_sources"])
def test_the_declarations_that_ship_are_valid(folder):
    sources = load_sources(ROOT / folder)
    assert [source.source_id for source in sources] == sorted(
        path.stem for path in (ROOT / folder).glob("*.yml")
    )


def test_defaults_need_not_be_written(tmp_path):
    (tmp_path / "customers.yml").write_text(CUSTOMERS)
    (source,) = load_sources(tmp_path)
    assert (source.priority, source.session_key, source.is_server) == (
        100,
        "anonymous_id",
        False,
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("row_key: [id]", "", "`row_key` is missing; list the columns"),
        (
            "row_key: [id]",
            "rowkey: [id]",
            "`rowkey` is unknown; did you mean `row_key`?",
        ),
        (
            "kind: profiles",
            "kind: people",
            "`kind` is missing or unknown; choose one of events",
        ),
        ("format: csv", "format: xlsx", "`extract.format` is 'xlsx'"),
        (
            "files: customers.csv, ",
            "",
            "`extract.files` is missing; give a path or glob",
        ),
        ("format: csv", "format: csv, connector: ftp", "choose one of files"),
        ("format: csv", "format: csv, connector: sqll", "did you mean `sql`?"),
        ("format: csv", "format: csv, delimeter: ;", "did you mean `delimiter`?"),
        ("format: csv", "format: csv, encoding: utf-99", "name it as Python does"),
        (
            "format: csv",
            "format: csv, options: {secret: abc}",
            "secret stands in the file; put it into the environment and write ${NAME}",
        ),
        ("kind: profiles", "kind: profile", "did you mean `profiles`?"),
        (
            "kind: profiles",
            "kind: profiles\npurposes: [service]",
            "`purposes` is refused: what is known of a person is one profile",
        ),
        (
            "owner: somebody",
            "owner: somebody\nfreshness: {withn: 2h}",
            "`freshness.withn` is unknown; did you mean `within`?",
        ),
        ("owner: somebody", "owner: somebody\nfreshness: soon", "such as `fresh"),
        (
            "owner: somebody",
            "owner: somebody\nconsent: {marketing: {column: ok, grant: [y]}}",
            "did you mean `granted`?",
        ),
        (
            "{files: customers.csv, format: csv}",
            "{connector: sql, url: 'postgresql://reader:abc@db/crm', table: t}",
            "`extract.url` holds a password; put it into the environment",
        ),
        (
            "{files: customers.csv, format: csv}",
            "{connector: sql, url: 'sqlite:///x', table: t, query: select 1}",
            "needs either `table` or `query`",
        ),
        (
            "{files: customers.csv, format: csv}",
            "{connector: sql, url: 'sqlite:///x', table: t, cursor: id}\ndeletes: missing",
            "or name a `delete_marker`",
        ),
        (
            "{files: customers.csv, format: csv}",
            "{connector: dlt, source: rest_api}",
            "name a function as module:function",
        ),
        ("owner: somebody", "owner: ''", "`owner` is ''"),
        ("identifiers: {email: email}", "identifiers: {}", "`identifiers` is {}"),
        (
            "owner: somebody",
            "owner: somebody\ndefault_region: Germany",
            "two capital letters",
        ),
        ("owner: somebody", "owner: somebody\nowner: else", "'owner' is given twice"),
        ("source_id: customers", "source_id: clients", "rename it to clients.yml"),
        ("owner: somebody", "owner: [", "is not valid YAML"),
    ],
)
def test_a_mistake_names_the_file_the_field_and_the_remedy(tmp_path, old, new, says):
    assert old in CUSTOMERS
    told = mistakes(tmp_path, CUSTOMERS.replace(old, new))
    assert "customers.yml" in told
    assert says in told


def test_every_mistake_of_every_file_is_told_at_once(tmp_path):
    (tmp_path / "other.yml").write_text("kind: events")
    told = mistakes(
        tmp_path, CUSTOMERS.replace("row_key: [id]", "").replace("owner: somebody", "")
    )
    assert {line.split(":")[0].split("/")[1] for line in told.splitlines()} == {
        "customers.yml",
        "other.yml",
    }
    assert len(told.splitlines()) == 2 + 3


def test_orders_without_effects_are_refused_with_an_example(tmp_path):
    orders = CUSTOMERS.replace("kind: profiles", "kind: records\nrecord_type: order")
    assert "orders need `order_id`" in mistakes(tmp_path, orders)
    told = mistakes(tmp_path, orders + "order_id: id\n")
    assert "orders need `status` and `effects`" in told


def test_an_effect_that_does_not_exist_is_refused(tmp_path):
    orders = CUSTOMERS.replace("kind: profiles", "kind: records\nrecord_type: order")
    told = mistakes(
        tmp_path, orders + "order_id: id\nstatus: s\neffects: {paid: bought}\n"
    )
    assert "`effects.paid` is 'bought'" in told
    assert "map each status to incomplete, checkout" in told
