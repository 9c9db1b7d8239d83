"""What a signature declares is what a call takes; the refusal names the call, the word and what was meant."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
import pytest

from kernel_lib.declared import Declared, declared, meant, shown
from kernel_lib.errors import BadData


class Terms(msgspec.Struct, metaclass=Declared, frozen=True):
    window: int
    rate: float = 0.1
    names: tuple[str, ...] = ()


class Longer(Terms, frozen=True, kw_only=True):
    method: Literal["slow", "fast"] = "slow"
    terms: Terms | None = None


longer: Any = Longer  # wrong words are given on purpose


@declared
def call(
    number: float = 1.0, whole: int = 1, on: bool = True, text: str = "", each: Sequence[float] = (),
    by_name: Mapping[str, float] | None = None, pair: tuple[float, float] = (0.0, 1.0),
    rule: Callable[[float], float] = abs, terms: Terms | None = None, anything: Any = None, *rest: int, **more: str,
) -> str:  # fmt: skip
    return "called"


@pytest.mark.parametrize(
    "words",
    [
        {"number": 1}, {"number": np.float32(1.0)}, {"number": np.int64(1)}, {"whole": np.int8(1)},
        {"on": np.bool_(True)}, {"each": [1, 2.0]}, {"each": np.ones(3)}, {"each": pd.Series([1.0])},
        {"each": iter("ab")}, {"by_name": {}}, {"by_name": pd.Series({"a": 1.0})}, {"by_name": None},
        {"pair": [0, 1]}, {"rule": lambda x: x}, {"terms": Longer(window=1)}, {"anything": object()}, {"beyond": 1},
    ],
)  # fmt: skip
def test_what_is_as_declared_goes_through(words: Any) -> None:
    assert call(**words) == "called"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"number": "1"}, "call: number must be a number, it was '1'"),
        ({"number": True}, "number must be a number, it was True"),
        ({"number": 1j}, "number must be a number, it was 1j"),
        ({"number": Decimal(1)}, r"number must be a number, it was Decimal\('1'\)"),
        ({"number": None}, "number must be a number, it was None"),
        ({"number": np.ones(2)}, r"number must be a number, it was ndarray of shape \(2,\)"),
        ({"whole": 1.0}, "whole must be a whole number, it was 1.0"),
        ({"on": 1}, "on must be true or false, it was 1"),
        ({"text": b"a"}, "text must be a text, it was b'a'"),
        ({"each": "12"}, "each must be a sequence, each of them a number, it was '12'"),
        ({"each": [1.0, "2"]}, "each at 1 must be a number, it was '2'"),
        ({"by_name": [1.0]}, "by_name must be a mapping of names, each to a number or None"),
        ({"by_name": {"EURUSD": "1.1"}}, "by_name of EURUSD must be a number, it was '1.1'"),
        ({"by_name": {1: 1.0}}, "by_name must have names, one of them must be a text, it was 1"),
        ({"by_name": pd.Series([1.0, 2.0], index=["a", "a"])}, r"it was Series of shape \(2,\)"),
        ({"pair": (1.0, 2.0, 3.0)}, r"pair must be \(a number, a number\), it was \(1.0, 2.0, 3.0\)"),
        ({"rule": "abs"}, "rule must be a function, it was 'abs'"),
        ({"terms": {"window": 3}}, "terms must be a Terms or None, it was {'window': 3}"),
    ],
)
def test_what_is_not_is_refused_in_words(words: Any, what: str) -> None:
    with pytest.raises(BadData, match=what):
        call(**words)


def test_arguments_by_place_are_looked_at_too() -> None:
    with pytest.raises(BadData, match="whole must be a whole number"):
        call(1.0, "2")  # type: ignore[arg-type]


def test_a_missing_argument_is_named_by_python() -> None:
    @declared
    def needs(returns: Any) -> None: ...

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'returns'"):
        needs()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (
            lambda: longer(windw=3),
            r"Longer takes window, rate, names, method, terms; .* windw \(did you mean window\?\)",
        ),
        (lambda: longer(window=3, xyzzy=1), "it was given xyzzy$"),
        (
            lambda: longer(window=3, Methd="fast", rat=1),
            r"Methd \(did you mean method\?\), rat \(did you mean rate\?\)",
        ),
        (longer, "Longer takes .*; window must be given and was not"),
        (lambda: longer(3, 0.1, ("a",), "fast"), "at most 3 without its name, as in terms=..., it was given 4 without"),
        (lambda: longer(window=3, method="quick"), "Longer: method must be 'slow' or 'fast', it was 'quick'"),
        (lambda: longer(window=3, names=["a", 2]), "names at 1 must be a text, it was 2"),
        (lambda: longer(window=3, names="ab"), "names must be a sequence, each of them a text, it was 'ab'"),
        (lambda: longer("3"), "Longer: window must be a whole number, it was '3'"),
    ],
)
def test_a_configuration_says_which_word_was_meant(make: Any, what: str) -> None:
    with pytest.raises(BadData, match=what):
        make()


def test_a_configuration_is_still_read_from_messages() -> None:
    terms = Longer(window=3, terms=Terms(2, rate=1))
    assert msgspec.convert(msgspec.to_builtins(terms), Longer) == terms
    assert msgspec.structs.replace(terms, rate=0.5).rate == 0.5


def test_what_it_was_fits_a_line() -> None:
    assert shown(list(range(1000))) == "a list of 1000"
    assert shown(pd.DataFrame({"a": [1.0]})) == "DataFrame of shape (1, 1)"
    assert shown(object()) == "an object"
    assert meant("xyz", ["window"]) == ""
