"""The file drop: a reader who goes by manifests sees whole files or nothing."""

import csv
import hashlib
import io
import json
from pathlib import Path

import fsspec
import pyarrow.parquet
import pytest

from orchestration.destinations.file_drop import FileDropDestination, FileDropSettings
from tests.changes import SYNC, change

CHANGES = [change("ada"), change('o"brien, jr'), change("cy", "exit", generation=3)]


def drop(folder: Path, **settings: object) -> FileDropDestination:
    given = {"name": "files", "kind": "file_drop", "folder": Path("drop"), **settings}
    return FileDropDestination(FileDropSettings.model_validate(given), folder)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "drop" / SYNC.sync_name).iterdir())


def test_the_manifest_describes_the_file_and_the_file_reads_back(tmp_path):
    given = drop(tmp_path).send(SYNC, CHANGES)
    assert {outcome.kind for outcome in given.outcomes.values()} == {"delivered"}
    data, manifest = files(tmp_path)
    described = json.loads(manifest.read_text())
    assert described["file"] == data.name
    assert described["sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
    with data.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert described["rows"] == len(rows) == 3
    assert [row["recipient"] for row in rows] == ["ada", 'o"brien, jr', "cy"]
    assert [row["attributes"] for row in rows] == ['{"orders":2}', '{"orders":2}', ""]
    assert rows[2]["action"] == "exit"
    assert rows[2]["generation"] == "3"


def test_the_same_changes_give_the_same_file_and_other_changes_another(tmp_path):
    made = drop(tmp_path)
    made.send(SYNC, CHANGES)
    made.send(SYNC, CHANGES)
    assert len(files(tmp_path)) == 2
    made.send(SYNC, CHANGES[:1])
    assert len(files(tmp_path)) == 4


def test_a_folder_that_cannot_be_written_proves_nothing(tmp_path):
    (tmp_path / "drop").write_text("a file where a folder should be")
    given = drop(tmp_path).send(SYNC, CHANGES)
    assert {outcome.kind for outcome in given.outcomes.values()} == {"unknown"}


def test_parquet_has_the_rows_of_csv_and_the_manifest_describes_it(tmp_path):
    drop(tmp_path, format="parquet").send(SYNC, CHANGES)
    manifest, data = sorted(files(tmp_path), key=lambda path: path.suffix)
    assert json.loads(manifest.read_text())["file"] == data.name
    table = pyarrow.parquet.read_table(data)
    assert table.column("recipient").to_pylist() == ["ada", 'o"brien, jr', "cy"]
    assert table.column("generation").to_pylist() == [0, 0, 3]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_any_file_system_of_fsspec_will_do_and_the_manifest_comes_last(
    tmp_path, format
):
    url = f"memory://{tmp_path.name}/drop"
    given = drop(tmp_path, url=url, format=format).send(SYNC, CHANGES)
    assert {outcome.kind for outcome in given.outcomes.values()} == {"delivered"}
    system = fsspec.filesystem("memory")
    folder = f"/{tmp_path.name}/drop/{SYNC.sync_name}"
    written = sorted(system.ls(folder, detail=True), key=lambda each: each["created"])
    assert written[-1]["name"].endswith(".manifest.json")
    manifest = json.loads(system.cat(written[-1]["name"]))
    content = system.cat(written[0]["name"])
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    if format == "parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 3


def test_a_file_system_that_fails_proves_nothing_whatever_it_raises(tmp_path):
    given = drop(tmp_path, url="nosuchprotocol://drop").send(SYNC, CHANGES)
    assert {outcome.kind for outcome in given.outcomes.values()} == {"unknown"}


def test_sending_the_same_changes_elsewhere_again_writes_the_same_two_files(tmp_path):
    made = drop(tmp_path, url=f"memory://{tmp_path.name}/twice")
    for _ in range(2):
        made.send(SYNC, CHANGES)
    folder = f"/{tmp_path.name}/twice/{SYNC.sync_name}"
    assert len(fsspec.filesystem("memory").ls(folder)) == 2
