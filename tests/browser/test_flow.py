"""The main job through a browser: a quant's notebook, an admin's approval, a trader's page and its switch."""

import contextlib
from typing import Any

import pytest

from tests.browser.conftest import Window
from tests.flow.conftest import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

ERRORS = "[data-mime-type='application/vnd.jupyter.error']"
LOTS = "[...document.querySelectorAll('td[data-name=Lots]')].map(each => each.textContent).join()"


def run_notebook(page: Any, name: str, n_cells: int) -> None:
    """Open a notebook in a fresh workspace, run all its cells by the menu, and wait for the last one's number.

    A cell that fails ends the run, so the last cell has a number only if all before it went well. Looking for words
    would not do: JupyterLab takes cells off the page that are out of sight.
    """
    page.goto(f"/user/quant/lab/workspaces/{name}/tree/guide/{name}.ipynb")
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
    # Before its kernel is there, JupyterLab asks which one to take instead of running anything.
    page.wait_for_selector("#jp-bottom-panel >> text=/ipykernel.*Idle/")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function("last => document.body.innerText.includes(last)", arg=f"[{n_cells}]:", timeout=120_000)
    assert page.locator(ERRORS).count() == 0


def test_a_strategy_goes_from_a_notebook_to_the_traders_page(running: Running, browser: Any) -> None:
    with contextlib.closing(Window(browser, running, "quant")) as quant:
        quant.log_in("/hub/spawn")
        quant.page.wait_for_url("**/user/quant/lab**", timeout=120_000)
        run_notebook(quant.page, "01_ticks", 6)
        quant.shoot("1-notebook")
        run_notebook(quant.page, "06_promote", 4)
        quant.shoot("2-promoted")
        quant.page.goto("/hub/logout")
        quant.page.wait_for_url("**/hub/login**")

    with running.client("quant") as client:
        listed = client.strategies()
    mine = listed[listed["name"] == "quick_cross"]
    assert len(mine) == 1

    with contextlib.closing(Window(browser, running, "admin")) as admin:
        page = admin.page
        admin.log_in("/services/desk/approvals")
        page.click("td.name >> text=quick_cross")
        page.wait_for_selector("#approvals .detail pre")
        assert "def quick_cross(x, position, p):" in page.inner_text(".detail pre")
        assert "EURUSD" in page.inner_text(".detail dl")
        assert [each.strip() for each in page.locator(".found .tag").all_inner_texts()] == [
            "none counted", "not asked", "no certificate",
        ]  # fmt: skip
        page.click(".found .judge")
        page.click("dialog[open] button[type=submit]")
        page.wait_for_selector(".toast >> text=Not judged:")  # a market of some minutes has no hold-out
        admin.shoot("3-approvals")
        page.click(".detail button.resume")
        assert "The engine takes it at once" in page.inner_text("dialog[open]")
        page.click("dialog[open] >> text=Cancel")
        page.click(".detail button.resume")
        page.click("dialog[open] button[type=submit]")
        page.wait_for_selector("tr:has-text('quick_cross') .tag >> text=approved")
        page.wait_for_selector(".toast >> text=quick_cross is approved; the engine knows.")
        admin.shoot("3-approved")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert admin.errors == []
        assert admin.foreign == []

    with contextlib.closing(Window(browser, running, "trader")) as trader:
        trader.log_in("/services/desk/approvals")
        trader.page.wait_for_selector("text=This page takes the role admin")
        assert "quick_cross" not in trader.page.inner_text("body")

    with contextlib.closing(Window(browser, running, "trader")) as trader:
        page = trader.page
        trader.log_in("/services/desk/")
        page.wait_for_selector(".desk .pill.good")
        assert page.title() == "Tickhub desk"
        assert "token" not in page.url
        page.wait_for_selector("td.name >> text=quick_cross")
        page.wait_for_function(f"/Long|Short/.test({LOTS})", timeout=90_000)
        trader.shoot("4-desk")
        before = page.evaluate(LOTS)
        page.wait_for_function(f"before => {LOTS} !== before", arg=before, timeout=90_000)

        page.click(".acts .pause")
        assert "No new position is opened" in page.inner_text("dialog[open]")
        trader.shoot("5-asked")
        page.click("dialog[open] >> text=Cancel")
        assert page.inner_text(".tile strong.is") == "Active"
        page.click(".acts .pause")
        page.fill("dialog[open] input", "lunch")
        page.click("dialog[open] button[type=submit]")
        page.wait_for_selector(".tile strong.is.paused")
        page.wait_for_selector("text=pause by trader: lunch")
        page.wait_for_selector(".toast >> text=The desk is paused.")
        trader.shoot("6-paused")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        trader.shoot("7-phone")
        assert trader.errors == []
        assert trader.foreign == []

    with contextlib.closing(Window(browser, running, "outsider")) as outsider:
        outsider.log_in("/services/desk/")
        outsider.page.wait_for_selector("text=No strategy is on this desk")
        outsider.page.wait_for_selector(".desk .pill.good")
        shown = outsider.page.inner_text("body")
        assert "other" in shown
        assert "quick_cross" not in shown
        assert "EURUSD" not in shown
        assert not outsider.page.is_visible(".acts")
        outsider.shoot("8-outsider")
