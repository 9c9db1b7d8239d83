"""What a book is opened with: account, risk limits, sizing and the costs of the simulated broker."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import Instrument
from kernel_lib.trading.record import MAX_MESSAGES, RULES

__all__ = ["AccountConfig", "Costs", "RiskLimits", "make_rules", "minor_per_point_unit"]

_SPREAD_FRACTION = 0.0005


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The account a book trades on.

    Parameters
    ----------
    currency : str
        Account currency.
    digits : int
        Digits of its minor unit; 2 for cents.
    deposit : float
        Opening balance.
    leverage : float
        100 means margin is a hundredth of the notional.
    hedging : bool
        True: each deal opens a position of its own. False (netting): one position per symbol.
    margin_call_fraction : float
        No entries while equity is below this share of the margin; 0 for none.
    stop_out_fraction : float
        When equity falls below this share of the margin, positions are closed one after the other, the one that has
        lost most first, until it is there again.
    server_zone : str
        Where the trading day turns.
    rates : dict of str to float
        Worth of one unit of another currency in the account's, for instruments that need it.
    """

    currency: str = "USD"
    digits: int = 2
    deposit: float = 10_000.0
    leverage: float = 100.0
    hedging: bool = False
    margin_call_fraction: float = 1.0
    stop_out_fraction: float = 0.5
    server_zone: str = "EET"
    rates: dict[str, float] = {}


class RiskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What our own risk check refuses; a refused order is *denied*, and never reaches the broker.

    Parameters
    ----------
    max_lots : float
        Largest net position.
    max_spread_points : int or None
        Entries wait while the spread is wider. None: five hundredths of a percent of the price, which is some 55
        points on EURUSD and 65 cents on gold.
    daily_loss_fraction : float
        Share of the equity at the server's midnight; once lost, no entries until the next day.
    orders_per_minute : int
        Entries beyond this are denied, 1 to 256.
    max_quote_age_ms : int
        Older quotes do not lead to entries.
    rejection_pause_ms : int
        Wait after a broker's rejection; three rejections in a row pause the book.
    """

    max_lots: float = 1.0
    max_spread_points: int | None = None
    daily_loss_fraction: float = 0.03
    orders_per_minute: int = 60
    max_quote_age_ms: int = 2_000
    rejection_pause_ms: int = 5_000


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the simulated broker fills.

    Parameters
    ----------
    commission_per_lot : float
        Account currency per lot and side.
    commission_fraction : float
        Share of a deal's worth, on top: 0.002 for a fifth of a percent, as on shares.
    commission_on_exit : bool
        False: only what opens a position pays commission.
    latency_ms, latency_jitter_ms : float
        From decision to fill: the fixed part, and the width of a seeded uniform part on top.
    slippage_points, slippage_random_points : int
        Points against us on market orders and stops: the fixed part, and the most of a seeded uniform part.
    swap : bool
        Charge the instrument's swap at the server's midnight, three nights on Wednesday.
    seed : int
        Of the two random parts; the same seed gives the same fills.
    """

    commission_per_lot: float = 3.5
    commission_fraction: float = 0.0
    commission_on_exit: bool = True
    latency_ms: float = 40.0
    latency_jitter_ms: float = 0.0
    slippage_points: int = 0
    slippage_random_points: int = 0
    swap: bool = True
    seed: int = 1


def minor_per_point_unit(instrument: Instrument, account: AccountConfig) -> tuple[float, bool]:
    """Worth of one point on one lot step in minor units, and whether it is to be divided by the price.

    Raises
    ------
    Misconfigured
        The account's currency is neither of the instrument's, and ``rates`` does not name the profit currency.
    """
    worth = instrument.point_worth * instrument.lot_step * 10.0**account.digits
    if instrument.currency_profit in ("", account.currency):
        return worth, False
    if instrument.currency_base == account.currency:
        return worth, True
    return worth * _rate(instrument.currency_profit, instrument, account), False


