"""Where two runs part, and why: their inputs compared in the order of the step, the first that differs is the cause."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.parity_moment import Moment
from kernel_lib.backtest.parity_words import event_in_words, plain_event
from kernel_lib.market.tick import Ticks
from kernel_lib.trading.record import Kind, Reason, Status
from kernel_lib.trading.terms import limit_points_of, lower_half, order_points_of, order_type_of, upper_half

__all__ = ["CAUSES", "Gap", "Side", "explain", "first_difference"]

#: In the order of the step. ``decision``: all that it read was the same, and it answered otherwise.
CAUSES = ("data", "feature", "model", "consensus", "decision", "sizing", "risk", "latency", "fill")

_OF_THE_BOOK = {int(each) for each in (Kind.FILL, Kind.CLOSED, Kind.CONTROL, Kind.ACCEPTED, Kind.REJECTED)}
#: What becomes of an order that rests; it may follow from an answer at once.
_OF_AN_ORDER = {int(each) for each in (Kind.MODIFIED, Kind.CANCELLED, Kind.EXPIRED, Kind.TRIGGERED)}
_HOLD = int(Status.HOLD)
_FILL, _CONTROL, _DECISION = int(Kind.FILL), int(Kind.CONTROL), int(Kind.DECISION)
_UNSTEADY = (
    "run again on the same input, the strategy decides otherwise: it keeps state outside the step, draws random "
    "numbers, or reads a clock"
)
_FAULT, _REJECTED, _STOP_OUT = int(Kind.FAULT), int(Kind.REJECTED), int(Reason.STOP_OUT)


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs.

    Parameters
    ----------
    name : str
        As a sentence calls it: ``"the backtest"``, ``"the engine"``.
    ticks : ndarray of TICK
    told : ndarray of OUTSIDE
        What came from outside; empty for nothing.
    rows : ndarray of EVENT
    tick_of : callable
        From the number of a row to the number of the tick that it came of, and whether the run repeats itself up to it.
    moment : callable
        From the number of a tick to the :class:`~kernel_lib.backtest.parity_moment.Moment`; None where it is not known.
    """

    name: str
    ticks: Ticks
    told: npt.NDArray[np.void]
    rows: npt.NDArray[np.void]
    tick_of: Callable[[int], tuple[int, bool]]
    moment: Callable[[int], Moment | None]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference of two runs.

    Parameters
    ----------
    cause : str
        One of :data:`CAUSES`.
    why : str
        What differed first, with both values.
    row : int
        Number of the first row of the record that differs; -1 when the records are the same and the data are not.
    tick : int
        Number of the tick, from 0.
    time_ns : int
        Its time.
    backtest, engine : dict
        The row on each side; empty where one has none.
    """

    cause: str
    why: str
    row: int
    tick: int
    time_ns: int
    backtest: dict[str, Any]
    engine: dict[str, Any]

    def __str__(self) -> str:
        when = f"{np.datetime64(self.time_ns, 'ns')}Z"
        where = f"row {self.row}" if self.row >= 0 else "no row"
        return (
            f"{self.cause}: {self.why}; at tick {self.tick:,} ({when}), {where}: "
            f"{event_in_words(self.backtest)} in the backtest, {event_in_words(self.engine)} in the engine"
        )


def first_difference(ours: npt.NDArray[np.void], theirs: npt.NDArray[np.void]) -> int:
    """Give the first place at which two arrays of one dtype differ in a byte, -1 for none.

    >>> import numpy as np
    >>> first_difference(np.array([1, 2, 3]), np.array([1, 2])), first_difference(np.array([1]), np.array([1]))
    (2, -1)
    """
    shorter = min(len(ours), len(theirs))
    width = ours.dtype.itemsize
    one = np.frombuffer(ours[:shorter].tobytes(), np.uint8).reshape(shorter, width)
    two = np.frombuffer(theirs[:shorter].tobytes(), np.uint8).reshape(shorter, width)
    differs = (one != two).any(axis=1)
    if differs.any():
        return int(np.argmax(differs))
    return -1 if len(ours) == len(theirs) else shorter


def explain(backtest: Side, engine: Side) -> Gap | None:
    """Compare two runs to the byte; None when they are the same.

    Notes
    -----
    Where the records part, the inputs are compared in the order of the step: ticks and values from outside up to there;
    the features' values at that tick; what models and agents answered; the target; its size; the limits. A fill that
    came at another time is latency, one at another price or cost is fill.
    """
    row = first_difference(backtest.rows, engine.rows)
    if row < 0:
        found = _data(backtest, engine, max(len(backtest.ticks), len(engine.ticks)))
        if found is None:
            return None
        tick, why = found
        return Gap(
            cause="data", why=f"{why} (nothing that was done differs)", row=-1, tick=tick,
            time_ns=_time(backtest, engine, tick), backtest={}, engine={},
        )  # fmt: skip
    places = [side.tick_of(row) if row < len(side.rows) else (len(side.ticks), True) for side in (backtest, engine)]
    tick = min(place for place, _ in places)
    repeats = all(again for _, again in places)
    data = _data(backtest, engine, tick + 1)
    if data is not None:
        cause, (at, why) = "data", data
        tick = min(tick, at)
    else:
        here = [place == tick for place, _ in places]
        cause, why = _cause(backtest, engine, row, tick, here, repeats)
    rows = [plain_event(side.rows[row]) if row < len(side.rows) else {} for side in (backtest, engine)]
    return Gap(
        cause=cause, why=why, row=row, tick=tick, time_ns=_time(backtest, engine, tick), backtest=rows[0],
        engine=rows[1],
    )  # fmt: skip


def _data(ours: Side, theirs: Side, stop: int) -> tuple[int, str] | None:
    """Find the first tick, or value from outside before it, that only one side saw so."""
    at = first_difference(ours.ticks[:stop], theirs.ticks[:stop])
    if at >= 0:
        words = [
            f"{side.ticks[at].item()} in {side.name}" if at < len(side.ticks) else f"no such tick in {side.name}"
            for side in (ours, theirs)
        ]
        return at, f"tick {at} was {words[0]}, {words[1]}"
    if not len(ours.ticks[:stop]):
        return None
    until_ns = int(ours.ticks["time_ns"][min(stop, len(ours.ticks)) - 1])
    told = [side.told[side.told["time_ns"] <= until_ns] for side in (ours, theirs)]
    place = first_difference(told[0], told[1])
    if place < 0:
        return None
    words = [str(each[place].item()) if place < len(each) else "nothing" for each in told]
    known = [int(each["time_ns"][place]) for each in told if place < len(each)]
    tick = int(np.searchsorted(ours.ticks["time_ns"], min(known), side="left"))
    return tick, f"value {place} from outside was {words[0]} in {ours.name}, {words[1]} in {theirs.name}"


def _cause(ours: Side, theirs: Side, row: int, tick: int, here: list[bool], repeats: bool) -> tuple[str, str]:
    rows = [
        side.rows[row] if at_tick and row < len(side.rows) else None
        for side, at_tick in zip((ours, theirs), here, strict=True)
    ]
    if not repeats:
        return "decision", _UNSTEADY
    # On a tick the book moves first: a fill that only one side has comes before its target.
    for mine, other, each in ((ours, theirs, rows[0]), (theirs, ours, rows[1])):
        if each is not None and int(each["kind"]) in _OF_THE_BOOK:
            return _of_the_book(mine, other, each, row)
    moments = ours.moment(tick), theirs.moment(tick)
    found = _of_the_step(ours, theirs, *moments)
    if found is not None:
        return found
    for side, each in zip((ours, theirs), rows, strict=True):
        if each is not None and int(each["kind"]) == _FAULT:
            return (
                "decision",
                f"the strategy was put out in {side.name} alone: {Reason(int(each['reason'])).name.lower()}",
            )
    if any(each is not None and int(each["kind"]) == _DECISION for each in rows):
        # A change of mind follows from the answer alone, and the answers are the same now: they were not then.
        return "decision", _UNSTEADY
    for mine, other, each in ((ours, theirs, rows[0]), (theirs, ours, rows[1])):
        if each is not None and int(each["kind"]) in _OF_AN_ORDER:
            return _of_the_book(mine, other, each, row)
    said = [event_in_words(plain_event(each)) if each is not None else "nothing" for each in rows]
    return "risk", (
        f"the same proposal met other limits or another state of the book: {said[0]} in {ours.name}, "
        f"{said[1]} in {theirs.name}"
    )


def _of_the_step(ours: Side, theirs: Side, mine: Moment | None, other: Moment | None) -> tuple[str, str] | None:
    if mine is None or other is None:
        return None
    if not (mine.repeats and other.repeats):
        return "decision", _UNSTEADY
    if mine.shown and other.shown:
        before = {each.name: each for each in mine.shown}
        after = {each.name: each for each in other.shown}
        for kind in ("feature", "model", "consensus"):
            for name in dict.fromkeys([*before, *after]):
                one, two = before.get(name), after.get(name)
                known = one or two
                if known is None or known.kind != kind:
                    continue
                if "." in name and (one is None or two is None):
                    continue  # what a model or a panel reads is its own: its answer tells
                if one is None or two is None:
                    lacking = ours.name if one is None else theirs.name
                    return kind, f"{name} is not there in {lacking}"
                if not _same(one.number, two.number):
                    return kind, f"{name} was {one.number!r} in {ours.name}, {two.number!r} in {theirs.name}"
    answers = [_taken_apart(each.answer) for each in (mine, other)]
    for cause, names in (("decision", _DECIDED), ("sizing", _SIZED)):
        for name in names:
            one_said, two_said = answers[0][name], answers[1][name]
            if not _same(one_said, two_said):
                return cause, f"{name} was {one_said:g} in {ours.name}, {two_said:g} in {theirs.name}"
    return None


_DECIDED = ("status", "target", "order_type", "order_points", "limit_points", "expires_s")
_SIZED = ("units", "stop_points", "trailing_points", "take_points")


def _taken_apart(answer: tuple[float, int, int, int, int]) -> dict[str, float]:
    """Name all that an answer says; see :mod:`kernel_lib.trading.terms` for how an order travels in it."""
    target, units, stop, take, status = answer
    rests = status < _HOLD
    return {
        "status": -1 if rests else status, "target": target, "units": units,
        "order_type": order_type_of(status) if rests else 0, "order_points": order_points_of(status) if rests else 0,
        "limit_points": limit_points_of(status) if rests else 0, "expires_s": upper_half(take),
        "stop_points": lower_half(stop), "trailing_points": upper_half(stop), "take_points": lower_half(take),
    }  # fmt: skip


def _of_the_book(mine: Side, other: Side, event: np.void, row: int) -> tuple[str, str]:
    kind, order_id = int(event["kind"]), int(event["order_id"])
    if kind == _CONTROL or int(event["reason"]) == _STOP_OUT:
        return (
            "risk",
            f"only {mine.name} met a limit of loss or margin there: {Reason(int(event['reason'])).name.lower()}",
        )
    if kind == _FILL:
        theirs = other.rows[(other.rows["kind"] == _FILL) & (other.rows["order_id"] == order_id)]
        if len(theirs):
            same = theirs[0]
            if same["time_ns"] != event["time_ns"]:
                late = (int(same["time_ns"]) - int(event["time_ns"])) / 1e6
                return "latency", f"order {order_id} was filled {late:+,.3f} ms from {mine.name}'s time in {other.name}"
            if same["points"] != event["points"]:
                slipped = float(same["points"]) - float(event["points"])
                return (
                    "fill",
                    f"order {order_id} was filled {slipped:+g} points from {mine.name}'s price in {other.name}",
                )
        gone = (other.rows["kind"] == _REJECTED) & (other.rows["order_id"] == order_id)
        if not len(theirs) and not gone.any() and not int(event["reason"]):
            return "latency", f"order {order_id} is filled in {mine.name} and still on its way in {other.name}"
    if kind != _FILL and order_id:
        again = other.rows[(other.rows["kind"] == kind) & (other.rows["order_id"] == order_id)]
        if len(again) and int(again[0]["time_ns"]) != int(event["time_ns"]):
            late = (int(again[0]["time_ns"]) - int(event["time_ns"])) / 1e6
            what = Kind(kind).name.lower()
            return "latency", f"order {order_id} was {what} {late:+,.3f} ms from {mine.name}'s time in {other.name}"
    same = other.rows[row] if row < len(other.rows) else None
    if same is not None and int(same["kind"]) == kind:
        names = [name for name in event.dtype.names or () if not _same(event[name].item(), same[name].item())]
        told = ", ".join(f"{name} {event[name]} in {mine.name}, {same[name]} in {other.name}" for name in names)
        return "fill", f"the {Kind(kind).name.lower()} differs: {told}"
    return "fill", f"only {mine.name} has there: {event_in_words(plain_event(event))}"


def _same(one: float, two: float) -> bool:
    return one == two or (math.isnan(one) and math.isnan(two))


def _time(ours: Side, theirs: Side, tick: int) -> int:
    longer = ours.ticks if len(ours.ticks) >= len(theirs.ticks) else theirs.ticks
    return int(longer["time_ns"][min(tick, len(longer) - 1)]) if len(longer) else 0
