"""Who runs the strategies' code, and what the desk makes of their answers: a fault is an answer too."""

import math
from collections.abc import Iterable
from typing import Protocol

from kernel_lib.trading.record import Status
from live_engine.strategy_process import Fault, Question, Told
from live_engine.strategy_wire import Answer

__all__ = ["HOLD", "Proposers", "ask_all"]

#: The answer of a strategy that is not asked.
HOLD = Answer(0.0, 0, 0, 0, int(Status.HOLD))
_BAD_TARGET = int(Status.BAD_TARGET)


class Proposers(Protocol):
    """Who runs the strategies' code; :class:`~live_engine.strategy_process.StrategyHost` is the real one."""

    restarts: int

    def add(
        self, slot: int, load: dict[str, object], state: bytes = b"", since: Iterable[Question | Told] = ()
    ) -> Fault | None: ...
    def remove(self, slot: int) -> None: ...
    def tell(self, told: Told) -> None: ...
    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]: ...
    def snapshot(self, slot: int) -> bytes | Fault: ...
    def close(self) -> None: ...


def ask_all(proposers: Proposers, questions: list[Question]) -> tuple[dict[int, Answer], dict[int, Fault]]:
    """Ask each strategy about one tick.

    Returns
    -------
    answers : dict
        By slot, one for every question; a strategy that faults answers with the status of its fault.
    faults : dict
        By slot, why a strategy is out; it is not asked again.
    """
    answers: dict[int, Answer] = {}
    faults: dict[int, Fault] = {}
    for slot, answer in proposers.ask(questions).items() if questions else ():
        if isinstance(answer, Fault):
            faults[slot] = answer
            status = Status.TIMEOUT if answer.timeout else Status.RAISED
            answers[slot] = Answer(math.nan, 0, 0, 0, int(status))
            continue
        answers[slot] = answer
        if answer.status == _BAD_TARGET:
            faults[slot] = Fault(f"the target must be from -1 to 1, it was {answer.target}")
            proposers.remove(slot)
    return answers, faults
