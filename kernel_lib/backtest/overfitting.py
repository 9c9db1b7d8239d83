"""The probability that picking the best of many trials picked noise: combinatorially symmetric cross-validation.

The history is cut into an even number of blocks. Every choice of half of them is once what the trials were selected
on, the rest what came after. Where the one that was best in the first half falls below the median in the other, the
selection did no good. D. H. Bailey, J. Borwein, M. Lopez de Prado and Q. J. Zhu, *The Probability of Backtest
Overfitting*, J. of Computational Finance 20(4), 2017.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, table
from kernel_lib.risk.shown import as_html, fraction_pct

__all__ = ["Overfitting", "backtest_overfitting"]

_MAX_SPLITS = 200_000


class Overfitting(msgspec.Struct, frozen=True, kw_only=True):
    """What cross-validation says of a selection.

    Parameters
    ----------
    probability : float
        That the trial picked ends at or below the median of all out of sample; 0.5 is pure chance.
    logits : ndarray, shape (n_splits,)
        ``log(w / (1 - w))`` of the relative rank ``w`` out of sample of the trial that was best in sample.
    in_sample, out_of_sample : ndarray, shape (n_splits,)
        Performance of the trial picked in each half, in units of the measure (Sharpe ratios are per period).
    picked : ndarray of int, shape (n_splits,)
        Which trial was best in sample.
    slope, intercept : float
        Line of performance out of sample over that in sample; a negative slope means the better it looked the worse
        it did. NaN where all picks looked alike.
    loss_probability : float
        Share of splits in which the trial picked lost out of sample.
    n_trials, n_blocks : int
    """

    probability: float
    logits: Floats
    in_sample: Floats
    out_of_sample: Floats
    picked: npt.NDArray[np.int64]
    slope: float
    intercept: float
    loss_probability: float
    n_trials: int
    n_blocks: int

    @property
    def verdict(self) -> str:
        """The probability in words."""
        share = fraction_pct(self.probability)
        if self.probability < 0.1:
            return f"the best in sample stayed above the median in all but {share} of the splits"
        if self.probability < 0.4:
            return f"the best in sample fell to the median or below in {share} of the splits; be careful"
        return (
            f"the best in sample fell to the median or below in {share} of the splits: its selection is worth nothing"
        )

    def plot(self) -> Any:
        """Draw the distribution of the logits and the fall out of sample; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        edges = np.linspace(self.logits.min() - 0.5, self.logits.max() + 0.5, min(40, 2 * self.n_trials + 2))
        left.hist(self.logits, bins=edges, color="tab:gray")
        left.axvline(0.0, color="tab:red", lw=1.0)
        left.set_xlabel("logit of the rank out of sample")
        left.set_ylabel("splits")
        left.set_title(f"probability of overfitting {fraction_pct(self.probability)}")
        right.scatter(self.in_sample, self.out_of_sample, s=6, alpha=0.3, color="tab:blue", edgecolors="none")
        if not math.isnan(self.slope):
            ends = np.array([self.in_sample.min(), self.in_sample.max()])
            right.plot(ends, self.intercept + self.slope * ends, color="tab:red", lw=1.0)
        right.axhline(0.0, color="black", lw=0.6)
        right.set_xlabel("best in sample")
        right.set_ylabel("the same out of sample")
        right.set_title(f"slope {self.slope:.2f}, loss in {fraction_pct(self.loss_probability)}")
        return figure

    def __repr__(self) -> str:
        return (
            f"<Overfitting of {self.n_trials} trials: probability {self.probability:.3f}, slope {self.slope:.2f}, "
            f"loss out of sample {self.loss_probability:.3f}>"
        )

    def _repr_html_(self) -> str:
        return as_html(
            "Overfitting",
            [
                ("probability", fraction_pct(self.probability)),
                ("loss out of sample", fraction_pct(self.loss_probability)),
                ("slope", self.slope),
                ("trials", self.n_trials),
                ("splits", len(self.logits)),
                ("", self.verdict),
            ],
        )


