"""Lines of the log: JSON whatever is said, with the ids that tell one story, into a file that may be moved away."""

import json
import logging
from pathlib import Path

import pytest

from ingestion.logs import Lines, about, keep_lines, log_file
from ingestion.settings import Settings


@pytest.fixture
def log(tmp_path: Path):
    found = logging.Logger("ingestion.here")
    handler = Lines(str(log_file(tmp_path)))
    found.addHandler(handler)
    yield found
    handler.close()


def said(home: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log_file(home).read_text().splitlines()]


def test_a_line_has_the_message_and_the_ids_however_many_lines_it_has(tmp_path, log):
    log.warning("two\nlines of %s", "it", extra=about(sync="to_tool", delivered=3))
    (line,) = said(tmp_path)
    assert line.pop("at")[-6:] == "+00:00"
    assert line == {
        "level": "warning",
        "logger": "ingestion.here",
        "message": "two\nlines of it",
        "sync": "to_tool",
        "delivered": 3,
    }


def test_an_error_is_one_line_too_and_a_file_that_was_moved_away_is_begun_anew(
    tmp_path, log
):
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it broke")
    (line,) = said(tmp_path)
    assert line["error"].endswith("ValueError: broken")
    log_file(tmp_path).rename(tmp_path / "old.ndjson")
    log.info("again")
    assert [line["message"] for line in said(tmp_path)] == ["again"]


def test_a_process_keeps_its_lines_once_however_often_it_is_asked(tmp_path):
    packages = [logging.getLogger(name) for name in ("ingestion", "orchestration")]
    before = [list(each.handlers) for each in packages]
    try:
        for _ in range(2):
            keep_lines(Settings(home=tmp_path))
        logging.getLogger("orchestration.somewhere").info("said")
        assert [line["message"] for line in said(tmp_path)] == ["said"]
    finally:
        for each, handlers in zip(packages, before, strict=True):
            for added in set(each.handlers) - set(handlers):
                each.removeHandler(added)
                added.close()
