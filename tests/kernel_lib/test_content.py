"""What makes two functions one to the compiler, and what does not."""

import math
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from numba import njit, types

from kernel_lib.content import content_of
from kernel_lib.features.ema import ema
from kernel_lib.strategies import ma_cross

SCALE = 2.0
LIMITS = (1, 2.5)


def scaled(x: float) -> float:
    return x * SCALE


def _remade(function: Any, **names: object) -> Any:
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__, None, None)


def _adder(step: object) -> Any:
    def add(x):  # type: ignore[no-untyped-def]
        return x + step

    return add


def test_a_function_and_its_like_have_one_content() -> None:
    assert content_of(scaled) == content_of(_remade(scaled))
    assert content_of(_adder(1)) == content_of(_adder(1))


@pytest.mark.parametrize("other", [2.5, 2, True, "2.0", np.float32(2.0), np.array([2.0]), (2.0,), None])
def test_another_value_of_its_module_is_another_content(other: object) -> None:
    assert content_of(_remade(scaled, SCALE=other)) not in (None, content_of(scaled))


@pytest.mark.parametrize("other", [2, 1.0, True, (1,)])
def test_another_value_around_it_is_another_content(other: object) -> None:
    assert content_of(_adder(other)) not in (None, content_of(_adder(1)))


def test_a_function_that_it_calls_counts_as_deep_as_it_goes() -> None:
    inner = njit(_adder(1))
    outer = njit(_adder(inner))
    same = njit(_adder(njit(_adder(1))))
    other = njit(_adder(njit(_adder(2))))
    assert content_of(outer) == content_of(same)
    assert content_of(outer) != content_of(other)


def test_how_a_function_is_compiled_counts() -> None:
    add = _adder(1)
    forms = [content_of(njit(add)), content_of(njit(fastmath=True)(add)), content_of(njit(boundscheck=True)(add))]
    assert None not in forms
    assert len(set(forms)) == 3


def test_the_layout_of_a_record_counts() -> None:
    packed, padded = np.dtype([("a", "<i2"), ("b", "<f8")]), np.dtype([("a", "<i2"), ("b", "<f8")], align=True)
    contents = [content_of(_adder(each)) for each in (packed, padded, np.dtype([("a", "<i2"), ("c", "<f8")]))]
    assert None not in contents
    assert len(set(contents)) == 3
    assert content_of(_adder(np.dtype([("a", object)]))) is None


def test_a_function_of_ours_counts_by_its_name_and_by_its_sources_digest() -> None:
    assert content_of(ema(12).update) == content_of(ema(26).update) is not None


def test_a_function_that_calls_itself_ends() -> None:
    def down(x):  # type: ignore[no-untyped-def]
        return down(x - 1) if x > 0 else 0  # type: ignore[no-untyped-call]

    assert content_of(down) is not None


def test_a_changed_default_and_a_changed_nested_constant_count() -> None:
    def first(x, by=1):  # type: ignore[no-untyped-def]
        return [each + 1 for each in (x, by)]

    second = _remade(first)
    second.__defaults__ = (2,)
    third = FunctionType(
        first.__code__.replace(co_consts=tuple(9 if each == 1 else each for each in first.__code__.co_consts)),
        first.__globals__, first.__name__, (1,), None,
    )  # fmt: skip
    contents = {content_of(first), content_of(second)}
    assert len(contents) == 2
    assert content_of(third) is not None


class _Stateful:
    """An object, of which nothing is known."""


@pytest.mark.parametrize(
    "named", [{}, [1.0], _Stateful(), _Stateful, pytest, np.array([object()]), np.zeros(1 << 18), lambda: _Stateful]
)
def test_what_cannot_be_told_gives_no_content(named: object) -> None:
    assert content_of(_adder(named)) is None
    assert content_of(_remade(scaled, SCALE=named)) is None


def test_an_attribute_named_as_something_of_its_module_is_not_it() -> None:
    def shown(x):  # type: ignore[no-untyped-def]
        return x.pytest + x.SCALE

    assert content_of(shown) == content_of(_remade(shown, SCALE=3.0)) is not None


def test_mathematics_types_and_builtins_are_known() -> None:
    def rooted(x):  # type: ignore[no-untyped-def]
        return math.sqrt(abs(x)) + np.sin(x) + float(types.int64(LIMITS[0]))

    assert content_of(rooted) is not None


def test_an_empty_cell_gives_no_content() -> None:
    def outer() -> Any:
        def inner() -> float:
            return later

        if LIMITS[0] > 1:
            later = 1.0
        return inner

    assert content_of(outer()) is None


def test_a_reference_strategy_has_a_content() -> None:
    assert content_of(ma_cross.decide) is not None
