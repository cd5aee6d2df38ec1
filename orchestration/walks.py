"""`python -m orchestration.walks`: three people's first two clicks, as pictures in data/walks, taken in headless Chromium.

Starts the UI of this home on a free port of loopback and ends it again. The walks are told in the README; what is
photographed is the page that each click leads to.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from ingestion.settings import settings
from orchestration.quality.pages import PAGES

LOCATION = "/locations/batch"
# Walk → what each click shows.
WALKS = {
    "data_engineer": {
        "1_lineage": f"{LOCATION}/asset-groups/raw/lineage",
        "2_raw_events": "/assets/raw/events",
    },
    "analyst": {
        "1_audiences": f"{LOCATION}/asset-groups/audiences/lineage",
        "2_members": "/assets/audiences/fct_audience_members?view=events",
    },
    "on_call": {
        "1_runs": "/runs",
        "2_findings": "/assets/observability/obs_findings?view=checks",
    },
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The UI loads its parts one after the other; the browser's clock runs ahead while it waits.
VIRTUAL_MILLISECONDS = 30_000
START_SECONDS = 300.0
SHOT_SECONDS = 120.0
END_SECONDS = 60.0


def main() -> int:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("No browser: install the Debian package chromium.", file=sys.stderr)
        return 1
    configured = settings()
    folder = configured.home.resolve() / "walks"
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    ui = subprocess.Popen(
        [sys.executable, "-m", "orchestration.ui", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/server_info", ui)
        _check_loaded(address)
        for walk, clicks in WALKS.items():
            for click, path in clicks.items():
                _shoot(browser, address + path, folder / f"{walk}_{click}.png")
    finally:
        _end(ui)
    for name in PAGES:
        page = configured.published.parent / "quality" / name
        if page.exists():
            _shoot(browser, page.as_uri(), folder / f"page_{page.stem}.png")
    return 0


def _end(ui: subprocess.Popen[bytes]) -> None:
    """As by Ctrl-C; whatever of it has not ended in time is killed, its session alone."""
    os.kill(ui.pid, signal.SIGINT)
    try:
        ui.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(ui.pid, signal.SIGKILL)
        ui.wait()


def _shoot(browser: str, url: str, picture: Path) -> None:
    with TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                *("--headless=new", "--no-sandbox", "--disable-gpu"),
                *("--window-size=1600,1000", "--hide-scrollbars"),
                f"--user-data-dir={profile}",
                f"--virtual-time-budget={VIRTUAL_MILLISECONDS}",
                f"--screenshot={picture}",
                url,
            ],
            check=True,
            timeout=SHOT_SECONDS,
            capture_output=True,
        )
    print(picture)


def _wait_for(url: str, ui: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and ui.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit("The UI did not start; see what python -m orchestration.ui says.")


def _check_loaded(address: str) -> None:
    """A UI without our assets is nothing to photograph."""
    query = "{repositoriesOrError{... on RepositoryConnection{nodes{location{name}}}}}"
    request = urllib.request.Request(
        f"{address}/graphql?{urllib.parse.urlencode({'query': query})}"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        nodes = json.load(answer)["data"]["repositoriesOrError"].get("nodes", [])
    if LOCATION.rpartition("/")[2] not in {node["location"]["name"] for node in nodes}:
        raise SystemExit(
            "The UI has no assets: python -c 'import orchestration.definitions' says why."
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
