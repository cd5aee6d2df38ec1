"""The tail: every landed line is heard once, however its segment moves meanwhile."""

from pathlib import Path

import zstandard

from ingestion.landing import LandingWriter
from orchestration.relay.tail import Tail
from tests.landed import event


def heard(rows) -> list[str]:
    return [row["event_id"] for row in rows]


def archive(root: Path) -> None:
    """What the loader does with every sealed segment."""
    folder = root / "events" / "archive"
    folder.mkdir(exist_ok=True)
    for path in (root / "events" / "sealed").glob("*.ndjson"):
        packed = zstandard.compress(path.read_bytes())
        (folder / f"{path.name}.zst").write_bytes(packed)
        path.unlink()


def test_lines_are_heard_once_while_their_segment_grows_and_moves(tmp_path):
    tail = Tail(tmp_path, "events")
    assert heard(tail.begin(())) == []
    with LandingWriter(tmp_path) as writer:
        writer.land([event("one")])
        assert heard(tail.more()) == ["one"]
        writer.land([event("two"), event("three")])
        assert heard(tail.more()) == ["two", "three"]
    assert heard(tail.more()) == [], "sealed"
    archive(tmp_path)
    assert heard(tail.more()) == [], "archived"


def test_what_a_refresh_archives_before_it_was_heard_is_heard_all_the_same(tmp_path):
    tail = Tail(tmp_path, "events")
    with LandingWriter(tmp_path) as writer:
        writer.land([event("heard")])
        assert heard(tail.begin(())) == ["heard"]
        writer.land([event("in a gap")])
    with LandingWriter(tmp_path) as writer:
        writer.land([event("in a segment of its own")])
    archive(tmp_path)
    assert heard(tail.more()) == ["in a gap", "in a segment of its own"]
    assert heard(tail.more()) == []


def test_what_the_copy_has_seen_is_not_heard_and_the_rest_is_heard_again(tmp_path):
    tail = Tail(tmp_path, "events")
    for name in ("old", "new"):
        with LandingWriter(tmp_path) as writer:
            writer.land([event(name)])
        archive(tmp_path)
    assert heard(tail.begin(())) == ["old", "new"]
    first = min(path.name for path in (tmp_path / "events/archive").iterdir())
    assert heard(tail.begin([first.removesuffix(".ndjson.zst")])) == ["new"]
