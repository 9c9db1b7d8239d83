"""What a portfolio would lose in a bad day that happened, and in shocks that are made up.

Two tables: the worst days of the recorded history applied to today's positions, and fixed shocks by currency. Shocks
are moves of currencies against the dollar, turned into moves against the account's currency; a pair moves by what its
two legs do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import amounts, number, table
from kernel_lib.risk.shown import Shown, Table, fraction_pct, money

__all__ = ["SHOCKS", "Scenario", "StressReport", "shock", "stress_report", "worst_days"]

_MAJORS = ("EUR", "GBP", "AUD", "NZD", "CAD", "CHF", "JPY", "XAU", "XAG")

#: Fixed shocks: fractional moves of currencies and metals against the dollar, 0 where not named. The dated
#: ones are rounded moves of the day from one New York close to the next.
SHOCKS: dict[str, dict[str, float]] = {
    "franc floor breaks (15 January 2015)": {"CHF": 0.20, "EUR": -0.02},
    "sterling vote (24 June 2016)": {"GBP": -0.08, "EUR": -0.024, "JPY": 0.04, "XAU": 0.05},
    "yen flash crash (3 January 2019)": {"JPY": 0.04, "AUD": -0.035, "NZD": -0.025},
    "dollar up 5 %": dict.fromkeys(_MAJORS, -0.05),
    "dollar down 5 %": dict.fromkeys(_MAJORS, 0.05),
    "gold down 10 %": {"XAU": -0.10, "XAG": -0.15},
    "risk off": {"AUD": -0.05, "NZD": -0.05, "CAD": -0.03, "GBP": -0.03, "JPY": 0.04, "CHF": 0.03, "XAU": 0.03},
}  # fmt: skip


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario's outcome.

    Parameters
    ----------
    name : str
        Of the shock, or the day.
    kind : {"history", "shock"}
    gain : float
        Money; negative is a loss.
    by_name : dict of str to float
        Gain by instrument (history) or currency (shock).
    """

    name: str
    kind: str
    gain: float
    by_name: dict[str, float]


