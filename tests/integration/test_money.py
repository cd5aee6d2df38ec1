"""No model adds two currencies, and the check that says so sees one that does."""

import pytest

from tests.integration.money import rendered_models, sums_over_currencies


def test_no_model_adds_money_over_currencies() -> None:
    found = {
        (name, added)
        for name, sql in rendered_models()
        for added in sums_over_currencies(sql)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("sql", "is_found"),
    [
        ("select profile_id, sum(revenue) from orders group by profile_id", True),
        ("select sum(cast(total_amount as double)) from orders", True),
        ("select sum(spend) over (partition by channel) from daily", True),
        ("select currency, sum(revenue) from orders group by currency", False),
        ("select sum(spend) over (partition by channel, currency) from daily", False),
        ("select sum(gross) from lines group by order_id", False),
        ("select sum(order_count) from daily", False),
        ("select sum(revenue_count) from daily", False),
    ],
)
def test_a_sum_over_two_currencies_is_found(sql: str, is_found: bool) -> None:
    assert bool([*sums_over_currencies(sql)]) is is_found
