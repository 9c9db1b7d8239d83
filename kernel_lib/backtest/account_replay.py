"""Several strategies on several instruments in one account: one order of time, one balance, one margin.

``replay_account(members, ticks)`` gives an :class:`AccountReplay`. Each member's step is the compiled step of
:func:`~kernel_lib.backtest.replay.replay`; a member alone in an account gives the same bytes as there.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest import counting
from kernel_lib.backtest.account_loop import ANSWERED, ASK, ASKING, DONE, EVALUATE, NEXT, account_loop, groups_of
from kernel_lib.backtest.account_merge import merged
from kernel_lib.backtest.account_rates import Converted, conversion_of, currencies_of
from kernel_lib.backtest.account_result import AccountReplay, MemberRun, own_curve
from kernel_lib.backtest.checked import check_ticks
from kernel_lib.backtest.leak_first import check_first_use
from kernel_lib.backtest.loop import EQUITY, MAX_POINTS, interval_of, sample_at
from kernel_lib.backtest.outside import OUTSIDE, outside_events
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.strategy import Proposer, Strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.pooled import POOL, Pool, take_target
from kernel_lib.trading.pooled_rates import LINK, PRICE
from kernel_lib.trading.record import EVENT, MAX_ROWS_PER_EVENT, NEVER_NS, Status

__all__ = ["Member", "replay_account"]

_RAISED = int(Status.RAISED)
_FAULT = 9


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy on an instrument.

    Parameters
    ----------
    strategy : Strategy
    instrument : Instrument or str
        Contract data, or the symbol of a typical retail contract; its symbol names its ticks.
    name : str
        Empty: the strategy's and the symbol's.
    limits, costs : RiskLimits, Costs or None
        None: those of the account's call. ``daily_loss_fraction`` is the account's and may not differ.
    params, outside : mapping
        As for a replay.
    """

    strategy: Any
    instrument: Any
    name: str = ""
    limits: RiskLimits | None = None
    costs: Costs | None = None
    params: Mapping[str, Any] = {}
    outside: Mapping[str, Any] = {}


class _Bound(msgspec.Struct, frozen=True):
    # A member with everything that its run needs.
    name: str
    strategy: Strategy
    contract: Instrument
    converted: Converted
    book: Book
    proposer: Proposer
    told: npt.NDArray[np.void]


def replay_account(
    members: Sequence[Member],
    ticks: Mapping[str, Ticks],
    *,
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    stale_after_s: float = 3600.0,
) -> AccountReplay:
    """Run several members over the ticks of their symbols, in one account.

    Parameters
    ----------
    members : sequence of Member
        At one tick they are asked in this order, which decides only who gets a margin that is not enough for all.
    ticks : mapping of symbol to ndarray of TICK
        Of every member's symbol, and of pairs that convert. At one time in the order of the mapping.
    account, limits, costs
        As for :func:`~kernel_lib.backtest.replay.replay`; ``limits.daily_loss_fraction`` is of the account.
    stale_after_s : float
        How old the quote of a conversion may become while the symbol that needs it is quoted.

    Returns
    -------
    AccountReplay

    Raises
    ------
    BadData
        Ticks that a replay cannot believe, a symbol without ticks or without a member and no conversion, or a
        conversion that is missing, begins too late or has gaps; the message names the symbol.
    Misconfigured
        No members, two of one name, or a number out of its range.
    Refused
        The day's backtest-seconds are used up.

    Notes
    -----
    Profit that is in another currency than the account's is converted at the quotes of the pair at that time, see
    :mod:`kernel_lib.trading.pooled_rates`; ``account.rates`` fixes a rate instead. Each member is counted as a trial,
    see :mod:`kernel_lib.backtest.counting`.

    Examples
    --------
    >>> from kernel_lib.backtest import replay_account, Member
    >>> from kernel_lib.market.tick import make_ticks
    >>> from kernel_lib.strategies import CATALOGUE
    >>> euro = make_ticks([10**18, 10**18 + 10**9], [1.1, 1.1], [1.1001, 1.1001])
    >>> yen = make_ticks([10**18], [150.0], [150.01])
    >>> cross = CATALOGUE["ma_cross"]
    >>> replay_account([Member(cross, "EURUSD"), Member(cross, "USDJPY")], {"EURUSD": euro, "USDJPY": yen})
    <AccountReplay 2 members on EURUSD, USDJPY: 3 ticks, 0 orders, 0 fills, closed profit 0.00 USD>
    """
    counting.require_seconds()
    account, limits, costs = account or AccountConfig(), limits or RiskLimits(), costs or Costs()
    bound = _bound(members, ticks, account, limits, costs, stale_after_s)
    arrays = list(ticks.values())
    span_ns = min(int(each["time_ns"][0]) for each in arrays), max(int(each["time_ns"][-1]) for each in arrays)
    run = _Run(bound, ticks, account, limits, span_ns)
    run.play(arrays)
    result = run.result()
    n_asked = sum(each.n_ticks for each in result.members)
    for member, each in zip(result.members, bound, strict=True):
        member.seconds = result.seconds * member.n_ticks / n_asked
        counting.count_replay(member, each.told)
    return result


