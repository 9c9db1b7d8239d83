"""The agents' votes over recorded ticks: a table, a picture, a panel to step through."""

import html
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernel_lib.agents.consensus import Consensus
from kernel_lib.agents.panel import Panel
from kernel_lib.agents.track_record import TrackRecord
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import declared
from kernel_lib.errors import BadData

if TYPE_CHECKING:
    from kernel_lib.features.evaluated import Evaluated
    from kernel_lib.market.tick import Ticks

__all__ = ["VotesOverTime", "votes_over_time"]


class _Flat(NamedTuple):
    exposure: float = 0.0
    lots: float = 0.0
    entry_price: float = float("nan")
    profit: float = 0.0
    open_time_ns: int = 0
    equity: float = 10_000.0


class _Idle(NamedTuple):
    fills: int = 0
    rejected: int = 0
    closed: int = 0
    won: int = 0
    gained: float = 0.0
    lost: float = 0.0
    slippage_points: float = float("nan")
    expected_slippage_points: float = float("nan")


class _Seen(NamedTuple):
    time_ns: int
    bid: float
    ask: float
    position: _Flat
    traded: _Idle = _Idle()


@declared
def votes_over_time(feature: "Evaluated", ticks: "Ticks") -> "VotesOverTime":
    """Ask the panel at every close of its bars over recorded ticks, as a strategy without a position would.

    Parameters
    ----------
    feature : Evaluated
        What ``agents.consensus(...)`` gives, without channels from outside.
    ticks : array of TICK

    Raises
    ------
    BadData
        Another feature, one that reads from outside, or ticks within one bar.
    """
    panel = getattr(feature, "evaluator", None)
    if not isinstance(panel, Panel):
        raise BadData(f"votes are those of agents.consensus(...), it was {feature!r}")
    given: Any = ticks
    if "bid" not in (getattr(getattr(given, "dtype", None), "names", None) or ()):
        raise BadData(f"votes are formed over ticks, as make_ticks gives them, not over {type(given).__name__}")
    outside = sorted({each.other for each in feature.inputs.values() if each.other is not None})
    if outside:
        raise BadData(f"recorded ticks do not hold {', '.join(outside)}; leave calendar and news out, or use a replay")
    closes = np.flatnonzero(np.diff(ticks["time_ns"] // feature.bars_ns)) + 1
    if not len(closes):
        raise BadData(f"the ticks must reach over a bar of {feature.bars}, they do not")
    rows = np.column_stack(
        [_shown(each(ticks), each.outputs[column])[closes]
         for each, column in zip(feature.inputs.values(), feature.columns.tolist(), strict=True)]
    )  # fmt: skip
    before = panel.state()
    panel.restore(feature.beginning)
    found = []
    for row, (time_ns, bid, ask) in zip(rows, ticks[closes].tolist(), strict=True):
        feature.answer(row, _Seen(time_ns, bid, ask, _Flat()))
        if panel.decision is not None:
            found.append(panel.decision.consensus)
    panel.restore(before)
    mids = (ticks["bid"][closes] + ticks["ask"][closes]) * 0.5
    return VotesOverTime(tuple(found), mids)


def _shown(columns: Any, output: str) -> Any:
    return columns[output] if isinstance(columns, dict) else columns


class VotesOverTime:
    """What was said at each close; iterate it, take :attr:`frame`, :meth:`plot` it, or step through :attr:`panel`."""

    def __init__(self, said: tuple[Consensus, ...], mids: Any) -> None:
        self.said = said
        self.mids = mids

    def __iter__(self) -> Iterator[Consensus]:
        return iter(self.said)

    def __len__(self) -> int:
        return len(self.said)

    def __repr__(self) -> str:
        import pandas as pd

        if not self.said:
            return "<VotesOverTime: no bar was closed with a vote>"
        first, last = (pd.Timestamp(self.said[at].known_ns, tz="UTC") for at in (0, -1))
        voters = ", ".join(sorted({name for each in self.said for name, _ in each.weights}))
        vetoed = sum(bool(each.vetoed_by) for each in self.said)
        return (
            f"<VotesOverTime: {len(self)} closes from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, {vetoed} "
            f"vetoed; voters {voters or 'none'}; see .frame, .plot(), .panel, .judged()>"
        )

    @property
    def frame(self) -> Any:
        """A DataFrame by time: mid, consensus, confidence, scale, vetoed, and each agent's side times confidence."""
        import pandas as pd

        rows = [
            {"mid": mid, "direction": each.direction, "confidence": each.confidence, "scale": each.scale,
             "vetoed": bool(each.vetoed_by), **{vote.agent: vote.direction * vote.confidence for vote in each.votes}}
            for each, mid in zip(self.said, self.mids.tolist(), strict=True)
        ]  # fmt: skip
        return pd.DataFrame(rows, index=pd.to_datetime([each.known_ns for each in self.said], utc=True))

    def judged(self, horizon: int = 6) -> TrackRecord:
        """Judge every voter, and the consensus as one more, by the price ``horizon`` closes later."""
        record = TrackRecord(horizon=horizon)
        for said, mid in zip(self.said, self.mids.tolist(), strict=True):
            voters = {name for name, _ in said.weights}
            together = Vote(
                agent="consensus", direction=said.direction, confidence=said.confidence, reason=said.reason, inputs=(),
                known_ns=said.known_ns,
            )  # fmt: skip
            record.see(mid, [*(vote for vote in said.votes if vote.agent in voters), together])
        return record

    def plot(self) -> Any:
        """Draw price, consensus and the voters over time; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        frame = self.frame
        figure = Figure(figsize=(10, 5), layout="constrained")
        price, side = figure.subplots(2, 1, sharex=True)
        price.plot(frame.index, frame["mid"], color="black", linewidth=0.8)
        price.set_ylabel("mid price")
        for agent in sorted({name for each in self.said for name, _ in each.weights}):
            side.plot(frame.index, frame[agent], linewidth=0.7, label=agent)
        side.plot(frame.index, frame["direction"], color="black", linewidth=1.2, label="consensus")
        side.fill_between(frame.index, -1, 1, where=frame["vetoed"], color="tab:red", alpha=0.15, step="post")
        side.set_ylim(-1.05, 1.05)
        side.set_ylabel("side")
        side.legend(frameon=False, fontsize="small", ncols=3)
        return figure

    @property
    def panel(self) -> Any:
        """A widget: the picture, and a slider that shows who said what at one close."""
        import ipywidgets as w

        buffer = io.BytesIO()
        self.plot().savefig(buffer, format="png")
        shown = w.HTML(self.said[-1]._repr_html_())
        at = w.IntSlider(value=len(self.said) - 1, min=0, max=len(self.said) - 1, description="close")
        at.observe(lambda change: setattr(shown, "value", self.said[change["new"]]._repr_html_()), names="value")
        return w.VBox([w.Image(value=buffer.getvalue(), format="png"), at, shown])

    def _repr_html_(self) -> str:
        last = self.said[-1]._repr_html_() if self.said else ""
        return f"<div>{html.escape(repr(self)[1:-1])}{last}</div>"
