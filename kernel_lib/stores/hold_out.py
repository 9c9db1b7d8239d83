"""What is kept of the sealed hold-out: up to where history was opened, who looked with which strategy, and the answers.

A mark of opened history only moves forward, looks and verdicts are only added: the database sees to both.
"""

import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from kernel_lib.errors import Refused
from kernel_lib.stores.accounts import PostgresAccounts

__all__ = ["LOOKS_DAYS", "HoldOutStore", "Look"]

#: Looks are counted over so many days back.
LOOKS_DAYS = 30
_WATCHING = "stream_tickets"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's look at the hold-out, taken once; ``content`` is None until there is a verdict.

    ``n_look`` is its number among the tenant's looks at this instrument.
    """

    hash: str
    symbol: str
    who: str
    at: datetime.datetime
    begin_ns: int
    end_ns: int
    n_look: int
    content: dict[str, Any] | None = None


class HoldOutStore:
    """The marks, looks and verdicts on the accounts database.

    Parameters
    ----------
    accounts : PostgresAccounts
    """

    def __init__(self, accounts: PostgresAccounts) -> None:
        self._accounts = accounts

    def opened_until(self, tenant: str, symbol: str) -> int:
        """Give up to where a symbol's history was opened, UTC nanoseconds; 0 where nothing was."""
        with self._accounts.transaction(tenant=tenant) as connection:
            row = connection.execute("SELECT until_ns FROM opened_history WHERE symbol = %s", (symbol,)).fetchone()
        return int(row["until_ns"]) if row else 0

    def open_until(self, tenant: str, symbol: str, until_ns: int) -> int:
        """Move the mark forward; one that is behind where it stands changes nothing. Gives where it stands."""
        with self._accounts.transaction(tenant=tenant) as connection:
            connection.execute(
                "INSERT INTO opened_history (tenant_id, symbol, until_ns) VALUES (%s, %s, %s) ON CONFLICT "
                "(tenant_id, symbol) DO UPDATE SET until_ns = greatest(opened_history.until_ns, excluded.until_ns)",
                (tenant, symbol, until_ns),
            )
            row = connection.execute("SELECT until_ns FROM opened_history WHERE symbol = %s", (symbol,)).fetchone()
        assert row is not None
        return int(row["until_ns"])

    def look(self, tenant: str, bundle_hash: str) -> Look | None:
        """Give a strategy's look, with its verdict where there is one."""
        with self._accounts.transaction(tenant=tenant) as connection:
            row = connection.execute(f"{_LOOK} WHERE l.hash = %s", (bundle_hash,)).fetchone()
        return Look(**row) if row else None

    def take(
        self, tenant: str, bundle_hash: str, symbol: str, who: str, span_ns: tuple[int, int], most: int
    ) -> Look:  # fmt: skip
        """Note a look before it is taken; the one there is, where there is one.

        Parameters
        ----------
        span_ns : (begin, end)
        most : int
            Looks at this instrument within :data:`LOOKS_DAYS` days.

        Raises
        ------
        Refused
            Code ``hold_out_looks``: they are used up.
        """
        with self._accounts.transaction(tenant=tenant) as connection:
            # One look of a tenant at a time, so that two at once do not both find the last one free.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", (tenant,))
            row = connection.execute(f"{_LOOK} WHERE l.hash = %s", (bundle_hash,)).fetchone()
            if row is None:
                counted = connection.execute(
                    "SELECT count(*) AS n, count(*) FILTER (WHERE at > now() - make_interval(days => %s)) AS n_recent "
                    "FROM hold_out_looks WHERE symbol = %s",
                    (LOOKS_DAYS, symbol),
                ).fetchone()
                assert counted is not None
                if counted["n_recent"] >= most:
                    raise Refused(
                        "hold_out_looks",
                        f"looks at the hold-out of {symbol} must be at most {most} within {LOOKS_DAYS} days on this "
                        f"tier, there were {counted['n_recent']}; wait, or ask an admin for a higher tier",
                    )
                connection.execute(
                    "INSERT INTO hold_out_looks (tenant_id, hash, symbol, who, begin_ns, end_ns, n_look) "
                    "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    (tenant, bundle_hash, symbol, who, *span_ns, counted["n"] + 1),
                )
                row = connection.execute(f"{_LOOK} WHERE l.hash = %s", (bundle_hash,)).fetchone()
        assert row is not None
        return Look(**row)

    def keep_verdict(self, tenant: str, bundle_hash: str, content: dict[str, Any]) -> None:
        """Keep the answer to a look; the first one stands. ``content`` has ``verdict`` among its keys."""
        with self._accounts.transaction(tenant=tenant) as connection:
            connection.execute(
                "INSERT INTO hold_out_verdicts (tenant_id, hash, verdict, content) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (tenant, bundle_hash, content["verdict"], Jsonb(content)),
            )

    def count_watching(self, tenant: str, day: datetime.date) -> None:
        """Note that somebody of the tenant listened to the live stream on a day."""
        self._accounts.count(tenant, _WATCHING, 1, day)

    def watched_days(self, tenant: str, begin: datetime.date, end: datetime.date) -> int:
        """Count the days, both ends included, on which somebody of the tenant listened to the live stream."""
        with self._accounts.transaction(tenant=tenant) as connection:
            row = connection.execute(
                "SELECT count(*) AS n FROM usage WHERE metric = %s AND day BETWEEN %s AND %s", (_WATCHING, begin, end)
            ).fetchone()
        return int(row["n"]) if row else 0

    def recent_looks(self, tenant: str) -> dict[str, int]:
        """Count the looks of the last :data:`LOOKS_DAYS` days by symbol."""
        with self._accounts.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                "SELECT symbol, count(*) AS n FROM hold_out_looks WHERE at > now() - make_interval(days => %s) "
                "GROUP BY symbol ORDER BY symbol",
                (LOOKS_DAYS,),
            ).fetchall()
        return {row["symbol"]: row["n"] for row in rows}


_LOOK = (
    "SELECT l.hash, l.symbol, l.who, l.at, l.begin_ns, l.end_ns, l.n_look, v.content FROM hold_out_looks l "
    "LEFT JOIN hold_out_verdicts v ON v.hash = l.hash"
)