def backtest_overfitting(
    returns: Any, n_blocks: int = 16, *, measure: Callable[[Floats], float] | None = None
) -> Overfitting:
    """Estimate the probability that the best of these trials is best by luck.

    Parameters
    ----------
    returns : array_like, shape (n_periods, n_trials)
        One column for each trial that was looked at, also for those that were thrown away; the same periods for all,
        in order of time, no NaN.
    n_blocks : int
        Even. 16 gives 12,870 splits, 10 gives 252. Rows that do not fill the blocks evenly are left out at the start.
    measure : callable or None
        From the returns of a trial, shape ``(n,)``, to a number, the higher the better. None: the Sharpe ratio of a
        period, computed for all splits at once.

    Raises
    ------
    BadData
        Fewer than two trials, too few periods, an odd number of blocks, or NaN.

    Notes
    -----
    Equal ranks count as their middle, and a trial without variance has a ratio of 0.

    >>> import numpy as np
    >>> luck = np.random.default_rng(1).normal(0.0, 0.01, (400, 30))
    >>> luck[:, 7] += 0.005
    >>> backtest_overfitting(luck, 10).probability
    0.0
    """
    array, _ = table(returns)
    n_periods, n_trials = array.shape
    if n_trials < 2:
        raise BadData(f"overfitting is a matter of several trials, there was {n_trials}; give all that were looked at")
    if isinstance(n_blocks, bool) or not isinstance(n_blocks, int) or n_blocks < 2 or n_blocks % 2:
        raise BadData(f"n_blocks must be an even number of at least 2, it was {n_blocks!r}")
    if math.comb(n_blocks, n_blocks // 2) > _MAX_SPLITS:
        raise BadData(f"n_blocks must give at most {_MAX_SPLITS:,} splits (20 does), it was {n_blocks}")
    length = n_periods // n_blocks
    if length * (n_blocks // 2) < 2:
        raise BadData(f"{n_blocks} blocks need at least {2 * n_blocks} periods, there were {n_periods}")
    blocks = array[n_periods - length * n_blocks :].reshape(n_blocks, length, n_trials)
    chosen = np.array(list(combinations(range(n_blocks), n_blocks // 2)))
    inside = np.zeros((len(chosen), n_blocks), dtype=bool)
    inside[np.arange(len(chosen))[:, None], chosen] = True
    before, after = _sharpes(blocks, inside) if measure is None else _measured(blocks, inside, measure)
    rows = np.arange(len(chosen))
    picked = np.argmax(before, axis=1)
    best, then = before[rows, picked], after[rows, picked]
    below = (after < then[:, None]).sum(axis=1)
    level = (after == then[:, None]).sum(axis=1)
    rank = (below + 0.5 * (level + 1)) / (n_trials + 1)
    logits = np.log(rank / (1.0 - rank))
    slope, intercept = _line(best, then)
    return Overfitting(
        probability=float(np.mean(logits <= 0.0)),
        logits=logits,
        in_sample=best,
        out_of_sample=then,
        picked=picked,
        slope=slope,
        intercept=intercept,
        loss_probability=float(np.mean(then < 0.0)),
        n_trials=n_trials,
        n_blocks=n_blocks,
    )


def _sharpes(blocks: Floats, inside: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Give the ratios of every trial in and out of every split, from the sums of the blocks."""
    # Without the common level first, so that squares of small returns around a large mean keep their digits.
    level = blocks.mean(axis=(0, 1))
    centred = blocks - level
    sums, squares = centred.sum(axis=1), (centred**2).sum(axis=1)
    n_rows = blocks.shape[1] * blocks.shape[0] // 2

    def ratios(weights: Floats) -> Floats:
        mean = weights @ sums / n_rows
        variance = np.maximum(weights @ squares - n_rows * mean**2, 0.0) / (n_rows - 1)
        flat = variance <= 1e-24 * np.maximum(1e-300, (mean + level) ** 2)
        found: Floats = np.where(flat, 0.0, (mean + level) / np.sqrt(np.where(flat, 1.0, variance)))
        return found

    return ratios(inside.astype(np.float64)), ratios((~inside).astype(np.float64))


def _measured(
    blocks: Floats, inside: npt.NDArray[np.bool_], measure: Callable[[Floats], float]
) -> tuple[Floats, Floats]:
    """The same with any measure, which sees the rows in order of time."""
    n_trials = blocks.shape[2]
    # The complement of a split is a split too, so each half is measured once.
    found: dict[bytes, Floats] = {}
    for split in inside:
        rows = blocks[split].reshape(-1, n_trials)
        numbers = np.array([float(measure(rows[:, k])) for k in range(n_trials)])
        if np.isnan(numbers).any():
            raise BadData(
                f"the measure must give a number for every trial, it gave NaN for {np.argmax(np.isnan(numbers))}"
            )
        found[split.tobytes()] = numbers
    before = np.array([found[split.tobytes()] for split in inside])
    after = np.array([found[(~split).tobytes()] for split in inside])
    return before, after


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    away = x - x.mean()
    spread = float(away @ away)
    if spread <= 1e-20 * float(x @ x):
        return math.nan, math.nan
    slope = float(away @ (y - y.mean())) / spread
    return slope, float(y.mean() - slope * x.mean())
