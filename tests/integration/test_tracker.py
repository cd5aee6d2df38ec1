"""The browser tracker in a real Chromium, against a real collector: what pages call arrives, once, whatever happens
between; and without consent nothing does.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ingestion.collector.browsers import TRACKER_PATHS
from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running, started
from ingestion.landing import read_tail
from ingestion.tracker import GZIPPED_LIMIT
from tests.integration.browser_shop import KEY, Gate, gate, site

PATIENCE = 20.0
"""Seconds that a test waits for what must come."""

QUIET = 0.7
"""Seconds that it waits for what must not come: several times what the tracker lets events gather."""

STORED = "() => JSON.stringify(localStorage) + document.cookie"


@dataclass
class Shop:
    """A site with the tracker, its collector behind a gate, and a visitor's browser."""

    url: str
    home: Path
    visitor: BrowserContext
    known: int = 0
    """How many events had landed before this test."""

    def open(self, page: str = "shop") -> Page:
        tab = self.visitor.new_page()
        tab.goto(f"{self.url}/{page}")
        tab.wait_for_function("() => (window.shopEvents || keystoneData).version")
        return tab

    def landed(self) -> list[dict[str, Any]]:
        """The distinct events of this test. A page that is left may send one twice; the id tells."""
        distinct = {each["event_id"]: each for each in reversed(self._tail())}
        return list(reversed(distinct.values()))

    def deliveries(self, name: str) -> int:
        """How often an event arrived, repeats included."""
        return sum(each["name"] == name for each in self._tail())

    def _tail(self) -> list[dict[str, Any]]:
        return list(read_tail(self.home / "landing", "events", set()))[self.known :]

    def names(self) -> list[str]:
        """What landed, by the name of the event, or its type."""
        return [each["name"] or each["type"] for each in self.landed()]

    def await_names(self, *names: str) -> dict[str, dict[str, Any]]:
        """Wait until exactly these have landed, then give them by name."""
        until(lambda: sorted(set(self.names())) == sorted(names), self.names)
        return {each["name"] or each["type"]: each for each in self.landed()}


