"""Margin, swap, commission, partial closes and conversion by hand; a EURUSD point on a lot is a dollar."""

import pytest

from kernel_lib.market.instrument import Instrument
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind, Reason
from tests.kernel_lib.trading.test_book import FREE, aim, open_book, tick

DAY_S = 86_400


def test_a_short_earns_its_swap_three_nights_at_once_on_wednesday_and_books_it_at_the_close() -> None:
    book = open_book(Costs(commission_per_lot=0.0, latency_ms=0.0))
    tick(book, 2 * DAY_S, 1.10000, 1.10000)  # Wednesday
    aim(book, -50)
    tick(book, 3 * DAY_S, 1.10000, 1.10000)
    assert book.positions[0]["swap_minor"] == pytest.approx(1.8 * 50 * 3)  # half a lot, 1.8 points a night
    aim(book, -20)
    tick(book, 4 * DAY_S, 1.10000, 1.10000)
    aim(book, 0)
    rows = book.drain()
    closed = rows[rows["kind"] == int(Kind.CLOSED)]
    assert closed["swap_minor"].tolist() == [162, 108 + 36]  # 30 of 50 steps of 2.70; the rest and a night of 0.36
    assert book.numbers["balance_minor"] == 10_000_00 + 162 + 144


def test_a_smaller_target_closes_a_part_at_its_share_of_cost_and_commission() -> None:
    for hedging in (False, True):
        book = open_book(Costs(commission_per_lot=5.0, latency_ms=0.0, swap=False), hedging=hedging)
        tick(book, 0, 1.10000, 1.10000)
        aim(book, 40)
        tick(book, 1, 1.10100, 1.10100)
        aim(book, 10, target=0.25)
        rows = book.drain()
        closed = rows[rows["kind"] == int(Kind.CLOSED)][0]
        assert (closed["units"], closed["profit_minor"], closed["commission_minor"]) == (30, 30_00, 1_50 + 1_50)
        assert [(p["units"], p["commission_minor"]) for p in book.positions] == [(10, 50)]
        assert rows[rows["kind"] == int(Kind.FILL)]["entry"].tolist() == [0, 1]


def test_margin_is_the_notional_over_the_leverage_at_the_quote() -> None:
    book = open_book(limits=RiskLimits(max_lots=100.0), deposit=10_000.0, leverage=100.0)
    tick(book, 0, 1.25000, 1.25000)
    aim(book, 801)  # 8.01 lots need 10,012.50
    assert book.drain()[-1]["reason"] == int(Reason.NO_MARGIN)
    aim(book, 800)  # 8 lots need exactly the deposit
    assert book.positions["units"].tolist() == [800]


@pytest.mark.parametrize(
    ("currency", "base", "rates", "most"),
    [
        ("EUR", "EUR", {}, 125),  # 12.5 lots at 16,000 over 20 are 10,000
        ("EUR", "", {}, 125),
        ("USD", "EUR", {"EUR": 1.25}, 100),
        ("USD", "", {"EUR": 1.25}, 100),
    ],
)
def test_margin_of_what_is_quoted_in_its_own_currency_is_its_price_over_the_leverage(
    currency: str, base: str, rates: dict[str, float], most: int
) -> None:
    dax = Instrument(
        symbol="GER40", digits=1, point=0.1, tick_size=0.1, contract_size=1.0, lot_step=0.1, min_lots=0.1,
        currency_base=base, currency_profit="EUR",
    )  # fmt: skip
    account = AccountConfig(currency=currency, leverage=20.0, rates=rates)
    for units, held in ((most, [most]), (most + 1, [])):
        book = Book(dax, account, RiskLimits(max_lots=100.0, max_spread_points=10), FREE)
        tick(book, 0, 16_000.0, 16_000.0)
        aim(book, units)
        assert book.positions["units"].tolist() == held


def test_a_turn_needs_the_margin_of_what_it_opens_and_not_of_what_it_closes() -> None:
    book = open_book(limits=RiskLimits(max_lots=100.0, daily_loss_fraction=1.0))
    tick(book, 0, 1.25000, 1.25000)
    aim(book, 600)  # 7,500 of 10,000
    aim(book, -600)
    assert [(p["side"], p["units"]) for p in book.positions] == [(-1, 600)]


def test_hedging_turns_by_closing_the_oldest_first_and_opening_the_rest() -> None:
    book = open_book(hedging=True)
    for second, units in ((0, 10), (1, 30)):
        tick(book, second, 1.10000 + second * 0.001, 1.10000 + second * 0.001)
        aim(book, units)
    tick(book, 2, 1.10200, 1.10200)
    aim(book, -5)
    rows = book.drain()
    closed = rows[rows["kind"] == int(Kind.CLOSED)]
    assert [(row["position_id"], row["units"], row["profit_minor"]) for row in closed] == [
        (1, 10, 20_00),
        (2, 20, 20_00),
    ]
    assert [(p["position_id"], p["side"], p["units"]) for p in book.positions] == [(3, -1, 5)]


def test_a_share_of_the_deals_worth_is_commission_on_both_sides_or_on_entries() -> None:
    for on_exit, paid in ((True, 220_00 + 440_44 + 220_44), (False, 220_00 + 220_22)):
        costs = Costs(
            commission_per_lot=0.0, commission_fraction=0.002, commission_on_exit=on_exit, latency_ms=0.0, swap=False
        )
        book = open_book(costs, deposit=100_000.0)
        tick(book, 0, 1.10000, 1.10000)
        aim(book, 100)  # 110,000 dollars
        tick(book, 1, 1.10110, 1.10110)
        aim(book, -100)  # 220,220, half of it an entry
        tick(book, 2, 1.10220, 1.10220)
        aim(book, 0)  # 110,220
        assert book.numbers["commission_minor"] == paid


def test_profit_in_a_currency_that_is_not_the_accounts_is_converted_by_its_rate() -> None:
    # EURGBP on a dollar account: 100 points on half a lot are 50 pounds, 62.50 dollars at 1.25.
    book = open_book(symbol="EURGBP", rates={"GBP": 1.25, "EUR": 1.10}, costs=FREE)
    tick(book, 0, 0.86000, 0.86000)
    aim(book, 50)
    tick(book, 1, 0.86100, 0.86100)
    assert book.numbers["equity_minor"] == pytest.approx(10_000_00 + 62_50)
    aim(book, 0)
    assert book.drain()[-1]["profit_minor"] == 62_50


def test_margin_of_a_base_that_is_not_the_accounts_is_converted_by_its_rate() -> None:
    # A lot of EURGBP is 100,000 euros, 110,000 dollars, 1,100 of margin.
    limits = RiskLimits(max_lots=100.0, daily_loss_fraction=1.0)
    book = open_book(symbol="EURGBP", rates={"GBP": 1.25, "EUR": 1.10}, limits=limits, deposit=1_100.0)
    tick(book, 0, 0.86000, 0.86000)
    aim(book, 101)
    assert book.drain()[-1]["reason"] == int(Reason.NO_MARGIN)
    aim(book, 100)
    assert book.positions["units"].tolist() == [100]
