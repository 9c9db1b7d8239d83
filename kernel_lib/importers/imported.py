"""What an import gives: the ticks or bars that passed, and an account of those that did not."""

import msgspec

from kernel_lib.market.bar import Bars
from kernel_lib.market.tick import Ticks

__all__ = ["ImportedBars", "ImportedTicks", "ParsedTicks", "RefusedLine"]


class RefusedLine(msgspec.Struct, frozen=True):
    """One line or record that broke a rule of :mod:`kernel_lib.market.validation`."""

    line: int
    rule: str


class ImportedTicks(msgspec.Struct, frozen=True):
    """Ticks of one symbol out of a file.

    Parameters
    ----------
    symbol : str
        As asked for, or as the file's name says.
    ticks : ndarray of TICK
        Accepted ticks, UTC nanoseconds, ascending.
    refused : dict of str to int
        Refused ticks by rule; empty when all passed.
    first_refused : tuple of RefusedLine
        The first ten, with their line (text) or record number.
    source : str
        Name of the file or directory.
    layout : str
        Name in the catalogue.
    """

    symbol: str
    ticks: Ticks
    refused: dict[str, int]
    first_refused: tuple[RefusedLine, ...]
    source: str
    layout: str


class ImportedBars(msgspec.Struct, frozen=True):
    """Bars of one symbol out of a file; ``length_ns`` is the most common distance of two bars."""

    symbol: str
    bars: Bars
    length_ns: int
    refused: dict[str, int]
    first_refused: tuple[RefusedLine, ...]
    source: str
    layout: str


class ParsedTicks(msgspec.Struct, frozen=True):
    """What a layout's reader hands on: unchecked ticks, and the line of the first one."""

    ticks: Ticks
    first_line: int = 1
    one_sided: int = 0
    """Records before both sides were known; they stand right before ``first_line``."""
