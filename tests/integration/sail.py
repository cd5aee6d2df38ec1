"""Sail, which speaks Spark Connect without Java, as the cluster of a test: a server on loopback for a whole module."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ingestion.settings import Settings


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
        server.terminate()
        server.wait()


def on_sail(home: Settings, endpoint: str, **changes: object) -> Settings:
    """The home with a catalog of its own in the server: Sail keeps one for each session."""
    remote = f"{endpoint};session_id={uuid4()}"
    return home.model_copy(update={"target": "sail", "spark_remote": remote, **changes})


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("Sail did not start")
