"""Answers to rows that a fold's model had not seen: what calibration, scores, stacking and plots rest on."""

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["Unseen"]


class Unseen(msgspec.Struct, frozen=True):
    """Answers, calibrated with the folds before.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Row numbers of what the model was fitted on.
    columns : ndarray of float, shape (n, n_columns)
        As :attr:`Shape.columns` names them.
    outcomes : ndarray of float, shape (n,) or (n, 3)
        For clusters 1 where the final model agreed, for anomalies 0.
    ends : ndarray of int, shape (n,)
        Row at which each outcome was known.
    reference : ndarray of float, shape (n,)
        For values: what a number was above or below of by the folds before; 0 for other kinds.
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.float64]
    outcomes: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int64]
    reference: npt.NDArray[np.float64]
