"""The compiled loop of an account: every symbol's ticks in one order, each member's own step, one account.

Members of one strategy share its compiled code; a loop is written for the strategies that take part, and compiled once.
A member whose decision numba cannot compile is asked by Python, and evaluated features are answered by it: the loop is
left at its turn and goes on from there.
"""

import linecache
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, typeof

from kernel_lib.backtest.loop import sample
from kernel_lib.kept_code import keep
from kernel_lib.strategy import Proposer
from kernel_lib.trading import dispose, pooled
from kernel_lib.trading.ledger import floating_minor, margin_in_use
from kernel_lib.trading.pooled_rates import margin_rate, set_profit_rate

__all__ = ["ANSWERED", "ASK", "ASKING", "DONE", "DRAIN", "EVALUATE", "NEXT", "Group", "account_loop", "groups_of"]

#: Why the loop was left: the part is done, rows must be drained, Python is to ask the member at the cursor, or to
#: evaluate its features.
DONE, DRAIN, ASK, EVALUATE = 0, 1, 2, 3

#: The cursor is the row of the part, the place among the members, and what is to be done there: bring the next tick
#: to the account, ask the member, or ask it when its features have been evaluated.
NEXT, ASKING, ANSWERED = 0, 1, 2


class Group(NamedTuple):
    """Members of one strategy: what their step works on, stacked."""

    states: npt.NDArray[np.float64]
    forming: npt.NDArray[np.void]
    params: tuple[Any, ...]


def groups_of(proposers: Sequence[Proposer]) -> tuple[list[Group], list[Any], npt.NDArray[np.int64]]:
    """Put members of one compiled step together, and let their proposers work on the stacked state.

    Returns
    -------
    groups : list of Group
    steps : list of (Step, bool)
        Each group's, and whether Python evaluates features of it.
    places : ndarray of int64, shape (n_members, 2)
        Group and place within it; group -1 where Python asks.
    """
    kinds: dict[Any, list[int]] = {}
    places = np.full((len(proposers), 2), -1, np.int64)
    for j, each in enumerate(proposers):
        if not each.plain_python:
            key = each.step, each.evaluates, typeof(each.params), each.state.size, each.forming.size
            kinds.setdefault(key, []).append(j)
    groups = []
    for g, members in enumerate(kinds.values()):
        group = Group(
            np.stack([proposers[j].state for j in members]),
            np.stack([proposers[j].forming for j in members]),
            tuple(proposers[j].params for j in members),
        )
        for at, j in enumerate(members):
            proposers[j].state, proposers[j].forming = group.states[at], group.forming[at]
            places[j] = g, at
        groups.append(group)
    return groups, [key[:2] for key in kinds], places


@njit(cache=True, nogil=True)
def _sample_shares(a, shares, at):  # type: ignore[no-untyped-def]
    """Note what each member has made by the end of an interval of the equity curve."""
    if a.pool[0].n_ticks > 0:
        for j in range(a.books.size):
            shares[j, at] = a.books[j].balance_minor - a.books[j].deposit_minor + a.floating[j]


# Almost every tick touches records only: to pass the account to a function costs the reference counts of its arrays.
_TEMPLATE = """
def run(cursor, part, a, first, members, places, converts, converted, told, told_at, memory, sizing, sampler, points,
        lowest, shares, groups):
    p = a.pool[0]
    books, rules, seen, floating, margin, order = a.books, a.rules, a.seen, a.floating, a.margin, a.order
    links, prices, risk_worth = a.links, a.prices, a.risk_worth
    for i in range(cursor[0], part.size):
        tick = part[i]
        time_ns, bid, ask, symbol = tick.time_ns, tick.bid, tick.ask, tick.symbol
        start, stop = first[symbol], first[symbol + 1]
        if cursor[2] == NEXT:
            cursor[0] = i
            if p.full != 0:
                return DRAIN
            if time_ns >= sampler[1]:
                sample_shares(a, shares, sampler[2])
                sample(points, sampler, lowest, p, time_ns)
            if p.next_due_ns < time_ns or p.day_end_ns <= time_ns:
                catch_up_all(a, time_ns)
            p.n_ticks += 1
            p.time_ns = time_ns
            if converts[symbol, 1] > converts[symbol, 0]:
                prices[symbol].bid = bid
                prices[symbol].ask = ask
                for at in range(converts[symbol, 0], converts[symbol, 1]):
                    j = converted[at]
                    b = books[j]
                    if b.n_positions > 0:
{rates}
                        floating[j] = floating_minor(b, rules[j])
                        margin[j] = margin_in_use(b, rules[j])
            reached = False
            for at in range(start, stop):
                j = members[at]
                b = books[j]
                reached |= take_quote(b, rules[j], time_ns, bid, ask)
{quoted_rates}
                if b.n_positions > 0:
                    floating[j] = floating_minor(b, rules[j])
                    margin[j] = margin_in_use(b, rules[j])
            if reached:
                set_off(a, members, start, stop)
            if p.n_open > 0:
                sum_floating, sum_margin = 0.0, 0.0
                for j in order:
                    sum_floating += floating[j]
                    sum_margin += margin[j]
                p.equity_minor = p.balance_minor + sum_floating
                p.margin_minor = sum_margin
            if is_called(p):
                watch_margin(a)
            if mark_account(p):
                lock_loss(a)
            lowest[0] = min(lowest[0], p.equity_minor)
            cursor[1], cursor[2] = start, ASKING
        for at in range(cursor[1], stop):
            j = members[at]
            b, m, z, v = books[j], memory[j], sizing[j], seen[j]
            show(p, b, v, floating[j])
            if links[j].profit_symbol >= 0:
                z.minor_per_point_unit = risk_worth[j]
            g, k = places[j, 0], places[j, 1]
            cursor[1] = at
{branches}
            else:
                return ASK
            if not unmoved(b, target, units, status):
                take_target(a, j, target, units, stop_points, take_points, status)
        cursor[2] = NEXT
    cursor[0] = 0
    return DONE
"""

