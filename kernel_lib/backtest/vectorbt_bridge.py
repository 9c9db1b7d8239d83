"""To vectorbt and back: a replay's fills as a ``vectorbt.Portfolio``, and a frame of signals through the replay.

vectorbt fills at the close of a bar, without a spread and without a broker's rules. Here its statistics and plots are
used on fills that had them, and its signals are filled as the desk would fill them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.checked import check_ticks
from kernel_lib.backtest.replay import Replay, replay
from kernel_lib.errors import BadData
from kernel_lib.features.outside import outside
from kernel_lib.market.bar import bar_length_ns
from kernel_lib.market.tick import Ticks
from kernel_lib.risk.series import Floats
from kernel_lib.strategy import FixedLots, Sizing, Strategy, strategy
from kernel_lib.trading.record import Kind

__all__ = ["from_signals", "signal_targets", "to_vectorbt"]


def to_vectorbt(run: Replay, ticks: Ticks | None = None, *, every: str = "1h", freq: Any = None) -> Any:
    """Give a ``vectorbt.Portfolio`` of the very fills of a replay.

    Its orders are the fills (one that turned the position is two, what it closed and what it opened), its trades the
    closed trades, its final value the final equity. Sizes are in units of the base (lots times the contract size),
    prices and money in the account's currency. The commission of a fill is in its fees, and so are, at the fill that
    closed, the swap and the cents by which whole minor units differ from vectorbt's multiplication; what is open at the
    end has its swap in the fees of the last fill.

    Parameters
    ----------
    run : Replay
    ticks : ndarray of TICK or None
        What was replayed, for the value between fills. None: a row for each fill, at its price, and one for the end.
    every : str
        Length of a row, with ticks.
    freq : str or Timedelta, or None
        What vectorbt takes a row for; None: ``every``, or an hour without ticks.

    Returns
    -------
    vectorbt.Portfolio
        Of one column, named after the instrument.

    Raises
    ------
    BadData
        No fill, or ticks that are not those of the run.

    Notes
    -----
    On a hedging account vectorbt sees the net position, so that its trades are not the account's; value and orders are.
    """
    import pandas as pd
    import vectorbt as vbt

    fills = run.events[run.events["kind"] == int(Kind.FILL)]
    if not len(fills):
        raise BadData("a portfolio needs at least one fill, the replay had none")
    money = _money_a_price(run, fills)
    times, close, places = _rows(run, ticks, fills, every)
    deals = _deals(run, fills, places, money)
    orders = np.zeros(len(deals), vbt.portfolio.enums.order_dt)
    orders["id"] = np.arange(len(deals))
    for name in ("idx", "size", "price", "fees"):
        orders[name] = [deal[name] for deal in deals]
    signed = np.array([deal["side"] * deal["size"] for deal in deals])
    orders["side"] = np.where(signed > 0, vbt.portfolio.enums.OrderSide.Buy, vbt.portfolio.enums.OrderSide.Sell)
    close = close * money
    value = run.book.account.deposit - float(signed @ orders["price"]) - float(orders["fees"].sum())
    value += float(signed.sum()) * close[-1]
    orders["fees"][-1] += value - run.book.money(run.book.numbers["equity_minor"])
    index = pd.DatetimeIndex(pd.to_datetime(times, unit="ns", utc=True))
    wrapper = vbt.ArrayWrapper(
        index, pd.Index([run.instrument.symbol]), 1, freq=freq or (every if ticks is not None else "1h")
    )
    return vbt.Portfolio(
        wrapper,
        pd.Series(close, index, name=run.instrument.symbol),
        orders,
        np.zeros(0, vbt.portfolio.enums.log_dt),
        np.array([run.book.account.deposit]),
        False,
    )


def from_signals(
    entries: Any,
    exits: Any,
    ticks: Ticks,
    *,
    short_entries: Any = None,
    short_exits: Any = None,
    every: Any = None,
    sizing: Sizing | None = None,
    **settings: Any,
) -> Any:
    """Run a vectorbt frame of signals through the replay.

    Parameters
    ----------
    entries, exits : Series or DataFrame of bool
        By bar, with a DatetimeIndex of the bars' openings that carries its zone.
    ticks : ndarray of TICK, shape (n_ticks,)
    short_entries, short_exits : same or None
        None: long only.
    every : Timedelta or str, or None
        Length of a bar: a signal is known when its bar is over, and acted on at the first tick from then on. None: the
        least distance of the index.
    sizing : FixedLots or RiskFraction, or None
        What a position is; a tenth of a lot if nothing is said.
    **settings
        Further arguments of :func:`~kernel_lib.backtest.replay.replay`.

    Returns
    -------
    Replay, or dict of column to Replay
        A dict for DataFrames.

    Raises
    ------
    BadData
        Signals that are not boolean, of different shapes, without times, or with times that go back.
    """
    import pandas as pd

    check_ticks(ticks)
    if isinstance(entries, pd.DataFrame):
        others = {"exits": exits, "short_entries": short_entries, "short_exits": short_exits}
        for name, each in others.items():
            if each is not None and (not isinstance(each, pd.DataFrame) or list(each.columns) != list(entries.columns)):
                raise BadData(f"{name} must be a DataFrame with the columns of entries")
        return {
            column: from_signals(
                entries[column], exits[column], ticks, every=every, sizing=sizing,
                short_entries=None if short_entries is None else short_entries[column],
                short_exits=None if short_exits is None else short_exits[column], **settings,
            )
            for column in entries.columns
        }  # fmt: skip
    opened = _opened(entries)
    length = _length(every, opened)
    targets = signal_targets(entries, exits, short_entries, short_exits)
    # Flat until the first signal is known; a NaN would keep the decision from being called.
    known = np.concatenate([[min(int(ticks["time_ns"][0]), int(opened[0] + length)) - 1], opened + length])
    told = (known, np.concatenate([[0.0], targets]))
    return replay(_follower(sizing), ticks, outside={"target": told}, **settings)


def signal_targets(entries: Any, exits: Any, short_entries: Any = None, short_exits: Any = None) -> Floats:
    """Give the position, -1, 0 or 1, that vectorbt's default rules hold after each row.

    An entry and an exit in one row cancel, and so do a long and a short entry; an entry against the position turns it
    around; an entry into the position that is held changes nothing.

    >>> signal_targets([True, False, False], [False, False, True]).tolist()
    [1.0, 1.0, 0.0]
    """
    enter_long, exit_long = _flags(entries, "entries"), _flags(exits, "exits")
    none = np.zeros(len(enter_long), bool)
    enter_short = none if short_entries is None else _flags(short_entries, "short_entries")
    exit_short = none if short_exits is None else _flags(short_exits, "short_exits")
    if len({len(each) for each in (enter_long, exit_long, enter_short, exit_short)}) != 1:
        raise BadData(f"all signals must have {len(enter_long)} rows, as the entries do")
    targets = np.zeros(len(enter_long))
    held = 0.0
    rows = zip(enter_long.tolist(), exit_long.tolist(), enter_short.tolist(), exit_short.tolist(), strict=True)
    for row, (buy, sell, short, cover) in enumerate(rows):
        up, down = buy and not (held > 0 and sell), short and not (held < 0 and cover)
        if buy and sell and not short:
            up = False
        if short and cover and not buy:
            down = False
        if up and not down:
            held = 1.0
        elif down and not up:
            held = -1.0
        elif not up and not down and ((held > 0 and sell and not buy) or (held < 0 and cover and not short)):
            held = 0.0
        targets[row] = held
    return targets


def _follower(sizing: Sizing | None) -> Strategy:
    @strategy(on="tick", features={"target": outside("target")}, sizing=sizing or FixedLots())
    def signals(x, position, p):  # type: ignore[no-untyped-def]
        """Hold what the table says."""
        return x.target

    return signals


def _money_a_price(run: Replay, fills: npt.NDArray[np.void]) -> float:
    """Worth in the account's currency of one unit of the currency that prices are in."""
    rules = run.book.arrays.rules[0]
    minor = 10.0**run.book.account.digits
    money = float(rules["minor_per_point_unit"]) / (run.instrument.point_worth * run.instrument.lot_step * minor)
    # A dollar account in USDJPY: at the first fill; what later prices make of it goes to the fees of each close.
    return money / (float(fills["points"][0]) * run.instrument.point) if rules["profit_by_price"] else money


