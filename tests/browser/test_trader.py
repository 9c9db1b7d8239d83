"""The desk's page by itself: units, digits, an engine that falls silent, a login that ends in another window."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboards.widgets import TraderDesk
from tests.browser.conftest import PAGE, give_page

pytestmark = pytest.mark.browser

STRATEGY = {
    "name": "fade", "hash": "ab" * 32, "symbol": "XAUUSD", "mode": "mt5", "currency": "EUR", "state": "paused",
    "paused": True, "reason": "pause by trader: ", "lots": 0.1, "equity": 9987.5, "balance": 10000.0, "profit": -12.5,
    "profit_today": -12.5, "ticks": 9, "decisions": 8, "orders": 1, "fills": 1, "denied": 0, "rejected": 0,
}  # fmt: skip
POSITION = {
    "strategy": "fade", "symbol": "XAUUSD", "position_id": 7, "side": 1, "lots": 0.1, "open_price": 1290.1,
    "open_time_ns": 1, "stop_loss": 1280.0, "take_profit": 0.0, "floating_profit": -12.5,
}  # fmt: skip
QUOTES = [
    {"symbol": "XAUUSD", "time_ns": 1, "bid": 1290.05, "ask": 1290.3},
    {"symbol": "USDJPY", "time_ns": 1, "bid": 109.7, "ask": 109.712},
    {"symbol": "EURUSD", "time_ns": 1, "bid": 1.1458, "ask": 1.14585},
]
DESK = {
    "tenant": "demo", "time_ns": 1, "state": "active", "journal_seq": 1, "position": "0-0", "restarts": 0,
    "strategies": [STRATEGY], "positions": [POSITION], "orders": [], "ticks": QUOTES, "counts": {}, "latency_us": {},
    "refused": {}, "warnings": [], "profit": -12.5, "profit_today": -12.5,
}  # fmt: skip


class Desk:
    """The page in a window of its own, with the platform and the stream as given; its clock stands still."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.lines: list[Any] = []
        self.letting_in = True
        self.slow = ""
        self.held: list[Any] = []
        page.clock.install()
        page.route("**/*", self._answer)
        page.route_web_socket("**/ws/stream", lambda line: self.lines.append(line))  # noqa: PLW0108
        page.goto("http://desk.test/")
        page.wait_for_selector("td.name >> text=fade")
        while not self.lines:
            page.wait_for_timeout(20)

    def cells(self, title: str, name: str) -> list[str]:
        where = f"section:has(h2:text('{title}')) td[data-name='{name}']"
        return [str(each) for each in self.page.locator(where).all_inner_texts()]

    def say(self, message: dict[str, Any]) -> None:
        self.lines[-1].send(json.dumps(message))

    def _answer(self, route: Any) -> None:
        path = urlsplit(route.request.url).path
        if path in PAGE:
            return give_page(route, path, TraderDesk)
        if not self.letting_in:
            return route.fulfill(status=403, body=json.dumps({"message": "Forbidden", "reason": None}))
        if self.slow and path.endswith(self.slow):
            return self.held.append(route)
        content: Any = {
            "me": {"user": "ann", "tenant": "demo", "role": "trader", "tier": "pro", "acts": True},
            "desk": {"state": DESK}, "resume": {"state": DESK}, "kill": {"state": DESK | {"state": "killed"}},
            "ticket": {"ticket": "t", "port": 8001, "url": ""},
        }.get(path.removeprefix("/services/desk/broker/"), {})  # fmt: skip
        return route.fulfill(body=json.dumps(content), content_type="application/json")


@pytest.fixture
def desk(browser: Any) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(20_000)
    yield Desk(context.new_page())
    context.close()


def test_money_is_in_the_accounts_currency_and_prices_have_the_quotes_digits(desk: Desk) -> None:
    tiles = desk.page.inner_text(".tiles")
    assert "Profit today, EUR" in tiles
    assert "Profit in total, EUR" in tiles
    assert "0.10 lots, \u221212.50 EUR floating" in tiles
    assert desk.cells("Last ticks", "Symbol") == ["EURUSD", "USDJPY", "XAUUSD"]
    assert desk.cells("Last ticks", "Bid") == ["1.14580", "109.700", "1290.05"]
    assert desk.cells("Last ticks", "Ask") == ["1.14585", "109.712", "1290.30"]
    assert desk.cells("Open positions", "Opened at") == ["1290.10"]
    assert desk.cells("Open positions", "Stop") == ["1280.00"]


