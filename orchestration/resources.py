"""Wiring: the platform's folders and the dbt project as Dagster resources. No behaviour beyond preparing dbt's manifest."""

import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject

from ingestion.settings import Settings

LEASHED = Path(__file__).with_name("leashed_dbt.py")
OLD_TARGET_SECONDS = 24 * 3600


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic over what it yields; it yields itself
    """The folders of one platform, shown in the UI so that everybody finds them."""

    home: str
    sources_dir: str
    extracts_dir: str
    destinations_file: str
    dbt_project_dir: str

    @property
    def settings(self) -> Settings:
        return Settings(
            home=Path(self.home),
            sources_dir=Path(self.sources_dir),
            extracts_dir=Path(self.extracts_dir),
            destinations_file=Path(self.destinations_file),
            dbt_project_dir=Path(self.dbt_project_dir),
        )


def platform(settings: Settings) -> Platform:
    return Platform(
        home=str(settings.home.resolve()),
        sources_dir=str(settings.sources_dir.resolve()),
        extracts_dir=str(settings.extracts),
        destinations_file=str(settings.destinations_file.resolve()),
        dbt_project_dir=str(settings.dbt_project_dir.resolve()),
    )


def dbt_cli(project: DbtProject) -> DbtCliResource:
    """dbt for runs. A checkout without executable bits still works, without the leash."""
    leashed = os.access(LEASHED, os.X_OK)
    return DbtCliResource(
        project_dir=project, dbt_executable=str(LEASHED) if leashed else "dbt"
    )


def dbt_project(settings: Settings) -> DbtProject:
    """The dbt project with a manifest no older than its sources. Parsing costs seconds, so only then."""
    folder = settings.dbt_project_dir.resolve()
    _put_dbt_on_path()
    os.environ["MILLRACE_WAREHOUSE"] = str(settings.warehouse)
    settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    project = DbtProject(project_dir=folder, profiles_dir=folder)
    target = folder / "target"
    target.mkdir(exist_ok=True)
    with (target / ".manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_stale(project):
            project.preparer.prepare(project)
        _forget_old_targets(target)
    return project


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
