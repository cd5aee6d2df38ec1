"""What SECURITY.md says of senders and editors: values stay values, whatever they would be elsewhere.

Pages that escape have tests of their own, as do sizes, depths and signatures.
"""

import csv
import gzip
import io
import os
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ingestion.connectors.declarations import Source
from ingestion.settings import Settings
from orchestration.audience.compiling import compiled_model
from orchestration.audience.loading import RuleError, read_rule
from orchestration.audience.rendering import rendered
from orchestration.destinations.base import Sync
from orchestration.destinations.file_drop import FileDropDestination, FileDropSettings
from orchestration.identity.picture import visible
from tests.changes import SYNC, change
from tests.unit.test_collector import Collector, code

FORMULAS = ("=HYPERLINK(1)", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1")
PLAIN = (
    "ada",
    "+4917055512345",
    "-17",
    "a=b",
    "o'neil@x.example",
    "'; drop table x; --",
)
ELSEWHERE = ("../up", "a/b", "a\\b", "..", "", "a\nb", "a b", "a\0b", "{{ x }}")
LINES = "web\r\nX-Injected: 1\r\n\r\n<script>"


def drop(folder: Path) -> FileDropDestination:
    settings = {"name": "files", "kind": "file_drop", "format": "csv"}
    return FileDropDestination(FileDropSettings.model_validate(settings), folder)


def test_a_file_for_spreadsheets_holds_no_formula_and_everybody_else(tmp_path):
    changes = [change(key) for key in (*FORMULAS, *PLAIN)]
    outcomes = drop(tmp_path).send(SYNC, changes).outcomes
    rejected = [c.handle for c in changes if outcomes[c.op_id].kind == "rejected"]
    assert rejected == list(FORMULAS)
    (file,) = tmp_path.rglob("*.csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
    assert [row["recipient"] for row in rows] == list(PLAIN)


def test_who_is_there_under_a_formula_may_leave(tmp_path):
    leaving = [change(key, "exit") for key in FORMULAS]
    outcomes = drop(tmp_path).send(SYNC, leaving).outcomes
    assert {each.kind for each in outcomes.values()} == {"delivered"}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_names_a_file_or_a_folder_leads_nowhere_else(name, tmp_path):
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, tenant=name)
    with pytest.raises(ValidationError):
        Sync.model_validate({**SYNC.model_dump(), "sync_name": name})
    declared = {"source_id": name, "kind": "events", "description": "d", "owner": "o"}
    with pytest.raises(ValidationError):
        Source.model_validate(declared)


def rule(folder: Path, value: str) -> Path:
    path = folder / "audiences" / "tried.yml"
    path.parent.mkdir(exist_ok=True)
    who = {"any": [{"profile": "country", "is": value}]}
    given = {"description": "A", "owner": "o", "purpose": "service", "who": who}
    path.write_text(yaml.safe_dump(given))
    return path


@pytest.mark.parametrize("value", ["{{ env_var('SECRET') }}", "a{% do x %}", "{#"])
def test_a_rule_is_no_template(tmp_path, value):
    with pytest.raises(RuleError, match=r"`who.any.profile|`who.any.is` holds"):
        read_rule(rule(tmp_path, value))


def test_a_rule_compares_with_what_would_end_its_text(tmp_path):
    path = rule(tmp_path, "x' or 1 = 1 --")
    model = compiled_model("tried", read_rule(path))
    assert "'x'' or 1 = 1 --'" in rendered(model, datetime(2026, 1, 1))


def test_nothing_that_was_sent_becomes_a_header_or_a_path(tmp_path):
    with Collector(tmp_path) as collector:
        for path in ("/webhooks/..%2f..%2fkeys.json", "/v1/..%2f..", "/%0d%0aX-A:%201"):
            assert code(collector.post(path, {})) == "not_found"
        body = {"type": "track", "event": LINES, "userId": LINES, "messageId": LINES}
        answer = collector.post("/v1/track", body, idempotency_key="k")
        assert answer.status_code == 200
        assert not [h for h in answer.headers.raw if b"Injected" in h[0] + h[1]]
        (landed,) = collector.landed()
    assert landed["name"] == LINES
    (segment,) = (collector.root / "events").rglob("*.ndjson")
    assert segment.read_bytes().count(b"\n") == 1, "a record is one line"
    made = {path.name for path in tmp_path.rglob("*") if path.is_dir()}
    assert made <= {"landing", "events", "rejects", "open", "sealed", "archive"}


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(tmp_path):
    bomb = gzip.compress(b'{"type":"track","event":"' + b" " * (64 << 20), 1)
    assert len(bomb) < 1 << 19
    with Collector(tmp_path) as collector:
        before = os.times().user
        assert collector.post("/v1/track", bomb).status_code == 413
        assert os.times().user - before < 1, "and not read to its end"


def test_what_is_printed_is_one_line_of_letters():
    assert (
        visible("a\r\nINFO fine\x1b[2J\u202eb", 80)
        == "a\ufffd\ufffdINFO fine\ufffd[2J\ufffdb"
    )
