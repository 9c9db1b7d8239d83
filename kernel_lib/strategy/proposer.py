"""The strategy's half of the step: features, decision and sizing, composed as source text and compiled as one.

For each strategy a function ``propose`` is generated that updates its bars and features in order, calls the
decision and sizes the target. Replay compiles it into its loop; live it runs in the tenant's sandbox, one call a
tick. A decision that numba cannot compile runs as plain Python between the two compiled parts.
"""

import linecache
import math
from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, typeof
from numba.core.errors import NumbaError

from kernel_lib.errors import Broken, Misconfigured
from kernel_lib.machine_code import entry_point
from kernel_lib.market.bar import Bar
from kernel_lib.market.instrument import Instrument
from kernel_lib.strategy.definition import RESERVED, Strategy
from kernel_lib.strategy.sizing import make_sizing
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import VIEW, Status

__all__ = ["Position", "Proposal", "Proposer"]


class Position(NamedTuple):
    """What a decision sees of its own position.

    ``exposure`` is the target that the position amounts to, 0 when flat; ``entry_price`` is NaN when flat; ``profit``
    (floating) and ``equity`` are in account currency.
    """

    exposure: float
    lots: float
    entry_price: float
    profit: float
    open_time_ns: int
    equity: float


class Proposal(NamedTuple):
    """The answer to one tick; ``status`` is a :class:`~kernel_lib.trading.record.Status`."""

    target: float
    target_units: int
    stop_points: int
    take_points: int
    status: int


