"""The strategy's half of the step as source text: features, decision and sizing, composed and compiled as one.

The state that the text works on is one array: the latest values from outside, then each feature's own, outputs first,
in steps of 32 numbers. Parameters' values are not in the text: they live in the state, so that strategies which
differ only in them share compiled code.
"""

import linecache
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from kernel_lib.compiler_hints import assume, rarely
from kernel_lib.errors import Misconfigured
from kernel_lib.features.evaluated import Evaluated
from kernel_lib.features.feature import Feature
from kernel_lib.kept_code import keep
from kernel_lib.market.bar import Bar, bar_length_ns
from kernel_lib.strategy.answered import compiled_answer
from kernel_lib.strategy.definition import RESERVED, Strategy
from kernel_lib.strategy.target import STILL, ordered, position_of, sized
from kernel_lib.strategy.tuples import tuple_class
from kernel_lib.trading.record import Status

__all__ = ["Plan", "Question", "Step", "compose"]

_HOLD = int(Status.HOLD)
_SIZED = ("    target = float(decide(x, position, p))", "    return sized(m, z, v, target, x.mid)", "")
_STILL = ("    if not rarely(target != still):", "        return target, 0, 0, 0, STILL")
_ORDERED = ("    return ordered(m, z, v, decide(x, position, p), x.mid)", "")


class Question(NamedTuple):
    """An evaluated feature: where its inputs and outputs lie in the state."""

    feature: Evaluated
    inputs: npt.NDArray[np.int64]
    outputs: slice


class Plan(NamedTuple):
    """Where everything of one strategy lies, and its compiled functions.

    Attributes
    ----------
    state : ndarray of float64
        As it is at the beginning.
    places : dict
        Of each feature, by ``x.NAME``: where its own state begins and ends.
    channels : tuple of str
        What comes from outside; the latest value of each lies at its index.
    lengths : list of int
        Nanoseconds of each length of bars.
    questions : tuple of Question
    """

    state: npt.NDArray[np.float64]
    places: dict[str, slice]
    channels: tuple[str, ...]
    lengths: list[int]
    questions: tuple[Question, ...]
    step: "Step"


class Step(NamedTuple):
    """The functions of one composed source.

    ``propose`` and ``halves`` are not compiled by themselves: a loop takes them in. ``gather`` is plain Python.
    """

    propose: Any
    live: Any
    advance_half: Any
    decide_half: Any
    advance_live: Any
    decide_live: Any
    ready: Callable[..., bool]
    gather: Callable[..., Any]


def compose(strategy: Strategy) -> Plan:
    """Lay out a strategy's state and write its step.

    Raises
    ------
    Misconfigured
        Two features give the same ``x.NAME``.
    """
    layout = _Layout(strategy)
    bar = set() if strategy.on == "tick" else {bar_length_ns(strategy.on)}
    lengths = sorted({each.bars_ns for each in layout.parts.values() if each.bars_ns} | bar)
    source = _source(
        strategy.on == "tick", strategy.rests, layout.state.size, tuple(layout.shown.values()),
        tuple(_parts(layout, lengths, bar)),
    )  # fmt: skip
    calls = tuple(each.update for each in layout.compiled.values())
    step = _compiled(source, (*layout.shown, *RESERVED), calls, _Decision(strategy))
    return Plan(layout.state, layout.places, layout.channels, lengths, layout.questions, step)


