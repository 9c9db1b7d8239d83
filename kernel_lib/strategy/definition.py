"""The ``@strategy`` decorator, and what it makes: a decision with its features, parameters and stops."""

import contextlib
import copy
import inspect
import keyword
import linecache
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kernel_lib.declared import shown
from kernel_lib.errors import BadData, Misconfigured, StrategyFault
from kernel_lib.features.feature import Feature
from kernel_lib.features.shelf import holding
from kernel_lib.market.bar import bar_length_ns, bar_length_text
from kernel_lib.strategy.answered import answers_orders
from kernel_lib.strategy.sizing import FixedLots, Sizing

__all__ = ["RESERVED", "Strategy", "load_strategy", "strategy"]

Number = int | float | bool
Features = Mapping[str, Feature] | Callable[[Any], Mapping[str, Feature]]
Decision = Callable[[Any, Any, Any], Any]

#: Names that every ``x`` carries beside the features.
RESERVED = ("bid", "ask", "mid", "spread", "time_ns")


class Strategy:
    """A trading idea, written once.

    Made by :func:`strategy`; ``with_params`` gives a copy with other parameters. In a notebook its repr lists what
    it is made of.
    """

    def __init__(
        self,
        decide: Decision,
        *,
        on: str,
        features: Features,
        params: Mapping[str, Number],
        stop_loss_points: int | str,
        take_profit_points: int | str,
        trailing_points: int | str = 0,
        sizing: Sizing,
        source: str,
    ) -> None:
        self.decide = decide
        self.name = decide.__name__
        self.entry = decide.__name__
        self.doc = inspect.getdoc(decide) or ""
        self.on = "tick" if on == "tick" else bar_length_text(bar_length_ns(on))
        self.params: dict[str, Number] = dict(params)
        self.sizing = sizing
        self.source = source
        #: All that it came of, where the source ran on its own: equal origins decide alike. Else None.
        self.origin: tuple[Any, ...] | None = None
        self._features = features
        self._stop_loss_points = stop_loss_points
        self._take_profit_points = take_profit_points
        self._trailing_points = trailing_points
        #: Its decision may answer a resting order, see :mod:`kernel_lib.strategy.orders`.
        self.rests = answers_orders(decide)
        for name, number in self.params.items():
            _check_name(name, "parameter", self.name)
            if not isinstance(number, int | float) or not math.isfinite(number):
                raise Misconfigured(f"{self.name}: parameter {name} must be a finite number, it was {number!r}")
        self._bind()

    def _bind(self) -> None:
        """Make what follows from the parameters."""
        self.features = self._make_features()
        self.stop_loss_points = self._points(self._stop_loss_points, "stop_loss_points")
        self.take_profit_points = self._points(self._take_profit_points, "take_profit_points")
        self.trailing_points = self._points(self._trailing_points, "trailing_points")

    @property
    def paper_only(self) -> str:
        """Empty, or what it does that only the simulated broker knows as yet."""
        return "resting orders" if self.rests else "a trailing stop" if self.trailing_points else ""

    @property
    def as_given(self) -> tuple[Any, ...]:
        """Features, distances and sizing as they were given: what its text does not say where it names a variable."""
        features = self._features if callable(self._features) else tuple(self._features.items())
        distances = self._stop_loss_points, self._take_profit_points, self._trailing_points
        return self.on, features, *distances, self.sizing

    @property
    def channels(self) -> tuple[str, ...]:
        """What its features read from outside, sorted; of evaluated ones what their inputs read."""
        parts = [one for each in self.features.values() for one in (each, *getattr(each, "inputs", {}).values())]
        return tuple(sorted({each.other for each in parts if each.other is not None}))

    def with_params(self, **changes: Number) -> "Strategy":
        """Give a copy with some parameters changed; whole numbers stay whole.

        Raises
        ------
        Misconfigured
            No such parameter, or a number of the wrong kind.
        """
        params = dict(self.params)
        for name, number in changes.items():
            if name not in params:
                raise Misconfigured(f"{self.name} has no parameter {name!r}; it has {', '.join(params) or 'none'}")
            params[name] = _as_kind(params[name], number, f"{self.name}: parameter {name}")
        changed = copy.copy(self)
        changed.params = params
        changed._bind()
        return changed

    def __repr__(self) -> str:
        features = ", ".join(f"{name}={feature!r}" for name, feature in self.features.items())
        params = ", ".join(f"{name}={number!r}" for name, number in self.params.items())
        return f"<Strategy {self.name} on {self.on}: {features}; {params or 'no parameters'}; {self.sizing!r}>"

    def _repr_html_(self) -> str:
        rows = [("decides on", self.on), *((f"x.{name}", repr(each)) for name, each in self.features.items())]
        rows += [(f"p.{name}", repr(number)) for name, number in self.params.items()]
        rows += [("stop-loss", f"{self.stop_loss_points} points"), ("take-profit", f"{self.take_profit_points} points")]
        rows += [("trailing stop", f"{self.trailing_points} points")] if self.trailing_points else []
        rows += [("sizing", repr(self.sizing))]
        body = "".join(f"<tr><th style='text-align:left'>{left}</th><td>{right}</td></tr>" for left, right in rows)
        return f"<b>{self.name}</b><br>{self.doc.splitlines()[0] if self.doc else ''}<table>{body}</table>"

    def _make_features(self) -> dict[str, Feature]:
        made = self._features(SimpleNamespace(**self.params)) if callable(self._features) else self._features
        if not isinstance(made, Mapping):
            raise Misconfigured(
                f"{self.name}: features must be given by name, as in dict(fast=f.ema(12)), it was {shown(made)}"
            )
        features = dict(made)
        for name, each in features.items():
            _check_name(name, "feature", self.name)
            if name in RESERVED:
                raise Misconfigured(f"{self.name}: {name!r} is always there as x.{name}; name the feature otherwise")
            if not isinstance(each, Feature):
                raise Misconfigured(f"{self.name}: x.{name} must be a feature such as f.ema(12), it was {each!r}")
        return features

    def _points(self, given: int | str, what: str) -> int:
        if isinstance(given, str):
            if given not in self.params:
                raise Misconfigured(f"{self.name}: {what} names the parameter {given!r}, which is not there")
            given = int(self.params[given])
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise Misconfigured(f"{self.name}: {what} must be a whole number of points from 0 on, it was {given!r}")
        return given


