"""The catalogue's documentation page, drawn up from the docstrings: ``python -m kernel_lib.features.page FILE``."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

from kernel_lib.features.catalogue import GROUPS
from kernel_lib.features.feature import Feature
from kernel_lib.features.show import formula, purpose

__all__ = ["main", "page"]

_HEAD = """\
# Features

This page is generated from the docstrings by `python -m kernel_lib.features.page docs/features.md`; change those.

A feature is one small compiled update over its own slice of state, and the same machine code in a notebook, in a
backtest and live. {count} of them are in the catalogue.

```python
from kernel_lib import features as f

f.rsi(14)(bars)                              # NumPy, lists, pandas, Arrow; ticks or bars
f.rsi(14, bars="1m")(ticks)                  # forms the bars as the engine does; one value for each tick
f.correlation("GBPUSD", 50)(eur, other=gbp)  # what reads another instrument or anything else from outside
f.ema(20).start().update(1.1)                # one update at a time
f.bollinger(20).plot(bars)                   # one line
f.catalogue()                                # all of them, as a table
```

## What holds for all of them

- **Warm-up.** All outputs are NaN until `feature.warmup` updates have come, and numbers from then on. With fewer
  rows than that, all are NaN.
- **Form.** pandas gives pandas back with the same index (a DataFrame where there are several outputs), Arrow gives
  Arrow, everything else NumPy (a dict of arrays where there are several outputs). Times without a zone are UTC;
  mixed zones, times that go back and bars with the same time are refused. Gaps are fine.
- **Missing prices.** A row of which a price is NaN or infinite shows NaN and is left out, as if it had not come; it
  poisons nothing. Live such a quote never arrives: it is refused at the edge.
- **Nothing from the future.** A bar closes when the first event at or after its end arrives, and is seen from then
  on. An outside value is seen at its own time, a bar of another instrument at its close.
- **In a strategy** the first output is `x.NAME`, the others `x.NAME_OUTPUT`; while one is NaN the decision is not
  called.
- **Cost.** Flat on average, whatever the window (sums are taken afresh once a window has gone by, so that rounding
  does not pile up), but for `rank`, `cci` and `candlesticks`, which walk their window.

## One of your own

Write it in the cell of the strategy that uses it; it is compiled, and works in notebook, backtest, sweep and live
alike.

```python
@f.feature(state=1, warmup=lambda p: p.window)
def pull(state, bar, window=20):
    state[0] += (bar.close - state[0]) / window
    return bar.close - state[0]

pull(50, bars="1m")
```

## Regimes

`f.fit_regime(past, "hmm")` fits a hidden Markov model (hmmlearn) or a Gaussian mixture (scikit-learn) over past
bars and gives a feature made of plain numbers; `.to_source()` is the line that makes it again in a strategy's
source. Online it is filtered forward: each probability uses what was known then. What hmmlearn's `predict_proba`
gives for a whole series is smoothed, it has read the future of every row but the last, and must not be traded on.
"""

_TAIL = """\
## Whose numbers they are held to

The tests compare every indicator with those of others. Where theirs start or count otherwise:

- **TA-Lib.** `macd`: TA-Lib starts the fast average later, so that both start together; equal to 1e-9 after 400
  rows. `adx`: TA-Lib sums one change less at the start; equal to 1e-9 after 500 rows. `obv`: TA-Lib starts from the
  first volume, which shifts the whole line. `rsi`, `stochastic`, `stoch_rsi`, `williams_r`, `ultimate_oscillator` of
  a flat market: TA-Lib gives 0, these the middle. The rest is equal to 1e-9 from the first number on, and that is on
  the same row.
- **Stock.Indicators.** `aroon`: of equal extremes theirs counts the oldest, ours and TA-Lib the newest.
  `parabolic_sar`: theirs shows nothing before the first turn and lets a turning bar reach beyond the stop.
  `donchian`: theirs leaves the newest bar out. `ichimoku`, `stoch_rsi`, `keltner`: the rows that its tests state, to
  the digits stated; `stoch_rsi` is slow by default as theirs and a chart's, TA-Lib's STOCHRSI is `smooth=1`.
- **Tulip.** `ema`, `macd`: started with the first price; equal once bars that stand still go before. `atr`: the
  first bar counts as a range, likewise. `dema`, `tema`, `trix`: the second average starts from its first input.
  `adx`: one change less at the start. `parabolic_sar`: another first side. `volatility` is a deviation around the
  mean, for a year of 252 days; ours takes no mean off. `roc` and `stochrsi` are shares, ours per cent.
- **StockCharts sheets.** `cs-rsi`, `cs-macd`, `cs-kc`: averages started with the first price, or with no gain and
  no loss; equal once bars that stand still go before. `cs-atr`: the first range is high less low, likewise.
  Of `cs-kc` only the middle line is compared. `cs-vwap` is a rolling
  mean over 14 days, our `tick_mean`.
- **pandas, NumPy, the zone database.** `rank`, `minmax`, `tick_mean`, `realised_volatility`, `parkinson`,
  `garman_klass`, `return_autocorrelation`, `tick_imbalance`, `spread_zscore`, `session`: no reference library has
  them in this form; they are held to their formula.
- **hmmlearn, scikit-learn.** `regime`: the filtered probabilities are those that `predict_proba` gives for the last
  row of every beginning of the series.
"""


def page() -> str:
    """Give the page's text, in Markdown."""
    count = sum(len(makers) for makers in GROUPS.values())
    parts = [_HEAD.format(count=count)]
    for group, makers in GROUPS.items():
        parts.append(f"## {group[0].upper()}{group[1:]}\n")
        parts.append("| feature | what it is for | formula |\n|---|---|---|")
        parts += [_row(make) for make in makers]
        parts.append("")
        parts += [_section(make) for make in makers]
    return "\n".join([*parts, _TAIL])


def _row(make: Callable[..., Feature]) -> str:
    doc = inspect.getdoc(make) or ""
    said = _markdown(purpose(doc)).replace("|", "\\|")
    return f"| [`{make.__name__}`](#{make.__name__}) | {said} | `{formula(doc).replace('|', chr(92) + '|')}` |"


def _section(make: Callable[..., Feature]) -> str:
    doc = inspect.getdoc(make) or ""
    text, _, rest = doc.partition("Parameters\n----------\n")
    params, _, example = rest.partition("\n>>> ")
    signature = str(inspect.signature(make).replace(return_annotation=inspect.Signature.empty))
    lines = [f"### {make.__name__}", "", f"`f.{make.__name__}{signature}`", "", _markdown(text).strip(), ""]
    for name, kind, said in re.findall(r"^(\w[\w, ]*) : (.+)\n((?:    .+\n?)+)", params, re.MULTILINE):
        words = _markdown(" ".join(line.strip() for line in said.splitlines()))
        lines.append(f"- `{name}` ({_markdown(kind)}): {words}")
    made = _with_defaults(make)
    if made is not None:
        shown = ", ".join(f"`{output}`" for output in made.outputs)
        lines.append(f"- shows {shown}; warm after {made.warmup:,} updates with the parameters as they stand")
    if example:
        lines += ["", "```python", f">>> {example.rstrip()}", "```"]
    return "\n".join([*lines, ""])


def _with_defaults(make: Callable[..., Feature]) -> Feature | None:
    params = inspect.signature(make).parameters.values()
    return make() if all(each.default is not each.empty for each in params) else None


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?[\w.]*?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def main() -> None:
    """Write the page into the file that is named."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m kernel_lib.features.page FILE")
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
