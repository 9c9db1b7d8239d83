"""What the replay of an account gave: the account's curve and record, and each member's own share."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind

__all__ = ["AccountBook", "AccountReplay", "MemberRun", "own_curve"]

_FILL, _CLOSED = int(Kind.FILL), int(Kind.CLOSED)


class MemberRun:
    """One member's share of an account; a :class:`~kernel_lib.backtest.report.Report` takes it as it takes a replay.

    Attributes
    ----------
    name : str
    events : ndarray of EVENT, shape (n_rows,)
        Its own decisions, orders, refusals, fills and trades. What happened to the account (margin call, daily loss)
        is in every member's.
    equity : ndarray of EQUITY, shape (n_points,)
        The deposit and what it alone has made, at the times of the account's curve; the lowest equity within an
        interval is known of the account only.
    fault : str
        Empty, or what stopped it; it then held what it had, and the others went on.
    book : Book
        As it stood at the end; its balance is the deposit and what it alone has made.
    """

    def __init__(
        self, name: str, strategy: Strategy, instrument: Instrument, book: Book, events: npt.NDArray[np.void],
        equity: npt.NDArray[np.void], fault: str, span_ns: tuple[int, int], n_ticks: int,
    ) -> None:  # fmt: skip
        self.name = name
        self.strategy = strategy
        self.instrument = instrument
        self.book = book
        self.events = events
        self.equity = equity
        self.fault = fault
        self.span_ns = span_ns
        self.n_ticks = n_ticks
        self.seconds = 0.0

    @property
    def trades(self) -> Any:
        """Its closed trades as a pandas DataFrame, see :func:`~kernel_lib.backtest.report.trades_frame`."""
        from kernel_lib.backtest.report import trades_frame

        return trades_frame(self.events, self.book)

    def report(self, **settings: Any) -> Any:
        """Give the report on this member's share, as if the rest of the account did not move."""
        from kernel_lib.backtest.report import Report

        return Report(self, **settings)

    def __repr__(self) -> str:
        n = self.book.numbers
        profit = self.book.money(n["balance_minor"] - n["deposit_minor"])
        stopped = f", stopped: {self.fault}" if self.fault else ""
        return (
            f"<MemberRun {self.name}: {n['n_orders']:,} orders, {n['n_fills']:,} fills, closed profit "
            f"{profit:,.2f} {self.book.account.currency}{stopped}>"
        )


class AccountBook:
    """The account as a report asks for it.

    Attributes
    ----------
    numbers : mapping
        What the account has of a book's numbers; counts are the sums of the members'.
    """

    def __init__(self, account: AccountConfig, numbers: Mapping[str, Any]) -> None:
        self.account = account
        self.numbers = numbers

    def money(self, minor: float) -> float:
        """Turn minor units into the account's currency."""
        return float(minor) / 10.0**self.account.digits

    def lots(self, units: int) -> float:
        """Not a number: a lot step of one instrument is not one of another."""
        return float("nan")


class Together(msgspec.Struct, frozen=True):
    # The members' strategies and instruments where a report speaks of one.
    name: str
    symbol: str
    features: Mapping[str, Any]
    params: Mapping[str, Any] = {}
    sizing: str = "each member's own"
    lot_step: float = 1.0


