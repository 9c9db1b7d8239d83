"""Replay: recorded ticks through the same compiled step as live, a loop over an array, compiled too.

``replay(strategy, ticks)`` gives a :class:`Replay` with every decision, order, fill and closed trade, the equity
curve and, by ``.report()``, the statistics.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest import counting
from kernel_lib.backtest.bar_ticks import ticks_to_replay
from kernel_lib.backtest.checked import check_lengths, check_ticks
from kernel_lib.backtest.leak_first import check_first_use
from kernel_lib.backtest.loop import EQUITY, MAX_POINTS, interval_of, loop_of, sample_at
from kernel_lib.backtest.outside import outside_events
from kernel_lib.declared import declared
from kernel_lib.market.bar import Bars
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import Proposer, Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import EVENT, MAX_ROWS_PER_EVENT, Status

__all__ = ["EQUITY", "Replay", "replay"]

_CHUNK = 1_000_000
_RAISED = int(Status.RAISED)


class Replay:
    """What a replay gave.

    Attributes
    ----------
    events : ndarray of EVENT, shape (n_rows,)
        Every decision, order, refusal, fill and closed trade in order.
    equity : ndarray of EQUITY, shape (n_points,)
        At even intervals of event time.
    seconds : float
        The loop alone, on the machine's clock; compilation is not in it.
    fault : str
        Empty, or what stopped the strategy and at which tick; the rest of the run then only held the position.
    book : Book
        The book as it stood at the end.
    """

    def __init__(
        self, strategy: Strategy, instrument: Instrument, book: Book, events: npt.NDArray[np.void],
        equity: npt.NDArray[np.void], n_ticks: int, seconds: float, fault: str, span_ns: tuple[int, int],
    ) -> None:  # fmt: skip
        self.strategy = strategy
        self.instrument = instrument
        self.book = book
        self.events = events
        self.equity = equity
        self.n_ticks = n_ticks
        self.seconds = seconds
        self.fault = fault
        self.span_ns = span_ns

    def report(self, **settings: Any) -> Any:
        """Give the :class:`~kernel_lib.backtest.report.Report` with statistics and plots.

        Parameters
        ----------
        settings
            What a report may be told: ``n_trials``, ``ticks``, ``benchmark``, ``regimes``, ``hold_out`` and so on.
        """
        from kernel_lib.backtest.report import Report

        return Report(self, **settings)

    @property
    def trades(self) -> Any:
        """The closed trades as a pandas DataFrame, see :func:`~kernel_lib.backtest.report.trades_frame`."""
        from kernel_lib.backtest.report import trades_frame

        return trades_frame(self.events, self.book)

    def __repr__(self) -> str:
        n = self.book.numbers
        profit = self.book.money(n["balance_minor"] - n["deposit_minor"])
        stopped = f", stopped: {self.fault}" if self.fault else ""
        return (
            f"<Replay {self.strategy.name} on {self.instrument.symbol}: {self.n_ticks:,} ticks, "
            f"{n['n_orders']:,} orders, "
            f"{n['n_fills']:,} fills, closed profit {profit:,.2f} {self.book.account.currency}{stopped}>"
        )

    def _repr_html_(self) -> str:
        from kernel_lib.backtest.sheet_html import headline_html

        return headline_html(self)


@declared
def replay(
    strategy: Strategy,
    ticks: Ticks | Bars,
    *,
    mode: Literal["ticks", "m1", "open"] = "ticks",
    spread_points: int | None = None,
    instrument: Instrument | str = "EURUSD",
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    params: Mapping[str, Any] | None = None,
    outside: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Replay:
    """Run a strategy over recorded ticks, or over bars.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n_ticks,), or of BAR, shape (n_bars,)
        Validated and in order of time; ``kernel_lib.importers.read_ticks`` and ``kernel_lib.client.ticks`` give such.
    mode : {"ticks", "m1", "open"}
        How bars are replayed: as the ticks that MetaTrader 5's tester makes of them, or by their opening prices only,
        see :func:`~kernel_lib.backtest.bar_ticks.ticks_from_bars`. Ticks are ``"ticks"``.
    spread_points : int or None
        With bars: the spread to reckon with. None: what the bars carry.
    instrument : Instrument or str
        Contract data, or the symbol of a typical retail contract.
    account, limits, costs
        Defaults are a 10,000 USD netting account, the platform's default limits, 3.50 a lot and side commission and
        40 ms from decision to fill.
    params : mapping
        Parameters to change, as ``strategy.with_params``.
    outside : mapping
        What its features read from outside, by channel, see :func:`~kernel_lib.backtest.outside.outside_events`.
    progress : bool or None
        A progress bar; None shows one on long runs at a terminal or in a notebook.

    Returns
    -------
    Replay

    Raises
    ------
    BadData
        No ticks, another dtype, times that go back, or quotes that are not positive, finite and uncrossed; bars that
        :func:`~kernel_lib.backtest.bar_ticks.ticks_from_bars` refuses; terms of another kind, such as ``costs=5``.
    Misconfigured
        A number of the configuration is out of range, or the strategy's bars are shorter than those given.
    Refused
        The day's backtest-seconds are used up.

    Notes
    -----
    The run is counted, see :mod:`kernel_lib.backtest.counting`.
    """
    counting.require_seconds()
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    ticks = ticks_to_replay(ticks, mode, contract, spread_points)
    check_ticks(ticks)
    if params:
        strategy = strategy.with_params(**params)
    check_first_use(strategy)
    account = account or AccountConfig()
    book = Book(contract, account, limits or RiskLimits(), costs or Costs())
    book.arrays = book.arrays._replace(out=np.zeros(_room(len(ticks)), EVENT))
    proposer = Proposer(strategy, contract, account)
    check_lengths(ticks, proposer.lengths)
    span_ns = int(ticks["time_ns"][0]), int(ticks["time_ns"][-1])
    sampler = np.zeros(4, np.int64)  # interval, next sample's time, points taken; values from outside told
    sampler[0] = interval_of(span_ns[1] - span_ns[0])
    sampler[1] = span_ns[0]
    points = np.zeros(MAX_POINTS + 16, EQUITY)
    lowest = np.full(1, np.inf)
    told = outside_events(proposer.channels, outside)
    head: tuple[Any, ...] = (
        proposer.state, proposer.forming, proposer.memory, proposer.sizing, book.arrays, sampler, points, lowest, told,
        proposer.params,
    )  # fmt: skip
    loop = loop_of(proposer, (ticks, 0, 0, *head))
    parts: list[npt.NDArray[np.void]] = []
    fault = ""
    at = 0
    seconds = 0.0
    with _progress(len(ticks), progress, strategy.name) as bar:
        while at < len(ticks):
            stop = min(at + _CHUNK, len(ticks))
            began = time.perf_counter()  # the run's speed is reported; the step itself sees no clock
            try:
                reached = loop(ticks, at, stop, *head)
            except Exception as error:
                reached = book.numbers["n_ticks"]
                proposer.fault()
                book.on_target(float("nan"), 0, 0, 0, _RAISED)
                fault = f"tick {reached - 1} ({_utc(ticks, reached - 1)}): {type(error).__name__}: {error}"
            seconds += time.perf_counter() - began
            bar.update(reached - at)
            at = reached
            parts.append(book.drain())
    _sample(points, sampler, lowest, book)
    events = np.concatenate(parts)
    if proposer.faulted and not fault:
        bad = events[events["kind"] == 9][0]
        wanted = "the decision must give a number from -1 to 1, or an order with prices"
        when = np.datetime64(int(bad["time_ns"]), "ns")
        fault = f"{when}Z: {wanted}, it gave {bad['target']}"
    run = Replay(
        strategy, contract, book, events, points[: int(sampler[2])].copy(), len(ticks), seconds, fault, span_ns
    )
    counting.count_replay(run, told)
    return run


def _room(n_ticks: int) -> int:
    return int(min(max(4 * MAX_ROWS_PER_EVENT, n_ticks // 4), 1 << 17)) + MAX_ROWS_PER_EVENT


def _sample(
    points: npt.NDArray[np.void], sampler: npt.NDArray[np.int64], lowest: npt.NDArray[np.float64], book: Book
) -> None:
    sample_at(points, sampler, lowest, book.arrays.book, book.numbers["time_ns"])


def _utc(ticks: Ticks, row: int) -> str:
    return str(np.datetime64(int(ticks["time_ns"][row]), "ns")) + "Z"


def _progress(n_ticks: int, wanted: bool | None, name: str) -> Any:
    from tqdm.auto import tqdm

    show = (
        wanted if wanted is not None else n_ticks > 5 * _CHUNK and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    )
    return tqdm(total=n_ticks, unit="tick", unit_scale=True, desc=name, disable=not show, leave=False)
