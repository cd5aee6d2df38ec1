"""Two months of a simulated shop's events in a room of observability models, and faults to plant in them.

The days are those of arrival. What is planted changes landed rows, so whatever finds it reads what senders sent.
"""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from orchestration.warehouse.schema import raw_tables
from simulator.world import simulate
from tests.integration.rendered import Room

PEOPLE, DAYS, SEED = 700, 52, 7
# Judged in the morning after: yesterday is the last whole day.
YESTERDAY, MORNING = "2026-01-27", "2026-01-28T00:00:00"
OF_THAT_DAY = f"cast(received_at as date) = '{YESTERDAY}'"
JUDGING = (
    "obs_volumes",
    "obs_source_rates",
    "obs_property_changes",
    "int_incoming_findings",
    "int_outgoing_findings",
    "obs_findings",
)
SUPPLIED = {
    "int_distinct_events": "record_id uuid, source_id varchar, event_id varchar",
    "fct_audience_membership": "audience_name varchar, exited_at timestamp",
    "fct_sync_attempts": (
        "sync_name varchar, account varchar, outcome varchar, attempted_at timestamp"
    ),
    "fct_journey_decisions": (
        "journey varchar, candidate_id varchar, outcome varchar, is_latest boolean, "
        "decided_at timestamp, decision_number bigint"
    ),
    "obs_order_arithmetic": (
        "order_id varchar, problem varchar, source_id varchar, last_event_at timestamp"
    ),
    "fct_marketing_daily": (
        "activity_date date, channel varchar, campaign varchar, currency varchar, spend decimal(18, 4), "
        "clicks bigint, session_count bigint"
    ),
    "int_journey_candidates": (
        "journey varchar, candidate_id varchar, is_delivered boolean"
    ),
}


class Traffic(Room):
    """The models of data quality over the shop's events, built once; each fault is planted and taken back."""

    def __init__(
        self, people: int = PEOPLE, days: int = DAYS, seed: int = SEED
    ) -> None:
        super().__init__("obs_findings", supplied=SUPPLIED, as_of=MORNING)
        columns = {n: t for n, t in raw_tables()["events"].items() if n[0] != "_"}
        with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
            file.write(b"".join(lines(people, days, seed)))
            file.flush()
            self.connection.execute(
                "insert into raw.events by name select *, 's' as _segment, 1 as _load_id "
                f"from read_json('{file.name}', columns = {columns})"
            )
        self.refresh()

    def refresh(self, stop_after: int | None = None) -> None:
        self.connection.execute("delete from staging.int_distinct_events")
        self.connection.execute(
            "insert into staging.int_distinct_events "
            "select min(record_id), source_id, event_id from raw.events group by all"
        )
        super().refresh(stop_after)

    def judge(self, as_of: str) -> None:
        """The same records, looked at on another morning."""
        self.as_of = as_of
        for name in JUDGING:
            self._build(name)

    @contextmanager
    def planted(
        self, *changes: str, touched: str = OF_THAT_DAY, anew: bool = False
    ) -> Iterator[dict[str, tuple[str, str, str]]]:
        """What is found after these statements and a refresh: finding → (source, place, remedy).

        `touched` are the events that came anew with it; with `anew`, nothing was built before.
        """
        self.connection.execute("begin")
        try:
            for sql in changes:
                self.connection.execute(sql)
            self.connection.execute(
                f"update raw.events set _load_id = 2 where {touched}"
            )
            if anew:
                self.forget()
            self.refresh()
            yield self.findings()
        finally:
            self.connection.execute("rollback")

    def findings(self) -> dict[str, tuple[str, str, str]]:
        """Of several of a kind, the first by source and place."""
        found = self.ask(
            "select finding, source_id, place, remedy "
            "from observability.obs_findings order by all desc"
        )
        return {finding: tuple(rest) for finding, *rest in found}


@functools.cache
def traffic() -> Traffic:
    return Traffic()


def lines(people: int, days: int, seed: int) -> list[bytes]:
    """What the collector would have landed, in the order of arrival."""
    found = []
    calls = simulate(people=people, days=days, seed=seed).calls
    for number, call in enumerate(calls):
        origin = Origin(
            source_id=call.source_id,
            received_at=call.arrives_at,
            channel="client" if call.source_id == "web_shop" else "server",
            endpoint="/v1/batch",
            is_single=False,
        )
        record_id = UUID(int=number + 1)
        found.append(read_event(call.body, origin, record_id).to_line(record_id))
    return found