#: A forming bar of one length.
FORMING = np.dtype(
    [("end_ns", "<i8"), ("time_ns", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"),
     ("volume", "<f8"), ("spread", "<f8")]
)  # fmt: skip

#: What a proposer remembers beside its features.
MEMORY = np.dtype(
    [("base_units", "<i8"), ("asked_units", "<i8"), ("seen_units", "<i8"), ("exposure", "<f8"), ("stops_seen", "<i8"),
     ("last_target", "<f8"), ("latched", "<f8"), ("faulted", "<i8")]
)  # fmt: skip

_HOLD, _DECIDED, _BAD = int(Status.HOLD), int(Status.DECIDED), int(Status.BAD_TARGET)
_SAME = 1e-9


@njit(cache=True, nogil=True)
def exposure_of(m: Any, v: Any) -> float:
    """Give the exposure that the open position amounts to; divides only when the position has changed."""
    if v.units != m.seen_units:
        m.seen_units = v.units
        m.exposure = min(1.0, max(-1.0, v.units / m.base_units)) if v.units != 0 and m.base_units > 0 else 0.0
    return m.exposure


@njit(cache=True, nogil=True)
def sized(m: Any, z: Any, v: Any, target: float, mid: float) -> tuple[float, int, int, int, int]:
    """Turn a target into lot steps, rounded down.

    The size is computed when the target changes and then stands: a held position does not breathe with the equity,
    and a refused entry is asked again at the same size. A target that is what we hold changes nothing.
    """
    if not -1.0 <= target <= 1.0:
        m.faulted = 1
        return target, 0, 0, 0, _BAD
    if v.n_stopped != m.stops_seen:
        m.stops_seen = v.n_stopped
        m.latched = m.last_target
    if target == m.latched:
        m.asked_units = v.units
    elif target != m.last_target or m.latched == m.latched:
        m.latched = math.nan
        if abs(target - exposure_of(m, v)) <= _SAME:
            m.asked_units = v.units
        elif v.in_flight == 0:
            base = z.units
            if z.by_risk != 0:
                worth = z.minor_per_point_unit
                if z.by_price != 0:
                    worth /= mid
                base = int(max(0.0, v.equity_minor * z.fraction / (z.stop_points * worth) + _SAME))
            m.base_units = base
            m.seen_units = v.units
            m.exposure = min(1.0, max(-1.0, v.units / base)) if v.units != 0 and base > 0 else 0.0
            size = int(abs(target) * base + _SAME)
            m.asked_units = size if target > 0.0 else -size
        else:
            return target, m.asked_units, z.stop_points, z.take_points, _DECIDED
    m.last_target = target
    return target, m.asked_units, z.stop_points, z.take_points, _DECIDED


class Proposer:
    """A strategy bound to an instrument, running: features' state, the compiled code, one call a tick.

    Parameters
    ----------
    strategy : Strategy
    instrument : Instrument
    account : AccountConfig
        For sizing by risk and for showing money.
    """

    def __init__(self, strategy: Strategy, instrument: Instrument, account: AccountConfig | None = None) -> None:
        account = account or AccountConfig()
        self.strategy = strategy
        self.state = np.concatenate([np.zeros(0), *(_padded(each.state) for each in strategy.features.values())])
        lengths = sorted(
            {each.bars_ns for each in strategy.features.values() if each.bars_ns} | _decision_bar(strategy)
        )
        self.forming = np.zeros(max(1, len(lengths)), FORMING)
        self.memory = np.zeros(1, MEMORY)
        self.memory[0]["latched"] = self.memory[0]["last_target"] = np.nan
        self.sizing = make_sizing(
            strategy.sizing, instrument, account, strategy.stop_loss_points, strategy.take_profit_points
        )
        self.params = _params_tuple(strategy)
        self._step = _compiled_step(*_compose(strategy, lengths), _Decision(strategy))
        self._live: Callable[..., Any] | None = None
        self._reason: str | None = None

    @property
    def propose(self) -> Any:
        """The strategy's half of the step, not compiled by itself: a loop takes it in."""
        return self._step.propose

    @property
    def plain_python(self) -> str:
        """Empty, or why the decision could not be compiled and runs as plain Python."""
        if self._reason is None:
            arguments = self._arguments(0, 1.0, 1.0, np.zeros(1, VIEW))
            if self.compiles(self._step.live, arguments):
                self._live = entry_point(self._step.live, tuple(typeof(each) for each in arguments))
        return self._reason or ""

    def compiles(self, form: Any, arguments: tuple[Any, ...]) -> bool:
        """Compile a function that takes the decision in, for arguments like these; remember why it could not be."""
        if self._reason:
            return False
        try:
            form.compile(tuple(typeof(each) for each in arguments))
        except NumbaError as error:
            self._reason = _first_line(error)
            return False
        self._reason = self._reason or ""
        return True

    def on_tick(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> Proposal:
        """Advance the features by one tick and decide.

        Parameters
        ----------
        time_ns : int
        bid, ask : float
        view : ndarray of one VIEW
            What the book showed after the same tick.

        Returns
        -------
        Proposal
            ``status`` is RAISED when the decision raised; from then on it only holds, see :attr:`faulted`.
        """
        try:
            if self._live is not None:
                return Proposal(*self._live(*self._arguments(time_ns, bid, ask, view)))
            if self.plain_python:
                return self._plain(time_ns, bid, ask, view)
            return Proposal(*self._step.live(*self._arguments(time_ns, bid, ask, view)))
        except Exception:
            self.memory[0]["faulted"] = 1
            raise

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The features' states one after the other, each with its outputs first; a copy."""
        parts, at = [np.zeros(0)], 0
        for each in self.strategy.features.values():
            parts.append(self.state[at : at + each.state.size])
            at += _padded(each.state).size
        return np.concatenate(parts)

    @property
    def faulted(self) -> bool:
        """True once the decision raised or gave a target outside [-1, 1]; it is not called again."""
        return bool(self.memory[0]["faulted"])

    def fault(self) -> None:
        """Stop calling the decision, as after an exception."""
        self.memory[0]["faulted"] = 1

    def snapshot(self) -> bytes:
        """Copy the whole state."""
        return self.state.tobytes() + self.forming.tobytes() + self.memory.tobytes()

    def restore(self, snapshot: bytes) -> None:
        """Put back what :meth:`snapshot` gave for the same strategy and parameters."""
        parts = (self.state, self.forming, self.memory)
        expected = sum(part.nbytes for part in parts)
        if len(snapshot) != expected:
            raise Broken(f"{self.strategy.name}: a snapshot must have {expected} bytes, it has {len(snapshot)}")
        at = 0
        for part in parts:
            part[:] = np.frombuffer(snapshot, part.dtype, part.size, at)
            at += part.nbytes

    def _arguments(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> tuple[Any, ...]:
        return (self.state, self.forming, self.memory, self.sizing, view, time_ns, bid, ask, self.params)

    def _plain(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> Proposal:
        if self.faulted or not self._step.advance(self.state, self.forming, time_ns, bid, ask):
            return Proposal(0.0, 0, 0, 0, _HOLD)
        m, z, v = (each.view(np.recarray)[0] for each in (self.memory, self.sizing, view))
        x, position = self._step.gather(self.state, m, z, v, time_ns, bid, ask)
        target = float(self.strategy.decide(x, position, self.params))
        return Proposal(*_sized_rows(self.memory, self.sizing, view, target, (bid + ask) * 0.5))


@njit(cache=True, nogil=True)
def _sized_rows(memory: Any, sizing: Any, view: Any, target: float, mid: float) -> tuple[float, int, int, int, int]:
    return sized(memory[0], sizing[0], view[0], target, mid)


def _padded(state: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # In steps of 32 numbers, so that windows of about the same length give the same source, which compiles once.
    return np.concatenate([state, np.zeros(-state.size % 32)])


def _decision_bar(strategy: Strategy) -> set[int]:
    from kernel_lib.market.bar import bar_length_ns

    return set() if strategy.on == "tick" else {bar_length_ns(strategy.on)}


def _params_tuple(strategy: Strategy) -> Any:
    names = list(strategy.params) or ["none"]
    values = list(strategy.params.values()) or [0]
    return _tuple_class("Params", tuple(names))(*values)


_classes: dict[tuple[str, tuple[str, ...]], Any] = {}


def _tuple_class(name: str, fields: tuple[str, ...]) -> Any:
    """One class for each set of names, so that equal strategies share compiled code."""
    if (name, fields) not in _classes:
        _classes[name, fields] = namedtuple(name, fields)
    return _classes[name, fields]


def _compose(strategy: Strategy, lengths: list[int]) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """Write the source of ``advance``, ``gather`` and ``propose``; also ``x``'s fields and the updates called.

    Parameters' values are not in it: they live in the features' state, so that strategies which differ only in them
    share compiled code.
    """
    updates: dict[int, list[str]] = {length: [] for length in [0, *lengths]}
    names: list[str] = []
    places: list[int] = []
    at = 0
    for index, (name, feature) in enumerate(strategy.features.items()):
        updates[feature.bars_ns].append(f"update_{index}(fs[{at}:{at + _padded(feature.state).size}], bar)  # {name}")
        for column, output in enumerate(feature.outputs):
            names.append(name if column == 0 else f"{name}_{output}")
            places.append(at + column)
        at += _padded(feature.state).size
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Misconfigured(f"{strategy.name}: each x.NAME must be one feature's output, {', '.join(twice)} is of two")
    lines = ["    mid = (bid + ask) * 0.5", "    spread = ask - bid"]
    lines += [f"    due = {strategy.on == 'tick'}"]
    for k, length in enumerate(lengths):
        decides = strategy.on != "tick" and length in _decision_bar(strategy)
        lines += [
            f"    f = forming[{k}]",
            "    if time_ns >= f.end_ns:",
            "        if f.volume > 0.0:",
            "            bar = Bar(f.time_ns, f.open, f.high, f.low, f.close, f.volume, f.spread, math.nan)",
            *(f"            {update}" for update in updates[length]),
            *(["            due = True"] if decides else []),
            f"        f.time_ns = time_ns - time_ns % {length}",
            f"        f.end_ns = f.time_ns + {length}",
            "        f.open = bid",
            "        f.high = bid",
            "        f.low = bid",
            "        f.volume = 0.0",
            "    elif bid > f.high:",
            "        f.high = bid",
            "    elif bid < f.low:",
            "        f.low = bid",
            "    f.close = bid",
            "    f.volume += 1.0",
            "    f.spread = spread",
        ]
    if updates[0]:
        lines += ["    bar = Bar(time_ns, mid, mid, mid, mid, 1.0, spread, math.nan)"]
        lines += [f"    {update}" for update in updates[0]]
    if places:
        unready = " or ".join(f"math.isnan(fs[{place}])" for place in places)
        lines += [f"    if due and ({unready}):", "        due = False"]
    advance = lines
    shown = ", ".join(f"fs[{place}]" for place in places)
    see = f"X({shown + ', ' if shown else ''}bid, ask, (bid + ask) * 0.5, ask - bid, time_ns)"
    position = (
        "Position(exposure_of(m, v), v.units * z.lot_step, v.entry_price, v.floating_minor / z.minor, v.open_time_ns, "
        "v.equity_minor / z.minor)"
    )
    # The body stands in both forms as text: numba takes long to inline, and a call with an array costs at each tick.
    body = [
        "    if m.faulted != 0:",
        "        return 0.0, 0, 0, 0, HOLD",
        *advance,
        "    if not due:",
        "        return 0.0, 0, 0, 0, HOLD",
        f"    x = {see}",
        f"    position = {position}",
        "    return sized(m, z, v, float(decide(x, position, p)), x.mid)",
        "",
    ]
    lines = ["def advance(fs, forming, time_ns, bid, ask):", *advance, "    return due", ""]
    lines += ["def gather(fs, m, z, v, time_ns, bid, ask):", f"    return {see}, {position}", ""]
    lines += ["def propose(fs, forming, m, z, v, time_ns, bid, ask, p):", *body]
    lines += ["def propose_live(fs, forming, memory, sizing, view, time_ns, bid, ask, p):"]
    lines += ["    m, z, v = memory[0], sizing[0], view[0]", *body]
    calls = tuple(each.update for each in strategy.features.values())
    return "\n".join(lines), (*names, *RESERVED), calls


class _Step(NamedTuple):
    """The functions of one composed source: compiled, but for ``gather``."""

    propose: Any
    live: Any
    advance: Callable[..., Any]
    gather: Callable[..., Any]


class _Decision:
    """A decision as a key: two are equal when they are one function, or come of equal sources that ran on their own.

    The compiled form takes what it reads of its module as constants, so that nothing is shared but code.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.decide = strategy.decide
        self._key = (strategy.source, strategy.entry) if strategy.self_contained else strategy.decide

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Decision) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _compiled_step(source: str, fields: tuple[str, ...], updates: tuple[Any, ...], decision: _Decision) -> _Step:
    decide = decision.decide
    namespace: dict[str, Any] = {
        "Bar": Bar, "Position": Position, "sized": sized, "exposure_of": exposure_of, "HOLD": _HOLD, "math": math,
        "X": _tuple_class("X", fields), "decide": njit(nogil=True)(decide),
        **{f"update_{index}": update for index, update in enumerate(updates)},
    }  # fmt: skip
    filename = f"<tickhub step {decide.__name__} {abs(hash(source)):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102  (generated here, from checked names)
    # Inlined before typing: an array passed to a function costs four reference counts, a quarter of the tick.
    propose = njit(nogil=True, inline="always")(namespace["propose"])
    live = njit(nogil=True)(namespace["propose_live"])
    return _Step(propose, live, njit(nogil=True)(namespace["advance"]), namespace["gather"])


def _first_line(error: NumbaError) -> str:
    text = str(error).strip().splitlines()
    return next((line.strip() for line in text if line.strip() and "pipeline" not in line), type(error).__name__)