_RATES = """
if links[j].profit_symbol >= 0:
    risk_worth[j] = set_profit_rate(b, rules[j], links[j], prices[links[j].profit_symbol])
if links[j].margin_symbol >= 0:
    side = 1 if b.long_units >= b.short_units else -1
    rules[j].margin_minor_per_unit = margin_rate(links[j], prices[links[j].margin_symbol], side)
"""

_BRANCH = """
            {word} g == {g}:
                fs = groups[{g}].states[k]
                while told_at[j, 0] < told_at[j, 1] and told[told_at[j, 0]].time_ns <= time_ns:
                    fs[told[told_at[j, 0]].channel] = told[told_at[j, 0]].number
                    told_at[j, 0] += 1
{step}
"""

_WHOLE = """
                target, units, stop_points, take_points, status = propose_{g}(
                    fs, groups[{g}].forming[k], m, z, v, time_ns, bid, ask, groups[{g}].params[k],
                    NOTHING
                )
"""

# Left between features and decision where a feature is to be evaluated.
_CUT = """
                if m.faulted == 0 and cursor[2] != ANSWERED:
                    advance_{g}(fs, groups[{g}].forming[k], m, time_ns, bid, ask)
                    if m.evaluate != 0:
                        return EVALUATE
                cursor[2] = ASKING
                target, units, stop_points, take_points, status = decide_{g}(
                    fs, m, z, v, time_ns, bid, ask, groups[{g}].params[k], NOTHING
                )
"""

_NOBODY = """
            if g < -1:
                target, units, stop_points, take_points, status = 0.0, 0, 0, 0, 0
"""


@lru_cache(maxsize=32)
def account_loop(steps: tuple[tuple[Any, bool], ...]) -> Callable[..., int]:
    """Give the loop for members of these steps: ``loop(cursor, part, ...)`` gives why it was left.

    Parameters
    ----------
    steps : tuple of (Step, bool)
        Each group's, and whether it has features that Python evaluates.
    """
    branches = []
    space: dict[str, Any] = {
        "__name__": __name__,
        "DRAIN": DRAIN, "DONE": DONE, "ASK": ASK, "EVALUATE": EVALUATE, "NEXT": NEXT, "ASKING": ASKING,
        "ANSWERED": ANSWERED, "NOTHING": math.nan, "sample": sample, "sample_shares": _sample_shares,
        "unmoved": dispose.unmoved,
        "floating_minor": floating_minor, "margin_in_use": margin_in_use, "margin_rate": margin_rate,
        "set_profit_rate": set_profit_rate,
        **{name: getattr(pooled, name) for name in (
            "catch_up_all", "is_called", "lock_loss", "mark_account", "set_off", "show",
            "take_quote", "take_target", "watch_margin",
        )},
    }  # fmt: skip
    for g, (step, evaluates) in enumerate(steps):
        space |= {f"propose_{g}": step.propose, f"advance_{g}": step.advance_half, f"decide_{g}": step.decide_half}
        text = (_CUT if evaluates else _WHOLE).format(g=g).strip("\n")
        branches.append(_BRANCH.format(word="if" if g == 0 else "elif", g=g, step=text).strip("\n"))
    source = _TEMPLATE.format(
        branches="\n".join(branches) or _NOBODY.strip("\n"),
        rates=indent(_RATES.strip("\n"), 24 * " "),
        quoted_rates=indent(_RATES.strip("\n"), 16 * " "),
    )
    filename = f"<tickhub account of {len(steps)} steps {abs(hash(steps)):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), space)  # noqa: S102  (generated here)
    loop: Callable[..., int] = keep(njit(nogil=True)(space["run"]))
    return loop