def _deals(
    run: Replay, fills: npt.NDArray[np.void], places: npt.NDArray[np.int64], money: float
) -> list[dict[str, float]]:
    """Give each fill as orders: one for each position it closed, one for what it opened."""
    minor = 10.0**run.book.account.digits
    unit = run.instrument.lot_step * run.instrument.contract_size
    point = run.instrument.point * money
    closed = run.events[run.events["kind"] == int(Kind.CLOSED)]
    owners = np.searchsorted(fills["seq"], closed["seq"]) - 1
    first = np.searchsorted(owners, np.arange(len(fills) + 1))
    opening_commission = _opening_commissions(fills, closed, owners)
    found = []
    for at, fill in enumerate(fills):
        common = {"idx": int(places[at]), "price": float(fill["points"]) * point, "side": float(np.sign(fill["side"]))}
        left, paid = int(fill["units"]), float(fill["commission_minor"]) - opening_commission[at]
        for row in closed[first[at] : first[at + 1]]:
            units = int(row["units"])
            left -= units
            product = (row["points"] - row["open_points"]) * row["side"] * units * unit * point
            booked = float(row["profit_minor"] + row["swap_minor"]) / minor
            found.append({**common, "size": units * unit, "fees": paid / minor + float(product) - booked})
            paid = 0.0
        if left:
            found.append({**common, "size": left * unit, "fees": opening_commission[at] / minor})
    return found


