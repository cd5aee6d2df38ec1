"""The read copy under an in-memory DuckDB: the copy's own SQL is run over the copy and what was landed since.

Which relations are replaced is said here; who is asked about is people.py's, what is done with the answer relay.py's.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ingestion.contracts import Delivery, JourneyDecision, Landed
from orchestration.relay.news import Meanings
from orchestration.warehouse.schema import SESSION, contract_columns

# In the order in which they read each other.
MODELS = (
    "int_journey_candidates",
    "int_journey_checks",
    "journey_decisions_pending",
    "fct_journey_decisions",
    "int_journey_triggers",
)
FACTS: dict[str, type[Landed]] = {
    "stg_landing__journey_decisions": JourneyDecision,
    "stg_landing__deliveries": Delivery,
}
REPLACED = {
    "journeys": ("fct_trigger_emissions", *MODELS),
    "staging": tuple(FACTS),
}
IS_ASKED = "in (select id from memory.staging.asked)"
ABOUT_ASKED = {
    "stg_landing__journey_decisions": (
        f"recipient {IS_ASKED} or recipient_key {IS_ASKED} or as_of > getvariable('pacing_since')"
        " or candidate_id in (select emission_id from memory.journeys.fct_trigger_emissions)"
    ),
    "stg_landing__deliveries": (
        f"recipient_key {IS_ASKED} and sync_name in (select journey from millrace.raw.journeys)"
    ),
}
CONSENT = "consent_updated"


class CopyTooOldError(RuntimeError):
    """The read copy was made before there were journeys in it."""


class Copy:
    """One published copy. Make a new one when the file was replaced; the old one stays readable until closed."""

    def __init__(self, published: Path) -> None:
        self.mark = mark_of(published)
        # Few rows and much planning: more threads would only take the refresh's.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute(SESSION)
        quoted = str(published).replace("'", "''")
        self._connection.execute(f"attach '{quoted}' as millrace (read_only)")
        for schema in REPLACED:
            self._connection.execute(f"create schema memory.{schema}")
        try:
            self._sql = dict(
                self.ask("select model_name, sql_text from journeys.kept_sql")
            )
        except duckdb.CatalogException as error:
            self.close()
            raise CopyTooOldError(
                "The read copy has no journeys yet: run the job `refresh`."
            ) from error

    def close(self) -> None:
        self._connection.close()

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the copy, whose schemas are named without its catalog."""
        self._connection.execute("use millrace")
        return self._connection.execute(sql, [*values]).fetchall()

    def loaded(self, stream: str) -> frozenset[str]:
        """The segments that the copy has seen."""
        rows = self.ask("select segment from raw.loads where stream = ?", stream)
        return frozenset(name for (name,) in rows)

    def meanings(self) -> Meanings:
        """What this copy's journeys and rules listen to."""
        names = {CONSENT}
        names |= {
            n
            for (n,) in self.ask("select canonical_name from seeds.suppressing_events")
        }
        names |= {
            n for (n,) in self.ask("select unnest(exit_events) from raw.journeys")
        }
        known = self.ask(
            "select event_type, event_name from seeds.event_taxonomy where canonical_name in (select unnest(?))",
            sorted(names),
        )
        triggers = self.ask(
            "select entry_name from raw.journeys where entry_kind = 'trigger'"
        )
        return Meanings(
            news=frozenset(known) | {("track", n.replace("_", " ")) for n in names},
            triggers=frozenset(name for (name,) in triggers),
        )

    def evaluate(
        self,
        now: datetime,
        emissions: Iterable[Mapping[str, Any]],
        decisions: Sequence[Mapping[str, Any]],
        deliveries: Sequence[Mapping[str, Any]],
    ) -> None:
        """Run the decision's SQL at `now`, as if these emissions were all there are and the facts were loaded."""
        self._fill_emissions(list(emissions))
        self._fill_asked(now)
        self._fill_facts("stg_landing__journey_decisions", decisions)
        self._fill_facts("stg_landing__deliveries", deliveries)
        moment = now.isoformat()
        for name in MODELS:
            sql = _over_memory(self._sql[name]).replace("{as_of}", f"'{moment}'")
            self._connection.execute(
                f"create or replace table memory.journeys.{name} as {sql}"
            )

    def decided(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the last evaluation."""
        self._connection.execute("use memory")
        return self._connection.execute(sql, [*values]).fetchall()

    def _fill_facts(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The copy's facts about whoever is asked about, and the tail's; all of history would cost more each day."""
        columns = contract_columns(FACTS[name])
        described = orjson.dumps([columns]).decode()
        self._connection.execute(
            f"create or replace table memory.staging.{name} as "
            f"select * exclude (_load_id) from millrace.staging.{name} where {ABOUT_ASKED[name]} union all by name "
            "select unnest(json_transform(?, ?), recursive := true)",
            [orjson.dumps(list(rows)).decode(), described],
        )

    def _fill_asked(self, now: datetime) -> None:
        """Every id of the people asked about, what destinations know them by, and since when pacing counts."""
        self._connection.execute(
            "create or replace table memory.staging.asked as "
            "select any_profile_id as id from millrace.identity.dim_profile_ids where profile_id in "
            "(select profile_id from memory.journeys.fct_trigger_emissions) "
            "union select unnest([profile_id, email, phone, user_id]) from millrace.profiles.dim_profiles where profile_id in "
            "(select profile_id from memory.journeys.fct_trigger_emissions)"
        )
        self._connection.execute(
            "set variable pacing_since = ?", [now - timedelta(hours=1)]
        )

    def _fill_emissions(self, rows: list[Mapping[str, Any]]) -> None:
        self._connection.execute(
            "create or replace table memory.journeys.fct_trigger_emissions as "
            "select * from millrace.journeys.fct_trigger_emissions limit 0"
        )
        for row in rows:
            marks = ", ".join("?" * len(row))
            self._connection.execute(
                f"insert into memory.journeys.fct_trigger_emissions ({', '.join(row)}) values ({marks})",
                [*row.values()],
            )


def mark_of(published: Path) -> tuple[int, int]:
    """Another one means another copy."""
    found = os.stat(published)
    return found.st_ino, found.st_mtime_ns


def _over_memory(sql: str) -> str:
    for schema, names in REPLACED.items():
        for name in names:
            sql = sql.replace(
                f'"millrace"."{schema}"."{name}"', f'"memory"."{schema}"."{name}"'
            )
    return sql
