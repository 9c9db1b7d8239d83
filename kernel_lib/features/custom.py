"""A feature of one's own: a small plain function, compiled here, that works wherever the catalogue's do."""

import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import njit, types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.features.captured import require_no_look_ahead, times_among
from kernel_lib.features.feature import UPDATE, Feature, channel
from kernel_lib.market.bar import Bar

__all__ = ["FeatureMaker", "feature"]

Size = int | Sequence[float] | Callable[[Any], "int | Sequence[float]"]

_TRIAL_ROWS = 200


class FeatureMaker:
    """What :func:`feature` makes of a function: call it with parameters and ``bars=`` to get a feature."""

    def __init__(
        self,
        function: Callable[..., Any],
        state: Size,
        outputs: tuple[str, ...],
        warmup: int | Callable[[Any], int],
        other: str | None,
    ) -> None:
        self.__name__ = function.__name__
        self.__doc__ = inspect.getdoc(function)
        self._function = function
        self._state = state
        self._outputs = outputs
        self._warmup = warmup
        self._other = other
        self._compiled: dict[tuple[type, ...], Any] = {}
        given = list(inspect.signature(function).parameters.values())
        if len(given) < 2 or any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in given):
            raise Misconfigured(f"{self.__name__} must take (state, bar) and then its parameters by name, it does not")
        self._params = given[2:]
        bars = inspect.Parameter("bars", inspect.Parameter.KEYWORD_ONLY, default=None)
        self.__signature__ = inspect.Signature([*self._params, bars], return_annotation=Feature)
        if all(each.default is not each.empty for each in self._params):
            self()  # what cannot work is said where it is written

    def __call__(self, *args: Any, bars: str | None = None, **params: Any) -> Feature:
        """Give the feature with these parameters.

        Raises
        ------
        Misconfigured
            The function cannot be compiled, leaves its state, gives other outputs, or is not the same twice.
        BadData
            A parameter is missing or is no finite number.
        """
        try:
            bound = self.__signature__.bind(*args, bars=bars, **params)
        except TypeError as error:
            raise BadData(f"{self.__name__}{self.__signature__}: {error}") from error
        bound.apply_defaults()
        numbers = {each.name: self._number(each, bound.arguments[each.name]) for each in self._params}
        own = _resolved(self._state, numbers)
        places = [0.0] * own if isinstance(own, int) else [float(number) for number in own]
        warmup = int(_resolved(self._warmup, numbers))
        if warmup < 1:
            raise Misconfigured(f"{self.__name__}: warmup must be at least 1, it was {warmup}")
        update = self._update_for(tuple(type(number) for number in numbers.values()))
        n_out = len(self._outputs)
        made = Feature(
            self.__name__, numbers, update, [*[0.0] * n_out, 0.0, warmup, *numbers.values(), *places],
            warmup=warmup, bars=bars, outputs=self._outputs, other=self._other, doc=self.__doc__ or "",
        )  # fmt: skip
        self._try_out(made)
        self._check_look_ahead(made)
        return made

    def __repr__(self) -> str:
        return f"<feature {self.__name__}{self.__signature__}>"

    def _number(self, param: inspect.Parameter, number: Any) -> int | float:
        whole = isinstance(number, bool | int | np.integer)
        if (not whole and not isinstance(number, float | np.floating)) or not np.isfinite(number):
            raise BadData(f"{self.__name__}: {param.name} must be a finite number, it was {number!r}")
        if whole and not isinstance(param.default, float):
            return int(number)
        return float(number)

    def _update_for(self, kinds: tuple[type, ...]) -> Any:
        """One machine code for each kind of parameters; their values live in the state."""
        if kinds not in self._compiled:
            self._compiled[kinds] = self._compile(kinds)
        return self._compiled[kinds]

    def _compile(self, kinds: tuple[type, ...]) -> Any:
        # Its own part of the state is checked for bounds: a wrong index would write into another feature.
        inner = njit(nogil=True, error_model="numpy", boundscheck=True)(self._function)
        signature = (types.float64[::1], UPDATE.args[1], *(types.int64 if k is int else types.float64 for k in kinds))
        try:
            inner.compile(signature)
        except (NumbaError, UnsupportedBytecodeError) as error:
            raise Misconfigured(
                f"{self.__name__} cannot be compiled: {_reason(error)}; use numbers, if, for, math.* and np.* on "
                "state[...] and bar.time_ns, open, high, low, close, volume, spread, other"
            ) from error
        answer: Any = inner.overloads[signature]
        self._check_answer(answer.signature.return_type)
        n_out = len(self._outputs)
        first = n_out + 2
        params = "".join(
            f", {'int' if kind is int else 'float'}(s[{first + place}])" for place, kind in enumerate(kinds)
        )
        lines = [
            "def update(s, bar):",
            f"    shown = inner(s[{first + len(kinds)}:], bar{params})",
            f"    if s[{n_out}] < s[{n_out + 1}]:",
            f"        s[{n_out}] += 1.0",
            f"    if s[{n_out}] >= s[{n_out + 1}]:",
            *(f"        s[{k}] = shown{'' if n_out == 1 else f'[{k}]'}" for k in range(n_out)),
        ]
        source = "\n".join(lines)
        filename = f"<tickhub feature {self.__name__}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        namespace: dict[str, Any] = {"inner": inner, "__name__": "tickhub_feature"}
        exec(compile(source, filename, "exec"), namespace)  # noqa: S102  (generated here, from numbers)
        return njit(UPDATE, nogil=True, error_model="numpy", forceinline=True)(namespace["update"])

    def _check_answer(self, answer: Any) -> None:
        n_out = len(self._outputs)
        is_tuple = isinstance(answer, types.BaseTuple)
        parts: list[Any] = list(iter(answer)) if is_tuple else [answer]
        is_right = len(parts) == n_out and (n_out > 1) == is_tuple
        if not is_right or not all(isinstance(each, types.Integer | types.Float | types.Boolean) for each in parts):
            want = "one number" if n_out == 1 else f"{n_out} numbers, for {', '.join(self._outputs)}"
            raise Misconfigured(f"{self.__name__} must return {want} on every path, it returns {answer}")

    def _try_out(self, made: Feature) -> None:
        ends = []
        for _ in range(2):
            state = made.state.copy()
            try:
                for bar in _trial_bars():
                    made.update(state, bar)
            except IndexError as error:
                n_own = made.state.size - len(self._outputs) - 2 - len(self._params)
                raise Misconfigured(
                    f"{self.__name__} must stay within its state of {n_own} places, state[0] to state[{n_own - 1}]; "
                    "ask for more with @f.feature(state=...)"
                ) from error
            except Exception as error:
                raise Misconfigured(
                    f"{self.__name__} must run over any prices, it raised {type(error).__name__}: {error}"
                ) from error
            ends.append(state.tobytes())
        if ends[0] != ends[1]:
            raise Misconfigured(f"{self.__name__} must give the same for the same bars; take the randomness out")

    def _check_look_ahead(self, made: Feature) -> None:
        params = tuple(made.params.values())
        own = made.state[len(self._outputs) + 2 + len(params) :]
        bars = _trial_bars()
        times = times_among(self._function, len(bars))
        if times is not None:
            bars = [bar._replace(time_ns=time_ns) for bar, time_ns in zip(bars, times, strict=True)]

        def over(function: Any) -> Iterator[Sequence[float]]:
            state = own.copy()
            for bar in bars:
                shown = function(state, bar, *params)
                yield shown if isinstance(shown, tuple) else (shown,)

        require_no_look_ahead(self._function, over, called=self.__name__, text=f"{made!r}\n{_text_of(self._function)}")


