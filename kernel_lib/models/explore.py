"""A panel to ask a model: turn its features, see what it says, and how each feature alone would move it."""

import html
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.models.model import Model
from kernel_lib.models.sample import rows_in_order

__all__ = ["ModelExplorer", "explore"]

_STEPS = 41
_MOST_FIELDS = 40


@declared
def explore(model: Model, rows: Any = None) -> "ModelExplorer":
    """Show a panel with a slider for each feature, over the range of the training and of the rows.

    Parameters
    ----------
    model : Model
        Of at most 40 features. One with memory is asked as if the row had stood still for its whole warm-up.
    rows : array_like (n_rows, n_features), mapping of columns, or frame, or None
        Recorded rows to start from; a slider chooses one. Rows with NaN are left out.

    Raises
    ------
    BadData
        Too many features to show, or rows that are not the model's.
    """
    return ModelExplorer(model, rows)


class ModelExplorer:
    """The panel; ``answer`` is what the model says now, by output, and ``panel`` the widget."""

    def __init__(self, model: Model, rows: Any) -> None:
        import ipywidgets as w

        notes = model.card.features
        if len(notes) > _MOST_FIELDS:
            raise BadData(f"a panel shows at most {_MOST_FIELDS} features, this model reads {len(notes)}")
        self.model = model
        self.answer: dict[str, float] = {}
        self._recorded = None if rows is None else _complete(model, rows)
        self._is_moving = False
        ends = np.array([(note.lowest, note.highest) for note in notes])
        if self._recorded is not None:
            ends[:, 0] = np.minimum(ends[:, 0], self._recorded.min(axis=0))
            ends[:, 1] = np.maximum(ends[:, 1], self._recorded.max(axis=0))
        self._sliders = {
            note.name: w.FloatSlider(
                value=0.5 * (low + high), min=low, max=high, step=(high - low) / 200.0, description=note.name,
                readout_format=".4g", continuous_update=False,
            )
            for note, (low, high) in zip(notes, ends.tolist(), strict=True)
        }  # fmt: skip
        self._along = w.Dropdown(options=list(self._sliders), description="along")
        self._says = w.HTML()
        self._image = w.Image(format="png")
        fields: list[Any] = [*self._sliders.values()]
        if self._recorded is not None:
            self._row = w.IntSlider(value=0, min=0, max=len(self._recorded) - 1, description="row",
                                    continuous_update=False)  # fmt: skip
            self._row.observe(lambda _: self._take(self._row.value), names="value")
            fields.insert(0, self._row)
        for slider in self._sliders.values():
            slider.observe(lambda _: self._draw(), names="value")
        self._along.observe(lambda _: self._draw(), names="value")
        self.panel = w.HBox([w.VBox(fields), w.VBox([self._says, self._along, self._image])])
        if self._recorded is None:
            self._draw()
        else:
            self._take(0)

    def turn(self, features: Mapping[str, float]) -> dict[str, float]:
        """Set features as the sliders would, and give the answer by output.

        Raises
        ------
        BadData
            There is no such feature.
        """
        unknown = [name for name in features if name not in self._sliders]
        if unknown:
            raise BadData(f"this model reads {', '.join(self._sliders)}; {', '.join(unknown)} is none of them")
        self._set(features)
        return self.answer

    def _take(self, row: int) -> None:
        if self._recorded is not None:
            self._set(dict(zip(self._sliders, self._recorded[row].tolist(), strict=True)))

    def _set(self, features: Mapping[str, float]) -> None:
        self._is_moving = True
        for name, number in features.items():
            self._sliders[name].value = number
        self._is_moving = False
        self._draw()

    def _draw(self) -> None:
        if self._is_moving:
            return
        at = np.array([slider.value for slider in self._sliders.values()])
        shown = self._ask(at[None, :])
        outputs = self.model.outputs
        self.answer = dict(zip(outputs, shown[0].tolist(), strict=True))
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{each:.4f}</td></tr>" for name, each in self.answer.items()
        )
        self._says.value = f"<b>{html.escape(self.model.card.learner)}</b><table>{cells}</table>"
        self._image.value = self._curve(at)

    def _curve(self, at: npt.NDArray[np.float64]) -> bytes:
        from matplotlib.figure import Figure

        column = list(self._sliders).index(self._along.value)
        slider = self._sliders[self._along.value]
        steps = np.linspace(slider.min, slider.max, _STEPS)
        rows = np.repeat(at[None, :], _STEPS, axis=0)
        rows[:, column] = steps
        shown = self._ask(rows)
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        chances = [name for name in self.model.outputs if name.startswith("p_")] or [self.model.outputs[0]]
        for name in chances:
            axes.plot(steps, shown[:, self.model.outputs.index(name)], label=name)
        axes.axvline(slider.value, color="black", lw=0.6, ls=":")
        axes.set_xlabel(self._along.value)
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=80)
        return target.getvalue()

    def _ask(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        warmup = self.model.card.warmup_rows
        if warmup == 1:
            return self.model.predict(rows).values
        return np.array([self.model.predict(np.repeat(row[None, :], warmup, axis=0)).values[-1] for row in rows])

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.panel._repr_mimebundle_(**options)


def _complete(model: Model, rows: Any) -> npt.NDArray[np.float64]:
    recorded = rows_in_order(rows, None, model.features)
    recorded = recorded[~np.isnan(recorded).any(axis=1)]
    if len(recorded) == 0:
        raise BadData("a panel starts from complete rows, there were none")
    return recorded
