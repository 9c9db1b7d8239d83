"""Whether made rows help: the same learner with and without them, on the same rows that neither had seen."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.gan_data_augmenter import GanDataAugmenter
from kernel_lib.models.model import Model

__all__ = ["Judgement", "judge"]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Log losses out of sample, lower is better.

    Parameters
    ----------
    without, with_made_rows : float
        Mean loss of the inner learner on real rows alone, and on real and made rows.
    gain : float
        The first less the second; above 0 the made rows help.
    standard_error : float
        Of the gain, over blocks of rows, because neighbours share their outcomes.
    rows : int
        Unseen rows that both answered.
    helps : bool
        The gain is above two standard errors.
    verdict : str
        In words.
    """

    without: float
    with_made_rows: float
    gain: float
    standard_error: float
    rows: int
    helps: bool
    verdict: str


@declared
def judge(
    augmenter: GanDataAugmenter,
    X: Any,  # noqa: N803
    y: Any,
    *,
    names: Sequence[str] | None = None,
    times_ns: npt.ArrayLike | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool = False,
) -> Judgement:
    """Fit both ways on the same folds with each seed, and compare row by row.

    Parameters
    ----------
    augmenter : GanDataAugmenter
    X, y, names, times_ns
        As for :meth:`Learner.fit`.
    seeds : sequence of int
        Losses are averaged over them, so that the luck of one generator does not decide.
    progress : bool
    """
    if not isinstance(augmenter, GanDataAugmenter):
        raise BadData(f"what is judged must be a GanDataAugmenter, it was {type(augmenter).__name__}")
    if not seeds:
        raise BadData("at least one seed is needed, there was none")
    shared = {name: getattr(augmenter, name) for name in ("folds", "embargo", "anchored", "calibration")}
    inner = msgspec.structs.replace(augmenter.inner, **shared)
    plain: list[npt.NDArray[np.float64]] = []
    augmented: list[npt.NDArray[np.float64]] = []
    for seed in seeds:
        for learner, found in ((inner, plain), (augmenter, augmented)):
            model = learner.fit(X, y, names=names, times_ns=times_ns, seed=seed, progress=progress)
            found.append(_losses(model))
    without, with_made = np.mean(plain, axis=0), np.mean(augmented, axis=0)
    gains = without - with_made
    n_blocks = max(2, min(30, len(gains) // 10))
    blocks = np.array([part.mean() for part in np.array_split(gains, n_blocks)])
    gain, error = float(gains.mean()), float(blocks.std(ddof=1) / np.sqrt(n_blocks))
    return Judgement(
        without=float(without.mean()), with_made_rows=float(with_made.mean()), gain=gain, standard_error=error,
        rows=len(gains), helps=gain > 2.0 * error, verdict=_verdict(gain, error),
    )  # fmt: skip


def _losses(model: Model) -> npt.NDArray[np.float64]:
    unseen = model.unseen
    index = np.searchsorted(model.card.shape.classes, unseen.outcomes)
    chances = unseen.columns[np.arange(len(index)), index]
    losses: npt.NDArray[np.float64] = -np.log(np.clip(chances, 1e-6, 1.0))
    return losses


def _verdict(gain: float, error: float) -> str:
    if gain > 2.0 * error:
        return f"made rows help: the loss falls by {gain:.4f} ({error:.4f} of standard error)"
    if gain < -2.0 * error:
        return f"made rows hurt: the loss rises by {-gain:.4f} ({error:.4f} of standard error); do without"
    return f"made rows make no difference that can be told: {gain:+.4f} ({error:.4f} of standard error); do without"
