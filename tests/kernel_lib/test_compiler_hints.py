"""A hint to the compiler changes no result, and does not keep a loop's machine code from being kept."""

import numpy as np
from numba import njit

from kernel_lib.compiler_hints import assume, rarely
from kernel_lib.content import content_of


def test_what_is_said_to_be_rare_may_always_happen() -> None:
    @njit
    def count(numbers):  # type: ignore[no-untyped-def]
        above = 0
        for each in numbers:
            if rarely(each > 0.0):
                above += 1
        return above

    assert count(np.ones(7)) == 7
    assert count(np.array([1.0, -1.0, np.nan])) == 1


def test_what_is_assumed_and_holds_changes_nothing() -> None:
    @njit
    def part(numbers):  # type: ignore[no-untyped-def]
        assume(numbers.shape[0] >= 3)
        return numbers[1:3].sum()

    assert part(np.arange(5.0)) == 3.0


def test_code_that_takes_a_hint_has_a_content() -> None:
    def hinted(x):  # type: ignore[no-untyped-def]
        return 1 if rarely(x) else 2

    def assuming(x):  # type: ignore[no-untyped-def]
        assume(x)
        return 1

    assert None not in (content_of(hinted), content_of(assuming))
    assert content_of(hinted) != content_of(assuming)