def _bound(
    members: Sequence[Member], ticks: Mapping[str, Ticks], account: AccountConfig, limits: RiskLimits, costs: Costs,
    stale_after_s: float,
) -> list[_Bound]:  # fmt: skip
    if not members:
        raise Misconfigured("an account needs at least one member, it was given none")
    contracts = [known_instrument(each.instrument) if isinstance(each.instrument, str) else each.instrument
                 for each in members]  # fmt: skip
    own = {each.symbol: each for each in contracts}
    for symbol, each in ticks.items():
        check_ticks(each, symbol)
        if each.dtype != TICK:
            raise BadData("an account is replayed on ticks; make them of bars with ticks_from_bars", source=symbol)
    missing = [each for each in own if each not in ticks]
    if missing:
        raise BadData(f"members trade {', '.join(missing)}, of which ticks must be given; given are {', '.join(ticks)}")
    pairs: dict[frozenset[str], tuple[int, bool]] = {}
    for place, symbol in enumerate(ticks):
        currencies = currencies_of(symbol, own)
        if account.currency in currencies and all(currencies):
            pairs.setdefault(frozenset(currencies), (place, currencies[0] == account.currency))
        elif symbol not in own:
            raise BadData(f"ticks of {symbol} are of no member and convert nothing into {account.currency}; leave them")
    found: list[_Bound] = []
    names: set[str] = set()
    for member, contract in zip(members, contracts, strict=True):
        strategy = member.strategy.with_params(**member.params) if member.params else member.strategy
        name = member.name or f"{strategy.name} {contract.symbol}"
        if name in names:
            raise Misconfigured(f"members must have names of their own, two are {name!r}; give name=")
        names.add(name)
        chosen = member.limits or limits
        if chosen.daily_loss_fraction != limits.daily_loss_fraction:
            raise Misconfigured(
                f"{name}: daily_loss_fraction must be the account's {limits.daily_loss_fraction}, it was "
                f"{chosen.daily_loss_fraction}; give it with limits= of the account"
            )
        check_first_use(strategy)
        converted = conversion_of(contract, account, ticks, pairs, stale_after_s=stale_after_s)
        book = Book(contract, converted.account, chosen, member.costs or costs)
        proposer = Proposer(strategy, contract, converted.account)
        found.append(_Bound(
            name, strategy, contract, converted, book, proposer, outside_events(proposer.channels, member.outside)
        ))  # fmt: skip
    return found


