"""Reading a file of ticks or bars: recognise, parse, check, account for what was refused."""

import re
from pathlib import Path

import numpy as np

from kernel_lib.errors import BadData
from kernel_lib.importers.imported import ImportedBars, ImportedTicks, RefusedLine
from kernel_lib.importers.mt5_bars import parse_bars
from kernel_lib.importers.opening import Limits, Source
from kernel_lib.market.validation import Validator

__all__ = ["read_bars", "read_ticks"]

_FIRST_REFUSED = 10


def read_ticks(
    path: str | Path,
    symbol: str | None = None,
    layout: str | None = None,
    *,
    server_zone: str = "EET",
    limits: Limits | None = None,
) -> ImportedTicks:
    """Read the ticks of one symbol from a file of another program.

    Parameters
    ----------
    path : str or Path
        Plain or ``.gz``; for bi5 also a directory of hours.
    symbol : str or None
        None takes it from the file's name.
    layout : str or None
        A name in :data:`~kernel_lib.importers.catalogue.TICK_LAYOUTS`; None recognises it by the content.
    server_zone : str
        The clock of MetaTrader 5 exports.

    Returns
    -------
    ImportedTicks
        Ticks that break a rule of :mod:`kernel_lib.market.validation` are left out, counted by rule, and the first
        ones named by line.

    Raises
    ------
    BadData
        The file is not what it should be: damaged, another layout, text where a price must be, no good tick.
    """
    from kernel_lib.importers.catalogue import TICK_LAYOUTS

    source = Source(Path(path), limits or Limits())
    if layout is None:
        layout = next((name for name, each in TICK_LAYOUTS.items() if each.matches(source)), None)
        if layout is None:
            if source.is_directory:
                raise BadData("a directory must hold Dukascopy's hours (*.bi5), it holds none", source=source.path.name)
            start = source.head[:40].decode("ascii", "replace")
            raise BadData(
                f"the layout must be one of {', '.join(TICK_LAYOUTS)}; none begins with {start!r}; say which it is "
                "with layout (--layout)",
                source=source.path.name,
                line=1,
            )
    elif layout not in TICK_LAYOUTS:
        raise BadData(f"a layout must be one of {', '.join(TICK_LAYOUTS)}, it was {layout!r}")
    chosen = symbol or _symbol_of(source)
    parsed = TICK_LAYOUTS[layout].parse(source, chosen, server_zone)
    verdict = Validator().check(parsed.ticks)
    refused = verdict.counts | ({"one_sided": parsed.one_sided} if parsed.one_sided else {})
    if not verdict.accepted.shape[0]:
        raise BadData(
            f"at least one tick must pass, {len(verdict.rules)} were refused: {verdict.counts}", source=source.path.name
        )
    return ImportedTicks(
        symbol=chosen,
        ticks=verdict.accepted,
        refused=refused,
        first_refused=tuple(
            RefusedLine(line=parsed.first_line - parsed.one_sided + each, rule="one_sided")
            for each in range(min(parsed.one_sided, _FIRST_REFUSED))
        )
        + tuple(
            RefusedLine(line=parsed.first_line + int(index), rule=rule)
            for index, rule in zip(verdict.refused[:_FIRST_REFUSED].tolist(), verdict.rules, strict=False)
        ),
        source=source.path.name,
        layout=layout,
    )


def read_bars(
    path: str | Path, symbol: str | None = None, *, server_zone: str = "EET", limits: Limits | None = None
) -> ImportedBars:
    """Read bars from a MetaTrader 5 bar export or a csv with time, open, high, low and close.

    Bars with a price that is not finite and positive (``not_finite``, ``not_positive``), whose open or close lies
    outside low to high (``crossed``), or that do not come after the one before (``out_of_order``) are left out and
    counted.
    """
    source = Source(Path(path), limits or Limits())
    chosen = symbol or _symbol_of(source)
    bars, first_line = parse_bars(source, chosen, server_zone)
    prices = np.stack([bars[name] for name in ("open", "high", "low", "close")])
    rule = np.zeros(len(bars), np.int8)
    body_low, body_high = np.minimum(prices[0], prices[3]), np.maximum(prices[0], prices[3])
    rule[(body_low < prices[2]) | (body_high > prices[1])] = 3
    rule[(prices <= 0).any(axis=0)] = 2
    rule[~np.isfinite(prices).all(axis=0)] = 1
    sound = np.flatnonzero(rule == 0)
    times = bars["time_ns"][sound]
    if times.size:
        late = times[1:] <= np.maximum.accumulate(times)[:-1]
        rule[sound[1:][late]] = 4
    names = ("", "not_finite", "not_positive", "crossed", "out_of_order")
    refused = np.flatnonzero(rule)
    accepted = bars[rule == 0]
    if not len(accepted):
        raise BadData(f"at least one bar must pass, {len(refused)} were refused", source=source.path.name)
    steps, counts = np.unique(np.diff(accepted["time_ns"]), return_counts=True)
    return ImportedBars(
        symbol=chosen,
        bars=accepted,
        length_ns=int(steps[np.argmax(counts)]) if len(steps) else 0,
        refused={names[each]: int((rule == each).sum()) for each in np.unique(rule[refused]).tolist()},
        first_refused=tuple(
            RefusedLine(line=first_line + int(at), rule=names[rule[at]]) for at in refused[:_FIRST_REFUSED].tolist()
        ),
        source=source.path.name,
        layout="bars",
    )


def _symbol_of(source: Source) -> str:
    """Find a symbol in the name: the first part of six capitals (a broker's suffix may follow)."""
    pair = re.match(rb"([A-Z]{3})/([A-Z]{3}),", source.head)
    if pair:
        return (pair[1] + pair[2]).decode()
    names = [source.name]
    if source.is_directory:
        names += sorted(each.name for each in source.path.iterdir())[:1]
    else:
        names += [each.name for each in source.path.absolute().parents][:4]
    for name in names:
        for part in re.split(r"[_\- ]", name):
            found = re.match(r"([A-Z]{6}(?:[.#+][A-Za-z0-9]+)?)(?:\.[a-z0-9]+)*$", part)
            if found:
                return re.sub(r"\.(csv|txt|tsv|zip|parquet|bi5)$", "", found[1])
    raise BadData("the name must contain the symbol, as EURUSD_2019.csv does; or pass symbol=", source=source.path.name)
