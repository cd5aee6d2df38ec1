"""The file drop: a reader who goes by manifests sees whole files or nothing."""

import csv
import hashlib
import json
from pathlib import Path

from orchestration.destinations.file_drop import FileDropDestination, FileDropSettings
from tests.changes import SYNC, change

CHANGES = [change("ada"), change('o"brien, jr'), change("cy", "exit", generation=3)]


def drop(folder: Path) -> FileDropDestination:
    settings = FileDropSettings(name="files", kind="file_drop", folder=Path("drop"))
    return FileDropDestination(settings, folder)


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
