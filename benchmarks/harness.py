"""Measuring: CPU seconds and peak memory of whole processes, and ratios between two of them in the same run.

What is measured lives in one module per figure beside this one. Of the product this knows how dbt is called, no more.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
AS_OF = "2026-04-01T00:00:00"  # after everything that a figure makes up


@dataclass(frozen=True)
class Usage:
    """What one process and the children it waited for used."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float  # of the largest single process


@dataclass(frozen=True)
class Figure:
    """A subject against its stated limit, medians over the runs of one session."""

    name: str
    unit: str
    subject: Usage
    limit: Usage
    ratio: float
    spread: tuple[float, float]
    target: float | None = None

    def row(self) -> str:
        low, high = self.spread
        target = f"≤ {self.target:g}" if self.target else "-"
        return (
            f"| {self.name} | {self.subject.cpu_seconds:.2f} | {self.limit.cpu_seconds:.2f} "
            f"| {self.ratio:.2f} ({low:.2f}-{high:.2f}) | {target} | {self.subject.peak_mib:.0f} | {self.unit} |"
        )


TABLE_HEAD = (
    "| figure | subject, CPU s | limit, CPU s | ratio (min-max) | target | peak MiB | per unit |\n"
    "|---|---|---|---|---|---|---|"
)


def measure(argv: Sequence[str], log: Path) -> Usage:
    """Run a command to its end and say what it used. Raises RuntimeError with its last lines when it fails.

    The command is started by a small process (`_started_small`): Linux counts the memory of whoever starts a process
    into that process's peak, and the figure's own process may have prepared gigabytes.
    """
    started = time.monotonic()
    report = log.with_suffix(".usage")
    with log.open("ab") as out:
        done = subprocess.run(
            module("benchmarks.harness", str(report), *argv),
            stdout=out,
            stderr=out,
            cwd=ROOT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{' '.join(argv)} failed:\n{tail}")
    cpu_seconds, peak_mib = json.loads(report.read_text())
    return Usage(cpu_seconds, time.monotonic() - started, peak_mib)


def _started_small(report: Path, argv: Sequence[str]) -> int:
    pid = os.posix_spawn(argv[0], list(argv), os.environ)
    _, status, usage = os.wait4(pid, 0)
    used = (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    report.write_text(json.dumps(used))
    return os.waitstatus_to_exitcode(status)


def without(usage: Usage, cpu_seconds: float) -> Usage:
    """The same less what is spent whatever the size."""
    return Usage(usage.cpu_seconds - cpu_seconds, usage.wall_seconds, usage.peak_mib)


def dbt(folder: Path, *arguments: str, project: Path = ROOT / "dbt_project") -> Usage:
    """One dbt command over `folder`/millrace.duckdb, as a process of its own."""
    os.environ |= {
        "MILLRACE_WAREHOUSE": str(folder / "millrace.duckdb"),
        "MILLRACE_AS_OF": AS_OF,
    }
    return measure(
        module(
            "dbt.cli.main",
            *arguments,
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(folder / "target"), "--log-path", str(folder)),
        ),
        folder / "dbt.log",
    )


def compare(
    subject: Callable[[], Usage], limit: Callable[[], Usage], runs: int
) -> tuple[Usage, Usage, list[float]]:
    """Run subject and limit in turn, so that a drifting machine hits both; medians and the ratio pair by pair."""
    pairs = [(subject(), limit()) for _ in range(runs)]
    subjects, limits = zip(*pairs, strict=True)
    ratios = [s.cpu_seconds / x.cpu_seconds for s, x in pairs]
    return _median(subjects), _median(limits), ratios


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


def machine() -> str:
    """One line about the machine, for RESULTS.md."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{os.cpu_count()} cores ({model}), {pages >> 30} GiB, shared"


def _median(usages: Sequence[Usage]) -> Usage:
    return Usage(
        statistics.median(u.cpu_seconds for u in usages),
        statistics.median(u.wall_seconds for u in usages),
        max(u.peak_mib for u in usages),
    )


if __name__ == "__main__":
    sys.exit(_started_small(Path(sys.argv[1]), sys.argv[2:]))
