"""The seed event_taxonomy against what each vendor calls things, written as the vendor writes it."""

import csv
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SEED = ROOT / "dbt_project/seeds/event_taxonomy.csv"

# dialect: (name as sent, canonical name, effect on the order it names)
SPOKEN = {
    "segment": [
        ("Products Searched", "products_searched", ""),
        ("Product Added", "product_added", "incomplete"),
        ("Checkout Step Completed", "checkout_step_completed", "checkout"),
        ("Payment Info Entered", "payment_info_entered", "checkout"),
        ("Order Updated", "order_updated", ""),
        ("Order Completed", "order_completed", "completed"),
        ("Order Refunded", "order_refunded", "refunded"),
        ("Order Cancelled", "order_cancelled", "cancelled"),
        (
            "Wishlist Product Added to Cart",
            "wishlist_product_added_to_cart",
            "incomplete",
        ),
        ("Email Link Clicked", "email_clicked", ""),
        ("Email Marked as Spam", "email_complained", ""),
        ("Unsubscribed", "email_unsubscribed", ""),
    ],
    "rudderstack": [
        ("Product List Viewed", "product_list_viewed", ""),
        ("Checkout Started", "checkout_started", "checkout"),
        ("Order Completed", "order_completed", "completed"),
        ("Coupon Denied", "coupon_denied", ""),
    ],
    "ga4": [
        ("view_item_list", "product_list_viewed", ""),
        ("select_item", "product_clicked", ""),
        ("view_item", "product_viewed", ""),
        ("add_to_cart", "product_added", "incomplete"),
        ("remove_from_cart", "product_removed", "incomplete"),
        ("view_cart", "cart_viewed", ""),
        ("begin_checkout", "checkout_started", "checkout"),
        ("add_shipping_info", "shipping_info_entered", "checkout"),
        ("add_payment_info", "payment_info_entered", "checkout"),
        ("purchase", "order_completed", "completed"),
        ("refund", "order_refunded", "refunded"),
        ("add_to_wishlist", "product_added_to_wishlist", ""),
        ("view_promotion", "promotion_viewed", ""),
        ("select_promotion", "promotion_clicked", ""),
    ],
    "klaviyo": [
        ("Active on Site", "active_on_site", ""),
        ("Viewed Product", "product_viewed", ""),
        ("Added to Cart", "product_added", "incomplete"),
        ("Started Checkout", "checkout_started", "checkout"),
        ("Placed Order", "order_completed", "completed"),
        ("Ordered Product", "product_ordered", ""),
        ("Fulfilled Order", "order_fulfilled", ""),
        ("Cancelled Order", "order_cancelled", "cancelled"),
        ("Refunded Order", "order_refunded", "refunded"),
        ("Bounced Email", "email_bounced", ""),
        ("Marked Email as Spam", "email_complained", ""),
        ("Unsubscribed", "email_unsubscribed", ""),
        ("Unsubscribed from Email Marketing", "email_unsubscribed", ""),
    ],
    "shopify": [
        ("carts/update", "cart_updated", "incomplete"),
        ("checkouts/create", "checkout_started", "checkout"),
        ("orders/create", "order_completed", "completed"),
        ("orders/paid", "order_completed", "completed"),
        ("orders/updated", "order_updated", ""),
        ("orders/partially_fulfilled", "order_partially_fulfilled", ""),
        ("orders/cancelled", "order_cancelled", "cancelled"),
        ("refunds/create", "order_refunded", "refunded"),
        ("subscription_contracts/create", "subscription_started", ""),
        ("subscription_contracts/cancel", "subscription_cancelled", ""),
        ("subscription_contracts/expire", "subscription_ended", ""),
        ("subscription_billing_attempts/success", "subscription_renewed", ""),
    ],
    "woocommerce": [
        ("order.created", "order_completed", "completed"),
        ("order.updated", "order_updated", ""),
        ("order.deleted", "order_cancelled", "cancelled"),
        ("subscription.created", "subscription_started", ""),
    ],
    "stripe": [
        ("checkout.session.completed", "order_completed", "completed"),
        ("charge.refunded", "payment_refunded", "refunded"),
        ("Payment Refunded", "payment_refunded", "refunded"),
        ("customer.subscription.created", "subscription_started", ""),
        ("customer.subscription.updated", "subscription_updated", ""),
        ("customer.subscription.paused", "subscription_paused", ""),
        ("customer.subscription.resumed", "subscription_reactivated", ""),
        ("customer.subscription.deleted", "subscription_ended", ""),
    ],
    "flat": [
        ("Added to Cart", "product_added", "incomplete"),
        ("Removed from Cart", "product_removed", "incomplete"),
        ("Order Placed", "order_completed", "completed"),
        ("Page View", "page_viewed", ""),
    ],
    "server": [
        ("purchase_completed", "order_completed", "completed"),
        ("order_partially_refunded", "order_partially_refunded", "partially_refunded"),
        ("order_refunded", "order_refunded", "refunded"),
        ("order_cancelled", "order_cancelled", "cancelled"),
    ],
    "billing": [
        ("subscription_started", "subscription_started", ""),
        ("subscription_renewed", "subscription_renewed", ""),
        ("subscription_canceled", "subscription_cancelled", ""),
        ("subscription_paused", "subscription_paused", ""),
        ("subscription_reactivated", "subscription_reactivated", ""),
        ("contract_end_updated", "contract_end_updated", ""),
    ],
    "email": [
        ("Email Opened", "email_opened", ""),
        ("Email Clicked", "email_clicked", ""),
        ("Email Bounced", "email_bounced", ""),
        ("Email Complained", "email_complained", ""),
        ("Email Unsubscribed", "email_unsubscribed", ""),
        ("Form Submitted", "form_submitted", ""),
    ],
}


