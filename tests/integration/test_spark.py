"""The real thing: master, two workers and a Connect server of the installed pyspark, on loopback. Long, so among the proofs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.landing import sealed_segments
from orchestration.cluster.loading import load
from orchestration.cluster.loopback import Running, loopback, status
from orchestration.cluster.session import cluster
from orchestration.warehouse import loading
from orchestration.warehouse.engines import books
from tests.integration.clusters import die, in_file, on_cluster
from tests.integration.lines import BAD, GOOD, phoned
from tests.landed import platform, seal_text

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
LISTENING = "0A"


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("spark") / "cluster"
    with loopback(folder) as running:
        yield running
    assert status(folder) is None
    assert not [each for each in running.members if Path(f"/proc/{each.pid}").exists()]


def test_nobody_else_can_reach_the_cluster(spark: Running) -> None:
    addresses = {
        address for member in spark.members for address in _listens(member.pid)
    }
    assert [member.name for member in spark.members] == [
        "master",
        "worker_1",
        "worker_2",
        "connect",
    ]
    assert len(addresses) >= len(spark.members)
    assert {ip for ip, _ in addresses} == {"127.0.0.1"}


def test_spark_loads_what_the_file_loads_whatever_is_killed(
    tmp_path: Path, spark: Running
) -> None:
    home = platform(tmp_path)
    seal_text(home, b"".join(GOOD), "00-good")
    seal_text(home, b"".join([*GOOD[:2], *BAD, phoned("p1"), phoned("p2")]), "01-mixed")
    there = home.model_copy(update={"target": "spark", "spark_remote": spark.remote})
    die(there, "loader.inserted")
    assert on_cluster(there, "events") == []
    with cluster(there) as connected:
        assert connected.execute("select * from raw.events__kept").rows
    die(there, "loader.committed")
    assert len(sealed_segments(home.landing)) == 2
    die(there, "loader.committed")
    result = load(there)
    assert (result.finished, result.segments) == (1, 0)
    loading.load(home)
    assert on_cluster(there, "events") == in_file(home, "events")
    columns = ("segment", "line", "raw")
    rejects = on_cluster(there, "load_rejects", *columns)
    assert rejects == in_file(home, "load_rejects", *columns)
    assert on_cluster(there, "phone_numbers") == in_file(home, "phone_numbers")
    assert books(there) == (books(home)[0], [])


def _listens(pid: int) -> set[tuple[str, int]]:
    """Addresses that a process listens at, from the kernel's tables."""
    sockets = {
        os.readlink(path)
        for path in Path(f"/proc/{pid}/fd").iterdir()
        if path.is_symlink()
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                found.add(_address(fields[1]))
    return found


def _address(text: str) -> tuple[str, int]:
    """Four bytes, the last first; of IPv6 those of an address that stands for one of IPv4."""
    address, _, port = text.partition(":")
    if len(address) == 32 and not address.startswith("0000000000000000FFFF0000"):
        return (address, int(port, 16))
    last = bytes.fromhex(address[-8:])[::-1]
    return (".".join(map(str, last)), int(port, 16))
