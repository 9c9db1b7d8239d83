"""What an admin reads before approving: the platform's findings, told from claims, as text and never as markup."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboards.widgets import Approvals
from tests.browser.conftest import PAGE, give_page

pytestmark = pytest.mark.browser

HASH = "ab" * 32
EVIL = "<img src=x onerror=\"document.title='owned'\">"
PASSPORT = {
    "hash": HASH, "name": "fade", "author": "quant", "source": "def fade(x, position, p):\n    return 1.0\n",
    "symbol": "EURUSD", "on": "tick", "params": {"window": 20}, "features": ["up = rsi(14)"], "channels": [],
    "models": {}, "sizing": "FixedLots(0.1)",
    "account": {"hedging": True, "deposit": 25000.0, "currency": "EUR", "leverage": 30.0},
    "limits": {"max_lots": 1.0}, "costs": {"latency_ms": 40}, "environment": {"numpy": "2"},
}  # fmt: skip
TRIALS = {"hypothesis": "fade", "n_trials": 1204, "n_runs": 1310, "n_on_instrument": 4801}
LOOK = {
    "verdict": "pass", "reason": "better than the best luck of 3 looks with a probability of 95 % or more, "
    "after the costs that the author's passport states",
    "profit": "+", "sharpe": "1 to 2", "trades": "100 to 299", "days": 73, "n_look": 3, "watched_days": 2,
}  # fmt: skip
IDENTICAL = "identical; 3,000 ticks, 20 orders of EURUSD, 2019-02-04 to 2019-02-04"
NOT_RUN = {"parity, by the platform": "not run yet: tickhub parity --certify"}


class Approver:
    """The approvals page in a window, with the platform's answers as given."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.told: list[tuple[str, Any]] = []
        self.passport: dict[str, Any] = {}
        self.status = "submitted"
        self.held: list[tuple[Any, str]] | None = None
        page.route("**/*", self._answer)

    def open(self, evidence: dict[str, str], findings: dict[str, Any], **changed: Any) -> str:
        self.passport = PASSPORT | {"evidence": evidence, "findings": findings} | changed
        self.page.goto("http://desk.test/")
        self.page.click("td.name button")
        self.page.wait_for_selector(".found")
        return str(self.page.inner_text(".found"))

    def tags(self) -> list[str]:
        return [str(each) for each in self.page.locator(".found .tag").all_inner_texts()]

    def _answer(self, route: Any) -> None:
        asked, path = route.request, urlsplit(route.request.url).path
        if path in PAGE:
            return give_page(route, path, Approvals)
        what = path.removeprefix("/services/desk/broker/")
        content: Any = {"message": "no such page"}
        if asked.method == "POST" and what.endswith("/approve"):
            self.status, content = "approved", {"engine_told": True}
        elif asked.method == "POST":
            self.told.append((what, json.loads(asked.post_data or "null")))
            content = {"verdict": "running"}
            self.passport = self.passport | {"findings": self.passport["findings"] | {"hold_out": content}}
        elif what == "me":
            content = {"user": "admin", "tenant": "demo", "role": "admin"}
        elif what == "strategies":
            row = {"hash": HASH, "name": self.passport["name"], "author": "quant", "status": self.status}
            content = [row | {"submitted_at": "2026-11-21T10:00:00"}]
            if self.held is not None:
                return self.held.append((route, json.dumps(content)))
        elif what == f"strategies/{HASH}":
            content = self.passport
        return route.fulfill(body=json.dumps(content), content_type="application/json")


@pytest.fixture(scope="module")
def approver(browser: Any) -> Iterator[Approver]:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield Approver(page)
    context.close()


@pytest.fixture
def shoot(approver: Approver) -> Callable[[str], None]:
    def shot(name: str) -> None:
        folder = os.environ.get("TICKHUB_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            approver.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return shot


def test_findings_are_read_before_what_the_author_says(approver: Approver, shoot: Callable[[str], None]) -> None:
    evidence = {"deflated_sharpe": "0.97", "parity, by the platform": f"signed by the platform: {IDENTICAL}"}
    said = approver.open(evidence, {"trials": TRIALS, "hold_out": LOOK})
    assert approver.tags() == ["1,204 trials", "pass", "signed"]
    assert "in 1,310 runs; 4,801 on EURUSD for whatever idea" in said
    assert "Its author says: deflated_sharpe = 0.97" in said
    assert "Sharpe ratio 1 to 2, 100 to 299 trades in 73 days; look 3 at EURUSD" in said
    assert "On 2 days of them somebody here saw the live stream" in said
    assert "3,000 ticks" in said
    assert "hedging, 25,000.00 EUR, leverage 30" in approver.page.inner_text(".detail")
    text = approver.page.inner_text(".detail")
    assert text.index("What the platform found") < text.index("Evidence, by its author") < text.index("def fade")
    shoot("approvals-good")
    approver.page.emulate_media(color_scheme="dark")
    shoot("approvals-dark")
    approver.page.emulate_media(color_scheme="light")


def test_what_nobody_found_is_said_and_the_hold_out_asked_by_keyboard(
    approver: Approver, shoot: Callable[[str], None]
) -> None:
    page = approver.page
    said = approver.open(NOT_RUN, {"trials": TRIALS | {"n_trials": 0, "n_runs": 0}})
    assert approver.tags() == ["none counted", "not asked", "no certificate"]
    assert "4,801 trials on EURUSD for other ideas" in said
    page.focus("td.name button")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Have it judged\u2026"
    page.keyboard.press("Enter")
    assert "the answer stands for ever" in page.inner_text("dialog[open]")
    shoot("approvals-asked")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".found .tag >> text=running")
    assert approver.told[-1] == (f"strategies/{HASH}/hold-out", {})


