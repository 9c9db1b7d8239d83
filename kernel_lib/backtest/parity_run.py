"""Parity: the same ticks through the notebook's backtest and the real engine, compared to the byte.

``parity(strategy, ticks)`` replays here and runs the engine's own program (desk, journal, the strategy in its sandboxed
process, the paper broker) beside it, and compares every decision, order, refusal, fill and closed trade. A gap is
attributed: see :func:`~kernel_lib.backtest.parity_gap.explain`.
"""

import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.checked import check_ticks
from kernel_lib.backtest.outside import outside_events
from kernel_lib.backtest.parity_engine import EngineRun, run_engine
from kernel_lib.backtest.parity_gap import Gap, Side, explain
from kernel_lib.backtest.parity_job import Job
from kernel_lib.backtest.parity_moment import Moment
from kernel_lib.backtest.parity_rerun import Rerun, events_told, tick_of_row
from kernel_lib.backtest.replay import Replay, replay
from kernel_lib.certificate import Certificate, certificate_of
from kernel_lib.errors import BadData, StrategyFault
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.passport import Passport, build_passport
from kernel_lib.risk.shown import rows_html
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Kind, Reason

__all__ = ["EngineSide", "Parity", "counts_of", "parity"]

_AUTHOR = "notebook"


class EngineSide(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is given where it is not what the backtest is given; None: the same.

    With it a strategy is held against the promoted one, or the ticks that a desk saw against those of an archive.

    Parameters
    ----------
    strategy : Strategy or None
    ticks : ndarray of TICK or None
    outside : mapping or None
    account, limits, costs
    """

    strategy: Strategy | None = None
    ticks: Any = None
    outside: Mapping[str, Any] | None = None
    account: AccountConfig | None = None
    limits: RiskLimits | None = None
    costs: Costs | None = None


class Parity:
    """What a comparison of backtest and engine gave.

    Attributes
    ----------
    identical : bool
        Every decision, order, refusal, fill and closed trade is the same to the byte.
    gap : Gap or None
        The first difference and its cause.
    backtest : Replay
    engine_events : ndarray of EVENT
        From the engine's journal.
    counts : dict of str to int
        Ticks, and decisions (changes of mind), orders, refusals, fills and closed trades of the backtest.
    isolated : bool
        The strategy ran in a sandbox on the engine's side; where it could not, ``unisolated`` says why.
    fault : str
        What stopped the strategy, on both sides alike where they are identical.
    """

    def __init__(self, backtest: Replay, passport: Passport, engine: EngineRun, ticks: Ticks, gap: Gap | None) -> None:
        self.backtest = backtest
        self.engine_events = engine.rows
        self.gap = gap
        self.isolated = engine.found.isolated
        self.unisolated = tuple(engine.found.unisolated)
        self.fault = backtest.fault or engine.found.reason
        self.counts = {"ticks": backtest.n_ticks, **counts_of(backtest.events)}
        self.engine_counts = {"ticks": len(engine.ticks), **counts_of(engine.rows)}
        self._passport, self._ticks, self._machine_code = passport, ticks, engine.found.machine_code

    @property
    def identical(self) -> bool:
        return self.gap is None

    def certificate(self) -> Certificate:
        """State the comparison as canonical bytes, see :mod:`kernel_lib.certificate`.

        Made here it is a claim; the platform's own run of the comparison signs it.
        """
        return certificate_of(
            self._passport, self._ticks, counts=self.counts, gap=self.gap, isolated=self.isolated,
            machine_code=self._machine_code,
        )  # fmt: skip

    def require_identical(self) -> "Parity":
        """Give the result itself, or raise.

        Raises
        ------
        StrategyFault
            There is a gap; the message is its explanation.
        """
        if self.gap is not None:
            raise StrategyFault(f"backtest and engine must do the same: {self.gap}")
        return self

    def __repr__(self) -> str:
        name, symbol = self.backtest.strategy.name, self.backtest.instrument.symbol
        told = ", ".join(f"{number:,} {what}" for what, number in self.counts.items())
        lines = [f"<Parity {name} on {symbol}: {'identical' if self.identical else 'NOT identical'}: {told}>"]
        if self.gap is not None:
            lines.append(f"  {self.gap}")
        if self.fault:
            lines.append(f"  the strategy was stopped: {self.fault}")
        if not self.isolated:
            lines.append(f"  the engine's side ran without a sandbox: {'; '.join(self.unisolated)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [[what, f"{number:,}", f"{self.engine_counts[what]:,}"] for what, number in self.counts.items()]
        if self.gap is not None:
            rows.append(["first difference", self.gap.cause, str(self.gap)])
        if self.fault:
            rows.append(["stopped", self.fault, ""])
        if not self.isolated:
            rows.append(["sandbox", "none here", "; ".join(self.unisolated)])
        title = f"{self.backtest.strategy.name}: backtest and engine {'are identical' if self.identical else 'part'}"
        return rows_html(title, ("", "backtest", "engine"), rows)


def parity(
    strategy: Strategy,
    ticks: Ticks,
    *,
    instrument: Instrument | str = "EURUSD",
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    params: Mapping[str, Any] | None = None,
    outside: Mapping[str, Any] | None = None,
    engine: EngineSide | None = None,
    seed: int = 1,
    answer_s: float = 2.0,
    progress: bool | None = None,
) -> Parity:
    """Run a strategy through backtest and engine on the same ticks and compare all that they did.

    Parameters
    ----------
    strategy, ticks, instrument, account, limits, costs, params, outside
        As in :func:`~kernel_lib.backtest.replay.replay`.
    engine : EngineSide or None
        What the engine is given otherwise.
    seed : int
        Of the lengths of the blocks in which the engine gets its ticks.
    answer_s : float
        Seconds that the strategy has for one answer on the engine's side, above 0.
    progress : bool or None
        A progress bar; None shows one at a terminal or in a notebook.

    Returns
    -------
    Parity

    Raises
    ------
    BadData
        As replay; or the strategy's source is not known.
    StrategyFault
        Its source does not run on its own, or a decision does not end (then nothing is replayed here: compiled code
        cannot be interrupted).
    Misconfigured
        The engine is not installed here.
    """
    side = engine or EngineSide()
    contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
    account, limits, costs = account or AccountConfig(), limits or RiskLimits(), costs or Costs()
    if params:
        strategy = strategy.with_params(**params)
    theirs = ticks if side.ticks is None else side.ticks
    for each in (ticks, theirs):
        check_ticks(each)
        if each.dtype != TICK:
            raise BadData("parity needs ticks, as a desk gets them; bars never go over a desk")
    given = side.outside if side.outside is not None else outside
    passport = build_passport(
        side.strategy or strategy, instrument=contract, author=_AUTHOR, tenant=_AUTHOR, created_ns=0,
        account=side.account or account, limits=side.limits or limits, costs=side.costs or costs,
    )  # fmt: skip
    told = outside_events(tuple(passport.channels), given)
    ours_told = outside_events(strategy.channels, outside)
    quoted = [name for name, each in (given or {}).items() if isinstance(each, np.ndarray) and each.dtype == TICK]
    job = Job(bundle=passport.encode(), limits=passport.limits, quoted=quoted, seed=seed, answer_s=answer_s)
    with _bar(len(theirs), progress, strategy.name) as bar:
        # The engine first: it ends what does not end by itself.
        found = run_engine(job, theirs, told, told_progress=lambda n_ticks: bar.update(n_ticks - bar.n))
    late = found.rows[(found.rows["kind"] == int(Kind.FAULT)) & (found.rows["reason"] == int(Reason.TIMEOUT))]
    if len(late):
        raise StrategyFault(
            f"a decision must answer within {answer_s:g} s, at {np.datetime64(int(late['time_ns'][0]), 'ns')}Z it did "
            f"not ({found.found.reason}); it is not replayed here, where nothing could end it"
        )
    backtest = replay(
        strategy, ticks, instrument=contract, account=account, limits=limits, costs=costs, outside=outside,
        progress=progress,
    )  # fmt: skip

    def again() -> Rerun:
        return Rerun(
            strategy, ticks, instrument=contract, account=account, limits=limits, costs=costs,
            events=events_told(ticks, ours_told),
        )  # fmt: skip

    def in_engine(tick: int) -> Moment | None:
        part = run_engine(msgspec.structs.replace(job, stop=tick + 1), theirs, told)
        repeats = part.rows.tobytes() == found.rows[: len(part.rows)].tobytes()
        return msgspec.structs.replace(part.moment(_as_loaded(passport)), repeats=repeats)

    gap = explain(
        Side(
            name="the backtest", ticks=ticks, told=ours_told, rows=backtest.events,
            tick_of=lambda row: tick_of_row(again, backtest.events, row), moment=lambda tick: again().moment(tick),
        ),
        Side(
            name="the engine", ticks=found.ticks, told=told, rows=found.rows,
            tick_of=lambda row: (int(found.row_ticks[row]), True), moment=in_engine,
        ),
    )  # fmt: skip
    return Parity(backtest, passport, found, ticks, gap)


def counts_of(rows: npt.NDArray[np.void]) -> dict[str, int]:
    """Count the rows of a record by what they say.

    >>> from kernel_lib.trading.record import EVENT
    >>> counts_of(np.zeros(0, EVENT))
    {'decisions': 0, 'orders': 0, 'denied': 0, 'fills': 0, 'closed': 0}
    """
    wanted = {
        "decisions": Kind.DECISION, "orders": Kind.ORDER, "denied": Kind.DENIED, "fills": Kind.FILL,
        "closed": Kind.CLOSED,
    }  # fmt: skip
    return {name: int((rows["kind"] == int(kind)).sum()) for name, kind in wanted.items()}


def _as_loaded(passport: Passport) -> Strategy:
    # What the source makes, which need not be what the notebook holds.
    return load_strategy(passport.source, passport.entry, params=passport.params, models=passport.models)


def _bar(n_ticks: int, wanted: bool | None, name: str) -> Any:
    from tqdm.auto import tqdm

    show = wanted if wanted is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(
        total=n_ticks, unit="tick", unit_scale=True, desc=f"{name} in the engine", disable=not show, leave=False
    )
