"""NautilusTrader on the same ticks; runs in an environment of its own.

``python nautilus_peer.py TICKS.npy FAST SLOW REPEATS`` prints one JSON object: ``seconds`` (the engine's run alone),
``orders``, ``prices`` of the fills, ``version``. It imports nothing of ours: its packages are others'.
"""

# mypy: ignore-errors
import json
import sys
import time

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

_UNITS = 10_000


class CrossConfig(StrategyConfig, frozen=True):
    """Spans of the two averages."""

    fast: int
    slow: int


class Cross(Strategy):
    """Long while the fast average is above the slow one, short while below; averages seeded with the mean."""

    def __init__(self, config, instrument):
        super().__init__(config)
        self.instrument = instrument
        self.n_ticks = 0
        self.held = 0
        self.fast = self.slow = self.fast_sum = self.slow_sum = 0.0
        self.fast_span, self.slow_span = config.fast, config.slow
        self.fast_weight, self.slow_weight = 2.0 / (config.fast + 1.0), 2.0 / (config.slow + 1.0)
        self.prices = []

    def on_start(self):
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick):
        mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) * 0.5
        n_ticks = self.n_ticks
        self.n_ticks = n_ticks + 1
        if n_ticks < self.fast_span:
            self.fast_sum += mid
            self.fast = self.fast_sum / self.fast_span
        else:
            self.fast += self.fast_weight * (mid - self.fast)
        if n_ticks < self.slow_span:
            self.slow_sum += mid
            self.slow = self.slow_sum / self.slow_span
        else:
            self.slow += self.slow_weight * (mid - self.slow)
        if n_ticks + 1 < self.slow_span:
            return
        wanted = 1 if self.fast > self.slow else -1 if self.fast < self.slow else self.held
        if wanted == self.held:
            return
        order = self.order_factory.market(
            instrument_id=self.instrument.id,
            order_side=OrderSide.BUY if wanted > self.held else OrderSide.SELL,
            quantity=Quantity.from_int(abs(wanted - self.held) * _UNITS),
        )
        self.held = wanted
        self.submit_order(order)

    def on_order_filled(self, event):
        self.prices.append(event.last_px.as_double())


def run(ticks, fast, slow):
    """Run once; give seconds and the fills' prices."""
    engine = BacktestEngine(config=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(10_000_000, USD)],
    )
    instrument = TestInstrumentProvider.default_fx_ccy("EUR/USD", Venue("SIM"))
    engine.add_instrument(instrument)
    deep = Quantity.from_int(100_000_000)
    engine.add_data(
        [
            QuoteTick(instrument.id, Price(bid, 5), Price(ask, 5), deep, deep, time_ns, time_ns)
            for time_ns, bid, ask in ticks.tolist()
        ]
    )
    strategy = Cross(CrossConfig(fast=fast, slow=slow), instrument)
    engine.add_strategy(strategy)
    began = time.thread_time()
    engine.run()
    seconds = time.thread_time() - began
    prices = strategy.prices
    orders = engine.cache.orders_total_count()
    engine.dispose()
    return seconds, orders, prices


def main():
    ticks = np.load(sys.argv[1])
    fast, slow, repeats = map(int, sys.argv[2:5])
    runs = [run(ticks, fast, slow) for _ in range(repeats)]
    answer = {
        "seconds": min(each[0] for each in runs),
        "orders": runs[0][1],
        "prices": runs[0][2],
        "version": nautilus_trader.__version__,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
