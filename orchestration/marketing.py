"""Spend and what it brought, as pictures beside the asset marketing/fct_marketing_daily: one for each currency.

What is drawn is what the table says; nothing is decided here, and no two currencies meet.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

import dagster as dg
import duckdb

from orchestration.pictures import Series, spend_and_return

DAILY = dg.AssetKey(["marketing", "fct_marketing_daily"])
# Days up to this many are drawn one by one, more by the week. Reason: bars thinner than this show nothing.
DAYS_SHOWN_SINGLY = 45
CURRENCIES_SHOWN = 3

# Only channels that cost something: a return on nothing is no figure.
_BY_CHANNEL = """
with bounds as (
    select max(activity_date) - min(activity_date) > ? as is_long
    from marketing.fct_marketing_daily where spend > 0
)
select
    currency,
    channel,
    cast(case when is_long then date_trunc('week', activity_date) else activity_date end as date) as period,
    cast(sum(spend) as double) as spend,
    cast(sum(revenue) as double) as revenue
from marketing.fct_marketing_daily cross join bounds
where (currency, channel) in (
    select (currency, channel) from marketing.fct_marketing_daily where spend > 0
)
group by all
order by all
"""


def has_daily_figures(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select count(*) from duckdb_tables()"
        " where schema_name = 'marketing' and table_name = 'fct_marketing_daily'"
    ).fetchone()
    return bool(found and found[0])


def marketing_metadata(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, dg.MarkdownMetadataValue]:
    """Currency → a picture of spend and return by channel; the currencies with most rows of spend."""
    rows = connection.execute(_BY_CHANNEL, [DAYS_SHOWN_SINGLY]).fetchall()
    figures: dict[str, dict[str, Series]] = defaultdict(dict)
    for currency, channel, period, spend, revenue in rows:
        figures[currency].setdefault(channel, {})[period] = (spend, revenue)
    shown = sorted(figures, key=lambda name: -_periods(figures[name]))
    return {
        f"spend_and_return_{currency}": spend_and_return(currency, figures[currency])
        for currency in shown[:CURRENCIES_SHOWN]
    }


def _periods(channels: Mapping[str, Mapping[date, tuple[float, float]]]) -> int:
    return sum(len(periods) for periods in channels.values())