def test_a_strategy_that_was_approved_anew_stands_beside_its_older_self(desk: Desk) -> None:
    older = STRATEGY | {"mode": "paper", "state": "withdrawn", "reason": "approval withdrawn; goes flat", "lots": 0.0}
    desk.say({"type": "desk", "desk": DESK | {"strategies": [older, STRATEGY]}, "ticks": []})
    desk.page.clock.run_for(1_000)
    desk.page.wait_for_selector("td.state >> text=withdrawn")
    assert desk.cells("Strategies", "State") == ["paused\npause by trader", "withdrawn\napproval withdrawn; goes flat"]
    assert desk.cells("Strategies", "Lots") == ["Long 0.10", "Flat"]


@pytest.mark.parametrize("width", [1360, 1190, 1000, 390])
def test_a_long_name_and_a_long_reason_push_nothing_out_of_sight(desk: Desk, width: int) -> None:
    page = desk.page
    page.set_viewport_size({"width": width, "height": 860})
    reason = "pause by the tier: 100 trades a day are what it allows; entries go on at the broker's midnight"
    long = STRATEGY | {"name": "fade_" + "that_goes_on_and_on_" * 3, "reason": reason, "profit": -123_456.78}
    desk.say({"type": "desk", "desk": DESK | {"strategies": [long]}, "ticks": []})
    page.clock.run_for(1_000)
    page.wait_for_selector("td.name >> text=on_and_on")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    card = page.locator("section:has(h2:text('Strategies'))").bounding_box()
    row = page.locator("td.does button").bounding_box()
    assert row["x"] + row["width"] <= card["x"] + card["width"]
    name, tag = page.locator("td.name b").bounding_box(), page.locator("td.state .tag").bounding_box()
    assert name["x"] + name["width"] <= tag["x"]
    assert page.locator("td.state").bounding_box()["height"] < 180


def test_a_reason_that_nobody_gave_leaves_no_colon(desk: Desk) -> None:
    assert desk.page.inner_text("td.state small") == "pause by trader"


def test_an_active_strategy_says_why_its_last_order_was_refused(desk: Desk) -> None:
    active = STRATEGY | {
        "state": "active",
        "paused": False,
        "reason": "",
        "refusal": "rejected: No money",
        "rejected": 3,
    }
    desk.say({"type": "desk", "desk": DESK | {"strategies": [active]}, "ticks": []})
    desk.page.clock.run_for(1_000)
    desk.page.wait_for_selector("td.state >> text=active")
    assert desk.cells("Strategies", "State") == ["active\nlast order rejected: No money"]
    assert desk.cells("Strategies", "Denied") == ["3"]


def test_a_position_without_an_owner_is_named_with_what_to_do(desk: Desk) -> None:
    words = "EURUSD long 0.1 lots at agent pc1 (ticket 4711, magic 77) has no owner: close it in the terminal"
    desk.say({"type": "desk", "desk": DESK | {"orphans": [{"ticket": 4711, "words": words}]}, "ticks": []})
    desk.page.clock.run_for(1_000)
    desk.page.wait_for_selector(f".notice >> text={words}")
    desk.say({"type": "desk", "desk": DESK, "ticks": []})
    desk.page.clock.run_for(1_000)
    desk.page.wait_for_selector(".notice", state="hidden")


def test_a_strategy_that_stays_paused_is_not_said_to_trade_again(desk: Desk) -> None:
    desk.page.click("td.does button")
    desk.page.click("dialog[open] button[type=submit]")
    desk.page.wait_for_selector(".toast.bad >> text=fade stays paused: pause by trader")
    desk.page.click(".acts .resume")
    desk.page.click("dialog[open] button[type=submit]")
    desk.page.wait_for_selector(".toast.bad >> text=The desk is trading again; not so fade")


def test_a_kill_does_not_wait_for_the_answer_to_a_pause(desk: Desk) -> None:
    page = desk.page
    desk.slow = "/pause"
    page.click(".acts .pause")
    page.click("dialog[open] button[type=submit]")
    page.wait_for_selector(".toast >> text=The desk is being paused\u2026")
    assert page.is_disabled(".acts .pause")
    assert page.is_disabled(".acts .resume")
    page.click(".acts .kill")
    page.click("dialog[open] button[type=submit]")
    page.wait_for_selector(".toast >> text=The desk is killed.")
    assert page.is_disabled(".acts .pause"), "it was not answered"
    (route,) = desk.held
    desk.slow = ""
    route.fulfill(body=json.dumps({"error": "desk_down", "message": "it died"}), status=503)
    page.wait_for_selector(".toast.bad >> text=Not done: it died")


