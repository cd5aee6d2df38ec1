"""SDKs of the field, installed from their registries, pointed at a running collector by host alone: every event arrives
through refusals, cut connections and a collector that is killed in the middle.

It needs the registries and npm, and takes a minute or two, so it is among the long proofs: `pytest -m prove -k sdks`.
The senders are in tests/sdks, one file each.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import started
from ingestion.landing import read_tail
from tests.conftest import ROOT
from tests.sdks.chaos_proxy import TROUBLES, ChaosProxy

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

SENDERS = ROOT / "tests" / "sdks"
SECONDS = 180

PYTHON = {
    "segment_python": "segment-analytics-python==2.4.0",
    "rudder_python": "rudder-sdk-python==2.1.9",
    "analytics_python": "analytics-python==1.4.post1",
}
NODE = {
    "segment_node": "@segment/analytics-node@3.1.0",
    "rudder_node": "@rudderstack/rudder-sdk-node@3.0.13",
    "analytics_node": "analytics-node@6.2.0",
}
BROWSER = {
    "segment_browser": "@segment/analytics-next@1.84.3",
    "rudder_browser": "@rudderstack/analytics-js@3.34.1",
}

BEYOND = {"rudder_node": {"cut answer"}}
"""What ends the SDK's own process: it throws at a 200 whose body is cut short, whoever answered."""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sdks")


@cache
def installed_python(folder: Path, package: str) -> Path:
    """A folder with the SDK and what it needs, apart from everything else."""
    target = folder / package.partition("=")[0]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    subprocess.run([*pip, package], check=True)
    return target


@cache
def installed_node(folder: Path) -> Path:
    """A folder whose node_modules has every SDK for JavaScript, beside the senders."""
    if shutil.which("npm") is None:
        pytest.fail("this proof needs Node.js: apt-get install nodejs npm")
    (folder / "package.json").write_text('{"private": true}')
    packages = [*NODE.values(), *BROWSER.values()]
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", *packages]
    subprocess.run(npm, cwd=folder, check=True)
    for sender in SENDERS.glob("*.cjs"):
        shutil.copy(sender, folder)
    return folder


def command(scratch: Path, sdk: str) -> tuple[list[str], dict[str, str]]:
    """How the SDK's sender is started, and in what environment."""
    if sdk in PYTHON:
        path = str(installed_python(scratch, PYTHON[sdk]))
        environment = {**os.environ, "PYTHONPATH": path}
        return [sys.executable, str(SENDERS / f"{sdk}.py")], environment
    return ["node", str(installed_node(scratch) / f"{sdk}.cjs")], {**os.environ}


class Collector:
    """A collector that can be killed and comes back at the same address."""

    def __init__(self, home: Path, scope: Any) -> None:
        self.home = home
        KeyStore(home / "keys.json").import_text("WRITE", "sdk", (scope,))
        self._stack = ExitStack()
        self.url, self._process = self._stack.enter_context(started(home))

    def die_and_come_back(self) -> None:
        self._process.kill()
        self._process.wait()
        port = int(urlsplit(self.url).port or 0)
        _, self._process = self._stack.enter_context(started(self.home, port))

    def numbers(self) -> list[int]:
        """What landed, by the number each event carries, copies included."""
        events = read_tail(self.home / "landing", "events", set())
        return [int(each["properties"]["n"]) for each in events]

    def close(self) -> None:
        self._stack.close()


@contextmanager
def collecting(home: Path, scope: Any) -> Iterator[Collector]:
    collector = Collector(home, scope)
    try:
        yield collector
    finally:
        collector.close()


def until(holds: Any, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.02)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sdk", [*PYTHON, *NODE])
def test_an_sdk_delivers_every_event_through_whatever_happens(
    scratch: Path, tmp_path: Path, sdk: str, seed: int
) -> None:
    argv, environment = command(scratch, sdk)
    troubles = [each for each in TROUBLES if each not in BEYOND.get(sdk, ())]
    with (
        collecting(tmp_path, "integration") as collector,
        ChaosProxy(collector.url, seed, troubles=troubles) as proxy,
    ):
        sender = subprocess.Popen([*argv, proxy.url, "WRITE"], env=environment)
        until(lambda: proxy.seen["forwarded"] >= 2)
        collector.die_and_come_back()
        assert sender.wait(SECONDS) == 0
        assert sum(proxy.seen[each] for each in troubles) > 3
        assert sorted(set(collector.numbers())) == list(range(250))


PAGES = {
    "segment_browser": """<script src="/node_modules/@segment/analytics-next/dist/umd/index.js"></script>
<script>const sdk = AnalyticsNext.AnalyticsBrowser.load({writeKey: "WRITE", cdnURL: "HOST"})</script>""",
    "rudder_browser": """<script src="/node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"></script>
<script>const sdk = new rudderanalytics.RudderAnalytics()
sdk.load("WRITE", "HOST", {configUrl: "HOST"})</script>""",
}
CALLS = "<script>for (let n = 0; n < 60; n++) sdk.track('Product Viewed', {n})</script>"


@contextmanager
def site(folder: Path, page: str) -> Iterator[str]:
    """A page, and the SDKs' files as npm installed them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.lstrip("/")
            body, kind = page.encode(), "text/html"
            if path.suffix == ".js":
                body, kind = path.read_bytes(), "text/javascript"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("sdk", BROWSER)
def test_a_browser_s_sdk_delivers_every_event_through_whatever_happens(
    scratch: Path, tmp_path: Path, sdk: str
) -> None:
    folder = installed_node(scratch)
    with (
        collecting(tmp_path, "tracker") as collector,
        ChaosProxy(collector.url, seed=1) as proxy,
        site(folder, PAGES[sdk].replace("HOST", proxy.url) + CALLS) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(url)
        deadline = time.monotonic() + SECONDS
        while set(collector.numbers()) != set(range(60)):
            assert time.monotonic() < deadline, sorted(set(collector.numbers()))
            page.wait_for_timeout(200)
        browser.close()
    assert sum(proxy.seen[each] for each in TROUBLES) > 60