class _Run:
    # The state of one run: books and proposers stacked, so that compiled code goes over them by their place.
    def __init__(
        self, bound: Sequence[_Bound], ticks: Mapping[str, Ticks], account: AccountConfig, limits: RiskLimits,
        span_ns: tuple[int, int],
    ) -> None:  # fmt: skip
        self._bound, self._account, self._span_ns = bound, account, span_ns
        self._ticks = ticks
        self._pool = _pool_of(bound, ticks, account, limits)
        symbols = [list(ticks).index(each.contract.symbol) for each in bound]
        self._members = np.argsort(symbols, kind="stable").astype(np.int64)
        self._first = np.searchsorted(np.sort(symbols), np.arange(len(ticks) + 1)).astype(np.int64)
        # Whose money each symbol converts: from where to where in the list.
        links = self._pool.links
        whose = [
            np.flatnonzero((links["profit_symbol"] == at) | (links["margin_symbol"] == at)) for at in range(len(ticks))
        ]
        ends = np.cumsum([len(each) for each in whose])
        self._converts = np.stack([ends - [len(each) for each in whose], ends], axis=1).astype(np.int64)
        self._converted = np.concatenate(whose).astype(np.int64)
        proposers = [each.proposer for each in bound]
        self._memory = np.concatenate([each.memory for each in proposers])
        self._sizing = np.concatenate([each.sizing for each in proposers])
        for j, each in enumerate(proposers):
            each.memory, each.sizing = self._memory[j : j + 1], self._sizing[j : j + 1]
        groups, steps, self._places = groups_of(proposers)
        self._groups = tuple(groups)
        self._loop: Any = account_loop(tuple(steps))
        self._told = np.concatenate([np.zeros(0, OUTSIDE), *(each.told for each in bound)])
        ends = np.cumsum([len(each.told) for each in bound])
        self._told_at = np.stack([ends - [len(each.told) for each in bound], ends], axis=1).astype(np.int64)
        self._sampler = np.array([interval_of(span_ns[1] - span_ns[0]), span_ns[0], 0, 0], np.int64)
        self._points = np.zeros(MAX_POINTS + 16, EQUITY)
        self._lowest = np.full(1, np.inf)
        self._shares = np.zeros((len(bound), MAX_POINTS + 16))
        self._rows: list[list[npt.NDArray[np.void]]] = [[] for _ in bound]
        self._faults = [""] * len(bound)
        self._n_ticks, self._seconds = 0, 0.0

    def play(self, arrays: Sequence[Ticks]) -> None:
        """Run all ticks."""
        cursor = np.zeros(3, np.int64)
        parts = merged(arrays)
        while True:
            began = time.perf_counter()  # the run's speed is reported; the step itself sees no clock
            part = next(parts, None)
            self._seconds += time.perf_counter() - began
            if part is None:
                break
            rest = (
                part, self._pool, self._first, self._members, self._places, self._converts, self._converted, self._told,
                self._told_at, self._memory, self._sizing, self._sampler, self._points, self._lowest, self._shares,
                self._groups or ((),),
            )  # fmt: skip
            if not self._n_ticks:
                self._loop.compile(tuple(_types((cursor, *rest))))
            left = -1
            while left != DONE:
                began = time.perf_counter()
                try:
                    left = self._loop(cursor, *rest)
                except Exception as error:
                    left = -1
                    self._faulted(cursor, part, error)
                if left == ASK:
                    self._ask(cursor, part)
                elif left == EVALUATE:
                    self._evaluate(cursor, part)
                self._seconds += time.perf_counter() - began
                self._drain()
            self._n_ticks += len(part)
        sample_at(self._points, self._sampler, self._lowest, self._pool.pool, int(self._pool.pool["time_ns"][0]))
        self._shares[:, int(self._sampler[2]) - 1] = self._made()

    def _ask(self, cursor: npt.NDArray[np.int64], part: npt.NDArray[np.void]) -> None:
        """Ask a member whose step Python has a part in."""
        j = int(self._members[cursor[1]])
        time_ns, bid, ask, _ = part[cursor[0]].item()
        proposer = self._bound[j].proposer
        while self._told_at[j, 0] < self._told_at[j, 1] and self._told["time_ns"][self._told_at[j, 0]] <= time_ns:
            row = self._told[self._told_at[j, 0]]
            proposer.tell(int(row["channel"]), float(row["number"]))
            self._told_at[j, 0] += 1
        try:
            proposal = proposer.on_tick(time_ns, bid, ask, self._pool.seen[j : j + 1])
        except Exception as error:
            self._faulted(cursor, part, error)
            return
        take_target(self._pool, j, *proposal)
        cursor[1] += 1

    def _evaluate(self, cursor: npt.NDArray[np.int64], part: npt.NDArray[np.void]) -> None:
        """Answer the features of a member that Python evaluates, between its features and its decision."""
        j = int(self._members[cursor[1]])
        time_ns, bid, ask, _ = part[cursor[0]].item()
        try:
            self._bound[j].proposer.evaluate(time_ns, bid, ask, self._pool.seen[j : j + 1])
        except Exception as error:
            self._faulted(cursor, part, error)
            return
        cursor[2] = ANSWERED

    def _faulted(self, cursor: npt.NDArray[np.int64], part: npt.NDArray[np.void], error: Exception) -> None:
        """Put a member out whose decision raised; it holds what it has, and the others go on."""
        if cursor[2] == NEXT:
            raise error
        j = int(self._members[cursor[1]])
        self._bound[j].proposer.fault()
        take_target(self._pool, j, float("nan"), 0, 0, 0, _RAISED)
        when = np.datetime64(int(part["time_ns"][cursor[0]]), "ns")
        row = int(self._pool.books["n_ticks"][j]) - 1
        self._faults[j] = f"tick {row} ({when}Z): {type(error).__name__}: {error}"
        cursor[1:] = cursor[1] + 1, ASKING

    def _drain(self) -> None:
        counts = self._pool.books["n_out"]
        for j in np.flatnonzero(counts):
            self._rows[j].append(self._pool.out[j, : counts[j]].copy())
            counts[j] = 0
        self._pool.pool["full"] = 0

    def _made(self) -> npt.NDArray[np.float64]:
        books = self._pool.books
        made: npt.NDArray[np.float64] = books["balance_minor"] - books["deposit_minor"] + self._pool.floating
        return made

    def result(self) -> AccountReplay:
        """Give what came of it; the members' books get their last state."""
        a = self._pool
        pool = a.pool[0]
        n_points = int(self._sampler[2])
        points = self._points[:n_points].copy()
        members = []
        for j, each in enumerate(self._bound):
            parts = (a.books[j : j + 1], a.positions[j], a.working[j], a.messages[j], a.seen[j : j + 1])
            each.book.restore(b"".join(part.tobytes() for part in parts))
            events = np.concatenate([np.zeros(0, EVENT), *self._rows[j]])
            fault = self._faults[j]
            if each.proposer.faulted and not fault:
                bad = events[events["kind"] == _FAULT][0]
                wanted = "the decision must give a number from -1 to 1, or an order with prices"
                fault = f"{np.datetime64(int(bad['time_ns']), 'ns')}Z: {wanted}, it gave {bad['target']}"
            own = own_curve(points, self._shares[j, :n_points], events, int(pool["deposit_minor"]))
            ticks = self._ticks[each.contract.symbol]
            span_ns = int(ticks["time_ns"][0]), int(ticks["time_ns"][-1])
            members.append(MemberRun(
                each.name, each.strategy, each.contract, each.book, events, own, fault, span_ns, len(ticks)
            ))  # fmt: skip
        return AccountReplay(
            members, self._account, {name: pool[name].item() for name in POOL.names or ()}, points,
            self._n_ticks, self._seconds, self._span_ns,
        )  # fmt: skip


