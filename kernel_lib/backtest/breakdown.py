"""Where a run's profit came from: its trades by hour, weekday, month, side, reason to close, and regime."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["BREAKDOWNS", "breakdown", "group_keys", "regime_labels"]

#: What trades can be grouped by without further data.
BREAKDOWNS = ("hour", "weekday", "month", "side", "reason")

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def breakdown(trades: Any, by: str, *, regimes: Any = None) -> Any:
    """Group the closed trades of a run.

    Parameters
    ----------
    trades : pandas.DataFrame
        See :func:`~kernel_lib.backtest.report.trades_frame`.
    by : str
        ``hour``, ``weekday`` or ``month`` in which the trade was opened, UTC; ``side``; ``reason`` for which it was
        closed; ``regime`` that was known when it was opened.
    regimes : Series with a DatetimeIndex, or pair of arrays
        For ``regime``: labels, each with the time from which it was known, in order.

    Returns
    -------
    pandas.DataFrame
        Indexed by group: ``trades_count, net_profit_money, average_money, win_rate_pct, t_statistic``; the last is the
        mean profit over its error, NaN for fewer than two trades or none that differ.

    Raises
    ------
    BadData
        Another ``by``, or no regimes.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"open_time_ns": [0, 3600 * 10**9], "net_profit": [5.0, -3.0]})
    >>> breakdown(frame, "hour")["net_profit_money"].tolist()
    [5.0, -3.0]
    """
    import pandas as pd

    net = trades["net_profit"].to_numpy(dtype=np.float64)
    keys: Any = group_keys(trades, by, regimes=regimes)
    if by == "weekday":
        keys = pd.Categorical(keys, categories=list(_WEEKDAYS), ordered=True)
    groups = pd.Series(net).groupby(keys, observed=True)
    counts, sums, means = groups.count(), groups.sum(), groups.mean()
    errors: Any = groups.std(ddof=1) / np.sqrt(counts)
    frame = pd.DataFrame(
        {
            "trades_count": counts,
            "net_profit_money": sums,
            "average_money": means,
            "win_rate_pct": 100.0 * groups.agg(lambda each: float((each > 0).mean())),
            "t_statistic": means / errors.where(errors > 0.0),
        }
    )
    frame.index.name = by
    return frame


def group_keys(trades: Any, by: str, *, regimes: Any = None) -> npt.NDArray[Any]:
    """Give the group of each trade, see :func:`breakdown`."""
    import pandas as pd

    opened_ns = trades["open_time_ns"].to_numpy(dtype=np.int64)
    opened = pd.DatetimeIndex(pd.to_datetime(opened_ns, unit="ns"))
    if by == "hour":
        keys: Any = opened.hour.to_numpy()
    elif by == "weekday":
        keys = np.array(_WEEKDAYS)[opened.day_of_week.to_numpy()]
    elif by == "month":
        keys = opened.strftime("%Y-%m").to_numpy()
    elif by in ("side", "reason"):
        keys = trades[by].to_numpy()
    elif by == "regime":
        if regimes is None:
            raise BadData("a breakdown by regime needs regimes=, labels with the times from which they were known")
        keys = regime_labels(regimes, opened_ns)
    else:
        raise BadData(f"trades are grouped by {', '.join((*BREAKDOWNS, 'regime'))}, it was {by!r}")
    return np.asarray(keys)


def regime_labels(regimes: Any, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Give the label that was known at each time, ``"unknown"`` before the first.

    Parameters
    ----------
    regimes : Series with a DatetimeIndex that carries its zone, or pair (times in ns, labels)
    """
    import pandas as pd

    index: Any = getattr(regimes, "index", None)
    if isinstance(regimes, tuple) and len(regimes) == 2:
        known, labels = np.asarray(regimes[0]), np.asarray(regimes[1]).astype(str)
    elif isinstance(index, pd.DatetimeIndex):
        if index.tz is None:
            raise BadData("times of the regimes must carry their zone; use .tz_localize('UTC')")
        known, labels = index.tz_convert("UTC").as_unit("ns").asi8, regimes.to_numpy().astype(str)
    else:
        raise BadData("regimes must be a Series with a DatetimeIndex, or (times_ns, labels)")
    if known.dtype != np.int64 or known.shape != labels.shape or known.ndim != 1:
        raise BadData(
            f"regimes must have one time (int64 ns) for each label, they had {known.shape} for {labels.shape}"
        )
    if (np.diff(known) < 0).any():
        raise BadData("times of the regimes must not go back; sort them first")
    places = np.searchsorted(known, times_ns, side="right") - 1
    found = np.full(len(times_ns), "unknown", dtype=object)
    found[places >= 0] = labels[places[places >= 0]]
    return found