def test_a_kill_speaks_of_one_position_as_of_one(desk: Desk) -> None:
    desk.page.click(".acts .kill")
    assert "The open position (0.10 lots) is closed at the market at once" in desk.page.inner_text("dialog[open]")


def test_a_desk_that_falls_silent_is_not_called_live(desk: Desk) -> None:
    page = desk.page
    for _ in range(8):  # quotes go on, the desk does not; the platform cannot reach it either
        page.route("**/broker/desk", lambda route: route.fulfill(status=503, body='{"error": "engine_unreachable"}'))
        desk.say({"type": "ticks", "ticks": [QUOTES[0]]})
        page.clock.run_for(1_000)
    assert "desk silent for" in page.inner_text(".pill")
    assert "bad" in page.get_attribute(".pill", "class")
    assert "The desk is not heard any more" in page.inner_text(".notice")
    desk.say({"type": "desk", "desk": DESK, "ticks": []})
    page.wait_for_function("() => !document.querySelector('.pill').textContent.includes('silent')")
    page.clock.run_for(1_000)
    assert page.inner_text(".pill").startswith("live")
    assert not page.is_visible(".notice")


def test_quotes_that_stay_away_are_said_to_and_not_shown_as_fresh(desk: Desk) -> None:
    page = desk.page
    desk.say({"type": "ticks", "ticks": [QUOTES[2]]})
    page.wait_for_selector("section:has(h2:text('Last ticks')) td.name >> text=EURUSD")
    for _ in range(17):  # the desk goes on, the terminal does not
        page.clock.run_for(1_000)
        desk.say({"type": "desk", "desk": DESK, "ticks": []})
    page.clock.run_for(1_000)
    page.wait_for_function("() => /^live, no quote for 1\\d s$/.test(document.querySelector('.pill').textContent)")
    assert "wait" in page.get_attribute(".pill", "class")
    assert "no terminal sends quotes" in page.get_attribute(".pill", "title")
    bids = page.locator("section:has(h2:text('Last ticks')) td[data-name='Bid']")
    assert [each.get_attribute("class") for each in bids.all()] == ["num dim"] * 3
    desk.say({"type": "ticks", "ticks": [QUOTES[2]]})
    page.wait_for_function("() => document.querySelector('td[data-name=Bid]').className === 'num'")
    page.clock.run_for(1_000)
    assert page.inner_text(".pill").startswith("live")
    assert "quote" not in page.inner_text(".pill")
    assert bids.nth(1).get_attribute("class") == "num dim"


def test_where_the_quotes_are_silent_too_they_are_not_called_live(desk: Desk) -> None:
    page = desk.page
    page.route("**/broker/desk", lambda route: route.fulfill(status=503, body='{"error": "engine_unreachable"}'))
    page.clock.run_for(8_000)
    page.wait_for_function("() => document.querySelector('.pill').textContent.startsWith('desk silent for')")


def test_a_stream_that_is_refused_is_said_so_and_not_asked_for_again_and_again(desk: Desk) -> None:
    page = desk.page
    desk.say({"type": "refused", "code": "tier_connections", "message": "the pro tier has 5 live streams at a time"})
    desk.lines[-1].close()
    for _ in range(20):
        page.clock.run_for(1_000)
    assert len(desk.lines) == 1
    assert page.inner_text(".pill").startswith("not live")
    assert "the pro tier has 5 live streams at a time" in page.inner_text(".notice")
    assert desk.cells("Strategies", "Lots") == ["Long 0.10"]
    page.clock.run_for(15_000)
    while len(desk.lines) == 1:
        page.wait_for_timeout(20)
    desk.say({"type": "desk", "desk": DESK, "ticks": []})
    page.clock.run_for(1_000)
    page.wait_for_function("() => document.querySelector('.pill').textContent.startsWith('live')")
    assert not page.is_visible(".notice")


def test_a_login_that_ended_in_another_window_ends_the_page(desk: Desk) -> None:
    page = desk.page
    desk.letting_in = False
    page.clock.run_for(9_000)
    page.wait_for_selector(".desk.ended")
    assert page.inner_text(".pill") == "ended"
    assert "Your access to this desk has ended: you are logged out" in page.inner_text(".notice")
    assert "Forbidden" not in page.inner_text(".notice")
    assert "fade" not in page.inner_text("body")
    assert "12.50" not in page.inner_text("body")
