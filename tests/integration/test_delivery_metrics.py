"""What Prometheus hears of deliveries: counted from what was landed, whether or not the read copy has seen it."""

from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from orchestration.activation.metrics import write_metrics
from tests.integration.shop import Shop, people

DELIVERED = ("millrace_deliveries", "delivered")


def told(shop: Shop, minutes: int = 0) -> dict[tuple[str, ...], float]:
    """Metric and outcome → value; the only sync is the shop's."""
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    text = write_metrics(shop.home, now).read_text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("sync") == "to_tool"
            found[(sample.name, *sample.labels.values())] = sample.value
    return found


def test_deliveries_are_counted_by_outcome_and_those_who_wait_have_a_lag(tmp_path):
    shop = Shop(tmp_path)
    shop.wants(people(1, 2, 3))
    shop.warehouse.publish()
    before = told(shop, minutes=10)
    assert DELIVERED not in before
    assert before["millrace_delivery_waiting",] == 3
    assert 600 <= before["millrace_delivery_lag_seconds",] < 700

    shop.run()
    from_the_tail = told(shop, minutes=10)
    assert from_the_tail[DELIVERED] == 3
    assert from_the_tail["millrace_deliveries", "unknown"] == 0
    assert from_the_tail["millrace_delivery_waiting",] == 0
    assert from_the_tail["millrace_delivery_lag_seconds",] == 0
    assert "millrace_delivery_last_success_timestamp_seconds" in {
        name for name, *_ in from_the_tail
    }

    shop.warehouse.publish()
    shop.wants(people(1, 2, 3, 4))
    shop.run("lost")
    assert told(shop)["millrace_deliveries", "unknown"] == 1
    assert told(shop)[DELIVERED] == 3
