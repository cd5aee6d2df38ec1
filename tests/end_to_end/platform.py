"""One whole platform in a folder: collector, landing zone, warehouse, Dagster instance, destinations.

Everything goes through the doors a user has: HTTP to the collector, files for the connectors, the run command.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import httpx
import yaml

from ingestion.collector import server
from tests.conftest import ROOT

BATCH = 100


@dataclass
class Platform:
    """A platform whose state lives under `folder`; copy() gives an independent twin."""

    folder: Path
    sources: Path
    destinations: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def extracts(self) -> Path:
        return self.folder / "extracts"

    @cached_property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_SOURCES_DIR": str(self.sources),
            "MILLRACE_DESTINATIONS_FILE": str(self.destinations),
            "MILLRACE_EXTRACTS_DIR": str(self.extracts),
            **self.environment,
        }

    def copy(self, folder: Path) -> "Platform":
        """A twin with the same state. The instance's run history stays behind: it holds absolute paths."""
        shutil.copytree(
            self.folder, folder, ignore=shutil.ignore_patterns("dagster", "target")
        )
        return Platform(folder, self.sources, self.destinations, self.environment)

    def ingestion(self, *arguments: str) -> str:
        """Run the front door's command line; its standard output."""
        done = self.python("-m", "ingestion", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_key(self, source: str, key: str, *scopes: str) -> None:
        self.ingestion(
            "keys",
            "import",
            key,
            "--source",
            source,
            *(argument for scope in scopes for argument in ("--scope", scope)),
        )

    @contextmanager
    def collector(self) -> Iterator[str]:
        """A running collector; its base URL. On leaving, everything accepted is sealed."""
        with server.running(self.home, port=0) as url:
            yield url

    def send(self, calls: Iterable[dict], key: str) -> None:
        """Send calls in batches through the collector; every one must be accepted."""
        pending = list(calls)
        with self.collector() as url, httpx.Client(base_url=url) as client:
            for start in range(0, len(pending), BATCH):
                answer = client.post(
                    "/v1/batch",
                    json={"batch": pending[start : start + BATCH]},
                    headers={"X-API-Key": key},
                )
                assert answer.status_code == 200, answer.text
                statuses = {item["status"] for item in answer.json()["results"]}
                assert statuses == {"accepted"}, answer.text

    def run(
        self, as_of: str, job: str = "daily_refresh", crash_at: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the main job to its end, or to its death at a crash point."""
        return self.python(
            "-m",
            "orchestration.run",
            "--job",
            job,
            "--as-of",
            as_of,
            MILLRACE_CRASH_AT=crash_at,
        )

    def refreshed(self, as_of: str) -> None:
        done = self.run(as_of)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def query(self, sql: str) -> list[tuple]:
        """Ask the published read copy."""
        with duckdb.connect(
            self.home / "published/millrace.duckdb", read_only=True
        ) as c:
            return c.execute(sql).fetchall()

    def scalar(self, sql: str) -> object:
        return self.query(sql)[0][0]

    def forget_warehouse(self) -> None:
        """Drop everything that is derived; keep the landing zone."""
        for name in ("warehouse", "published"):
            shutil.rmtree(self.home / name)

    def public_tables(self) -> dict[str, tuple[int, int]]:
        """Rows and an order-free hash of every public table, operational columns left out."""
        with duckdb.connect(
            self.home / "published/millrace.duckdb", read_only=True
        ) as c:
            return {
                name: c.execute(_fingerprint(c, name)).fetchone()
                for name in public_models()
            }

    def python(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )


def public_models() -> list[str]:
    """`schema.name` of every model with an enforced contract, read from the yml twins."""
    names = []
    for path in sorted((ROOT / "dbt_project/models").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            if model.get("config", {}).get("contract", {}).get("enforced"):
                room = path.relative_to(ROOT / "dbt_project/models").parts[0]
                names.append(f"{room}.{model['name']}")
    return names


def _fingerprint(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    described = connection.execute(f"describe {name}").fetchall()
    columns = [row[0] for row in described if not row[0].startswith("_")]
    values = ", ".join(
        f"coalesce(cast({column} as varchar), '␀')" for column in columns
    )
    return (
        f"select count(*), coalesce(sum(md5_number_lower(concat_ws('␟', {values}))), 0)"
        f" from {name}"
    )
