"""One strategy's book on one instrument: the handle that shells hold on the compiled, trusted half of the step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Broken
from kernel_lib.machine_code import entry_point
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.session import server_midnights
from kernel_lib.trading import dispose
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits, make_rules
from kernel_lib.trading.record import (
    BOOK,
    EVENT,
    MAX_MESSAGES,
    MAX_POSITIONS,
    MAX_ROWS_PER_EVENT,
    MAX_WORKING,
    NEVER_NS,
    POSITION,
    VIEW,
    WORKING,
    Arrays,
    Control,
    State,
)

__all__ = ["Book"]

_FAR = 1 << 60
_on_tick, _on_target = entry_point(dispose.on_tick), entry_point(dispose.on_target)


class Book:
    """Orders, positions and money of one strategy on one instrument.

    Parameters
    ----------
    instrument : Instrument
    account : AccountConfig
    limits : RiskLimits
    costs : Costs or None
        Given: the simulated broker fills (backtest, paper). None: fills come from outside, by :meth:`on_broker`.

    Notes
    -----
    Feed the events of the sequence in their order; feeding the same sequence again gives the same bytes of state.
    """

    def __init__(self, instrument: Instrument, account: AccountConfig, limits: RiskLimits, costs: Costs | None) -> None:
        self.instrument = instrument
        self.account = account
        midnights, nights = server_midnights(account.server_zone)
        book = np.zeros(1, BOOK)
        deposit = round(account.deposit * 10**account.digits)
        b = book[0]
        b["balance_minor"] = b["deposit_minor"] = deposit
        b["equity_minor"] = b["peak_minor"] = b["day_start_minor"] = deposit
        b["bid"] = b["ask"] = np.nan
        b["next_due_ns"] = NEVER_NS
        b["next_order_id"] = b["next_position_id"] = 1
        b["entry_price"] = np.nan
        b["margin_watch"] = max(account.margin_call_fraction, account.stop_out_fraction)
        b["long_stop"] = b["short_take"] = -_FAR
        b["long_take"] = b["short_stop"] = _FAR
        self.arrays = Arrays(
            book=book,
            positions=np.zeros(MAX_POSITIONS, POSITION),
            working=np.zeros(MAX_WORKING, WORKING),
            messages=np.full(MAX_MESSAGES, np.iinfo(np.int64).min, np.int64),
            seen=np.zeros(1, VIEW),
            rules=make_rules(instrument, account, limits, costs),
            midnights=midnights.copy(),
            nights=nights.copy(),
            out=np.zeros(4 * MAX_ROWS_PER_EVENT, EVENT),
        )
        # Plain numbers in the same memory: numpy takes twice as long for one.
        self._n_out = book["n_out"].data

    # One method an event of the sequence.

    def on_tick(self, time_ns: int, bid: float, ask: float, age_ns: int = 0) -> npt.NDArray[np.void]:
        """Take one validated tick; give the view (array of one :data:`VIEW`) that the strategy's half is asked with."""
        _on_tick(self._roomy(), time_ns, bid, ask, age_ns)
        return self.arrays.seen

    def on_target(self, target: float, target_units: int, stop_points: int, take_points: int, status: int) -> None:
        """Take the proposal that answers the last tick."""
        _on_target(self.arrays, target, target_units, stop_points, take_points, status)

    def on_broker(self, event: npt.NDArray[np.void] | np.void) -> None:
        """Take one :data:`BROKER_EVENT` of an outside broker."""
        e = event[0] if getattr(event, "ndim", 0) else event
        names = (
            "kind",
            "order_id",
            "position_id",
            "units",
            "points",
            "time_ns",
            "commission_minor",
            "swap_minor",
            "reason",
        )
        dispose.on_broker(self._roomy(), *(int(e[name]) for name in names))

    def control(self, control: Control, time_ns: int) -> None:
        """Pause, resume or kill."""
        dispose.on_control(self._roomy(), int(control), time_ns)

    # What came of it.

    def drain(self) -> npt.NDArray[np.void]:
        """Give the rows added since the last call, dtype :data:`EVENT`, and forget them here."""
        return np.frombuffer(bytearray(self.drain_bytes()), EVENT)

    def drain_bytes(self) -> bytes:
        """Give what :meth:`drain` gives, as bytes: numpy copies records field by field, twenty times slower."""
        content = self.arrays.out[: self._n_out[0]].tobytes()
        self._n_out[0] = 0
        return content

    @property
    def has_rows(self) -> bool:
        """Something came of the last event."""
        return self._n_out[0] > 0

    @property
    def state(self) -> State:
        return State(int(self.arrays.book["state"][0]))

    @property
    def margin_called(self) -> bool:
        """The equity is below the margin call's level; nothing is entered until it is back."""
        return bool(self.arrays.book["margin_called"][0])

    @property
    def numbers(self) -> Mapping[str, Any]:
        """Every number of the book by name, see :data:`BOOK`."""
        row = self.arrays.book[0]
        return {name: row[name].item() for name in BOOK.names or ()}

    def money(self, minor: float) -> float:
        """Turn minor units into the account's currency."""
        return float(minor) / 10.0**self.account.digits

    def lots(self, units: int) -> float:
        """Turn lot steps into lots."""
        return round(int(units) * self.instrument.lot_step, 8)

    def price(self, points: float) -> float:
        """Turn points into a price."""
        return round(float(points) * self.instrument.point, self.instrument.digits + 3)

    @property
    def positions(self) -> npt.NDArray[np.void]:
        """The open positions, dtype :data:`POSITION`, oldest first."""
        return self.arrays.positions[: int(self.arrays.book["n_positions"][0])].copy()

    @property
    def working(self) -> npt.NDArray[np.void]:
        """The orders on their way, dtype :data:`WORKING`."""
        return self.arrays.working[: int(self.arrays.book["n_working"][0])].copy()

    def snapshot(self) -> bytes:
        """Copy the whole state; rows not yet drained are not part of it."""
        a = self.arrays
        book = a.book.copy()
        book["n_out"] = 0
        return b"".join(part.tobytes() for part in (book, a.positions, a.working, a.messages, a.seen))

    def restore(self, snapshot: bytes) -> None:
        """Put back a state that :meth:`snapshot` gave for the same configuration.

        Raises
        ------
        Broken
            The snapshot is not as long as this version's state.
        """
        a = self.arrays
        parts = (a.book, a.positions, a.working, a.messages, a.seen)
        expected = sum(part.nbytes for part in parts)
        if len(snapshot) != expected:
            raise Broken(f"a book's snapshot must have {expected} bytes in this version, it has {len(snapshot)}")
        at = 0
        for part in parts:
            part[:] = np.frombuffer(snapshot, part.dtype, part.size, at)
            at += part.nbytes

    def __repr__(self) -> str:
        n = self.numbers
        net = self.lots(n["long_units"] - n["short_units"])
        equity = self.money(n["equity_minor"])
        return f"<Book {self.instrument.symbol} {net:+g} lots, equity {equity:.2f}, {self.state.name.lower()}>"

    def _roomy(self) -> Arrays:
        if self._n_out[0] > self.arrays.out.size - MAX_ROWS_PER_EVENT:
            raise Broken("rows of a book must be drained after each event; the record is full")
        return self.arrays
