"""`python -m benchmarks [name …] [--events N] [--runs N]`: run figures and print them as a table.

One module per figure; the register below is the only list.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks import (
    activation,
    attribute_fold,
    audiences,
    collector,
    engines,
    events_to_audiences,
    group_commit,
    identity,
    loading,
    orders,
    privacy,
    sessions,
)
from benchmarks.harness import TABLE_HEAD, Figure, machine

FIGURES = {
    **activation.FIGURES,
    **attribute_fold.FIGURES,
    "audiences": audiences.refresh,
    "collector": collector.batches,
    "collector_single": collector.single,
    "erasing": privacy.erasing,
    "events_to_audiences": events_to_audiences.figure,
    "group_commit": group_commit.figure,
    "loading": loading.scan,
    "loading_dlt": loading.dlt,
    "orders": orders.refresh,
    "pulling": loading.pulling,
    **engines.FIGURES,
    **identity.FIGURES,
    **sessions.FIGURES,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []], metavar="name")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in arguments.names or FIGURES:
        with tempfile.TemporaryDirectory(prefix=f"millrace-{name}-") as folder:
            figures.append(
                FIGURES[name](Path(folder), arguments.events, arguments.runs)
            )
    print(f"\n{machine()}\n\n{TABLE_HEAD}")
    for figure in figures:
        print(figure.row())


if __name__ == "__main__":
    main()
