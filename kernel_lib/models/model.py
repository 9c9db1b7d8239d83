"""A fitted model: it predicts, shows its card, and becomes a bundle."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.card import Card, Facts, raw_width
from kernel_lib.models.core import Core, raw_rows
from kernel_lib.models.prediction import Prediction
from kernel_lib.models.sample import rows_in_order
from kernel_lib.models.unseen import Unseen

__all__ = ["Model", "Unseen"]


class Model:
    """What :meth:`Learner.fit` gives.

    Parameters
    ----------
    core : Core
        The fitted estimator.
    card : Card
        With the calibration in it.
    unseen : Unseen
        On what the card's scores rest.
    """

    comes_from = "what learner.fit(X, y) gives"

    def __init__(self, core: Core, card: Card, unseen: Unseen) -> None:
        self.core = core
        self.card = card
        self.unseen = unseen

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features it reads, in order."""
        return self.card.names

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers it shows."""
        return self.card.shape.outputs

    @declared
    def predict(self, X: Any, *, names: Sequence[str] | None = None) -> Prediction:  # noqa: N803
        """Answer rows in the order of time.

        Parameters
        ----------
        X : array_like (n_rows, n_features), mapping of columns, or frame
        names : sequence of str or None
            Names of the columns of a plain array; they must be those of the training, in its order.

        Returns
        -------
        Prediction
            NaN where a feature is NaN or infinite, and while a model with memory warms up.

        Raises
        ------
        BadData
            Other features, another order, or no numbers.
        """
        rows = rows_in_order(X, names, self.features)
        n_raw = raw_width(self.card)
        raw = raw_rows(self.core, rows, n_raw)
        columns = np.full((len(rows), len(self.card.shape.columns)), np.nan)
        answered = ~np.isnan(raw).any(axis=1)
        if answered.any():
            columns[answered] = self.card.calibration.columns(raw[answered])
        return self.card.shape.show(columns)

    @declared
    def bundle(self, facts: Facts | None = None) -> bytes:
        """Export to ONNX and pack with the card: the bytes that :func:`load_model` reads and a passport carries.

        Before they are given, the bytes are loaded and must answer probing rows as this model does.

        Raises
        ------
        Broken
            The export answers otherwise; :func:`~kernel_lib.models.onnx_export.require_agreement`.
        """
        from kernel_lib.models.bundle import pack
        from kernel_lib.models.onnx_export import export, probing_rows, require_agreement

        card = self.card if facts is None else self.card.with_facts(facts)
        packed = pack(export(self), card)
        require_agreement(self, packed, probing_rows(self))
        return packed

    def plot(self) -> Any:
        """Draw how its confidence held on unseen rows; give the matplotlib Figure."""
        from kernel_lib.models.reliability import plot_reliability

        return plot_reliability(self.card, self.unseen)

    @declared
    def sample(self, n_rows: int, *, seed: int) -> Any:
        """Make rows like those of the training, where the model can: a GAN does.

        Returns
        -------
        tuple of ndarray
            Rows ``(n_rows, n_features)`` and their directions ``(n_rows,)``.
        """
        make = getattr(self.core, "sample", None)
        if make is None:
            raise BadData(f"rows can be made by a gan_data_augmenter, this model is a {self.card.learner}")
        return make(n_rows, seed=seed)

    def __repr__(self) -> str:
        return f"Model({self.card!r})"

    def _repr_html_(self) -> str:
        return self.card._repr_html_()
