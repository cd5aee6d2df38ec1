"""`python -m orchestration.cluster.loopback up | status | down | run …`: a real Spark cluster on this machine, to try things with.

A master, two workers and a Connect server from the pip-installed pyspark, each a process of its own, all bound to 127.0.0.1.
`run` brings it up, runs a command with MILLRACE_TARGET and MILLRACE_SPARK_REMOTE set, and takes it down whatever happens.
Its catalog is in memory: what was built is gone when it is down. A cluster for work wants a metastore.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from ingestion.settings import settings
from orchestration.cluster.session import SESSION, ClusterMissing

HOST = "127.0.0.1"
CLUSTER = "standalone"
OURS = ".millrace-cluster"
# Of one worker. Valid: 1 core and 1g up; tasks of a refresh are small.
WORKERS, CORES, MEMORY = 2, 1, "1g"
# The driver plans every statement of a refresh; with 1g it ran out of heap over the cast.
DRIVER_MEMORY = "3g"
SHUFFLE_PARTITIONS = 4
# For the environment of whoever starts a cluster for minutes: it would spend a third of its CPU on optimising code.
SHORT_LIVED = ("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Member:
    """A process of the cluster. Ids come round again, so it is known by when it was started, too."""

    name: str
    pid: int
    started: int


@dataclass(frozen=True)
class Running:
    """A cluster that is up."""

    remote: str
    members: list[Member]


@contextmanager
def loopback(
    folder: Path, master: str = CLUSTER, memory: str = DRIVER_MEMORY
) -> Iterator[Running]:
    """A cluster for as long as the block lasts. `master` may be what Spark knows, such as local[2]: then one process.

    `memory` is the heap of the driver, which in one process is everybody's.
    """
    try:
        yield up(folder, master, memory)
    finally:
        down(folder)


def up(folder: Path, master: str = CLUSTER, memory: str = DRIVER_MEMORY) -> Running:
    """Start what is not up. Its files go into `folder`, which is its own and is emptied."""
    if running := status(folder):
        return running
    _empty(folder)
    members: list[Member] = []
    try:
        url = _standalone(folder, members) if master == CLUSTER else master
        port = _free_port()
        server = _connect_server(folder, url, port)
        _start(folder, members, "connect", server, port, memory)
    except BaseException:
        _end(members)
        raise
    running = Running(f"sc://{HOST}:{port}", members)
    _state(folder).write_text(json.dumps(asdict(running)))
    return running


def _empty(folder: Path) -> None:
    """A folder of its own: what an earlier cluster left goes, anything else is somebody's."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / OURS).exists():
        raise ClusterMissing(
            f"{folder} holds {next(folder.iterdir()).name}: name a folder for the cluster alone."
        )
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / OURS).touch()


def status(folder: Path) -> Running | None:
    """The cluster in `folder`, if all of it runs."""
    running = _read(folder)
    return running if running and all(map(_is_alive, running.members)) else None


def down(folder: Path) -> None:
    """End the processes that `up` started, and no others."""
    if running := _read(folder):
        _end(running.members)
        _state(folder).unlink()


def _standalone(folder: Path, members: list[Member]) -> str:
    """The master and its workers."""
    port = _free_port()
    url = f"spark://{HOST}:{port}"
    where = ("--host", HOST, "--port", str(port), "--webui-port", "0")
    master = ("org.apache.spark.deploy.master.Master", *where)
    _start(folder, members, "master", master, port)
    for n in range(1, WORKERS + 1):
        port = _free_port()
        worker = (
            "org.apache.spark.deploy.worker.Worker",
            *("--host", HOST, "--port", str(port), "--webui-port", "0"),
            *("--cores", str(CORES), "--memory", MEMORY),
            *("--work-dir", str(folder / f"worker_{n}"), url),
        )
        _start(folder, members, f"worker_{n}", worker, port)
    return url


