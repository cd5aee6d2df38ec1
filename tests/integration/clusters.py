"""Clusters of tests: Sail, which speaks Spark Connect without Java, as a server on loopback; what raw holds there; kills."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import orjson

from ingestion.settings import Settings
from orchestration.cluster.session import cluster
from orchestration.warehouse.schema import raw_tables
from tests.conftest import ROOT
from tests.landed import ask


@contextmanager
def sail(folder: Path) -> Iterator[str]:
    """An endpoint, its catalog empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "sail.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("sail"), "spark", "server"),
                *("--ip", "127.0.0.1", "--port", str(port), "-C", str(folder)),
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "RUST_LOG": "error"},
        )
    try:
        _await(port, server)
        yield f"sc://127.0.0.1:{port}/"
    finally:
        # Asked politely, it waits for its clients, of whom a failed test may have left one.
        server.kill()
        server.wait()


def on_sail(home: Settings, endpoint: str, **changes: object) -> Settings:
    """The home with a catalog of its own in the server: Sail keeps one for each session."""
    remote = f"{endpoint};session_id={uuid4()}"
    return home.model_copy(update={"target": "sail", "spark_remote": remote, **changes})


def on_cluster(home: Settings, table: str, *columns: str) -> list[tuple]:
    """Rows of a raw table, JSON parsed."""
    kinds = raw_tables()[table]
    names = columns or [name for name in kinds if not name.startswith("_")]
    with cluster(home) as connected:
        rows = connected.execute(f"select {', '.join(names)} from raw.{table}").rows
    return sorted((_plain(row, [kinds[n] for n in names]) for row in rows), key=str)


def in_file(home: Settings, table: str, *columns: str) -> list[tuple]:
    kinds = raw_tables()[table]
    names = columns or [name for name in kinds if not name.startswith("_")]
    cast = ", ".join(
        f'"{n}"::varchar' if kinds[n] == "uuid" else f'"{n}"' for n in names
    )
    rows = ask(home, f"select {cast} from raw.{table}")
    return sorted((_plain(row, [kinds[n] for n in names]) for row in rows), key=str)


def _plain(row: tuple, kinds: list[str]) -> tuple:
    return tuple(
        orjson.loads(value) if kind == "json" and value else value
        for value, kind in zip(row, kinds, strict=True)
    )


def die(home: Settings, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_HOME": str(home.home),
            "MILLRACE_SOURCES_DIR": str(home.sources_dir),
            "MILLRACE_TARGET": home.target,
            "MILLRACE_SPARK_REMOTE": home.spark_remote,
            "MILLRACE_CRASH_AT": point,
        },
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached"


LOAD = "from ingestion.settings import settings; from orchestration.cluster.loading import load; load(settings())"


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("Sail did not start")
