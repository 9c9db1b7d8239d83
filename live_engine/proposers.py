"""Who runs the strategies' code, and the way of one tick: books, questions, answers, books."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from kernel_lib.trading.record import Status
from live_engine.draft import Draft
from live_engine.entries import pack_proposals
from live_engine.heard import Question, Told
from live_engine.slot import Slot
from live_engine.strategy_wire import Answer

__all__ = ["HOLD", "AskedSeats", "Fault", "Proposers", "Quote", "Seats", "answered", "settled"]

#: The answer of a strategy that is not asked.
HOLD = Answer(0.0, 0, 0, 0, int(Status.HOLD))
_BAD_TARGET, _RAISED, _TIMEOUT = int(Status.BAD_TARGET), int(Status.RAISED), int(Status.TIMEOUT)

#: One tick: its place in its block, nanoseconds, bid, ask, and how old it is in nanoseconds, for an order to the broker
#: and for one on paper.
Quote = tuple[int, int, float, float, int, int]


class Fault(NamedTuple):
    """Why a strategy is put out, and the status that its book is told."""

    reason: str
    status: int = _RAISED

    @property
    def timeout(self) -> bool:
        """It did not answer in time."""
        return self.status == _TIMEOUT


class Seats(Protocol):
    """The strategies of one symbol, for as long as none comes, goes or is put out."""

    def turn(self, quote: Quote) -> tuple[bytes, Mapping[int, Fault]]:
        """Let every book take a tick, every strategy see it, and every book take its strategy's answer.

        Returns
        -------
        record : bytes
            The answers, as the payload of a PROPOSALS record; empty where they are in the journal's draft already, with
            the rows of all books, which the books hold as well.
        faults : mapping
            By slot, the strategies that are out now.
        """


class Proposers(Protocol):
    """Who runs the strategies' code; :class:`~live_engine.strategy_process.StrategyHost` is the real one."""

    restarts: int

    def add(
        self, slot: int, load: dict[str, object], state: bytes = b"", since: Iterable[Question | Told] = ()
    ) -> Fault | None: ...
    def remove(self, slot: int) -> None: ...
    def tell(self, told: Told) -> None: ...
    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]: ...
    def seats(self, slots: list[Slot], draft: Draft) -> Seats: ...
    def snapshot(self, slot: int) -> bytes | Fault: ...
    def close(self) -> None: ...


class AskedSeats:
    """Seats whose strategies are asked through :meth:`Proposers.ask`."""

    def __init__(self, proposers: Proposers, slots: list[Slot]) -> None:
        self._proposers = proposers
        self._slots = slots

    def turn(self, quote: Quote) -> tuple[bytes, Mapping[int, Fault]]:
        """See :meth:`Seats.turn`."""
        faults: dict[int, Fault] = {}

        def ask(questions: list[Question]) -> dict[int, Answer]:
            answers, found = settled(self._proposers, self._proposers.ask(questions) if questions else {})
            faults.update(found)
            return answers

        return pack_proposals(quote[0], answered(self._slots, quote, ask)), faults


def answered(
    slots: Sequence[Slot], quote: Quote, ask: Callable[[list[Question]], dict[int, Answer]]
) -> dict[int, Answer]:
    """Take a tick through books, questions, answers and books; give the answers by slot."""
    _, time_ns, bid, ask_price, age_ns, paper_age_ns = quote
    questions = []
    for slot in slots:
        view = slot.book.on_tick(time_ns, bid, ask_price, paper_age_ns if slot.paper else age_ns)
        if slot.running:
            questions.append(Question(slot.number, time_ns, bid, ask_price, view.tobytes()))
    answers = ask(questions)
    for slot in slots:
        slot.book.on_target(*answers.get(slot.number, HOLD))
    return answers


def settled(proposers: Proposers, found: Mapping[int, Answer | Fault]) -> tuple[dict[int, Answer], dict[int, Fault]]:
    """Make answers of all that strategies gave.

    Returns
    -------
    answers : dict
        By slot, one for each of ``found``; a strategy that faults answers with the status of its fault.
    faults : dict
        By slot, why a strategy is out; it is not asked again.
    """
    answers: dict[int, Answer] = {}
    faults: dict[int, Fault] = {}
    for slot, answer in found.items():
        if isinstance(answer, Fault):
            faults[slot] = answer
            answers[slot] = Answer(math.nan, 0, 0, 0, answer.status)
            continue
        answers[slot] = answer
        if answer.status == _BAD_TARGET:
            faults[slot] = Fault(f"the target must be from -1 to 1, it was {answer.target}", _BAD_TARGET)
            proposers.remove(slot)
    return answers, faults
