"""The strategy's half of the step, running: its state, its compiled code, one call a tick.

Replay compiles the half into its loop; live it runs in the tenant's sandbox. Where Python has a part in it, the step
is cut: a decision that numba cannot compile runs between features and sizing, an evaluated feature between features and
decision.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import typeof
from numba.core.errors import NumbaError

from kernel_lib.errors import BadData, Broken, StrategyFault
from kernel_lib.machine_code import entry_point
from kernel_lib.market.instrument import Instrument
from kernel_lib.strategy.compose import compose
from kernel_lib.strategy.definition import Strategy
from kernel_lib.strategy.orders import EntryOrder
from kernel_lib.strategy.position import Proposal, Seen, traded_of
from kernel_lib.strategy.sizing import make_sizing
from kernel_lib.strategy.target import MEMORY, ordered_rows, sized_rows
from kernel_lib.strategy.tuples import tuple_class
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import VIEW, Status

__all__ = ["Proposer"]

#: A forming bar of one length.
FORMING = np.dtype(
    [("end_ns", "<i8"), ("time_ns", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"),
     ("volume", "<f8"), ("spread", "<f8")]
)  # fmt: skip

_HOLD = Proposal(0.0, 0, 0, 0, int(Status.HOLD))
_LENGTH = struct.Struct("<I")


class Proposer:
    """A strategy bound to an instrument.

    Parameters
    ----------
    strategy : Strategy
    instrument : Instrument
    account : AccountConfig
        For sizing by risk and for showing money.

    Attributes
    ----------
    state, forming, memory, sizing : ndarray
        What the compiled functions work on.
    channels : tuple of str
        What it reads from outside, see :meth:`tell`.
    """

    def __init__(self, strategy: Strategy, instrument: Instrument, account: AccountConfig | None = None) -> None:
        account = account or AccountConfig()
        self.strategy = strategy
        self._plan = plan = compose(strategy)
        self.step = plan.step
        self.channels = plan.channels
        self.state = plan.state.copy()
        self.forming = np.zeros(max(1, len(plan.lengths)), FORMING)
        self.memory = np.zeros(1, MEMORY)
        self.memory[0]["latched"] = self.memory[0]["last_target"] = np.nan
        self.sizing = make_sizing(
            strategy.sizing,
            instrument,
            account,
            strategy.stop_loss_points,
            strategy.take_profit_points,
            strategy.trailing_points,
        )
        self.params = _params_tuple(strategy)
        self._live: Callable[..., Any] | None = None
        self._reason: str | None = None
        # Each run keeps its own memory of an evaluator, which other runs use as well.
        self._remembered = [each.feature.beginning for each in plan.questions]

    @property
    def lengths(self) -> list[int]:
        """Lengths of the bars that its features or decision are on, in nanoseconds."""
        return self._plan.lengths

    @property
    def evaluates(self) -> bool:
        """Some of its features are evaluated by Python, so that the step is cut in two."""
        return bool(self._plan.questions)

    @property
    def plain_python(self) -> str:
        """Empty, or why the decision could not be compiled and runs as plain Python."""
        if self._reason is None:
            form = self.step.decide_live if self.evaluates else self.step.live
            arguments = self._arguments(0, 1.0, 1.0, np.zeros(1, VIEW))
            if self.evaluates:
                arguments = (arguments[0], *arguments[2:])
            if self.compiles(form, arguments):
                self._live = entry_point(form, tuple(typeof(each) for each in arguments))
        return self._reason or ""

    def compiles(self, form: Any, arguments: tuple[Any, ...]) -> bool:
        """Compile a function that takes the decision in, for arguments like these; remember why it could not be."""
        if self._reason:
            return False
        try:
            form.compile(tuple(typeof(each) for each in arguments))
        except (NumbaError, ValueError, TypeError) as error:  # numba lets through what it meets in a constant
            self._reason = _first_line(error)
            return False
        self._reason = ""
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
            if self.evaluates or self.plain_python:
                return self._cut(time_ns, bid, ask, view)
            live = self._live or self.step.live
            return Proposal(*live(*self._arguments(time_ns, bid, ask, view)))
        except Exception:
            self.memory[0]["faulted"] = 1
            raise

    def evaluate(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> None:
        """Answer the evaluated features whose bar closed, between features and decision."""
        asked = int(self.memory["evaluate"][0])
        self.memory["evaluate"] = 0
        _, position = self._gather(time_ns, bid, ask, view)
        seen = Seen(time_ns, bid, ask, position, traded_of(view[0], float(self.sizing["minor"][0])))
        for at, question in enumerate(self._plan.questions):
            if asked >> at & 1:
                evaluator = question.feature.evaluator
                evaluator.restore(self._remembered[at])
                self.state[question.outputs] = question.feature.answer(self.state[question.inputs], seen)
                self._remembered[at] = evaluator.state()

    def tell(self, channel: int, number: float) -> None:
        """Put in the latest value of one of :attr:`channels`; what reads it does so from its next update on."""
        if not 0 <= channel < len(self.channels):
            raise BadData(f"{self.strategy.name} reads {len(self.channels)} values from outside, not number {channel}")
        self.state[channel] = number

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The shown features' states one after the other, each with its outputs first; a copy."""
        return np.concatenate([np.zeros(0), *(self.state[self._plan.places[name]] for name in self.strategy.features)])

    @property
    def faulted(self) -> bool:
        """True once the decision raised or gave a target outside [-1, 1]; it is not called again."""
        return bool(self.memory[0]["faulted"])

    def fault(self) -> None:
        """Stop calling the decision, as after an exception."""
        self.memory[0]["faulted"] = 1

    def snapshot(self) -> bytes:
        """Copy the whole state."""
        kept = [_LENGTH.pack(len(each)) + each for each in self._remembered]
        return b"".join([self.state.tobytes(), self.forming.tobytes(), self.memory.tobytes(), *kept])

    def restore(self, snapshot: bytes) -> None:
        """Put back what :meth:`snapshot` gave for the same strategy and parameters."""
        parts = (self.state, self.forming, self.memory)
        expected = sum(part.nbytes for part in parts)
        if len(snapshot) < expected or (not self._remembered and len(snapshot) > expected):
            raise Broken(f"{self.strategy.name}: a snapshot must have {expected} bytes, it has {len(snapshot)}")
        at = 0
        for part in parts:
            part[:] = np.frombuffer(snapshot, part.dtype, part.size, at)
            at += part.nbytes
        for index in range(len(self._remembered)):
            length = _LENGTH.unpack_from(snapshot, at)[0]
            at += _LENGTH.size
            self._remembered[index] = snapshot[at : at + length]
            at += length

    def _arguments(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> tuple[Any, ...]:
        return (self.state, self.forming, self.memory, self.sizing, view, time_ns, bid, ask, self.params)

    def _gather(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> Any:
        m, z, v = (each.view(np.recarray)[0] for each in (self.memory, self.sizing, view))
        return self.step.gather(self.state, m, z, v, time_ns, bid, ask)

    def _cut(self, time_ns: int, bid: float, ask: float, view: npt.NDArray[np.void]) -> Proposal:
        if self.faulted:
            return _HOLD
        self.step.advance_live(self.state, self.forming, self.memory, time_ns, bid, ask)
        if self.memory["evaluate"][0]:
            self.evaluate(time_ns, bid, ask, view)
        if not self.plain_python:
            live = self._live or self.step.decide_live
            return Proposal(*live(self.state, self.memory, self.sizing, view, time_ns, bid, ask, self.params))
        if not self.memory["due"][0] or not self.step.ready(self.state):
            return _HOLD
        x, position = self._gather(time_ns, bid, ask, view)
        answer = self.strategy.decide(x, position, self.params)
        mid = (bid + ask) * 0.5
        if isinstance(answer, EntryOrder):
            if not self.strategy.rests:
                raise StrategyFault(f"{self.strategy.name} must name the order function that it answers with itself")
            return Proposal(*ordered_rows(self.memory, self.sizing, view, answer, mid))
        return Proposal(*sized_rows(self.memory, self.sizing, view, self._number(answer), mid))

    def _number(self, answer: Any) -> float:
        try:
            return float(answer)
        except (TypeError, ValueError):
            said = repr(answer)[:80]
            raise StrategyFault(
                f"a decision must give a number from -1 to 1, or an order; {self.strategy.name} gave {said}"
            ) from None


def _params_tuple(strategy: Strategy) -> Any:
    names = list(strategy.params) or ["none"]
    values = list(strategy.params.values()) or [0]
    return tuple_class("Params", tuple(names))(*values)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return next((line.strip() for line in text if line.strip() and "pipeline" not in line), type(error).__name__)