def taxonomy() -> dict[str, dict[str, str]]:
    with SEED.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row["event_name"]: row for row in rows if row["event_type"] == "track"}


def looked_up(name: str) -> str:
    """As int_distinct_events spells the key."""
    return re.sub(r"[_\-/.]", " ", name).strip().lower()


@pytest.mark.parametrize("dialect", SPOKEN)
def test_each_dialect_is_understood(dialect: str) -> None:
    known = taxonomy()
    for name, canonical, effect in SPOKEN[dialect]:
        row = known[looked_up(name)]
        assert (row["canonical_name"], row["order_effect"]) == (canonical, effect), name
        assert dialect in row["dialects"].split(), name


def test_every_dialect_of_the_seed_is_tested() -> None:
    assert {d for row in taxonomy().values() for d in row["dialects"].split()} == {
        *SPOKEN
    }


def test_names_are_spelled_as_they_are_looked_up() -> None:
    assert all(name == looked_up(name) for name in taxonomy())


def test_every_event_that_an_example_webhook_makes_is_known() -> None:
    """Names that mean nothing here are free; these speak of orders, contracts and letters."""
    known = taxonomy()
    shops = ("shopify", "stripe", "woocommerce")
    tools = ("sendgrid", "mailgun", "postmark", "brevo")
    for source in (*(f"examples/{name}" for name in shops + tools), "mailing_tool"):
        text = (ROOT / f"sources/{source}.yml").read_text("utf-8")
        for event in yaml.safe_load(text)["webhook"]["events"].values():
            for made in event if isinstance(event, list) else [event]:
                if "name" in made:
                    assert looked_up(made["name"]) in known, (source, made["name"])


def seed(name: str) -> list[dict[str, str]]:
    with (SEED.parent / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_what_has_an_effect_on_subscriptions_can_be_said() -> None:
    effects = seed("subscription_effects")
    words = {row["word"] for row in effects if row["said_by"] == "event"}
    assert words <= {row["canonical_name"] for row in taxonomy().values()}


def test_what_suppresses_can_be_said_and_a_bounce_is_temporary_in_the_words_of_tools() -> (
    None
):
    suppressing = {row["canonical_name"] for row in seed("suppressing_events")}
    assert suppressing <= {row["canonical_name"] for row in taxonomy().values()}
    words = {row["word"] for row in seed("consent_words") if row["kind"] == "bounce"}
    assert {"soft", "temporary", "soft_bounce", "softbounce", "blocked"} <= words
    assert not words & {"hard", "permanent", "bounce", "hard_bounce", "hardbounce"}


def test_a_subscription_that_stripe_deletes_is_over() -> None:
    text = (ROOT / "sources/examples/stripe.yml").read_text("utf-8")
    made = yaml.safe_load(text)["webhook"]["events"]["customer.subscription.deleted"]
    canonical = taxonomy()[looked_up(made["name"])]["canonical_name"]
    effects = {(row["word"], row["effect"]) for row in seed("subscription_effects")}
    assert (canonical, "ended") in effects


@pytest.mark.acceptance
def test_every_event_of_segments_ecommerce_spec_is_known(acceptance_dir: Path) -> None:
    spec = (acceptance_dir / "2-segment-spec/v2.md").read_text("utf-8")
    lifecycle = spec.split("## Event lifecycles")[1].split("\n## ")[0]
    named = re.findall(r"^\| ((?:[A-Z]\w+ )+(?:\w+ )*?)\s*\|", lifecycle, re.M)
    events = {name.strip() for name in named} - {"Action"}
    assert len(events) == 28
    rows = taxonomy()
    assert {e for e in events if looked_up(e) not in rows} == set()
    assert all("segment" in rows[looked_up(e)]["dialects"].split() for e in events)
