"""The examples people copy: all are valid, together they show every option, and they read the extracts they are for."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ingestion.connectors import ExtractSource, load_source, load_sources
from ingestion.connectors.declarations import (
    KINDS,
    Amount,
    Consent,
    EventRows,
    Freshness,
    Identified,
    Word,
)
from ingestion.connectors.register import CONNECTORS
from tests.conftest import ROOT
from tests.pulls import Shop

EXAMPLES = ROOT / "sources" / "examples"
EXTRACTS = ROOT / "tests" / "data" / "extracts"


def pulled(tmp_path: Path, name: str) -> tuple[Shop, ExtractSource]:
    shop = Shop(tmp_path)
    shop.extracts = EXTRACTS
    source = load_source(EXAMPLES / f"{name}.yml")
    assert isinstance(source, ExtractSource)
    return shop, source


def test_every_example_is_valid():
    assert load_sources(EXAMPLES)


@pytest.mark.parametrize(
    "model",
    [
        *(kind for kind in KINDS.values() if issubclass(kind, ExtractSource)),
        EventRows,
        *CONNECTORS.values(),
        *(Amount, Consent, Freshness, Identified, Word),
    ],
    ids=lambda model: model.__name__,
)
def test_every_option_is_in_an_example(model: type[BaseModel]):
    places = [*EXAMPLES.glob("*.yml"), *(ROOT / "sources").glob("*.yml")]
    said = "\n".join(place.read_text("utf-8") for place in places)
    missing = {name for name in model.model_fields if f"{name}:" not in said}
    assert not missing


def metrics(row: dict[str, Any]) -> dict[str, Any]:
    names = (
        *("metric_date", "platform", "account_id", "ad_id", "currency"),
        *("spend", "impressions", "clicks", "conversions", "revenue"),
    )
    return {name: row[name] for name in names}


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        (
            "google_ads",
            ("2026-01-02", "google_ads", "111", "3", "EUR", "1.2345", 1000, 12, "1.5", "119.90"),
            ("2026-01-02", "google_ads", "111", "4", "EUR", "0.00", 7, 0, "0", None),
        ),
        (
            "meta_ads",
            ("2026-01-02", "meta", "222", "23849", "EUR", "45.32", 10500, 230, "3", "359.70"),
            ("2026-01-02", "meta", "222", "23850", "EUR", "0.40", 80, 0, None, None),
        ),
        (
            "tiktok_ads",
            ("2026-01-02", "tiktok", None, "1714120000000001", "USD", "20.01", 5021, 61, "2", None),
            ("2026-01-02", "tiktok", None, "1714120000000002", "EUR", "0.00", 0, 0, "0", None),
        ),
    ],
)  # fmt: skip
def test_a_report_of_an_ad_platform_lands_exactly(tmp_path, name, first, second):
    shop, source = pulled(tmp_path, name)
    assert shop.pull(source).rejected == 0
    rows = [tuple(metrics(row).values()) for row in shop.landed("marketing")]
    assert rows == [first, second]
    assert not shop.pull(source).changed


def test_an_old_till_lands_with_its_umlauts_types_and_words_of_consent(tmp_path):
    shop, source = pulled(tmp_path, "club_members")
    result = shop.pull(source)
    # the third has points that are no number; the fourth left before anybody knew her
    assert (result.read, result.landed, result.rejected) == (4, 2, 1)
    anna, ben = shop.landed("profiles")
    assert anna["traits"] == {
        "name": {"first": "Änne", "last": "Müller"},
        "points": 12,
        "balance": "10.5",
        "vip": False,
        "birthday": "1980-02-29T00:00:00Z",
    }
    assert anna["consent"] == {"marketing": {"email": "granted", "phone": "denied"}}
    assert ben["consent"] == {}
    assert ben["traits"]["name"]["last"] == "Größe"
    (reject,) = shop.landed("rejects")
    assert (reject["path"], reject["item"]) == ("points", 4)


def test_orders_in_parquet_land_with_their_amounts(tmp_path):
    shop, source = pulled(tmp_path, "shop_orders")
    result = shop.pull(source)
    assert (result.landed, result.rejected) == (1, 1)
    (order,) = shop.landed("records")
    assert (order["effect"], order["occurred_at"]) == (
        "completed",
        "2026-01-30T09:00:00Z",
    )
    assert order["properties"] == {
        "currency": "EUR",
        "coupon": "WINTER",
        "total": "19.90",
        "shipping": "4.90",
    }
    assert "status 'lost' has no effect" in shop.landed("rejects")[0]["detail"]


def test_products_a_line_each_land_with_their_price(tmp_path):
    shop, source = pulled(tmp_path, "shop_products")
    shop.pull(source)
    tee, mug = shop.landed("catalog")
    assert (tee["product_id"], tee["properties"]["category"]) == ("TEE-1", "shirts")
    assert (mug["properties"]["price"], mug["properties"]["category"]) == ("8.50", None)