def _opening_commissions(
    fills: npt.NDArray[np.void], closed: npt.NDArray[np.void], owners: npt.NDArray[np.int64]
) -> Floats:
    """Give the part of each fill's commission that the opened units bear; the book's own split, to the cent."""
    shut = np.zeros(len(fills), np.int64)
    np.add.at(shut, owners, closed["units"])
    commission = fills["commission_minor"]
    opening: Floats = (commission - commission * shut // fills["units"]).astype(np.float64)
    return opening


def _rows(
    run: Replay, ticks: Ticks | None, fills: npt.NDArray[np.void], every: str
) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64]]:
    """Give the time and the price of each row, and in which row each fill is."""
    n = run.book.numbers
    net = n["long_units"] - n["short_units"]
    last_quote = n["bid"] if net > 0 else n["ask"]
    if ticks is None:
        times, places = np.unique(fills["time_ns"], return_inverse=True)
        prices = np.zeros(len(times))
        prices[places] = fills["points"] * run.instrument.point
        if net:
            times, prices = np.append(times, max(run.span_ns[1], int(times[-1]) + 1)), np.append(prices, last_quote)
        return times, prices, places
    check_ticks(ticks)
    if len(ticks) != run.n_ticks or (int(ticks["time_ns"][0]), int(ticks["time_ns"][-1])) != run.span_ns:
        raise BadData(f"ticks must be the {run.n_ticks:,} that were replayed, they were {len(ticks):,} others")
    length = bar_length_ns(every)
    slots = ticks["time_ns"] // length
    last = np.flatnonzero(np.append(np.diff(slots) > 0, True))
    # A fill between two ticks may fall into a slot without one.
    known = np.union1d(slots[last], fills["time_ns"] // length)
    at = np.maximum(np.searchsorted(slots[last], known, side="right") - 1, 0)
    mid = 0.5 * (ticks["bid"][last] + ticks["ask"][last])
    close = mid[at]
    if net:
        close[-1] = last_quote
    return known * length, close, np.searchsorted(known, fills["time_ns"] // length)


def _opened(entries: Any) -> npt.NDArray[np.int64]:
    import pandas as pd

    index = getattr(entries, "index", None)
    if not isinstance(index, pd.DatetimeIndex):
        raise BadData("signals must be a Series or DataFrame with a DatetimeIndex of the bars' openings")
    if index.tz is None:
        raise BadData("times of the signals must carry their zone; use .tz_localize('UTC')")
    opened: npt.NDArray[np.int64] = index.tz_convert("UTC").as_unit("ns").asi8
    if not len(opened) or (np.diff(opened) <= 0).any():
        raise BadData("times of the signals must be there and rise from row to row")
    return opened


def _length(every: Any, opened: npt.NDArray[np.int64]) -> int:
    import pandas as pd

    if every is not None:
        length = int(pd.Timedelta(every).as_unit("ns").value)
        if length <= 0:
            raise BadData(f"every must be the length of a bar, it was {every!r}")
        return length
    if len(opened) < 2:
        raise BadData("the length of one single bar cannot be told; give every=")
    return int(np.diff(opened).min())


def _flags(signals: Any, name: str) -> npt.NDArray[np.bool_]:
    flags = np.asarray(signals)
    if flags.dtype != np.bool_ or flags.ndim != 1:
        raise BadData(f"{name} must be boolean, one a row, they were {flags.dtype} of shape {flags.shape}")
    return flags
