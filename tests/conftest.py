"""What holds for every test: the tiers, and the acceptance material.

A unit test that burns more than a few CPU seconds stops the run, and so does an acceptance test that is skipped
although the material is there. Fixtures of one tier live in that tier's conftest.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ACCEPTANCE = Path(os.environ.get("ACCEPTANCE_DIR", ROOT.parent / "shared/acceptance"))
UNIT_CPU_SECONDS = 5.0

_acceptance = {"ran": 0, "skipped": 0}


@pytest.fixture(scope="session")
def acceptance_dir() -> Path:
    """The folder with real requests and data with known answers."""
    if not ACCEPTANCE.is_dir():
        pytest.skip(f"no acceptance material at {ACCEPTANCE}; set ACCEPTANCE_DIR")
    return ACCEPTANCE


@pytest.fixture(autouse=True)
def _unit_tests_are_fast(request: pytest.FixtureRequest) -> Iterator[None]:
    started = time.process_time()
    yield
    spent = time.process_time() - started
    if "unit" in request.path.relative_to(ROOT).parts and spent > UNIT_CPU_SECONDS:
        pytest.fail(
            f"{spent:.1f} CPU seconds in tests/unit; move this test to tests/integration"
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "acceptance" not in report.keywords:
        return
    if report.skipped:
        _acceptance["skipped"] += 1
    elif report.when == "call":
        _acceptance["ran"] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(
        f"acceptance tests: {_acceptance['ran']} ran, {_acceptance['skipped']} skipped"
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _acceptance["skipped"] and ACCEPTANCE.is_dir():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
