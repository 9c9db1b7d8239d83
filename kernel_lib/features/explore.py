"""A panel to look at features over recorded data: choose one, turn its parameters, copy the line that makes it."""

import html
import inspect
import io
from collections.abc import Callable
from typing import Any

from kernel_lib.errors import BadData
from kernel_lib.features.catalogue import CATALOGUE
from kernel_lib.features.feature import Feature
from kernel_lib.features.show import purpose

__all__ = ["Explorer", "explore"]

_BARS = ("none", "15s", "1m", "5m", "15m", "1h", "4h", "1d")
_MOST_ROWS = 20_000


def explore(series: Any, other: Any = None, start: str = "rsi") -> "Explorer":
    """Show a panel that draws any feature of the catalogue over recorded data.

    Parameters
    ----------
    series, other
        As for calling a feature; of long series the newest 20,000 rows are drawn. Without ``other`` what reads from
        outside is not offered.
    start : str
        The feature that is shown first.

    Raises
    ------
    BadData
        The series is none, or there is no such feature.
    """
    return Explorer(series, other, start)


class Explorer:
    """The panel; ``feature`` is what it shows now, ``panel`` the widget."""

    def __init__(self, series: Any, other: Any, start: str) -> None:
        import ipywidgets as w

        from kernel_lib.features.series import read_series

        self._n_rows = len(read_series(series).values)
        self._series = series
        self._other = other
        self._makers = {name: make for name, make in CATALOGUE.items() if _can_turn(make, has_other=other is not None)}
        if start not in self._makers:
            raise BadData(f"start must be one of {', '.join(self._makers)}; it was {start!r}")
        self._choice = w.Dropdown(options=sorted(self._makers), value=start, description="feature")
        self._bars = w.Dropdown(options=_BARS, value="none", description="bars")
        self._params = w.VBox()
        self._about = w.HTML()
        self._source = w.HTML()
        self._image = w.Image(format="png")
        self._complaint = w.HTML()
        left = w.VBox([self._choice, self._bars, self._params, self._source])
        self.panel = w.HBox([left, w.VBox([self._about, self._image, self._complaint])])
        self.feature = _made(self._makers[start])
        self._choice.observe(lambda _: self._choose(), names="value")
        self._bars.observe(lambda _: self._draw(), names="value")
        self._choose()

    def turn(self, **params: Any) -> Feature:
        """Set parameters as the fields would, and give the feature; ``feature`` and ``bars`` choose those.

        Raises
        ------
        BadData
            There is no such field.
        """
        if "feature" in params:
            self._choice.value = params.pop("feature")
        if "bars" in params:
            self._bars.value = params.pop("bars") or "none"
        fields = {field.description: field for field in self._params.children}
        for name, number in params.items():
            if name not in fields:
                raise BadData(f"{self._choice.value} has no parameter {name!r}; it has {', '.join(fields) or 'none'}")
            fields[name].value = number
        return self.feature

    @property
    def complaint(self) -> str:
        """Empty, or why the fields as they stand make no feature; the last one that worked stays drawn."""
        return html.unescape(str(self._complaint.value))

    def _choose(self) -> None:
        make = self._makers[self._choice.value]
        self._params.children = [field for each in _turned(make) if (field := self._field(each)) is not None]
        self._about.value = f"<i>{html.escape(purpose(make.__doc__ or ''))}</i>"
        self._draw()

    def _field(self, param: inspect.Parameter) -> Any:
        import ipywidgets as w

        kinds: dict[type, Any] = {int: w.IntText, float: w.FloatText, str: w.Text}
        initial = _initial(param)
        field = kinds[type(initial)](value=initial, description=param.name, continuous_update=False)
        field.observe(lambda _: self._draw(), names="value")
        return field

    def _draw(self) -> None:
        from matplotlib.figure import Figure

        params = {field.description: field.value for field in self._params.children}
        bars = None if self._bars.value == "none" else self._bars.value
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        try:
            feature = self._makers[self._choice.value](**params, bars=bars)
            axes = feature.plot(self._series, self._other if feature.other else None, figure.subplots())
        except BadData as error:
            self._complaint.value = html.escape(str(error))
            return
        if self._n_rows > _MOST_ROWS:
            for line in axes.lines:
                line.set_data(line.get_xdata()[-_MOST_ROWS:], line.get_ydata()[-_MOST_ROWS:])
            axes.relim()
            axes.autoscale()
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=90)
        self.feature = feature
        self._image.value = drawn.getvalue()
        self._source.value = f"<code>{html.escape(feature.to_source())}</code>"
        self._complaint.value = ""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.panel._repr_mimebundle_(**options)


def _turned(make: Callable[..., Feature]) -> list[inspect.Parameter]:
    return [each for each in inspect.signature(make).parameters.values() if each.name != "bars"]


def _initial(param: inspect.Parameter) -> Any:
    """What a field starts from: the default, or for what has none a usual window or a name."""
    if param.default is not param.empty:
        return param.default
    return 20 if param.annotation is int else "other" if param.annotation is str else None


def _can_turn(make: Callable[..., Feature], *, has_other: bool) -> bool:
    """Whether fields can make it: its parameters are numbers and names, and what it reads is there."""
    if not all(isinstance(_initial(each), int | float | str) for each in _turned(make)):
        return False
    return has_other or _made(make).other is None


def _made(make: Callable[..., Feature]) -> Feature:
    return make(**{each.name: _initial(each) for each in _turned(make)})
