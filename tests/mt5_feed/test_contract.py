"""What a terminal states of a contract, by hand and by the formulas of the MQL5 reference."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from kernel_lib.market.instrument import EURUSD, Instrument
from mt5_feed.agent_terminal import read_instruments
from mt5_feed.contract import contract_of
from mt5_feed.simulator import SimulatedTerminal, SimulatorConfig
from mt5_feed.simulator.account import Book
from mt5_feed.terminal import SymbolInfo
from tests.mt5_feed.running import bursts, terminal

PAIR = {
    "name": "EURUSD", "digits": 5, "point": 1e-5, "trade_tick_size": 1e-5, "trade_contract_size": 100_000.0,
    "volume_step": 0.01, "volume_min": 0.01, "volume_max": 100.0, "currency_base": "EUR", "currency_profit": "USD",
    "currency_margin": "EUR", "trade_calc_mode": 0, "swap_mode": 1, "swap_rollover3days": 3, "swap_long": -6.5,
    "swap_short": 1.8, "trade_stops_level": 0,
}  # fmt: skip
INDEX = PAIR | {
    "name": "GER40", "digits": 1, "point": 0.1, "trade_tick_size": 0.1, "trade_contract_size": 1.0,
    "currency_base": "EUR", "currency_profit": "EUR", "currency_margin": "EUR", "trade_calc_mode": 4,
}  # fmt: skip
GER40 = Instrument(
    symbol="GER40", digits=1, point=0.1, tick_size=0.1, contract_size=1.0, lot_step=0.1, min_lots=0.1,
    currency_base="EUR", currency_profit="EUR",
)  # fmt: skip


def read(stated: dict[str, Any], account: str = "USD", **changed: Any) -> tuple[Instrument, tuple[str, ...]]:
    return contract_of(SymbolInfo(**(dict.fromkeys(SymbolInfo._fields, 0) | stated | changed)), account)


def swaps(contract: Instrument) -> tuple[float, float]:
    return contract.swap_long_points, contract.swap_short_points


def test_a_swap_in_points_is_carried_as_it_is() -> None:
    contract, left_out = read(PAIR)
    assert swaps(contract) == (-6.5, 1.8)
    assert (contract.contract_size, contract.currency_base, left_out) == (100_000.0, "EUR", ())


@pytest.mark.parametrize(("mode", "account"), [(2, "USD"), (3, "USD"), (4, "EUR")])
def test_a_swap_in_money_of_the_profit_currency_is_so_many_points(mode: int, account: str) -> None:
    # A point on a lot of the index is 0.1 * 1 euro: 2.5 euros a night are 25 points, 0.4 are 4.
    contract, left_out = read(INDEX, account, swap_mode=mode, swap_long=-2.5, swap_short=0.4)
    assert swaps(contract) == pytest.approx((-25.0, 4.0))
    assert left_out == ()


def test_dollars_a_night_on_a_dollar_account_are_points_of_a_pair_quoted_in_dollars() -> None:
    contract, left_out = read(PAIR, swap_mode=4)  # a point on a lot is a dollar
    assert swaps(contract) == pytest.approx((-6.5, 1.8))
    assert left_out == ()


@pytest.mark.parametrize(
    ("mode", "account", "said"),
    [
        (2, "USD", "money in the symbol's base currency"), (3, "USD", "money in its margin currency"),
        (4, "EUR", "money in the account's currency"), (4, "GBP", "money in the account's currency"),
        (5, "USD", "yearly interest on the price of the day"), (6, "USD", "on the price of the opening"),
        (7, "USD", "reopening at the closing price"), (8, "USD", "reopening at the bid"), (9, "USD", "does not name"),
    ],
)  # fmt: skip
def test_a_swap_that_is_no_number_of_points_is_not_taken_for_one(mode: int, account: str, said: str) -> None:
    contract, (reason,) = read(PAIR, account, swap_mode=mode)
    assert swaps(contract) == (0.0, 0.0)
    assert said in reason
    assert f"swap_mode {mode}" in reason
    assert "nights are not charged" in reason


def test_where_no_swap_is_charged_nothing_is_left_out() -> None:
    contract, left_out = read(PAIR, swap_mode=0, swap_rollover3days=5)
    assert (swaps(contract), left_out) == ((0.0, 0.0), ())
    contract, left_out = read(PAIR, swap_mode=6, swap_rollover3days=5, swap_long=0.0, swap_short=0.0)
    assert (swaps(contract), left_out) == ((0.0, 0.0), ())


def test_a_triple_night_of_another_day_is_named() -> None:
    contract, (reason,) = read(INDEX, "EUR", swap_rollover3days=5)
    assert swaps(contract) == (-6.5, 1.8)
    assert "triple swap is on Friday" in reason
    assert "on Wednesday" in reason


@pytest.mark.parametrize(
    ("stated", "changed", "said"),
    [
        (PAIR, {"trade_calc_mode": 5}, "without leverage"), (INDEX, {"trade_calc_mode": 2}, "without leverage"),
        (INDEX, {"trade_calc_mode": 32}, "leverage=1.0"), (INDEX, {"trade_calc_mode": 3}, "by trade_calc_mode 3"),
        (INDEX, {"trade_calc_mode": 0}, "by trade_calc_mode 0"), (PAIR, {"currency_margin": "USD"}, "margin is in USD"),
        (INDEX, {"trade_calc_mode": 37}, "do not trade it"), (INDEX, {"trade_calc_mode": 99}, "do not trade it"),
    ],
)  # fmt: skip
def test_a_margin_of_another_rule_is_named(stated: dict[str, Any], changed: dict[str, Any], said: str) -> None:
    contract, (reason,) = read(stated, **changed)
    assert said in reason
    assert contract.contract_size == stated["trade_contract_size"]


def test_profit_of_a_future_is_by_its_tick() -> None:
    # 12.50 dollars a tick of 0.25 are 50 dollars a point of the index, whatever the contract's size says.
    stated = INDEX | {
        "name": "ES", "digits": 2, "point": 0.01, "trade_tick_size": 0.25, "trade_tick_value": 12.5,
        "trade_calc_mode": 33, "currency_base": "USD", "currency_profit": "USD", "currency_margin": "USD",
    }  # fmt: skip
    contract, (reason,) = read(stated)
    assert contract.contract_size == 50.0
    assert "fixed amount per lot" in reason
    contract, reasons = read(stated, swap_mode=4, swap_long=-5.0, swap_short=0.0)
    assert swaps(contract) == pytest.approx((-10.0, 0.0))  # 0.5 dollars a point
    assert len(reasons) == 1
    contract, reasons = read(stated, "EUR")
    assert contract.contract_size == 1.0
    assert "not known in USD" in reasons[1]


class InterestTerminal(SimulatedTerminal):
    """A terminal whose broker states its swaps as a yearly interest."""

    def symbol_info(self, symbol: str) -> Any:
        info = super().symbol_info(symbol)
        return info._replace(swap_mode=5)


def test_what_is_not_carried_is_logged_by_name() -> None:
    made = InterestTerminal({"EURUSD": bursts(10)})
    made.initialize()
    with capture_logs() as logs:
        (contract,) = read_instruments(made, ["EURUSD"])
    assert swaps(contract) == (0.0, 0.0)
    assert [(each["event"], each["symbol"], each["log_level"]) for each in logs] == [
        ("contract_not_carried", "EURUSD", "warning")
    ]
    assert "yearly interest" in logs[0]["reason"]


def test_the_simulated_terminal_s_contracts_are_carried_whole() -> None:
    ticks = {"EURUSD": bursts(10), "GER40": bursts(10)}
    for currency in ("USD", "EUR"):
        made = SimulatedTerminal(ticks, SimulatorConfig(currency=currency), contracts=[GER40])
        made.initialize()
        with capture_logs() as logs:
            assert read_instruments(made, ["EURUSD", "GER40"]) == [EURUSD, GER40]
        assert logs == []
    with capture_logs() as logs:
        assert read_instruments(terminal(bursts(10)), ["EURUSD"]) == [EURUSD]
    assert logs == []


def test_the_simulated_broker_takes_an_index_s_price_over_the_leverage_and_its_profit_as_it_is() -> None:
    book = Book({"GER40": GER40, "EURUSD": EURUSD}, 10_000.0, hedging=True, currency="EUR", leverage=20)
    assert book.margin_of("GER40", 12.5, 16_000.0) == 10_000.0  # 12.5 * 16,000 / 20
    assert book.margin_of("EURUSD", 1.0, 1.25) == 5_000.0  # of a pair, a twentieth of 100,000 euros
    book.fill("GER40", 1, 2.0, 16_000.0, 1, magic=0, comment="", reason=3)
    (held,) = book.state.positions
    assert book.profit_of(held, 16_100.0, 2.0) == 200.0
    dollars = Book({"EURUSD": EURUSD}, 10_000.0, hedging=True, currency="USD", leverage=100)
    assert dollars.margin_of("EURUSD", 1.0, 1.25) == 1_250.0