class StressReport(Shown, frozen=True, kw_only=True):
    """Outcomes from the worst to the mildest.

    Parameters
    ----------
    scenarios : tuple of Scenario
    currency : str
    equity : float
        NaN when unknown; losses are shown as a share of it.
    """

    scenarios: tuple[Scenario, ...]
    currency: str
    equity: float

    @property
    def worst(self) -> Scenario:
        """The scenario that loses most."""
        return self.scenarios[0]

    def _table(self) -> Table:
        rows = []
        for each in self.scenarios:
            hurt = min(each.by_name.items(), key=lambda item: item[1], default=("", 0.0))
            rows.append(
                [each.name, money(each.gain, self.currency), fraction_pct(each.gain / self.equity),
                 f"{hurt[0]} {money(hurt[1])}" if hurt[1] < 0 else ""]
            )  # fmt: skip
        return ("Stress", ("scenario", "gain", "of equity", "hurts most"), rows)

    def plot(self) -> Any:
        """Draw the outcomes; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        shown = self.scenarios[::-1]
        figure = Figure(figsize=(9, 1 + 0.3 * len(shown)), layout="constrained")
        axes = figure.subplots()
        axes.barh([each.name for each in shown], [each.gain for each in shown],
                  color=["tab:green" if each.gain >= 0 else "tab:red" for each in shown])  # fmt: skip
        axes.axvline(0.0, color="black", lw=0.6)
        axes.set_xlabel(f"gain, {self.currency}" if self.currency else "gain")
        return figure


@declared
def worst_days(
    returns: Any, exposures: Any, *, count: int = 10, labels: Sequence[Any] | None = None
) -> tuple[Scenario, ...]:
    """Apply the worst days of history to today's exposures.

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_days, n_instruments)
        The index of a DataFrame names the days.
    exposures : array_like or mapping, shape (n_instruments,)
        Money, short negative; by name where it has names, see :func:`~kernel_lib.risk.var.value_at_risk`.
    count : int
        How many; all of them when history is shorter.
    labels : sequence or None
        Names of the days, in place of the index.

    >>> found = worst_days([[0.01, 0.0], [-0.02, 0.01], [0.0, -0.05]], [1000.0, 100.0], count=2)
    >>> [(each.name, round(each.gain, 2)) for each in found]
    [('1', -19.0), ('2', -5.0)]
    """
    rates, names = table(returns, least=1)
    money_in = amounts(exposures, returns)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise BadData(f"count must be a whole number of at least 1, it was {count!r}")
    if labels is None:
        labels = returns.index if hasattr(returns, "columns") else range(len(rates))
    days = list(labels)
    if len(days) != len(rates):
        raise BadData(f"labels must be one for each of the {len(rates)} days, there were {len(days)}")
    gains = rates @ money_in
    order = np.argsort(gains, kind="stable")[:count]
    return tuple(
        Scenario(
            name=_day(days[i]), kind="history", gain=float(gains[i]),
            by_name={name: float(rates[i, j] * money_in[j]) for j, name in enumerate(names)},
        )
        for i in order
    )  # fmt: skip


@declared
def shock(
    by_currency: Mapping[str, float], moves: Mapping[str, float], name: str = "shock", *, currency: str = ""
) -> Scenario:
    """Apply moves of currencies to an exposure by currency (:attr:`Exposure.by_currency`).

    Parameters
    ----------
    by_currency : mapping of str to float
        Money in the account's currency.
    moves : mapping of str to float
        Fractional moves against one and the same currency, 0 where not named.
    currency : str
        The account's. Where it moves too, each exposure gains ``(1 + its move) / (1 + the account's move) - 1``.

    >>> shock({"EUR": 110_000.0, "GBP": -65_000.0}, {"EUR": -0.02, "GBP": 0.01}).gain
    -2850.0
    >>> round(shock({"USD": 9_500.0}, {"EUR": -0.05}, currency="EUR").gain, 6)  # the dollar is 1 / 0.95 of before
    500.0
    """
    for each, move in moves.items():
        if not -1.0 < number(move, f"the move of {each}") < np.inf:
            raise BadData(f"the move of {each} must be a number above -1, it was {move!r}")
    for each, amount in by_currency.items():
        if not np.isfinite(number(amount, f"the exposure to {each}")):
            raise BadData(f"the exposure to {each} must be a finite number, it was {amount!r}")
    own = moves.get(currency, 0.0)
    # With an account that stands still the move itself, to the last bit.
    relative = {each: moves.get(each, 0.0) if own == 0.0 else (1.0 + moves.get(each, 0.0)) / (1.0 + own) - 1.0
                for each in by_currency}  # fmt: skip
    gains = {each: float(amount * relative[each]) for each, amount in by_currency.items()}
    return Scenario(name=name, kind="shock", gain=sum(gains.values()), by_name=gains)


@declared
def stress_report(
    *,
    returns: Any = None,
    exposures: Any = None,
    by_currency: Mapping[str, float] | None = None,
    shocks: Mapping[str, Mapping[str, float]] | None = None,
    count: int = 5,
    currency: str = "",
    equity: float = float("nan"),
) -> StressReport:
    """Run the worst recorded days and the fixed shocks over a portfolio.

    Parameters
    ----------
    returns, exposures, count
        As :func:`worst_days`; None leaves history out.
    by_currency : mapping of str to float or None
        As in :class:`~kernel_lib.risk.exposure.Exposure`; None leaves the shocks out.
    shocks : mapping or None
        In place of :data:`SHOCKS`.
    currency : str
        The account's; shocks are turned into moves against it.
    equity : float
        Losses are shown as a share of it.

    Raises
    ------
    BadData
        Neither history nor currencies are given, or one of them is not as it must be.

    >>> report = stress_report(by_currency={"CHF": -50_000.0}, currency="USD", equity=10_000.0)
    >>> report.worst.name, report.worst.gain
    ('franc floor breaks (15 January 2015)', -10000.0)
    """
    if returns is None and by_currency is None:
        raise BadData("a stress needs returns with exposures, or exposures by currency")
    scenarios: list[Scenario] = []
    if returns is not None:
        scenarios += worst_days(returns, exposures, count=count)
    if by_currency is not None:
        scenarios += [
            shock(by_currency, moves, name, currency=currency)
            for name, moves in (SHOCKS if shocks is None else shocks).items()
        ]
    return StressReport(
        scenarios=tuple(sorted(scenarios, key=lambda each: each.gain)), currency=currency, equity=equity
    )


def _day(label: Any) -> str:
    date = getattr(label, "date", None)
    return str(date()) if callable(date) else str(label)
