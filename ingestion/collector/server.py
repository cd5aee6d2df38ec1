"""Running the collector: in this process, or as a child for tests and the simulator."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import uvicorn
from uvicorn.supervisors import Multiprocess

from ingestion.settings import PROJECT_ROOT

START_SECONDS = 60.0
STOP_SECONDS = 30.0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    return socket.create_server((host, port), backlog=2048)


def serve(listener: socket.socket, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way and seal."""
    config = uvicorn.Config(
        "ingestion.front_door:application",
        factory=True,
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        server.run(sockets=[listener])


@contextmanager
def started(
    home: Path, port: int = 0, workers: int = 1, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A collector for `home` as a child process: its base URL and the process, once it is ready.

    The process may be killed meanwhile; if it still runs at the end it is interrupted and waited for, so that its
    segments are sealed.
    """
    with listen("127.0.0.1", port) as listener:
        number = listener.fileno()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "ingestion", "collector"]
        process = subprocess.Popen(
            [*command, "--fd", str(number), "--workers", str(workers)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "MILLRACE_HOME": str(home), **(env or {})},
            pass_fds=[number],
        )
    try:
        _wait_until_ready(url, process)
        yield url, process
    finally:
        _stop(process)


@contextmanager
def running(home: Path, port: int = 0, workers: int = 1) -> Iterator[str]:
    """The base URL of a collector for `home`; it is stopped, and its segments sealed, at the end."""
    with started(home, port, workers) as (url, _):
        yield url


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=url, timeout=5) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"the collector ended with {process.returncode}")
            with suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return
            time.sleep(0.05)
    raise TimeoutError(f"the collector was not ready within {START_SECONDS:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