def test_a_claim_is_called_a_claim_and_a_gap_a_gap(approver: Approver) -> None:
    approver.open({"parity": f"unsigned, the author's claim: {IDENTICAL}"} | NOT_RUN, {"trials": TRIALS})
    assert approver.tags()[2] == "author\u2019s claim"
    gap = "signed by the platform: gap, fill: tick 7 was dearer; 3,000 ticks of EURUSD"
    reason = "no profit after the costs that the author's passport states, on data that nobody had seen"
    fail = LOOK | {"verdict": "fail", "reason": reason, "profit": "-"}
    approver.open({"parity, by the platform": gap}, {"trials": TRIALS, "hold_out": fail})
    assert approver.tags()[1:] == ["fail", "signed: a gap"]
    idle = f"signed by the platform: {IDENTICAL}; worth little: nothing was ordered"
    approver.open({"parity, by the platform": idle}, {"trials": TRIALS, "hold_out": LOOK})
    assert approver.tags()[2] == "signed, worth little"
    approver.open({"parity": "of another strategy (x): worth nothing here"} | NOT_RUN, {})
    assert approver.tags() == ["none counted", "not asked", "worthless"]


def test_what_was_decided_is_still_said_when_the_list_shows_it_however_late(browser: Any) -> None:
    context = browser.new_context()
    approver = Approver(context.new_page())
    page = approver.page
    page.clock.install()
    approver.open(NOT_RUN, {"trials": TRIALS})
    approver.held = []
    page.clock.run_for(6_000)  # the list is asked for before the decision, and answered after it
    page.wait_for_function("() => true")  # its request has come through
    old = approver.held[:]
    assert len(old) == 1
    page.click(".detail button.resume")
    page.click("dialog[open] button[type=submit]")
    page.wait_for_selector(".toast >> text=fade is approved; the engine knows.")
    until = time.monotonic() + 20.0
    while len(approver.held) == len(old) and time.monotonic() < until:
        page.wait_for_timeout(20)
    page.clock.run_for(8_000)
    for route, body in [*approver.held[len(old) :], *old]:  # the newest first, the oldest last
        route.fulfill(body=body, content_type="application/json")
    page.wait_for_selector("tr:has-text('fade') .tag >> text=approved")
    page.wait_for_selector(".toast >> text=fade is approved; the engine knows.")
    approver.held = None
    assert page.locator("tr:has-text('fade') .tag").all_inner_texts() == ["approved"]
    context.close()


def test_what_was_refused_is_not_offered_to_be_refused_again(approver: Approver) -> None:
    page = approver.page
    for status, verb, may in (
        ("submitted", "Reject", True),
        ("rejected", "Reject", False),
        ("approved", "Withdraw", True),
    ):
        approver.status = status
        approver.open(NOT_RUN, {"trials": TRIALS})
        assert page.inner_text(".detail button.kill") == verb
        assert page.is_enabled(".detail button.kill") == may
    approver.status = "submitted"


def test_words_of_a_tenant_are_shown_as_text_and_fit_a_phone(approver: Approver, shoot: Callable[[str], None]) -> None:
    page = approver.page
    page.set_viewport_size({"width": 390, "height": 844})
    evil = TRIALS | {"hypothesis": EVIL + "x" * 200}
    evidence = {"deflated_sharpe": EVIL, "parity": f"unreadable: {EVIL}", EVIL: EVIL} | NOT_RUN
    said = approver.open(evidence, {"trials": evil, "hold_out": LOOK | {"reason": EVIL}}, name=EVIL)
    assert said.count(EVIL) == 4
    assert page.locator("img").count() == 0
    assert page.title() == "Tickhub approvals"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    approver.open(NOT_RUN, {"trials": TRIALS})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot("approvals-phone")
    page.set_viewport_size({"width": 1360, "height": 900})