def _connect_server(folder: Path, master: str, port: int) -> tuple[str, ...]:
    configuration = {
        **SESSION,
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": HOST,
        "spark.driver.bindAddress": HOST,
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": str(SHUFFLE_PARTITIONS),
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.executor.memory": "768m",  # a worker's, less what the JVM takes beside it
    }
    return (
        "org.apache.spark.deploy.SparkSubmit",
        *("--master", master),
        *(part for kv in configuration.items() for part in ("--conf", "=".join(kv))),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        "spark-internal",
    )


def _start(
    folder: Path,
    members: list[Member],
    name: str,
    command: tuple[str, ...],
    port: int,
    memory: str = "256m",
) -> None:
    """Start one process and wait until it listens."""
    log = folder / f"{name}.log"
    # Not subprocess: the process is to outlive this one, and may be ended by another.
    pid = os.posix_spawn(
        _home() / "bin" / "spark-class",
        ["spark-class", *command],
        _environment(folder, memory),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    members.append(Member(name, pid, _started(pid) or 0))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _listens(port):
        if not _is_alive(members[-1]) or time.monotonic() > deadline:
            told = log.read_text(errors="replace")[-2000:]
            raise ClusterMissing(f"The {name} did not start:\n{told}")
        time.sleep(0.2)


def _environment(folder: Path, memory: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "SPARK_HOME": str(_home()),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        # The launcher gives it to the Connect server, too, and leaves --driver-memory unread.
        "SPARK_DAEMON_MEMORY": memory,
        "PYSPARK_PYTHON": sys.executable,
    }


def _home() -> Path:
    """The distribution that pip has installed: the client alone brings no Spark."""
    found = find_spec("pyspark")
    home = Path(found.origin).parent if found and found.origin else Path()
    if not (home / "bin" / "spark-class").exists():
        raise ClusterMissing(
            "A cluster on this machine needs Spark itself: pip install 'pyspark==4.2.1'."
        )
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ClusterMissing(
            "Spark needs Java 17 or newer: on Debian, apt install openjdk-17-jre-headless."
        )
    return home


def _end(members: list[Member]) -> None:
    """The last first: whoever is left would complain of the others' absence. Executors go with their worker."""
    for member in reversed(members):
        if _is_alive(member):
            os.kill(member.pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while any(map(_is_alive, members)):
        if time.monotonic() > deadline:
            for member in filter(_is_alive, members):
                os.kill(member.pid, signal.SIGKILL)
        time.sleep(0.1)


def _is_alive(member: Member) -> bool:
    if _started(member.pid) == member.started:
        return True
    with suppress(ChildProcessError):  # started by another process
        os.waitpid(member.pid, os.WNOHANG)
    return False


def _started(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; None when there is none."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    fields = told.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def _state(folder: Path) -> Path:
    return folder / "running.json"


def _read(folder: Path) -> Running | None:
    if not _state(folder).exists():
        return None
    told = json.loads(_state(folder).read_text())
    return Running(told["remote"], [Member(**each) for each in told["members"]])


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return _obey(asked)
    except ClusterMissing as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--folder", type=Path, default=settings().home.resolve() / "cluster"
    )
    where.add_argument(
        "--master",
        default=CLUSTER,
        help=f"{CLUSTER} (the default), or a master that needs no processes of its own, such as local[2]",
    )
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.cluster.loopback", description=__doc__
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "status", "down"):
        verbs.add_parser(verb, parents=[where])
    run = verbs.add_parser("run", parents=[where])
    run.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _obey(asked: argparse.Namespace) -> int:
    if asked.verb == "down":
        down(asked.folder)
        return 0
    if asked.verb == "run":
        with loopback(asked.folder, asked.master) as running:
            environment = {**os.environ, **environment_of(running)}
            done = subprocess.run(asked.command, env=environment, check=False)
            return done.returncode
    found = up(asked.folder, asked.master) if asked.verb == "up" else None
    found = found or status(asked.folder)
    if found is None:
        print("It is not up.")
        return 1
    for name, value in environment_of(found).items():
        print(f"export {name}={value}")
    return 0


def environment_of(running: Running) -> dict[str, str]:
    """What has to be in the environment of whoever uses the cluster."""
    return {"MILLRACE_TARGET": "spark", "MILLRACE_SPARK_REMOTE": running.remote}


if __name__ == "__main__":
    sys.exit(main())
