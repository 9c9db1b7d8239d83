"""The agents as an evaluator: one row of features in, the consensus out, the record kept from row to row."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.agents.consensus import Consensus
from kernel_lib.agents.orchestrator import Decision, Orchestrator
from kernel_lib.agents.reading import Reading
from kernel_lib.agents.regimes import regime_of
from kernel_lib.agents.snapshot import Execution, ModelReport, Portfolio, Quality, Snapshot, TradeTotals
from kernel_lib.agents.track_record import TrackRecord
from kernel_lib.errors import BadData

__all__ = ["OUTPUTS", "Panel"]

OUTPUTS = ("value", "confidence", "scale", "vetoed", "n_votes")
_DAY_NS = 86_400 * 10**9
_N_SPREADS, _N_RETURNS = 51, 250


class _Memory(msgspec.Struct, kw_only=True):
    # What lasts from row to row.
    record: TrackRecord
    weights: dict[str, float] = {}
    spreads: list[float] = []
    returns: list[float] = []
    day: int = -1
    day_start_equity: float = math.nan
    peak_equity: float = math.nan
    last_equity: float = math.nan
    models: list[bytes] = []


class Panel:
    """An evaluator for :class:`~kernel_lib.features.evaluated.Evaluated`.

    Parameters
    ----------
    orchestrator : Orchestrator
    labels : tuple of str
        Of the row's numbers, in order; a row may be longer by what the models read.
    symbol : str
    models : tuple of (str, evaluator, slice, (int, int))
        Name, evaluator, which numbers of the row it reads, and where its direction and confidence stand.
    horizon : int
        Rows after which votes are judged.

    Attributes
    ----------
    decision : Decision or None
        The last one, to be looked at in a notebook.
    """

    def __init__(
        self, orchestrator: Orchestrator, labels: tuple[str, ...], *, symbol: str = "",
        models: tuple[tuple[str, Any, slice, tuple[int, int]], ...] = (), horizon: int = 6,
    ) -> None:  # fmt: skip
        self.orchestrator = orchestrator
        self.labels = labels
        self.symbol = symbol
        self.decision: Decision | None = None
        self._models = models
        self._memory = _Memory(
            record=TrackRecord(horizon=horizon), weights=dict(orchestrator.weights),
            models=[each.state() for _, each, _, _ in models],
        )  # fmt: skip

    @property
    def record(self) -> TrackRecord:
        """The agents' record up to the last row."""
        return self._memory.record

    def evaluate(self, row: npt.NDArray[np.float64], seen: Any) -> Sequence[float]:
        """Answer one row; see :func:`kernel_lib.agents.consensus`."""
        snapshot = self._snapshot(row.tolist(), row, seen)
        self.decision = self.orchestrator.decide(snapshot)
        consensus: Consensus = self.decision.consensus
        regime, _ = regime_of(Reading("record", snapshot))
        voters = set(dict(consensus.weights))
        self._memory.record.see(snapshot.mid, [each for each in consensus.votes if each.agent in voters], regime)
        return (
            consensus.direction, consensus.confidence, consensus.scale, float(bool(consensus.vetoed_by)),
            float(consensus.n_voters),
        )  # fmt: skip

    def state(self) -> bytes:
        """Give what it remembers."""
        self._memory.models = [each.state() for _, each, _, _ in self._models]
        return msgspec.msgpack.encode(self._memory, order="deterministic")

    def restore(self, state: bytes) -> None:
        """Take back what :meth:`state` gave."""
        try:
            memory = msgspec.msgpack.decode(state, type=_Memory)
        except msgspec.DecodeError as error:
            raise BadData(f"the agents' memory must be what state() gave: {error}") from error
        if len(memory.models) != len(self._models):
            raise BadData(f"the memory is of {len(memory.models)} models, the panel has {len(self._models)}")
        self._memory = memory
        for (_, each, _, _), kept in zip(self._models, self._memory.models, strict=True):
            each.restore(kept)
        if self.orchestrator.weights != self._memory.weights:
            self.orchestrator.set_weights(self._memory.weights)

    def _snapshot(self, numbers: list[float], row: npt.NDArray[np.float64], seen: Any) -> Snapshot:
        memory = self._memory
        portfolio = self._portfolio(numbers, seen)
        spread = seen.ask - seen.bid
        if 0.0 <= spread < math.inf:
            memory.spreads = [*memory.spreads[1 - _N_SPREADS :], spread]
        models = []
        for name, model, where, (direction, confidence) in self._models:
            answer = model.evaluate(row[where], seen)
            models.append(
                ModelReport(name=name, direction=float(answer[direction]), confidence=float(answer[confidence]))
            )
        # The tick that closed the bar is the newest there is.
        fresh = Quality(ticks=1, age_s=0.0)
        features = dict(zip(self.labels, numbers, strict=False))
        snapshot = Snapshot(
            time_ns=seen.time_ns, symbol=self.symbol, bid=seen.bid, ask=seen.ask,
            spread_median=median(memory.spreads) if memory.spreads else math.nan, features=features,
            models=tuple(models), portfolio=portfolio, records=memory.record.records(), quality=fresh,
            execution=_execution(seen.traded),
        )  # fmt: skip
        day = seen.time_ns // _DAY_NS
        if day != memory.day:
            self._begin_day(snapshot, day)
        return snapshot

    def _begin_day(self, snapshot: Snapshot, day: int) -> None:
        # Between two sessions: what the learning agents propose now holds for the day; without them, the record does.
        memory = self._memory
        if memory.day >= 0:
            panel = self.orchestrator
            if any(each.group == "learning" for each in panel.agents):
                panel.learn(panel.decide(snapshot))
            else:
                panel.set_weights(memory.record.weights())
            memory.weights = dict(panel.weights)
        memory.day = day

    def _portfolio(self, numbers: list[float], seen: Any) -> Portfolio:
        memory, equity = self._memory, float(seen.position.equity)
        if seen.time_ns // _DAY_NS != memory.day or math.isnan(memory.day_start_equity):
            memory.day_start_equity = equity
        if not memory.peak_equity >= equity:  # NaN at first
            memory.peak_equity = equity
        if memory.last_equity > 0.0:
            memory.returns = [*memory.returns[1 - _N_RETURNS :], equity / memory.last_equity - 1.0]
        memory.last_equity = equity
        return Portfolio(
            equity=equity, peak_equity=memory.peak_equity, day_start_equity=memory.day_start_equity,
            open_profit=float(seen.position.profit), exposure=float(seen.position.exposure),
            returns=tuple(memory.returns), **self._others(numbers),
            totals=TradeTotals(
                closed=seen.traded.closed, won=seen.traded.won, gained=seen.traded.gained, lost=seen.traded.lost
            ),
        )  # fmt: skip

    def _others(self, numbers: list[float]) -> dict[str, Any]:
        # What the other holdings amount to in this instrument: one holding that moves as it does.
        if "holdings" not in self.labels:
            return {}
        worth = numbers[self.labels.index("holdings")]
        return {"weights": (("others", worth),), "correlations": (("others", 1.0),)} if math.isfinite(worth) else {}


def _execution(traded: Any) -> Execution:
    answered = traded.fills + traded.rejected
    return Execution(
        orders=answered, rejected=traded.rejected, slippage_points=traded.slippage_points,
        expected_slippage_points=traded.expected_slippage_points,
    )  # fmt: skip
