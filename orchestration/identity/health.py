"""obs_identity_health for the Dagster UI: pictures and a table beside the asset. What is healthy is decided in SQL."""

from typing import Any

import dagster as dg
import duckdb

from orchestration.pictures import bars

HEALTH = dg.AssetKey(["observability", "obs_identity_health"])
PICTURES = {
    "profiles by identifiers": "Profiles by how many identifiers they have",
    "demotions": "What was kept from merging, by rule",
}


def has_health(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the model was ever built here; the first refresh may have died before it."""
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name || '/' || table_name = ?",
        [HEALTH.to_user_string()],
    )
    return bool(found.fetchall()[0][0])


def health_metadata(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Metadata of the asset: two pictures, and a table of what is judged and of what happens over time."""
    rows = connection.execute(
        """
        select measure, label, measured_at, amount, percentage, threshold, is_breached
        from observability.obs_identity_health
        order by is_breached desc, measure, measured_at desc nulls first, amount desc, label
        """
    ).fetchall()
    metadata: dict[str, Any] = {
        name.replace(" ", "_").replace("-", "_"): bars(
            title, {row[1]: row[3] for row in rows if row[0] == name}
        )
        for name, title in PICTURES.items()
    }
    listed = [row for row in rows if row[5] is not None or row[2] is not None]
    metadata["measures"] = dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "measure": measure,
                    "label": label,
                    "at": str(at or ""),
                    "amount": amount,
                    "percentage": str(percentage if percentage is not None else ""),
                    "threshold": str(threshold if threshold is not None else ""),
                    "breached": breached,
                }
            )
            for measure, label, at, amount, percentage, threshold, breached in listed[
                :100
            ]
        ]
    )
    return metadata
