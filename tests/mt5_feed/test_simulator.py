import numpy as np
import pytest

from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.tick import empty_ticks
from kernel_lib.market.validation import Validator
from mt5_feed.simulator import SimulatedTerminal, SimulatorConfig, generate_ticks
from mt5_feed.simulator.market import Market
from mt5_feed.terminal import TICK_DTYPE, open_terminal
from tests.mt5_feed.running import bursts, terminal

BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1}


def _ready() -> SimulatedTerminal:
    made = terminal(bursts(100), chunk=10)
    made.symbol_select("EURUSD")
    made.copy_ticks_from("EURUSD", 0, 10, -1)
    return made


def test_calls_before_initialize_fail_the_module_s_way() -> None:
    made = SimulatedTerminal({"EURUSD": bursts(10)})
    for call in (made.account_info, made.positions_get, made.terminal_info, made.history_deals_get):
        assert call() is None
        assert made.last_error() == (-10004, "No IPC connection")
    assert made.order_send(BUY) is None
    assert made.symbol_select("EURUSD") is False
    assert made.initialize() is True
    assert made.last_error() == (1, "Success")


def test_an_unselected_symbol_does_not_tick() -> None:
    made = terminal(bursts(10))
    assert made.copy_ticks_from("EURUSD", 0, 10, -1) is None
    assert made.last_error()[0] == -4
    tick = made.symbol_info_tick("EURUSD")
    assert tick is not None
    assert (tick.bid, tick.time_msc) == (0.0, 0)
    assert made.symbol_info("GBPUSD") is None


def test_results_look_like_the_module_s() -> None:
    made = _ready()
    rows = made.copy_ticks_from("EURUSD", 0, 5, -1)
    assert rows is not None
    assert rows.dtype == TICK_DTYPE
    assert len(rows) == 5
    assert (rows["flags"] & 6 == 6).all()
    info, account = made.symbol_info("EURUSD"), made.account_info()
    assert len(info) == 96
    assert (info.digits, info.trade_tick_size, info.volume_step, info.name) == (5, 1e-5, 0.01, "EURUSD")
    assert len(account) == 28
    assert account.margin_mode == 2
    result = made.order_send(BUY)
    assert result is not None
    assert (result.retcode, result[0], result.request.volume) == (10009, 10009, 0.1)
    assert result._asdict()["request"].symbol == "EURUSD"


@pytest.mark.parametrize(
    ("field", "given"),
    [("volume", np.float64(0.1)), ("magic", 1.5), ("symbol", 7), ("sl", float("nan")), ("colour", 1)],
)
def test_a_field_of_the_wrong_type_gives_none_and_minus_two(field: str, given: object) -> None:
    made = _ready()
    assert made.order_send(BUY | {field: given}) is None
    assert made.last_error() == (-2, f'Invalid "{field}" argument')


def test_instant_execution_requotes_beyond_the_deviation() -> None:
    made = terminal(bursts(100), chunk=10, instant=True)
    made.symbol_select("EURUSD")
    made.copy_ticks_from("EURUSD", 0, 10, -1)
    ask = made.symbol_info("EURUSD").ask
    far = made.order_send(BUY | {"price": ask + 0.001, "deviation": 10})
    near = made.order_send(BUY | {"price": ask + 0.00005, "deviation": 10})
    assert far is not None
    assert near is not None
    assert (far.retcode, near.retcode) == (10004, 10009)


def test_stops_are_changed_and_cleared_by_omission() -> None:
    made = _ready()
    made.order_send(BUY | {"sl": 1.0})
    assert made.order_send({"action": 6, "symbol": "EURUSD", "sl": 1.0}).retcode == 10025  # type: ignore[union-attr]
    assert made.order_send({"action": 6, "symbol": "EURUSD", "tp": 1.9}).retcode == 10009  # type: ignore[union-attr]
    (held,) = made.positions_get() or ()
    assert (held.sl, held.tp) == (0.0, 1.9)


def test_two_runs_from_one_seed_are_alike() -> None:
    def run() -> list[object]:
        made = _ready()
        said: list[object] = []
        for side in (0, 1, 0):
            said.append(made.order_send(BUY | {"type": side}))
            made.copy_ticks_from("EURUSD", 0, 10, -1)
        return [*said, made.account_info(), made.history_deals_get()]

    assert run() == run()


def test_the_generator_makes_good_ticks_with_bursts_and_weekends() -> None:
    ticks = generate_ticks("EURUSD", 7, seed=3, ticks_per_day=5000)
    assert len(ticks) == 35_000
    assert not Validator().check(ticks).rules
    days = (ticks["time_ns"] // 86_400_000_000_000 + 4) % 7
    assert not np.isin(days, (0, 6)).any()
    assert np.count_nonzero(np.diff(ticks["time_ns"]) == 0) > 500
    spread_points = np.round((ticks["ask"] - ticks["bid"]) / 1e-5)
    assert 5 <= spread_points.min() <= spread_points.max() <= 60
    assert ticks.tobytes() == generate_ticks("EURUSD", 7, seed=3, ticks_per_day=5000).tobytes()
    assert ticks.tobytes() != generate_ticks("EURUSD", 7, seed=4, ticks_per_day=5000).tobytes()


def test_speed_plays_by_the_clock() -> None:
    now = [0]
    ticks = bursts(1000)
    market = Market({"EURUSD": ticks}, 10.0, monotonic_ns=lambda: now[0])
    market.start_at(0)
    market.step()
    assert market.happened["EURUSD"] == 0
    length_ns = int(ticks["time_ns"][-1] - ticks["time_ns"][0])
    now[0] = length_ns // 20
    market.step()
    assert 400 < market.happened["EURUSD"] < 600
    now[0] = length_ns // 10 + 2
    market.step()
    assert market.finished


def test_a_market_without_ticks_is_refused() -> None:
    with pytest.raises(BadData, match="must have ticks"):
        SimulatedTerminal({"EURUSD": empty_ticks()}, SimulatorConfig())


def test_the_real_terminal_is_refused_where_there_is_no_windows() -> None:
    with pytest.raises(Misconfigured, match="Windows"):
        open_terminal()