class AccountReplay:
    """What :func:`~kernel_lib.backtest.account_replay.replay_account` gave.

    Attributes
    ----------
    members : tuple of MemberRun
        In the order given; ``run["NAME"]`` finds one.
    equity : ndarray of EQUITY, shape (n_points,)
        Of the account, at even intervals of event time; ``units`` is the sum of the members' lot steps.
    numbers : dict
        The account at the end, see :data:`~kernel_lib.trading.pooled.POOL`.
    seconds : float
        The run without its compilation.
    fault : str
        Empty, or what stopped which member.
    """

    def __init__(
        self, members: Sequence[MemberRun], account: AccountConfig, numbers: dict[str, Any],
        equity: npt.NDArray[np.void], n_ticks: int, seconds: float, span_ns: tuple[int, int],
    ) -> None:  # fmt: skip
        self.members = tuple(members)
        self.account = account
        self.numbers = numbers
        self.equity = equity
        self.n_ticks = n_ticks
        self.seconds = seconds
        self.span_ns = span_ns
        self.fault = "; ".join(f"{each.name}: {each.fault}" for each in members if each.fault)
        symbols = ", ".join(dict.fromkeys(each.instrument.symbol for each in members))
        features = {f"{each.name}.{label}": one for each in members for label, one in each.strategy.features.items()}
        what = f"{len(members)} members" if len(members) > 1 else members[0].name
        self.strategy = self.instrument = Together(what, symbols, features)
        self.book = AccountBook(account, self._numbers())

    def __getitem__(self, name: str) -> MemberRun:
        for each in self.members:
            if each.name == name:
                return each
        raise BadData(f"the account has members {', '.join(each.name for each in self.members)}, none is {name!r}")

    @property
    def events(self) -> npt.NDArray[np.void]:
        """Every member's record in one, by time; at one time in the order of the members."""
        rows = np.concatenate([each.events for each in self.members])
        return rows[np.argsort(rows["time_ns"], kind="stable")]

    @property
    def trades(self) -> Any:
        """Closed trades of all members by time of close: a replay's columns after ``member`` and ``symbol``."""
        import pandas as pd

        frames = []
        for each in self.members:
            frame = each.trades
            frame.insert(0, "member", each.name)
            frame.insert(1, "symbol", each.instrument.symbol)
            frames.append(frame)
        # An empty frame's columns have no type of their own, and would give theirs to all.
        full = [frame for frame in frames if len(frame)] or frames[:1]
        return pd.concat(full, ignore_index=True).sort_values("close_time_ns", kind="stable", ignore_index=True)

    def report(self, **settings: Any) -> Any:
        """Give the :class:`~kernel_lib.backtest.account_report.AccountReport`; settings as for a replay's."""
        from kernel_lib.backtest.account_report import AccountReport

        return AccountReport(self, **settings)

    def __repr__(self) -> str:
        n = self.book.numbers
        profit = self.book.money(n["balance_minor"] - n["deposit_minor"])
        stopped = f", stopped: {self.fault}" if self.fault else ""
        members = "1 member" if len(self.members) == 1 else f"{len(self.members)} members"
        return (
            f"<AccountReplay {members} on {self.instrument.symbol}: {self.n_ticks:,} ticks, {n['n_orders']:,} orders, "
            f"{n['n_fills']:,} fills, closed profit {profit:,.2f} {self.account.currency}{stopped}>"
        )

    def _numbers(self) -> dict[str, Any]:
        books = [each.book.numbers for each in self.members]
        summed = ("n_decisions", "n_orders", "n_denied", "n_fills", "n_rejected", "n_stopped", "commission_minor",
                  "swap_minor", "n_positions")  # fmt: skip
        return self.numbers | {name: sum(each[name] for each in books) for name in summed} | {
            "held_ns": _held_ns(self.members, self.span_ns[1]), "held_since_ns": self.numbers["time_ns"],
        }  # fmt: skip


def own_curve(points: npt.NDArray[np.void], made: npt.NDArray[np.float64], events: Any, deposit: int) -> Any:
    """Give a member's curve from what it had made at the account's points, and its record."""
    own = points.copy()
    own["equity_minor"] = own["lowest_minor"] = made + deposit
    moves = events[(events["kind"] == _FILL) | (events["kind"] == _CLOSED)]
    fill = moves["kind"] == _FILL
    booked = np.where(fill, -moves["commission_minor"], moves["profit_minor"] + moves["swap_minor"])
    units = np.where(fill, moves["side"].astype(np.int64) * moves["units"], 0)
    at = np.searchsorted(moves["time_ns"], points["time_ns"], side="right")
    own["balance_minor"] = deposit + np.r_[0, np.cumsum(booked)][at]
    own["units"] = np.r_[0, np.cumsum(units)][at]
    return own


def _held_ns(members: Sequence[MemberRun], end_ns: int) -> int:
    """Give how long any member held a position: the union of all times between open and close."""
    spans = [np.zeros((0, 2), np.int64)]
    for each in members:
        closed = each.events[each.events["kind"] == _CLOSED]
        spans.append(np.stack([closed["open_time_ns"], closed["time_ns"]], axis=1))
        still = each.book.positions["open_time_ns"]
        spans.append(np.stack([still, np.full(len(still), end_ns)], axis=1))
    rows = np.concatenate(spans)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    if not len(rows):
        return 0
    reach = np.maximum.accumulate(rows[:, 1])
    begins = np.maximum(rows[:, 0], np.r_[rows[0, 0], reach[:-1]])
    return int(np.maximum(reach - begins, 0).sum())