class _Layout:
    # Where each feature lies; inputs of evaluated ones are features like others, only not shown.
    def __init__(self, strategy: Strategy) -> None:
        self.parts: dict[str, Feature] = {}
        for name, each in strategy.features.items():
            if isinstance(each, Evaluated):
                self.parts.update((f"{name}.{label}", one) for label, one in each.inputs.items())
            self.parts[name] = each
        self.compiled = {name: each for name, each in self.parts.items() if not isinstance(each, Evaluated)}
        self.channels = strategy.channels
        states = [np.full(len(self.channels), np.nan)]
        self.places: dict[str, slice] = {}
        at = len(self.channels)
        for name, each in self.parts.items():
            room = -(-each.state.size // 32) * 32  # windows of about one length give one source
            self.places[name] = slice(at, at + each.state.size)
            states.append(np.concatenate([each.state, np.zeros(room - each.state.size)]))
            at += room
        self.state = np.concatenate(states)
        self.shown: dict[str, int] = {}
        for name, each in strategy.features.items():
            for column, output in enumerate(each.outputs):
                label = name if column == 0 else f"{name}_{output}"
                if label in self.shown:
                    raise Misconfigured(
                        f"{strategy.name}: each x.NAME must be one feature's output, {label} is of two features"
                    )
                self.shown[label] = self.places[name].start + column
        self.questions = tuple(
            Question(
                each,
                np.array([self.places[f"{name}.{label}"].start for label in each.inputs], np.int64) + each.columns,
                slice(self.places[name].start, self.places[name].start + len(each.outputs)),
            )
            for name, each in strategy.features.items()
            if isinstance(each, Evaluated)
        )


class _Part(NamedTuple):
    """The bars of one length (0: ticks), the updates that they bring, and which evaluated features, by bit."""

    length: int
    updates: tuple[str, ...]
    asked: int
    decides: bool


def _parts(layout: _Layout, lengths: list[int], decision_bar: set[int]) -> Iterator[_Part]:
    updates: dict[int, list[str]] = {length: [] for length in [0, *lengths]}
    for index, (name, each) in enumerate(layout.compiled.items()):
        place = layout.places[name]
        room = place.start + -(-each.state.size // 32) * 32
        other = "math.nan" if each.other is None else f"fs[{layout.channels.index(each.other)}]"
        bar = "forming_bar" if each.other is None else f"seen({other}, forming_bar)"
        updates[each.bars_ns].append(f"update_{index}(fs[{place.start}:{room}], {bar})  # {name}")
    for length, lines in updates.items():
        asked = sum(1 << at for at, each in enumerate(layout.questions) if each.feature.bars_ns == length)
        yield _Part(length, tuple(lines), asked, length in decision_bar)


@lru_cache(maxsize=256)
def _source(on_tick: bool, rests: bool, room: int, shown: tuple[int, ...], parts: tuple[_Part, ...]) -> str:
    """Write the step; ``shown`` are the places of what ``x`` shows."""
    advance = _advance_lines(on_tick, room, parts)
    unready = " or ".join(f"math.isnan(fs[{place}])" for place in shown) or "False"
    see = ", ".join([*(f"fs[{place}]" for place in shown), "bid, ask, (bid + ask) * 0.5, ask - bid"])
    see = f"X({see}, time_ns)"
    hold = "        return 0.0, 0, 0, 0, HOLD"
    decide = [
        f"    if not due or rarely({unready}):",
        hold,
        f"    x = {see}",
        "    position = position_of(m, z, v)",
        *(_ORDERED if rests else _SIZED),
    ]
    still = [] if rests else _STILL
    records = "    m, z, v = memory[0], sizing[0], view[0]"
    # A body stands in each form as text: numba takes long to inline, and a call with an array costs at each tick.
    return "\n".join(
        [
            "def propose(fs, forming, m, z, v, time_ns, bid, ask, p, still):",
            "    if rarely(m.faulted != 0):", hold, *advance, *decide[:-2], *still, *decide[-2:],
            "def propose_live(fs, forming, memory, sizing, view, time_ns, bid, ask, p):",
            records, "    if rarely(m.faulted != 0):", hold, *advance, *decide,
            "def advance_half(fs, forming, m, time_ns, bid, ask):",
            *advance, "    m.due = due", "",
            "def decide_half(fs, m, z, v, time_ns, bid, ask, p, still):",
            "    if rarely(m.faulted != 0):", hold, "    due = m.due != 0", *decide[:-2], *still, *decide[-2:],
            "def advance_live(fs, forming, memory, time_ns, bid, ask):",
            "    m = memory[0]", *advance, "    m.due = due", "",
            "def decide_live(fs, memory, sizing, view, time_ns, bid, ask, p):",
            records, "    if rarely(m.faulted != 0):", hold, "    due = m.due != 0", *decide,
            "def ready(fs):", f"    return not ({unready})", "",
            "def gather(fs, m, z, v, time_ns, bid, ask):", f"    return {see}, position_of(m, z, v)", "",
        ]
    )  # fmt: skip


def _advance_lines(on_tick: bool, room: int, parts: tuple[_Part, ...]) -> list[str]:
    """Update forming bars and features; ``due`` afterwards says whether the decision is called."""
    lines = [
        f"    assume(fs.shape[0] >= {room})",
        "    mid = (bid + ask) * 0.5",
        "    spread = ask - bid",
        f"    due = {on_tick}",
    ]
    ticks, *bars = parts
    for k, (length, updates, asked, decides) in enumerate(bars):
        lines += [
            f"    f = forming[{k}]",
            "    if time_ns >= f.end_ns:",
            "        if f.volume > 0.0:",
            "            forming_bar = Bar(f.time_ns, f.open, f.high, f.low, f.close, f.volume, f.spread, math.nan)",
            *(f"            {update}" for update in updates),
            *([f"            m.evaluate |= {asked}"] if asked else []),
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
    if ticks.updates:
        lines += ["    forming_bar = Bar(time_ns, mid, mid, mid, mid, 1.0, spread, math.nan)"]
        lines += [f"    {update}" for update in ticks.updates]
    return lines


@njit(nogil=True, inline="always")
def _seen(other: Any, bar: Any) -> Any:
    return Bar(bar.time_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.spread, other)


class _Decision:
    """A decision as a key: two are equal when they are one function, or come of equal origins.

    The compiled form takes what it reads of its module as constants, so that nothing is shared but code.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.decide = strategy.decide
        self.rests = strategy.rests
        self._key = strategy.origin or strategy.decide

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Decision) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _compiled(source: str, fields: tuple[str, ...], updates: tuple[Any, ...], decision: _Decision) -> Step:
    decide = decision.decide
    answer = compiled_answer(decide) if decision.rests else njit(nogil=True)(decide)
    space: dict[str, Any] = {
        "Bar": Bar, "sized": sized, "ordered": ordered, "position_of": position_of, "HOLD": _HOLD,
        "STILL": STILL, "rarely": rarely, "assume": assume,
        "math": math,
        "__name__": __name__, "X": tuple_class("X", fields), "decide": answer, "seen": _seen,
        **{f"update_{index}": update for index, update in enumerate(updates)},
    }  # fmt: skip
    filename = f"<tickhub step {decide.__name__} {abs(hash(source)):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), space)  # noqa: S102  (generated here, from checked names)
    # Inlined before typing: an array passed to a function costs four reference counts, a quarter of the tick.
    inlined = njit(nogil=True, inline="always")
    called = njit(nogil=True)
    return Step(
        propose=inlined(space["propose"]),
        live=keep(called(space["propose_live"])),
        advance_half=inlined(space["advance_half"]),
        decide_half=inlined(space["decide_half"]),
        advance_live=keep(called(space["advance_live"])),
        decide_live=keep(called(space["decide_live"])),
        ready=space["ready"],
        gather=space["gather"],
    )
