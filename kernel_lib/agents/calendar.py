"""The economic calendar: read from a table, and told to a strategy as the time of the next release.

A strategy reads ``f.minutes_to_release("calendar:USD")`` or ``agents.consensus(..., calendar="calendar:USD")``; a
replay is given ``outside={"calendar:USD": next_releases(releases, ("USD",))}``.
"""

import csv
import io
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kernel_lib.agents.snapshot import Release
from kernel_lib.declared import declared
from kernel_lib.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["CURRENCIES", "next_releases", "read_calendar"]

#: Currency by the names that calendars give a country.
CURRENCIES = {
    "US": "USD", "USA": "USD", "United States": "USD", "EA": "EUR", "EU": "EUR", "Eurozone": "EUR", "Euro Area": "EUR",
    "UK": "GBP", "GB": "GBP", "United Kingdom": "GBP", "CH": "CHF", "Switzerland": "CHF", "JP": "JPY", "Japan": "JPY",
    "CA": "CAD", "Canada": "CAD", "AU": "AUD", "Australia": "AUD", "NZ": "NZD", "New Zealand": "NZD",
}  # fmt: skip
_NUMBERS = ("actual", "forecast", "deviation")
_SECOND_NS = 10**9
_MOST_MINUTES = 525_600.0


@declared
def read_calendar(content: bytes) -> tuple[Release, ...]:
    """Read a calendar from CSV, in order of time.

    Parameters
    ----------
    content : bytes
        UTF-8 with a header: ``datetime_utc`` (ISO 8601 with its zone), ``event``, ``country`` (or ``currency``) and
        ``impact``; ``actual``, ``forecast`` and ``deviation`` are read where they are there. An entry
        counts as known beforehand.

    Raises
    ------
    BadData
        No bytes, or no UTF-8; a column is missing; a time without a zone, a country, an impact or a number that cannot
        be read, by line.

    >>> (one,) = read_calendar(b"datetime_utc,event,country,impact\\n2019-02-01T13:30:00+00:00,NFP,US,high\\n")
    >>> one.currency, one.time_ns // 10**9
    ('USD', 1549027800)
    """
    given: Any = content
    if not isinstance(given, bytes | bytearray):
        raise BadData(f"a calendar must be bytes, as Path(...).read_bytes() gives, it was {type(given).__name__}")
    try:
        text = given.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadData(f"a calendar must be UTF-8: {error}", source="calendar") from error
    rows = csv.DictReader(io.StringIO(text))
    given = set(rows.fieldnames or ())
    if not {"datetime_utc", "event", "impact"} <= given or not {"country", "currency"} & given:
        raise BadData(
            "a calendar must have the columns datetime_utc, event, impact, and country or currency; it has "
            f"{', '.join(sorted(given)) or 'none'}", source="calendar", line=1,
        )  # fmt: skip
    releases = [_release(row, line) for line, row in enumerate(rows, 2)]
    return tuple(sorted(releases, key=lambda each: (each.time_ns, each.currency, each.name)))


@declared
def next_releases(
    releases: Iterable[Release], currencies: Iterable[str] = (), *, impact: str = "high", after_min: float = 5.0
) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]":
    """Give the channel of the next release: when each time was told, and that time in seconds since 1970.

    The next one is told ``after_min`` minutes after the last, so that a blackout after a release is seen as well. Of
    releases that lie closer together each is told as soon as the one before it is past.

    Parameters
    ----------
    releases : iterable of Release
    currencies : iterable of str
        Whose; empty for all.
    impact : str
        ``high`` alone counts by default; ``low`` counts all, ``medium`` all but low.
    after_min : float
        Minutes from 0.

    Returns
    -------
    times_ns, seconds : ndarray of int64 and of float64, shape (n,)
        For ``replay(..., outside={channel: ...})``. The first is known from 1970 on, as calendars stand long before.

    >>> told = next_releases([Release(time_ns=6 * 10**11, currency="USD", name="NFP")], after_min=5.0)
    >>> told[0].tolist(), told[1].tolist()
    ([0], [600.0])
    """
    import numpy as np

    ranks = ("low", "medium", "high")
    if impact not in ranks or not 0.0 <= after_min <= _MOST_MINUTES:
        raise BadData(
            f"impact must be one of {', '.join(ranks)}, after_min from 0 to {_MOST_MINUTES:g}; it was {impact!r}, "
            f"{after_min!r}"
        )
    wanted = set(currencies)
    times = sorted({
        each.time_ns for each in releases
        if (not wanted or each.currency in wanted) and ranks.index(each.impact) >= ranks.index(impact)
    })  # fmt: skip
    later = int(after_min * 60 * _SECOND_NS)
    told = [0, *(min(last + later, coming) for last, coming in pairwise(times))]
    return np.array(told[: len(times)], np.int64), np.array([each / _SECOND_NS for each in times], np.float64)


def _release(row: dict[str, str | None], line: int) -> Release:
    try:
        when = datetime.fromisoformat(row["datetime_utc"] or "")
    except ValueError:
        when = datetime.min  # noqa: DTZ901  (without a zone, so it is refused below)
    if when.tzinfo is None:
        raise _wrong(f"a time must be ISO 8601 with its zone, it was {row['datetime_utc']!r}", line)
    country = row.get("country") or ""
    currency = row.get("currency") or CURRENCIES.get(country, "")
    if len(currency) != 3:
        raise _wrong(f"a country must be one of {', '.join(CURRENCIES)}, it was {country!r}", line)
    impact = (row["impact"] or "").lower()
    if impact not in ("low", "medium", "high"):
        raise _wrong(f"an impact must be low, medium or high, it was {row['impact']!r}", line)
    numbers = {}
    for name in _NUMBERS:
        text = (row.get(name) or "").strip()
        try:
            numbers[name] = float(text) if text else math.nan
        except ValueError:
            raise _wrong(f"{name} must be a number or empty, it was {text!r}", line) from None
    since = when - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return Release(
        time_ns=since // timedelta(microseconds=1) * 1000, currency=currency, name=row["event"] or "release",
        impact=impact, **numbers,  # type: ignore[arg-type]
    )  # fmt: skip


def _wrong(message: str, line: int) -> BadData:
    return BadData(message, source="calendar", line=line)