def _types(arguments: tuple[Any, ...]) -> list[Any]:
    from numba import typeof

    return [typeof(each) for each in arguments]


def _pool_of(
    bound: Sequence[_Bound], ticks: Mapping[str, Ticks], account: AccountConfig, limits: RiskLimits
) -> Pool:  # fmt: skip
    books = [each.book.arrays for each in bound]
    pool = np.zeros(1, POOL)
    for name in ("balance_minor", "deposit_minor", "equity_minor", "peak_minor", "day_start_minor"):
        pool[name] = books[0].book["deposit_minor"]
    pool["daily_loss_fraction"] = limits.daily_loss_fraction
    pool["margin_call_fraction"], pool["stop_out_fraction"] = account.margin_call_fraction, account.stop_out_fraction
    pool["next_due_ns"] = NEVER_NS
    prices = np.zeros(len(ticks), PRICE)
    for place, each in enumerate(ticks.values()):
        prices[place] = each["bid"][0], each["ask"][0]
    return Pool(
        pool=pool,
        books=np.concatenate([each.book for each in books]),
        positions=np.stack([each.positions for each in books]),
        working=np.stack([each.working for each in books]),
        messages=np.stack([each.messages for each in books]),
        seen=np.concatenate([each.seen for each in books]),
        rules=np.concatenate([each.rules for each in books]),
        midnights=books[0].midnights,
        nights=books[0].nights,
        out=np.zeros((len(books), 5 * MAX_ROWS_PER_EVENT), EVENT),
        floating=np.zeros(len(books)),
        margin=np.zeros(len(books)),
        order=np.argsort([each.name for each in bound], kind="stable").astype(np.int64),
        prices=prices,
        links=np.concatenate([np.zeros(0, LINK), *(each.converted.link(each.book.arrays.rules) for each in bound)]),
        risk_worth=np.zeros(len(books)),
    )
