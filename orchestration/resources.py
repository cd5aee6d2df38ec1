"""Wiring: the platform's folders and the dbt project as Dagster resources. No behaviour beyond preparing dbt's manifest."""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject

from ingestion.settings import Settings
from orchestration.leashed_dbt import ONE_NAME

LEASHED = Path(__file__).with_name("leashed_dbt.py")
OLD_TARGET_SECONDS = 24 * 3600


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic over what it yields; it yields itself
    """The folders of one platform, shown in the UI so that everybody finds them."""

    home: str
    sources_dir: str
    extracts_dir: str
    journeys_dir: str
    destinations_file: str
    dbt_project_dir: str

    @property
    def settings(self) -> Settings:
        return Settings(
            home=Path(self.home),
            sources_dir=Path(self.sources_dir),
            extracts_dir=Path(self.extracts_dir),
            journeys_dir=Path(self.journeys_dir),
            destinations_file=Path(self.destinations_file),
            dbt_project_dir=Path(self.dbt_project_dir),
        )


def platform(settings: Settings) -> Platform:
    return Platform(
        home=str(settings.home.resolve()),
        sources_dir=str(settings.sources_dir.resolve()),
        extracts_dir=str(settings.extracts),
        journeys_dir=str(settings.journeys_dir.resolve()),
        destinations_file=str(settings.destinations_file.resolve()),
        dbt_project_dir=str(settings.dbt_project_dir.resolve()),
    )


class Dbt(DbtCliResource):
    """dbt as a process of its own and nowhere else.

    dagster-dbt would also open dbt's adapter in this process, to count rows and read columns; nobody asks it to, and
    importing it takes as long as forty models.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def dbt_cli(project: DbtProject) -> DbtCliResource:
    """dbt for runs."""
    executable = str(LEASHED) if _is_leashed() else "dbt"
    return Dbt(project_dir=os.fspath(project.project_dir), dbt_executable=executable)


def dbt_project(settings: Settings) -> DbtProject:
    """The dbt project with a manifest no older than its sources. Parsing costs seconds, so only then."""
    folder = settings.dbt_project_dir.resolve()
    _put_dbt_on_path()
    if settings.is_on_cluster:
        # dagster-dbt's runs look there, too; the parses of two engines would throw each other away.
        os.environ["DBT_TARGET_PATH"] = f"target/{settings.target}"
    os.environ["MILLRACE_WAREHOUSE"] = str(settings.warehouse)
    settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    target = folder / os.environ.get("DBT_TARGET_PATH", "target")
    target.mkdir(parents=True, exist_ok=True)
    project = DbtProject(project_dir=folder, profiles_dir=folder, target_path=target)
    with (target / ".manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_stale(project):
            _parse(project)
        _forget_old_targets(target)
    return project


def _parse(project: DbtProject) -> None:
    """Parsing opens no file, so it takes the name that the runs will use: dbt keeps a parse for one name only."""
    real = os.environ["MILLRACE_WAREHOUSE"]
    if _is_leashed():
        os.environ["MILLRACE_WAREHOUSE"] = ONE_NAME
    try:
        project.preparer.prepare(project)
    finally:
        os.environ["MILLRACE_WAREHOUSE"] = real


def _is_leashed() -> bool:
    """A checkout without executable bits still works, without the leash."""
    return sys.platform == "linux" and os.access(LEASHED, os.X_OK)


def _put_dbt_on_path() -> None:
    """dbt is installed beside this Python, also when its environment was not activated."""
    beside = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", "").split(os.pathsep)
    if beside not in paths:
        os.environ["PATH"] = os.pathsep.join([beside, *paths])


def _is_stale(project: DbtProject) -> bool:
    if not project.manifest_path.exists():
        return True
    parsed = project.manifest_path.stat().st_mtime
    return any(path.stat().st_mtime > parsed for path in _sources(project.project_dir))


def _sources(folder: Path) -> list[Path]:
    """Files whose change changes the manifest. Folders count too: a removed file touches its folder."""
    ours = ("models", "macros", "seeds", "tests")
    return [
        *folder.glob("[!.]*.yml"),
        *(path for name in ours for path in (folder / name).rglob("*")),
    ]


def _forget_old_targets(target: Path) -> None:
    """Remove the folders that killed runs left behind."""
    for path in target.glob("dbt_build-*"):
        if path.stat().st_mtime < time.time() - OLD_TARGET_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
