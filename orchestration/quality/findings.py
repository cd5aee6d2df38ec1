"""Reading obs_findings from the read copy, and saying a finding as a sentence."""

from dataclasses import dataclass
from datetime import date

import duckdb

# Worth a line on the page; nobody is woken for it.
NEWS = frozenset({"property_new"})


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was."""

    finding: str
    source_id: str
    place: str
    found_date: date
    observed: str
    expected: str
    remedy: str

    @property
    def key(self) -> str:
        """What is told once, however often it is found."""
        return f"quality|{self.finding}|{self.source_id}|{self.place}"

    def sentence(self) -> str:
        what = self.finding.replace("_", " ")
        return (
            f"{self.source_id}: {what} at {self.place} on {self.found_date}: "
            f"{self.observed} (expected: {self.expected}). {self.remedy}."
        )


def read_findings(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """All of them, in order; none before the first refresh made the table."""
    known = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'observability' and table_name = 'obs_findings'"
    )
    if not known.fetchall():
        return []
    rows = connection.execute(
        """
        select finding, source_id, place, found_date, observed, expected, remedy
        from observability.obs_findings
        order by finding, source_id, place, found_date
        """
    ).fetchall()
    return [Finding(*row) for row in rows]
