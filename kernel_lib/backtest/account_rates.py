"""Which symbols convert a member's money into the account's currency, and whether they are quoted when needed."""

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known_instrument
from kernel_lib.market.tick import Ticks
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.pooled_rates import LINK

__all__ = ["Converted", "conversion_of", "currencies_of"]


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """How a member's money comes into the account's currency.

    Parameters
    ----------
    account : AccountConfig
        With the first rates, so that a book can be opened with it.
    profit, margin : tuple of (int, bool) or None
        Place of the symbol that converts, and whether it has the account's currency first; None where nothing moves.
    """

    account: AccountConfig
    profit: tuple[int, bool] | None = None
    margin: tuple[int, bool] | None = None

    def link(self, rules: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Give the row of LINK for a book opened with :attr:`account`, whose rules are ``rules``."""
        row = np.zeros(1, LINK)
        row["profit_symbol"] = row["margin_symbol"] = -1
        for name, given, field in (
            ("profit", self.profit, "minor_per_point_unit"),
            ("margin", self.margin, "margin_minor_per_unit"),
        ):
            if given is not None:
                row[f"{name}_symbol"], row[f"{name}_inverse"] = given
                row[f"{name}_base"] = rules[field]
        return row


def currencies_of(symbol: str, instruments: Mapping[str, Instrument]) -> tuple[str, str]:
    """Give base and profit currency of a symbol: of the contract that is known, else of its first six letters.

    >>> currencies_of("USDJPY.r", {})
    ('USD', 'JPY')
    """
    contract = instruments.get(symbol)
    if contract is None:
        try:
            contract = known_instrument(symbol)
        except BadData:
            return symbol[:3], symbol[3:6]
    return contract.currency_base, contract.currency_profit


def conversion_of(
    contract: Instrument,
    account: AccountConfig,
    ticks: Mapping[str, Ticks],
    pairs: Mapping[frozenset[str], tuple[int, bool]],
    *,
    stale_after_s: float,
) -> Converted:
    """Find what converts a member's profit and margin.

    A rate of ``account.rates`` stands; else the ticks of a pair of the two currencies are needed, from the
    member's first tick on and never older than ``stale_after_s`` while the member's symbol is quoted.

    Parameters
    ----------
    contract : Instrument
        The member's; its symbol is among ``ticks``.
    account : AccountConfig
    ticks : mapping of symbol to ndarray of TICK
    pairs : mapping
        Of two currencies to the place of their symbol, and whether the account's comes first.
    stale_after_s : float

    Raises
    ------
    BadData
        A conversion is missing, begins too late, or has a gap; the message names it.
    """
    found: dict[str, tuple[int, bool]] = {}
    # At a rate of one, a book's rules hold the numbers that a moving rate multiplies.
    rates = dict(account.rates)
    needs = {}
    ours = account.currency
    if ours not in (contract.currency_profit, contract.currency_base) and contract.currency_profit:
        # What has no base of its own is margined in what it is quoted in.
        needs = {"profit": contract.currency_profit, "margin": contract.currency_base or contract.currency_profit}
    for what, currency in needs.items():
        if not currency or currency in account.rates:
            continue
        pair = pairs.get(frozenset((currency, ours)))
        if pair is None:
            raise BadData(
                f"{contract.symbol} on a {ours} account needs {currency} in {ours} for its {what}: give the ticks of "
                f"{currency}{ours} or {ours}{currency}, or AccountConfig(rates={{{currency!r}: ...}})"
            )
        symbol = list(ticks)[pair[0]]
        _require_fresh(contract.symbol, ticks[contract.symbol], symbol, ticks[symbol], stale_after_s)
        found[what] = pair
        rates[currency] = 1.0
    return Converted(account=msgspec.structs.replace(account, rates=rates), **found)


def _require_fresh(symbol: str, ticks: Ticks, by: str, conversion: Ticks, stale_after_s: float) -> None:
    times = ticks["time_ns"]
    if len(conversion) == 0 or conversion["time_ns"][0] > times[0]:
        since = _utc(int(conversion["time_ns"][0])) if len(conversion) else "never"
        raise BadData(
            f"{symbol} is converted at {by}, which must be quoted from {symbol}'s first tick on "
            f"({_utc(int(times[0]))}), it was from {since}; leave out the ticks before"
        )
    limit = round(stale_after_s * 1e9)
    last = conversion["time_ns"][np.searchsorted(conversion["time_ns"], times, side="right") - 1]
    # After a weekend the age counts from where the member's own quotes go on.
    begins = np.r_[True, np.diff(times) > limit]
    session = np.maximum.accumulate(np.where(begins, times, times[0]))
    old = times - np.maximum(last, session) > limit
    if old.any():
        row = int(np.argmax(old))
        raise BadData(
            f"{symbol} is converted at {by}, whose quote may be {stale_after_s:g} s old, at {_utc(int(times[row]))} it "
            f"was of {_utc(int(last[row]))}; give the missing ticks, or a greater stale_after_s",
            source=by,
        )


def _utc(time_ns: int) -> str:
    return str(np.datetime64(time_ns, "ns").astype("datetime64[s]")) + "Z"