def feature(
    *,
    state: Size = 0,
    outputs: tuple[str, ...] = ("value",),
    warmup: int | Callable[[Any], int] = 1,
    other: str | None = None,
) -> Callable[[Callable[..., Any]], FeatureMaker]:
    """Make a feature of a function ``update(state, bar, ...) -> number``, to be used like any of the catalogue.

    The function is called on each update with its own memory and the bar (``time_ns, open, high, low, close, volume,
    spread, other``), and returns what it shows: one number, or one for each of ``outputs``. It is compiled, so it may
    use numbers, conditions, loops, ``math`` and NumPy, nothing else. Its parameters are numbers; a default that is a
    whole number keeps them whole. Until ``warmup`` updates it shows NaN. It works in notebook, backtest, sweep and
    live; live loads the text of the cell, so define it in the same cell as the strategy that uses it.

    Parameters
    ----------
    state : int, sequence of float, or a function of the parameters that gives one
        Places of memory, 0.0 at the start; or what they hold at the start.
    outputs : tuple of str
        Names of what it returns.
    warmup : int, or a function of the parameters
        Number of updates after which it shows numbers.
    other : str or None
        The outside channel that it reads as ``bar.other``.

    Raises
    ------
    Misconfigured
        The function cannot work; the message says why, in the cell that defines it.
    BadData
        It reads data of its cell ahead of the bar, see :mod:`~kernel_lib.features.captured`.

    >>> from kernel_lib import features as f
    >>> @f.feature(state=lambda p: [float("nan")], warmup=2)
    ... def step(state, bar, scale=10.0):
    ...     change = (bar.close - state[0]) * scale
    ...     state[0] = bar.close
    ...     return change
    >>> step(scale=2.0)([1.0, 2.0, 4.0]).tolist()
    [nan, 2.0, 4.0]
    """
    if not isinstance(outputs, tuple) or not outputs or len(set(outputs)) < len(outputs):
        raise Misconfigured(f"outputs must be different names such as ('value', 'signal'), they were {outputs!r}")
    if not all(isinstance(name, str) and name.isidentifier() for name in outputs):
        raise Misconfigured(f"outputs must be plain names, they were {outputs!r}")
    if other is not None:
        channel("other", other)
    return lambda function: FeatureMaker(function, state, tuple(outputs), warmup, other)


def _resolved(setting: Any, numbers: dict[str, int | float]) -> Any:
    return setting(SimpleNamespace(**numbers)) if callable(setting) else setting


def _trial_bars() -> list[Bar]:
    """A jagged walk with flat and falling stretches; the same every time."""
    bars = []
    for row in range(_TRIAL_ROWS):
        close = 1.1 + 0.001 * ((row * 7919) % 31 - 15) * (row % 50 > 10)
        bars.append(Bar(row * 60 * 10**9, close, close + 0.0005, close - 0.0005, close, 1.0 + row % 9, 1e-4, close))
    return bars


def _text_of(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return function.__code__.co_code.hex()


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Failed in", "During:", "- ", "[1]", ">>>"))]
    said = lines[0] if lines else type(error).__name__
    where = next((line for line in lines if line.startswith("File ") and "line" in line), "")
    number = where.rpartition("line")[2].strip(" :")
    marked = next((lines[at - 1] for at, line in enumerate(lines) if line.startswith("^") and at), "")
    return f"{said}{f' (line {number})' if number else ''}{f': {marked}' if marked else ''}"
