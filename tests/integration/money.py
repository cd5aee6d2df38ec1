"""Money is never added up over two currencies: whoever does is named, from the text of the models alone.

A sum over money is in order when its rows are of one currency: they are grouped or partitioned by `currency`, or by
something that has only one, as the list below says, with the reason.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlglot import exp

from tests.conftest import ROOT

MODELS = ROOT / "dbt_project/models"
MONEY = {
    *("spend", "revenue", "refunded", "gross", "discount", "shipping", "tax", "total"),
    *("amount", "value", "price", "subtotal", "paid"),
}
# What has one currency by its nature: grouping by it is as good as grouping by the currency.
ONE_CURRENCY = {
    "order_id": "amounts in another currency than the order's are left out before they are added",
    "record_id": "a record names one currency for all of its lines",
}
WORD = re.compile(r"[a-z]+")


def rendered_models() -> Iterator[tuple[str, str]]:
    """Model that adds something → its SQL as DuckDB is given it on a first run, as the linter renders it."""
    linter = Linter(config=FluffConfig.from_root())
    for path in sorted(MODELS.rglob("*.sql")):
        if "sum(" in path.read_text("utf-8"):
            yield path.stem, rendered(linter, path)


def rendered(linter: Linter, path: Path) -> str:
    (variant, *_) = linter.render_file(
        str(path), linter.config.make_child_from_path(str(path))
    ).templated_variants
    return str(variant.templated_str)


def sums_over_currencies(sql: str) -> Iterator[str]:
    for added in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Sum):
        if _is_money(added) and not _has_one_currency(added):
            yield added.sql()


def _is_money(added: exp.Sum) -> bool:
    columns = [column.name for column in added.find_all(exp.Column)]
    words = {word for name in columns for word in WORD.findall(name)}
    return bool(words & MONEY) and "count" not in words


def _has_one_currency(added: exp.Sum) -> bool:
    names = {column.name for key in _keys(added) for column in key.find_all(exp.Column)}
    return any("currency" in name for name in names) or bool(
        names & ONE_CURRENCY.keys()
    )


def _keys(added: exp.Sum) -> list[Any]:
    """What the rows that are added have in common: the window's partition, else the group."""
    if (window := added.find_ancestor(exp.Window)) is not None:
        return window.args.get("partition_by") or []
    select = added.find_ancestor(exp.Select)
    group = select.args.get("group") if select is not None else None
    return group.expressions if group is not None else []
