"""The agents' votes over time: what the panel would have said at each bar of recorded ticks, to look at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernel_lib.agents.orchestrator import Decision
from kernel_lib.errors import BadData
from kernel_lib.market.bar import bar_length_ns
from kernel_lib.market.tick import TICK, Ticks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VoteHistory", "votes_over"]


class _Flat(NamedTuple):
    # The position of somebody who only looks.
    exposure: float = 0.0
    lots: float = 0.0
    entry_price: float = float("nan")
    profit: float = 0.0
    open_time_ns: int = 0
    equity: float = 10_000.0


class _Moment(NamedTuple):
    time_ns: int
    bid: float
    ask: float
    position: _Flat = _Flat()


class VoteHistory:
    """Votes by bar.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a bar, by the time at which it closed (UTC): each agent's direction times its confidence, and of the
        consensus ``direction``, ``confidence``, ``scale`` and ``mid``; NaN for an agent that was left out.
    decisions : list of Decision
        In the same order, with every vote and its reason.
    """

    def __init__(self, frame: "pd.DataFrame", decisions: list[Decision], title: str) -> None:
        self.frame = frame
        self.decisions = decisions
        self.title = title

    def __len__(self) -> int:
        return len(self.decisions)

    def __repr__(self) -> str:
        return f"<VoteHistory {self.title}: {len(self)} bars, {', '.join(self.agents)}>"

    @property
    def agents(self) -> list[str]:
        """Who voted, in the panel's order."""
        return [name for name in self.frame.columns if name not in _OF_THE_CONSENSUS]

    def plot(self) -> Any:
        """Draw price and consensus above, every agent's votes below; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 2.4 + 0.28 * len(self.agents)), layout="constrained")
        top, votes = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, 0.28 * len(self.agents) + 0.6])
        places = np.arange(len(self))
        top.plot(places, self.frame["mid"], lw=0.8, color="gray")
        top.set_ylabel("mid")
        beside = top.twinx()
        beside.fill_between(places, self.frame["direction"], step="mid", alpha=0.4, color="tab:blue")
        beside.set_ylim(-1.05, 1.05)
        beside.set_ylabel("consensus")
        top.set_title(self.title)
        shown = votes.imshow(
            self.frame[self.agents].T, aspect="auto", cmap="RdYlGn", vmin=-1.0, vmax=1.0, interpolation="nearest"
        )
        votes.set_yticks(range(len(self.agents)), self.agents)
        chosen = np.unique(np.linspace(0, len(self) - 1, 6).astype(int))
        votes.set_xticks(chosen, [f"{each:%m-%d %H:%M}" for each in self.frame.index[chosen]])
        figure.colorbar(shown, ax=votes, label="direction x confidence", fraction=0.03)
        return figure

    def explore(self) -> Any:
        """Show a panel with a slider over the bars: the votes and reasons of one moment (an ipywidgets box)."""
        import ipywidgets as w

        words = w.HTML()
        at = w.IntSlider(value=len(self) - 1, min=0, max=len(self) - 1, description="bar", continuous_update=True,
                         layout=w.Layout(width="95%"))  # fmt: skip

        def draw(_: Any = None) -> None:
            closed = self.frame.index[at.value]
            words.value = f"<b>{closed:%Y-%m-%d %H:%M} UTC</b>{self.decisions[at.value]._repr_html_()}"

        at.observe(draw, names="value")
        draw()
        return w.VBox([at, words])

    def _repr_png_(self) -> bytes:
        import io

        target = io.BytesIO()
        self.plot().savefig(target, format="png", dpi=90)
        return target.getvalue()


_OF_THE_CONSENSUS = ("direction", "confidence", "scale", "mid")


def votes_over(
    ticks: Ticks, tier: str = "pro", *, bars: str = "5m", agents: Sequence[str] = (), muted: Sequence[str] = (),
    symbol: str = "", progress: bool = False,
) -> VoteHistory:  # fmt: skip
    """Ask the panel at each bar of recorded ticks, with a flat account, as ``agents.consensus`` does in a strategy.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n_ticks,)
    tier, bars, agents, muted, symbol
        As :func:`kernel_lib.agents.consensus` takes them.
    progress : bool
        Show a bar.

    Raises
    ------
    BadData
        No ticks, or too few for a bar to close.
    Refused
        The tier does not open one of the agents.
    """
    import pandas as pd

    from kernel_lib.agents.as_feature import consensus

    if not isinstance(ticks, np.ndarray) or ticks.dtype != TICK:
        raise BadData(f"votes are formed over an array of ticks (dtype TICK), it was {type(ticks).__name__}")
    feature = consensus(tier, bars=bars, agents=agents, muted=muted, symbol=symbol)
    panel: Any = feature.evaluator
    columns = []
    for each, column in zip(feature.inputs.values(), feature.columns.tolist(), strict=True):
        shown = each(ticks)
        columns.append(list(shown.values())[column] if isinstance(shown, dict) else shown)
    closing = np.flatnonzero(np.diff(ticks["time_ns"] // bar_length_ns(bars)) > 0) + 1
    if not len(closing):
        raise BadData(f"no bar of {bars} closes within these {len(ticks)} ticks; give more, or shorter bars")
    rows = np.column_stack([each[closing] for each in columns])
    moments: Any = zip(rows, ticks[closing].tolist(), strict=True)
    if progress:
        from tqdm.auto import tqdm

        moments = tqdm(moments, total=len(closing), desc="votes", unit="bar", leave=False)
    decisions, lines = [], []
    for row, (time_ns, bid, ask) in moments:
        panel.evaluate(row, _Moment(time_ns, bid, ask))
        decision: Decision = panel.decision
        decisions.append(decision)
        agreed = decision.consensus
        lines.append(
            {vote.agent: vote.direction * vote.confidence for vote in decision.votes}
            | {"direction": agreed.direction, "confidence": agreed.confidence, "scale": agreed.scale,
               "mid": (bid + ask) * 0.5}
        )  # fmt: skip
    index = pd.DatetimeIndex(pd.to_datetime(ticks["time_ns"][closing], utc=True), name="time")
    frame = pd.DataFrame(lines, index=index)
    order = [name for name in frame.columns if name not in _OF_THE_CONSENSUS] + list(_OF_THE_CONSENSUS)
    return VoteHistory(frame[order], decisions, f"{symbol or 'votes'}, {tier}, {bars} bars")
