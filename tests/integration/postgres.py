"""A PostgreSQL cluster of our own on loopback, for tests of what reads databases. It is gone when the tests are."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

PASSWORD = "pä:ss/w@rd %41"  # everything that an address would have to escape


@dataclass(frozen=True)
class Postgres:
    """A running server, and the way to it as its superuser."""

    port: int

    def run(self, *statements: str) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="owner",
            password=PASSWORD,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def running() -> Iterator[Postgres]:
    """A fresh cluster; the server refuses to run as root, so then it runs as nobody."""
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="millrace-postgres-"))
    try:
        shutil.chown(folder, user)
        data, secret = folder / "data", folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        shutil.chown(secret, user)
        _run(
            user, "initdb", "--pgdata", data, "--username", "owner", "--pwfile", secret,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c shared_buffers=16MB"
        log = folder / "log"
        _run(user, "pg_ctl", "start", "--wait", "-D", data, "-l", log, "-o", settings)
        try:
            yield Postgres(port)
        finally:
            _run(user, "pg_ctl", "stop", "--mode", "immediate", "-D", data)
    finally:
        shutil.rmtree(folder)


def _run(user: str, program: str, *arguments: object) -> None:
    """Run one of the server's programs as `user`."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    path = shutil.which(program) or str(places[-1])
    subprocess.run(
        [path, *map(str, arguments)],
        user=user if os.getuid() == 0 else None,
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
