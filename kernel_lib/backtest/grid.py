"""Which sets of parameters a sweep tries: a product of values, a list, or a seeded random sample.

>>> parameter_sets({"fast": [5, 10], "slow": [50]})
[{'fast': 5, 'slow': 50}, {'fast': 10, 'slow': 50}]
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from kernel_lib.errors import Misconfigured
from kernel_lib.models.space import Choice, Range
from kernel_lib.strategy import Strategy

__all__ = ["MAX_SETS", "Grid", "check_names", "parameter_sets", "random_sets"]

#: A mapping of names to values, of which every combination is tried, or the sets themselves.
Grid = Mapping[str, Any] | Sequence[Mapping[str, Any]]

#: The most sets of one sweep; beyond it a product is a slip of the pen.
MAX_SETS = 5_000_000


def parameter_sets(grid: Grid) -> list[dict[str, Any]]:
    """Write a grid out, one dict a set; of a product the last name changes fastest.

    Parameters
    ----------
    grid : mapping of str to values, or sequence of mappings
        Values may be a list, a range, an array, or one number.

    Raises
    ------
    Misconfigured
        Nothing to try, a name without values, or more than :data:`MAX_SETS` sets.
    """
    if isinstance(grid, Mapping):
        values = {name: _values(name, given) for name, given in grid.items()}
        n_sets = int(np.prod([len(each) for each in values.values()], dtype=object)) if values else 1
        _count(n_sets)
        return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    sets = [{name: _plain(number) for name, number in each.items()} for each in grid]
    _count(len(sets))
    return sets


def random_sets(space: Mapping[str, Range | Choice], n_sets: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Draw sets evenly from a space; the same seed draws the same sets.

    Parameters
    ----------
    space : mapping of str to Range or Choice
        Whole limits give whole numbers, both limits included; ``log`` draws evenly by ratio.
    n_sets : int
    seed : int

    Examples
    --------
    >>> from kernel_lib.models.space import Range
    >>> random_sets({"fast": Range(2, 5)}, 3, seed=1)
    [{'fast': 3}, {'fast': 4}, {'fast': 5}]
    """
    _count(n_sets)
    random = np.random.default_rng(seed)
    return [{name: _drawn(random, within) for name, within in space.items()} for _ in range(n_sets)]


def check_names(strategy: Strategy, sets: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a grid that names what the strategy does not have: every row would fail."""
    unknown = sorted({name for each in sets for name in each} - set(strategy.params))
    if unknown:
        raise Misconfigured(
            f"a grid must name parameters of {strategy.name}, which are {', '.join(strategy.params) or 'none'}; it "
            f"named {', '.join(unknown)}"
        )


def _drawn(random: np.random.Generator, within: Range | Choice) -> Any:
    if isinstance(within, Choice):
        return within.of[int(random.integers(len(within.of)))]
    low, high = within.low, within.high
    if not low <= high or (within.log and low <= 0):
        raise Misconfigured(f"a range must go up, and be above 0 to be drawn by ratio, it was {within}")
    if not within.log:
        return int(random.integers(int(low), int(high) + 1)) if within.is_whole else float(random.uniform(low, high))
    if within.is_whole:
        drawn = np.exp(random.uniform(np.log(low - 0.5), np.log(high + 0.5)))
        return int(min(max(round(float(drawn)), low), high))
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _values(name: str, given: Any) -> list[Any]:
    if isinstance(given, str | bytes | Mapping):
        raise Misconfigured(f"a grid must give {name} numbers to try, it gave {given!r}")
    values = [_plain(each) for each in given] if np.iterable(given) else [_plain(given)]
    if not values:
        raise Misconfigured(f"a grid must give {name} at least one value, it gave none")
    return values


def _plain(number: Any) -> Any:
    return number.item() if isinstance(number, np.generic) else number


def _count(n_sets: int) -> None:
    if not 1 <= n_sets <= MAX_SETS:
        raise Misconfigured(f"a sweep must have from 1 to {MAX_SETS:,} sets, it had {n_sets:,}")
