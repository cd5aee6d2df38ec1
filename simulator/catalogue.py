"""What the shop sells and where its visitors come from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    product_id: str
    name: str
    category: str
    cents: int


@dataclass(frozen=True)
class Campaign:
    """A way into the shop. Paid ones have ids and a daily budget in the ad account."""

    source: str
    medium: str
    name: str
    campaign_id: str = ""
    daily_cents: int = 0


PRODUCTS = tuple(
    Product(f"P-{1000 + number}", name, category, cents)
    for number, (name, category, cents) in enumerate(
        [
            ("Espresso House Blend 250 g", "coffee", 690),
            ("Espresso House Blend 1 kg", "coffee", 2490),
            ("Filter Roast Kenya 250 g", "coffee", 990),
            ("Filter Roast Ethiopia 250 g", "coffee", 1090),
            ("Decaf Peru 250 g", "coffee", 890),
            ("Earl Grey loose 100 g", "tea", 590),
            ("Sencha 100 g", "tea", 790),
            ("Peppermint 50 g", "tea", 390),
            ("Pour-over dripper", "brewing", 1990),
            ("Paper filters, 100", "brewing", 450),
            ("Gooseneck kettle", "brewing", 6900),
            ("Hand grinder", "brewing", 8900),
            ("Espresso machine Piccolo", "machines", 34900),
            ("Milk frother", "machines", 4900),
            ("Cup, blue", "cups", 1200),
            ("Cup, white", "cups", 1200),
            ("Travel mug", "cups", 2200),
            ("Gift card 25", "gifts", 2500),
            ("Tasting box", "gifts", 2900),
            ("Biscotti 200 g", "treats", 550),
        ],
        start=1,
    )
)

CAMPAIGNS = (
    Campaign("google", "cpc", "brand", "9001", 4500),
    Campaign("google", "cpc", "winter_beans", "9002", 8000),
    Campaign("facebook", "paid_social", "coffee_gifts", "23847", 6000),
    Campaign("tiktok", "paid_social", "latte_art", "1714110000000001", 2500),
    Campaign("newsletter", "email", "weekly"),
    Campaign("instagram", "social", "barista_clips"),
)

REFERRERS = (
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://coffee-forum.example/",
)