def make_rules(
    instrument: Instrument, account: AccountConfig, limits: RiskLimits, costs: Costs | None
) -> npt.NDArray[np.void]:
    """Turn the configuration into the numbers of :data:`RULES`, checking every one.

    Raises
    ------
    Misconfigured
        A number is out of its range; the message names it.
    """
    _check(account.deposit, 0.0, "deposit", strict=True)
    _check(account.leverage, 1.0, "leverage")
    _check(account.margin_call_fraction, 0.0, "margin_call_fraction")
    _check(account.stop_out_fraction, 0.0, "stop_out_fraction")
    _check(limits.max_lots, 0.0, "max_lots", strict=True)
    if limits.max_spread_points is not None:
        _check(limits.max_spread_points, 0, "max_spread_points")
    _check(limits.max_quote_age_ms, 0, "max_quote_age_ms")
    _check(limits.rejection_pause_ms, 0, "rejection_pause_ms")
    if not 0.0 < limits.daily_loss_fraction <= 1.0:
        raise Misconfigured(f"daily_loss_fraction must be above 0 and at most 1, it was {limits.daily_loss_fraction}")
    if not 1 <= limits.orders_per_minute <= MAX_MESSAGES:
        raise Misconfigured(f"orders_per_minute must be 1 to {MAX_MESSAGES}, it was {limits.orders_per_minute}")
    rules = np.zeros(1, dtype=RULES)
    r = rules[0]
    minor = 10.0**account.digits
    r["point"] = instrument.point
    r["inverse_point"] = 10.0**instrument.digits
    r["minor_per_point_unit"], r["profit_by_price"] = minor_per_point_unit(instrument, account)
    r["margin_minor_per_unit"], r["margin_by_price"] = _margin(instrument, account, minor)
    r["stop_out_fraction"] = account.stop_out_fraction
    r["margin_call_fraction"] = account.margin_call_fraction
    r["stops_level_points"] = instrument.stops_level_points
    r["tick_points"] = max(1, round(instrument.tick_size / instrument.point))
    r["hedging"] = account.hedging
    r["max_units"] = math.floor(min(limits.max_lots, instrument.max_lots) / instrument.lot_step + 1e-9)
    r["min_units"] = max(1, math.ceil(instrument.min_lots / instrument.lot_step - 1e-9))
    if limits.max_spread_points is None:
        r["max_spread_points"], r["max_spread_fraction"] = 0, _SPREAD_FRACTION
    else:
        r["max_spread_points"] = limits.max_spread_points
    r["daily_loss_fraction"] = limits.daily_loss_fraction
    r["messages_per_minute"] = limits.orders_per_minute
    r["max_quote_age_ns"] = limits.max_quote_age_ms * 1_000_000
    r["rejection_pause_ns"] = limits.rejection_pause_ms * 1_000_000
    if costs is not None:
        for name in (
            "commission_per_lot",
            "commission_fraction",
            "latency_ms",
            "latency_jitter_ms",
            "slippage_points",
            "slippage_random_points",
        ):
            _check(getattr(costs, name), 0, name)
        r["simulated"] = 1
        r["commission_minor_per_unit"] = costs.commission_per_lot * instrument.lot_step * minor
        r["commission_fraction"] = costs.commission_fraction
        r["commission_on_entry_only"] = not costs.commission_on_exit
        r["swap_long_points"] = instrument.swap_long_points if costs.swap else 0.0
        r["swap_short_points"] = instrument.swap_short_points if costs.swap else 0.0
        r["latency_ns"] = round(costs.latency_ms * 1e6)
        r["latency_jitter_ns"] = round(costs.latency_jitter_ms * 1e6)
        r["slippage_points"] = costs.slippage_points
        r["slippage_random_points"] = costs.slippage_random_points
        r["seed"] = costs.seed
    return rules


def _margin(instrument: Instrument, account: AccountConfig, minor: float) -> tuple[float, bool]:
    """Margin of a lot step, and whether it is to be multiplied by the price.

    MetaTrader 5's formulas: of a currency pair so much of the base, ``lots * contract_size / leverage``; of what is
    quoted in its own currency, such as an index or a share, that times its price (SYMBOL_CALC_MODE_CFDLEVERAGE).
    """
    margin = instrument.contract_size * instrument.lot_step / account.leverage * minor
    base, quoted = instrument.currency_base, instrument.currency_profit
    if base in ("", quoted):
        ours = quoted in ("", account.currency)
        return margin if ours else margin * _rate(quoted, instrument, account), True
    if base == account.currency:
        return margin, False
    if quoted == account.currency:
        return margin, True
    return margin * _rate(base, instrument, account), False


def _rate(currency: str, instrument: Instrument, account: AccountConfig) -> float:
    rate = account.rates.get(currency)
    if rate is None or not (math.isfinite(rate) and rate > 0):
        raise Misconfigured(
            f"{instrument.symbol} on a {account.currency} account needs the worth of one {currency}: "
            f"give AccountConfig(rates={{'{currency}': ...}})"
        )
    return rate


def _check(number: float, least: float, name: str, *, strict: bool = False) -> None:
    if not math.isfinite(number) or number < least or (strict and number == least):
        raise Misconfigured(f"{name} must be {'above' if strict else 'at least'} {least}, it was {number}")
