"""The CRM, shop and mailing extracts of the acceptance material: every file lands whole, once, and unchanged."""

import csv
from pathlib import Path

import pytest

from tests.pulls import Shop

KEYS = {
    "contact_merge_audit_data": "[canonical_vid, vid_to_merge]",
    "deal_contact_data": "[contact_id, deal_id]",
    "deal_data": "[deal_id]",
    "shopify_order_discount_code_data": "[order_id, index]",
}
ROWS = """
kind: catalog
description: Any rows.
owner: tests
extract: {files: "%s", format: csv}
row_key: %s
product_id: _fivetran_synced
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.acceptance
def test_every_file_lands_whole_and_once(tmp_path, acceptance_dir):
    shop = Shop(tmp_path)
    shop.extracts = acceptance_dir / "7-connector-extracts"
    paths = sorted(shop.extracts.glob("*/*.csv"))
    assert len(paths) == 22
    for path in paths:
        name = f"{path.parent.name}_{path.stem}".lower()
        given = rows_of(path)
        key = KEYS.get(path.stem, "[id]")
        place = path.relative_to(shop.extracts)
        declared = ROWS % (place, key)
        if "_fivetran_synced" not in given[0]:
            first = key.strip("[]").split(",")[0]
            declared = declared.replace("_fivetran_synced", first)
        source = shop.declare(declared, name)
        result = shop.pull(source)
        assert (result.rejected, result.held_deletes) == (0, 0), path
        assert result.landed == len(given), path
        assert not shop.pull(source).changed
        landed = [r for r in shop.landed("catalog") if r["source_id"] == name]
        for row, mine in zip(landed, given, strict=True):
            assert row["properties"].items() <= mine.items()