def until(holds: Callable[[], Any], shown: Callable[[], Any] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"still not so: {shown()}"
        time.sleep(0.03)


def pause(tab: Page, seconds: float = QUIET) -> None:
    """Let time pass in the browser, too."""
    tab.wait_for_timeout(seconds * 1000)


def track(tab: Page, name: str) -> None:
    tab.evaluate("name => keystoneData.track(name)", name)


def queued(tab: Page) -> str:
    keys = "Object.keys(localStorage).filter(key => key.startsWith('mr_queue_'))"
    return str(tab.evaluate(f"() => {keys}.map(key => localStorage[key]).join()"))


def identifiers(event: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: each["value"] for each in event["identifiers"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("these tests need a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tracker")
    KeyStore(home / "keys.json").import_text(KEY, "web_shop", ("tracker",))
    return home


@pytest.fixture(scope="module")
def the_gate(home: Path) -> Iterator[Gate]:
    with running(home) as collector, gate(collector) as before_it:
        yield before_it


@pytest.fixture(scope="module")
def the_site(the_gate: Gate) -> Iterator[str]:
    with site(the_gate.url) as url:
        yield url


@pytest.fixture
def entry(the_gate: Gate) -> Iterator[Gate]:
    """The gate that the shop's events pass, with nothing planned and nothing seen."""
    the_gate.sent.clear()
    yield the_gate
    assert not the_gate.refusals, "a refusal that nobody met"


@pytest.fixture
def shop(the_site: str, home: Path, browser: Browser) -> Iterator[Shop]:
    known = len(list(read_tail(home / "landing", "events", set())))
    with browser.new_context() as visitor:
        yield Shop(the_site, home, visitor, known)


# ---- What pages call, and what becomes of it


def test_it_is_small_and_served_where_tags_look_for_it(shop: Shop, entry: Gate) -> None:
    for path in TRACKER_PATHS:
        with httpx.stream("GET", entry.collector + path) as answer:
            assert len(b"".join(answer.iter_raw())) <= GZIPPED_LIMIT
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


def test_every_call_arrives_as_the_spec_says(shop: Shop) -> None:
    tab = shop.open()
    tab.evaluate("""() => {
        keystoneData.identify("bea", {email: "bea@example.com"});
        keystoneData.track("Signed Up", {plan: "pro"}, {context: {tenant: "north"}});
        keystoneData.page("Catalogue", "Shoes", {on_sale: true});
        keystoneData.group("acme", {seats: 3});
        keystoneData.alias("bea-2");
    }""")
    events = shop.await_names(
        "page", "identify", "Signed Up", "Shoes", "group", "alias"
    )
    assert identifiers(events["page"]).keys() == {"anonymous_id"}
    assert len({identifiers(each)["anonymous_id"] for each in events.values()}) == 1
    assert identifiers(events["identify"])["email"] == "bea@example.com"
    assert identifiers(events["Signed Up"])["user_id"] == "bea"
    assert events["Signed Up"]["properties"] == {"plan": "pro"}
    assert events["Signed Up"]["context"]["tenant"] == "north"
    assert events["Signed Up"]["context"]["page"]["path"] == "/shop"
    assert events["Shoes"]["properties"]["category"] == "Catalogue"
    assert events["Shoes"]["properties"]["on_sale"] is True
    assert events["group"]["traits"] == {"seats": 3}
    assert identifiers(events["alias"])["previous_id"] == "bea"
    assert identifiers(events["alias"])["user_id"] == "bea-2"
    assert {each["channel"] for each in events.values()} == {"client"}
    assert {each["shape"] for each in events.values()} == {"segment"}
    assert all(each["sent_at"] for each in events.values())


def test_calls_made_before_it_has_loaded_are_replayed(shop: Shop) -> None:
    tab = shop.open("stub")
    tab.evaluate("() => held.push(['track', 'Through The Old Reference'])")
    events = shop.await_names(
        "identify", "Signed Up", "Home", "Through The Old Reference"
    )
    assert identifiers(events["Signed Up"])["user_id"] == "ada"


def test_the_shop_helpers_are_the_field_s_events(shop: Shop) -> None:
    tab = shop.open()
    tab.evaluate("""() => {
        keystoneData.viewedProduct({product_id: "p1", price: 9.5, currency: "EUR"});
        keystoneData.addedToCart({product_id: "p1", quantity: 2, cart_id: "c1"});
        keystoneData.placedOrder({order_id: "o1", total: 19, currency: "EUR"});
    }""")
    events = shop.await_names(
        "page", "Product Viewed", "Product Added", "Order Completed"
    )
    assert events["Product Viewed"]["properties"]["price"] == 9.5
    assert events["Product Added"]["properties"]["quantity"] == 2
    assert events["Order Completed"]["properties"]["order_id"] == "o1"


def test_a_page_can_choose_where_it_sends_and_what_it_calls_it(shop: Shop) -> None:
    tab = shop.open("own_settings")
    pause(tab)
    assert shop.names() == ["Chose Everything"]


def test_what_a_page_changes_or_breaks_afterwards_does_no_harm(shop: Shop) -> None:
    tab = shop.open()
    tab.evaluate("""() => {
        const cart = {items: 1}, circle = {};
        circle.self = circle;
        keystoneData.track("Kept", cart);
        cart.items = 2;
        keystoneData.track("Circular", circle);
        keystoneData.track("After");
    }""")
    events = shop.await_names("page", "Kept", "After")
    assert events["Kept"]["properties"] == {"items": 1}


# ---- Who it is


def test_a_visitor_keeps_one_id_in_storage_and_cookie(shop: Shop) -> None:
    tab = shop.open()
    visitor = tab.evaluate("() => localStorage.anonymous_id")
    cookie = {each["name"]: each for each in shop.visitor.cookies()}["anonymous_id"]
    assert cookie["value"] == visitor
    assert cookie["expires"] > time.time() + 300 * 86_400
    tab.evaluate("() => localStorage.removeItem('anonymous_id')")
    tab.reload()
    until(lambda: len(shop.landed()) == 2)
    assert {identifiers(each)["anonymous_id"] for each in shop.landed()} == {visitor}


def test_another_person_or_a_reset_is_another_visitor(shop: Shop) -> None:
    tab = shop.open()
    tab.evaluate("""() => {
        keystoneData.identify("ada");
        keystoneData.track("Ada Came");
        keystoneData.identify("bea");
        keystoneData.track("Bea Came");
        keystoneData.reset();
        keystoneData.track("Somebody Came");
    }""")
    events = shop.await_names(
        "page", "identify", "Ada Came", "Bea Came", "Somebody Came"
    )
    ada, bea, somebody = (
        identifiers(events[f"{who} Came"]) for who in ("Ada", "Bea", "Somebody")
    )
    assert (ada["user_id"], bea["user_id"]) == ("ada", "bea")
    assert "user_id" not in somebody
    assert len({each["anonymous_id"] for each in (ada, bea, somebody)}) == 3
    assert ada["anonymous_id"] == identifiers(events["page"])["anonymous_id"]


def test_tags_and_click_ids_are_kept_for_thirty_days(shop: Shop) -> None:
    tab = shop.open("shop?utm_source=news&utm_campaign=spring&gclid=G-1&q=shoes")
    shop.await_names("page")
    tab.goto(f"{shop.url}/shop")
    track(tab, "Direct")
    direct = shop.await_names("page", "Direct")["Direct"]["context"]
    landing = shop.landed()[0]
    tags = {"source": "news", "name": "spring", "gclid": "G-1"}
    assert landing["context"]["campaign"] == tags
    assert "campaign" not in direct
    last = direct["lastCampaign"]
    assert last == {**tags, "timestamp": last["timestamp"]}
    tab.evaluate("""() => {
        const old = new Date(Date.now() - 31 * 864e5).toISOString();
        localStorage.mr_campaign = JSON.stringify({source: "news", timestamp: old});
        keystoneData.track("A Month Later");
    }""")
    late = shop.await_names("page", "Direct", "A Month Later")["A Month Later"]
    assert "lastCampaign" not in late["context"]


# ---- Page views of single-page applications


def test_navigation_within_a_page_is_a_page_view(shop: Shop) -> None:
    tab = shop.open()
    tab.evaluate("""() => {
        history.pushState({}, "", "/shop/shoes");
        document.title = "Shoes";
        history.pushState({}, "", "/shop/shoes/7");
        setTimeout(() => document.title = "Shoe 7", 30);
    }""")
    until(lambda: len(shop.landed()) == 3)
    tab.evaluate("""() => {
        history.replaceState({}, "", "/shop/shoes/7#token=1");
        history.replaceState({}, "", "/shop/shoes/8?size=40");
        document.title = "Shoe 8";
    }""")
    until(lambda: len(shop.landed()) == 4)
    tab.evaluate("() => { history.back(); document.title = 'Shoes again' }")
    until(lambda: len(shop.landed()) == 5)
    pages = [each["context"]["page"] for each in shop.landed()]
    assert [(each["path"], each["search"], each["title"]) for each in pages] == [
        ("/shop", "", "Shop"),
        ("/shop/shoes", "", "Shoes"),
        ("/shop/shoes/7", "", "Shoe 7"),
        ("/shop/shoes/8", "?size=40", "Shoe 8"),
        ("/shop/shoes", "", "Shoes again"),
    ]
    assert [each["referrer"] for each in pages[1:]] == [
        each["url"] for each in pages[:-1]
    ]
    assert [each["properties"]["title"] for each in shop.landed()] == [
        each["title"] for each in pages
    ]


# ---- Delivery


def test_what_happened_offline_arrives_when_the_network_is_back(shop: Shop) -> None:
    tab = shop.open()
    shop.await_names("page")
    shop.visitor.set_offline(True)
    track(tab, "On The Train")
    before = datetime.now().timestamp()
    pause(tab, 1.5)
    assert "On The Train" in queued(tab)
    shop.visitor.set_offline(False)
    event = shop.await_names("page", "On The Train")["On The Train"]
    happened = datetime.fromisoformat(event["occurred_at"]).timestamp()
    assert abs(happened - before) < 1
    until(lambda: queued(tab) == "", lambda: queued(tab))  # it empties with the answer


def test_a_collector_that_is_killed_and_started_again_loses_nothing(
    home: Path, browser: Browser, tmp_path: Path
) -> None:
    shutil.copy(home / "keys.json", tmp_path)
    with ExitStack() as stack:
        url, process = stack.enter_context(started(tmp_path))
        address = stack.enter_context(site(url))
        visitor = stack.enter_context(browser.new_context())
        shop = Shop(address, tmp_path, visitor)
        tab = shop.open()
        shop.await_names("page")
        process.kill()
        process.wait()
        for number in range(5):
            track(tab, f"Event {number}")
            pause(tab, 0.2)
        stack.enter_context(started(tmp_path, port=urlsplit(url).port or 0))
        shop.await_names("page", *(f"Event {number}" for number in range(5)))
        assert [shop.deliveries(f"Event {number}") for number in range(5)] == [1] * 5
        until(lambda: queued(tab) == "", lambda: queued(tab))


def test_a_busy_collector_is_left_alone_as_long_as_it_asks(
    shop: Shop, entry: Gate
) -> None:
    tab = shop.open()
    shop.await_names("page")
    entry.refusals.append((429, {"Retry-After": "2"}))
    track(tab, "During The Rush")
    until(lambda: len(entry.sent) == 2)
    track(tab, "Later")
    tab.goto(f"{shop.url}/shop")
    shop.await_names("page", "During The Rush", "Later")
    until(lambda: queued(tab) == "", lambda: queued(tab))  # it empties with the answer
    _, refused, *after = entry.sent
    assert refused.status == 429
    assert min(each.at for each in after) - refused.at >= 2
    assert all(each.mode == "cors" for each in after), "a beacon went out meanwhile"
    assert sorted(shop.names()) == ["During The Rush", "Later", "page", "page"]


def test_errors_are_retried_with_growing_pauses_under_the_same_ids(
    shop: Shop, entry: Gate
) -> None:
    tab = shop.open()
    shop.await_names("page")
    entry.refusals += [(500, {}), (503, {}), (502, {})]
    track(tab, "Stubborn")
    shop.await_names("page", "Stubborn")
    until(lambda: len(entry.sent) == 5)
    tries = entry.sent[1:]
    assert [each.status for each in tries] == [500, 503, 502, 200]
    assert len({id for each in tries for id in each.ids}) == 1
    pauses = [late.at - early.at for early, late in pairwise(tries)]
    assert 0.5 <= pauses[0] < pauses[2]


def test_what_is_refused_for_good_does_not_block_what_follows(
    shop: Shop, entry: Gate
) -> None:
    tab = shop.open()
    shop.await_names("page")
    entry.refusals.append((400, {}))
    track(tab, "Unacceptable")
    until(lambda: queued(tab) == "", lambda: queued(tab))
    track(tab, "Fine")
    shop.await_names("page", "Fine")


def test_more_than_one_request_can_carry_goes_in_several(
    shop: Shop, entry: Gate
) -> None:
    tab = shop.open()
    shop.visitor.set_offline(True)
    tab.evaluate("""() => {
        for (let n = 0; n < 20; n++) keystoneData.track("Ü" + n, {text: "ü".repeat(5000)});
    }""")
    shop.visitor.set_offline(False)
    until(lambda: len(set(shop.names())) == 21)
    assert all(len(each.body["batch"]) <= 6 for each in entry.sent)


def test_tabs_are_one_visitor_with_a_queue_each(shop: Shop) -> None:
    first, second = shop.open(), shop.open()
    shop.visitor.set_offline(True)
    for tab in (first, second):
        tab.evaluate("() => keystoneData.track('Seen')")
    until(lambda: queued(first).count('"Seen"') == 2)
    assert first.evaluate("() => Object.keys(localStorage).length") == 3
    shop.visitor.set_offline(False)
    until(lambda: shop.names().count("Seen") == 2)
    assert len({identifiers(each)["anonymous_id"] for each in shop.landed()}) == 1
    until(lambda: queued(first) == "")
    assert shop.deliveries("Seen") == 2


def test_the_next_page_adopts_the_queue_of_a_tab_that_is_gone(shop: Shop) -> None:
    first, second = shop.open(), shop.open()
    until(lambda: shop.names().count("page") == 2 and queued(first) == "")
    shop.visitor.set_offline(True)
    track(first, "Last Words")
    first.close(run_before_unload=True)
    until(lambda: "[0,[" in queued(second))
    second.close()
    shop.visitor.set_offline(False)
    third = shop.open()
    shop.await_names("page", "Last Words")
    until(lambda: queued(third) == "")


def test_a_crashed_tab_is_adopted_when_its_lease_has_run_out(shop: Shop) -> None:
    tab = shop.open()
    shop.await_names("page")
    queue = """lease => localStorage.mr_queue_crashed = JSON.stringify(
        [Date.now() + lease, [{type: "track", event: "Orphan", messageId: "orphan-1"}]])"""
    tab.evaluate(queue, 60_000)
    tab.reload()
    pause(tab)
    assert shop.names() == ["page", "page"]
    tab.evaluate(queue, -1)
    tab.reload()
    shop.await_names("page", "Orphan")
    until(lambda: queued(tab) == "", lambda: queued(tab))


def test_a_page_that_is_left_sends_a_beacon_and_the_next_one_makes_sure(
    shop: Shop, entry: Gate
) -> None:
    tab = shop.open()
    until(lambda: shop.names() == ["page"] and queued(tab) == "")
    tab.evaluate("""() => {
        keystoneData.track("Left");
        dispatchEvent(new PageTransitionEvent("pagehide"));
        addEventListener("pagehide", () => keystoneData.track("Left Late"));
        location.href = "about:blank";
    }""")
    tab.wait_for_url("about:blank")
    until(lambda: len(entry.sent) == 3)
    beacons = entry.sent[1:]
    assert {(each.mode, each.status) for each in beacons} == {("no-cors", 200)}
    assert {each.body["writeKey"] for each in beacons} == {KEY}
    carried = [[call["event"] for call in each.body["batch"]] for each in beacons]
    assert sorted(carried) == [["Left"], ["Left Late"]]
    tab.goto(f"{shop.url}/shop")
    until(lambda: queued(tab) == "" and shop.names().count("page") == 2)
    assert shop.deliveries("Left") == 2
    assert shop.names().count("Left") == 1


def test_a_page_back_from_the_browser_s_cache_leaves_alone_what_was_adopted(
    shop: Shop,
) -> None:
    first = shop.open()
    until(lambda: shop.names() == ["page"] and queued(first) == "")
    shop.visitor.set_offline(True)
    track(first, "Parked")
    park = "name => dispatchEvent(new PageTransitionEvent(name, {persisted: true}))"
    first.evaluate(park, "pagehide")
    shop.visitor.set_offline(False)
    shop.open()
    until(lambda: shop.names().count("page") == 2 and queued(first) == "")
    first.evaluate(park, "pageshow")
    until(lambda: shop.names().count("page") == 3)
    assert shop.deliveries("Parked") == 1


def test_without_storage_it_still_works_for_as_long_as_the_page_lives(
    shop: Shop, entry: Gate
) -> None:
    shop.visitor.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden') }})"
    )
    tab = shop.open()
    entry.refusals.append((500, {}))
    track(tab, "Unstored")
    shop.await_names("page", "Unstored")


# ---- Consent


def test_nothing_is_stored_or_sent_before_consent(shop: Shop, entry: Gate) -> None:
    tab = shop.open("consent")
    tab.evaluate("() => keystoneData.identify('ada')")
    pause(tab)
    assert tab.evaluate(STORED) == "{}"
    assert entry.sent == []
    asked = datetime.now().timestamp()
    tab.evaluate("() => keystoneData.consent(true, {advertising: false})")
    events = shop.await_names("page", "identify", "Read Banner")
    happened = datetime.fromisoformat(events["page"]["occurred_at"]).timestamp()
    assert happened < asked - QUIET + 0.1
    assert events["identify"]["consent"] == {
        "categoryPreferences": {"advertising": False}
    }
    tab.reload()
    until(lambda: shop.names().count("page") == 2)


def test_a_refusal_is_final_for_the_calls_before_it(shop: Shop) -> None:
    tab = shop.open("consent")
    tab.evaluate("() => keystoneData.consent(false)")
    track(tab, "Refused")
    tab.evaluate("() => keystoneData.consent('denied')")
    pause(tab)
    assert tab.evaluate(STORED) == "{}"
    tab.evaluate("() => keystoneData.consent(true)")
    track(tab, "Allowed")
    shop.await_names("Allowed")


def test_withdrawal_clears_queue_and_ids_in_every_tab(shop: Shop) -> None:
    first, second = shop.open("consent"), shop.open("consent")
    first.evaluate("() => keystoneData.consent(true)")
    until(lambda: shop.names().count("Read Banner") == 2)
    shop.visitor.set_offline(True)
    for tab in (first, second):
        tab.evaluate("() => keystoneData.track('Regretted')")
    first.evaluate("() => keystoneData.consent(false)")
    track(second, "Ignored")
    assert first.evaluate(STORED) == "{}"
    shop.visitor.set_offline(False)
    pause(second)
    assert first.evaluate(STORED) == "{}"
    first.evaluate("() => keystoneData.consent(true)")
    track(first, "Reconsidered")
    until(lambda: "Reconsidered" in shop.names())
    assert not {"Regretted", "Ignored"} & set(shop.names())


def test_without_required_consent_a_refusal_is_remembered(shop: Shop) -> None:
    tab = shop.open()
    shop.await_names("page")
    tab.evaluate("() => keystoneData.consent(false)")
    tab.reload()
    track(tab, "Refused")
    pause(tab)
    assert tab.evaluate(STORED) == '{"mr_consent":"0"}'
    assert shop.names() == ["page"]


@pytest.mark.parametrize(
    "signal", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"]
)
def test_the_browser_s_own_signal_is_respected_whatever_the_page_says(
    shop: Shop, signal: str
) -> None:
    shop.open().evaluate("() => keystoneData.identify('ada')")
    shop.await_names("page", "identify")
    shop.visitor.add_init_script(
        f"Object.defineProperties(Navigator.prototype, {{{signal}}})"
    )
    tab = shop.open()
    tab.evaluate("() => keystoneData.consent(true)")
    track(tab, "Signalled")
    pause(tab)
    assert tab.evaluate(STORED) == "{}"
    assert shop.names() == ["page", "identify"]
