"""`python -m orchestration.documentation`: dbt's documentation of this home as one HTML file, linked to where people go.

With `--exposures` only the exposures are written anew: each sync and each journey as what uses the models. They come from
seeds/syncs.csv and journeys/*.yml; a test says when they are out of date.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ingestion.settings import Settings, settings
from orchestration.destinations.base import Sync
from orchestration.destinations.syncs import load_syncs
from orchestration.journeys import load_journeys
from orchestration.journeys.declarations import Journey

PAGE = "static_index.html"
HEAD = "# Written by `python -m orchestration.documentation --exposures` from seeds/syncs.csv and journeys/*.yml.\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.documentation", description=__doc__
    )
    parser.add_argument(
        "--exposures", action="store_true", help="write the exposures only"
    )
    asked = parser.parse_args(arguments)
    configured = settings()
    if asked.exposures:
        file = exposures_file(configured)
        file.write_text(exposures(configured), encoding="utf-8")
        print(file)
        return 0
    if not configured.published.exists():
        print(
            "There is no read copy yet: run the job `refresh` first.", file=sys.stderr
        )
        return 1
    return document(configured)


def document(configured: Settings) -> int:
    """dbt reads a copy of the read copy: what it opens, it locks."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, configured.published.name)
        shutil.copyfile(configured.published, copy)
        done = subprocess.run(
            [
                Path(sys.executable).with_name("dbt"),
                *("docs", "generate", "--static", "--quiet"),
                *("--project-dir", configured.dbt_project_dir),
                *("--profiles-dir", configured.dbt_project_dir),
                *("--target-path", Path(folder, "target"), "--log-path", folder),
            ],
            env={
                **os.environ,
                "MILLRACE_TARGET": "duckdb",  # whatever computed it, the copy is a file
                "MILLRACE_WAREHOUSE": str(copy),
                "MILLRACE_AS_OF": "1970-01-01T00:00:00",
            },
            check=False,
        )
        if done.returncode == 0:
            page = configured.home.resolve() / "docs" / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder, "target", PAGE), page)
            print(page.as_uri())
    return done.returncode


def exposures_file(configured: Settings) -> Path:
    return configured.dbt_project_dir / "models" / "activation" / "_exposures.yml"


def exposures(configured: Settings) -> str:
    """The file as it should be."""
    found = [
        _of_sync(sync)
        for sync in load_syncs(configured.dbt_project_dir / "seeds" / "syncs.csv")
    ]
    found += [_of_journey(journey) for journey in load_journeys(configured)]
    text = yaml.safe_dump(
        {"version": 2, "exposures": found},
        sort_keys=False,
        allow_unicode=True,
        width=200,
    )
    return HEAD + text


def _of_sync(sync: Sync) -> dict[str, Any]:
    audience = sync.audience_name
    model = audience if audience.startswith("dim_") else f"audience_{audience}"
    return {
        "name": f"sync_{sync.sync_name}",
        "type": "application",
        "owner": {"name": "marketing-team"},
        "description": f"{sync.description}. To {sync.destination} by {sync.recipient_type}, for {sync.purpose}.",
        "depends_on": [f"ref('{model}')", "ref('activation_changes')"],
    }


def _of_journey(journey: Journey) -> dict[str, Any]:
    audiences = [journey.entry.name] if journey.entry.kind == "audience" else []
    return {
        "name": f"journey_{journey.name}",
        "type": "application",
        "owner": {"name": journey.owner},
        "description": f"{journey.description} To {journey.destination}, for {journey.purpose}.",
        "depends_on": [
            *(f"ref('audience_{name}')" for name in audiences),
            "ref('fct_journey_decisions')",
            "ref('activation_changes')",
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