def strategy(
    *,
    on: str = "tick",
    features: Features,
    params: Mapping[str, Number] | None = None,
    stop_loss_points: int | str = 0,
    take_profit_points: int | str = 0,
    trailing_points: int | str = 0,
    sizing: Sizing | None = None,
) -> Callable[[Decision], Strategy]:
    """Make a strategy of a decision ``decide(x, position, p) -> target``.

    The target is an exposure from -1 (short) to 1 (long), or an order that waits for its price, see
    :mod:`kernel_lib.strategy.orders`. ``x`` holds the features by name (of a feature with
    several outputs the first; the others as ``x.NAME_OUTPUT``) and ``bid, ask, mid, spread, time_ns``;
    ``position`` holds ``exposure, lots, entry_price, profit, open_time_ns, equity``; ``p`` the parameters. While a
    feature is NaN the decision is not called and the exposure holds. After a stop-loss or take-profit a target
    equal to the one that was stopped is not entered again until the decision has changed its mind.

    Parameters
    ----------
    on : str
        ``"tick"``, or a bar length such as ``"1m"``: then the decision is called when such a bar closes.
    features : mapping of str to Feature, or a function of the parameters that gives one
        With a function, parameters may be windows: ``lambda p: dict(fast=f.ema(p.fast))``.
    params : mapping of str to number
        Whole numbers stay whole.
    stop_loss_points, take_profit_points : int or str
        Distances from the quote at entry, 0 for none; or the name of a parameter that holds it.
    trailing_points : int or str
        Distance at which the stop-loss follows the quote, towards profit only; 0 for none. Without
        ``stop_loss_points`` it is also where the stop begins. Backtest and paper only.
    sizing : FixedLots or RiskFraction
        What exposure 1 means; 0.1 lots if nothing is said.

    Raises
    ------
    Misconfigured
        A name, number or feature is not usable; the message says which.
    """

    def make(decide: Decision) -> Strategy:
        if len(inspect.signature(decide).parameters) != 3:
            raise Misconfigured(f"{decide.__name__} must take (x, position, p)")
        return Strategy(
            decide,
            on=on,
            features=features,
            params=params or {},
            stop_loss_points=stop_loss_points,
            take_profit_points=take_profit_points,
            trailing_points=trailing_points,
            sizing=sizing or FixedLots(),
            source=_source_around(decide),
        )

    return make


def load_strategy(
    source: str,
    entry: str,
    *,
    filename: str = "<strategy>",
    params: Mapping[str, Number] | None = None,
    models: Mapping[str, bytes] | None = None,
) -> Strategy:
    """Run a strategy's source text and give the strategy named ``entry``.

    This executes the text: call it only where its author may act, in the author's own process or the sandbox.

    Parameters
    ----------
    source, entry : str
    filename : str
        For tracebacks.
    params : mapping
        Parameters to change.
    models : mapping of str to bytes
        Bundles that the source names, see :mod:`kernel_lib.features.shelf`; None: what is kept in this process.

    Raises
    ------
    StrategyFault
        The text does not compile, raises, or has no such strategy.
    """
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "tickhub_strategy", "__file__": filename}
    with contextlib.nullcontext() if models is None else holding(models):
        try:
            exec(compile(source, filename, "exec"), namespace)  # noqa: S102
        except Exception as error:
            raise StrategyFault(
                f"{filename} must run on its own, with its imports: {type(error).__name__}: {error}"
            ) from error
        found = _found(namespace, entry, filename)
        found.source = source
        found.origin = (source, entry, *sorted((models or {}).items()))
        return found.with_params(**params) if params else found


def _found(namespace: Mapping[str, Any], entry: str, filename: str) -> Strategy:
    found = namespace.get(entry)
    if not isinstance(found, Strategy):
        names = [name for name, each in namespace.items() if isinstance(each, Strategy)]
        raise StrategyFault(f"{filename} must define the strategy {entry!r}; it defines {', '.join(names) or 'none'}")
    return found


def _source_around(decide: Decision) -> str:
    """Give the whole text of the file or notebook cell that the decision stands in."""
    filename = decide.__code__.co_filename
    lines = linecache.getlines(filename)
    if lines:
        return "".join(lines)
    path = Path(filename)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _as_kind(old: Number, new: Number, what: str) -> Number:
    try:
        if isinstance(old, bool):
            if new in (0, 1):
                return bool(new)
        elif isinstance(old, int):
            if math.isfinite(new) and int(new) == new:
                return int(new)
        elif math.isfinite(new):
            return float(new)
    except TypeError:
        pass
    kind = {bool: "true or false", int: "a whole number", float: "a finite number"}[type(old)]
    raise Misconfigured(f"{what} must be {kind}, it was {new!r}")


def _check_name(name: str, what: str, owner: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise BadData(f"{owner}: a {what} must have a plain name, it was {name!r}")
