"""The loader and the published copy under kill -9, and under any cut of the same lines into segments."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingestion.landing import archived_segments, sealed_segments
from ingestion.settings import Settings
from orchestration.warehouse.loading import load
from orchestration.warehouse.publishing import publish
from tests.conftest import ROOT
from tests.landed import ask, event, everything, land, line, platform, seal_text

LOAD = "from orchestration.warehouse.loading import load as step"
PUBLISH = "from orchestration.warehouse.publishing import publish as step"


def die(home: Settings, step: str, point: str) -> None:
    """Run one step in a process that is killed at a crash point."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{step}; from ingestion.settings import settings; step(settings())",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_HOME": str(home.home),
            "MILLRACE_SOURCES_DIR": str(home.sources_dir),
            "MILLRACE_CRASH_AT": point,
        },
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached"


@pytest.mark.parametrize(
    "point",
    [
        "loader.inserted",
        "loader.inserted#2",
        "loader.inserted#3",
        "loader.committed",
        "loader.committed#3",
        "loader.archived",
        "loader.archived#2",
        "landing.before_seal",
        "landing.sealed",
    ],
)
def test_a_loader_killed_anywhere_leaves_every_record_in_raw_once(
    tmp_path: Path, point: str
) -> None:
    undisturbed, killed = platform(tmp_path / "calm"), platform(tmp_path / "killed")
    texts = [line(f"e{n}") for n in range(20)]
    for home in (undisturbed, killed):
        open_segment = seal_text(home, texts[0])  # its writer died before it was sealed
        folder = home.landing / "events" / "open"
        folder.mkdir()
        open_segment.rename(folder / open_segment.name)
        seal_text(home, b"".join(texts[1:9]))
        seal_text(home, b"".join(texts[9:]) + b"rubbish\n")
    load(undisturbed)
    die(killed, LOAD, point)
    load(killed)
    assert everything(killed) == everything(undisturbed)
    assert not sealed_segments(killed.landing)
    assert len(archived_segments(killed.landing)) == 3
    assert load(killed).segments == 0


@pytest.mark.parametrize("point", ["publish.copied", "publish.replaced"])
def test_a_publisher_killed_anywhere_leaves_a_whole_copy(
    tmp_path: Path, point: str
) -> None:
    home = platform(tmp_path)
    land(home, event("cart"))
    load(home)
    publish(home)
    land(home, event("order"))
    load(home)
    die(home, PUBLISH, point)
    assert rows_in_copy(home) == (1 if point == "publish.copied" else 2)
    publish(home)
    assert rows_in_copy(home) == 2
    assert ask(home, "select count(*) from raw.events") == [(2,)]


def test_a_reader_keeps_its_copy_while_the_next_one_is_swapped_in(
    tmp_path: Path,
) -> None:
    home = platform(tmp_path)
    land(home, event("cart"))
    load(home)
    publish(home)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, duckdb; c = duckdb.connect(sys.argv[1], read_only=True);"
            "count = lambda: print(c.execute('select count(*) from raw.events').fetchall()[0][0], flush=True);"
            "count(); sys.stdin.readline(); count()",
            str(home.published),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout
    assert reader.stdout.readline() == "1\n"
    land(home, event("order"))
    load(home)
    publish(home)
    assert rows_in_copy(home) == 2
    assert reader.communicate("go on\n")[0] == "1\n"


@examples(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.integers(0, 6))
def test_any_segmentation_of_the_same_lines_gives_the_same_raw_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: int
) -> None:
    shuffle = random.Random(seed)
    texts = [line(f"e{n}") for n in range(30)] + [b"rubbish\n", b"{}\n", b"\n"]
    outcomes = []
    for pieces in (1, cuts + 1):
        home = platform(tmp_path_factory.mktemp("cut"))
        shuffle.shuffle(texts)
        for piece in range(pieces):
            seal_text(home, b"".join(texts[piece::pieces]))
            if shuffle.random() < 0.5:
                load(home)
        load(home)
        outcomes.append(everything(home))
    assert outcomes[0] == outcomes[1]


def rows_in_copy(home: Settings) -> int:
    with duckdb.connect(home.published, read_only=True) as connection:
        return int(
            connection.execute("select count(*) from raw.events").fetchall()[0][0]
        )
