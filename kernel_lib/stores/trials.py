"""The ledger of trials: what each tenant tried, for which hypothesis, how often, and what it took.

Rows are only ever added. A batch counts once, however often it arrives; a trial counts once for its hypothesis and once
for its instrument, however often it runs. The Sharpe ratios' sums are kept as they come, so that reading the ledger
costs the same after a million trials.
"""

import datetime
import math
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import numpy as np

from kernel_lib.counter import TRIAL_BYTES, Runs
from kernel_lib.errors import BadData
from kernel_lib.stores.accounts import Connection, PostgresAccounts

__all__ = ["BACKTEST_MS", "HypothesisCount", "InstrumentCount", "TrialLedger"]

#: The metered use that backtest-seconds are, in whole milliseconds.
BACKTEST_MS = "backtest_ms"
_LEAST_SHARPES = 10
_SUMS = (
    "sum(n_runs)::bigint AS n_runs, sum(n_new)::bigint AS n_trials, sum(n_sharpes)::bigint AS n_sharpes, "
    "sum(sharpe_sum) AS total, sum(sharpe_squares) AS squares, sum(seconds) AS seconds, min(at) AS first_at, "
    "max(at) AS last_at"
)


class HypothesisCount(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried for one hypothesis on one instrument; empty symbol: on none, as a search of hyper-parameters is.

    ``n_trials`` are distinct; ``sharpe_deviation`` is per year, None below ten ratios.
    """

    hypothesis: str
    symbol: str
    n_trials: int
    n_runs: int
    sharpe_deviation: float | None
    seconds: float
    first_at: datetime.datetime
    last_at: datetime.datetime


class InstrumentCount(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried on one instrument for all hypotheses together."""

    symbol: str
    n_trials: int
    n_runs: int


class TrialLedger:
    """The ledger on the accounts database.

    Parameters
    ----------
    accounts : PostgresAccounts
    """

    def __init__(self, accounts: PostgresAccounts) -> None:
        self._accounts = accounts

    def add(self, tenant: str, who: str, batches: Sequence[Runs], day: datetime.date) -> int:
        """Count batches and charge their seconds to a day; give how many were new.

        Raises
        ------
        BadData
            A batch has another number of ratios than of trials; none of them is counted.
        """
        for batch in batches:
            _check(batch)
        n_new = 0
        for batch in batches:
            # One transaction each: a tenant's processes wait for one another only while they add the same trials.
            with self._accounts.transaction(tenant=tenant) as connection:
                n_new += _add(connection, tenant, who, batch, day)
        return n_new

    def hypotheses(self, tenant: str, *, hypothesis: str | None = None) -> list[HypothesisCount]:
        """List what was tried, the latest first; of one hypothesis or of all."""
        where, given = ("", ()) if hypothesis is None else (" AND hypothesis = %s", (hypothesis,))
        with self._accounts.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                f"SELECT hypothesis, symbol, {_SUMS} FROM trial_batches WHERE kind <> 'charge'{where} "  # noqa: S608
                "GROUP BY hypothesis, symbol ORDER BY max(at) DESC, hypothesis, symbol", given
            ).fetchall()  # fmt: skip
        return [
            HypothesisCount(
                hypothesis=row["hypothesis"], symbol=row["symbol"], n_trials=row["n_trials"], n_runs=row["n_runs"],
                sharpe_deviation=_deviation(row["n_sharpes"], row["total"], row["squares"]), seconds=row["seconds"],
                first_at=row["first_at"], last_at=row["last_at"],
            )
            for row in rows
        ]  # fmt: skip

    def instruments(self, tenant: str) -> list[InstrumentCount]:
        """List what was tried on each instrument."""
        with self._accounts.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                "SELECT symbol, sum(n_new_on_instrument)::bigint AS n_trials, sum(n_runs)::bigint AS n_runs "
                "FROM trial_batches WHERE kind <> 'charge' GROUP BY symbol ORDER BY symbol"
            ).fetchall()
        return [InstrumentCount(**row) for row in rows]

    def tally(self, tenant: str, hypothesis: str, symbol: str) -> dict[str, Any]:
        """Give what a report deflates by: the hypothesis on the instrument and on none, and the instrument's total."""
        with self._accounts.transaction(tenant=tenant) as connection:
            row = cast(
                "dict[str, Any]",
                connection.execute(
                    f"SELECT {_SUMS} FROM trial_batches WHERE kind <> 'charge' AND hypothesis = %s "  # noqa: S608
                    "AND symbol = ANY(%s)", (hypothesis, [symbol, ""])
                ).fetchone(),
            )  # fmt: skip
            total = connection.execute(
                "SELECT sum(n_new_on_instrument)::bigint AS n FROM trial_batches WHERE symbol = %s", (symbol,)
            ).fetchone()
        return {
            "hypothesis": hypothesis, "symbol": symbol, "n_trials": row["n_trials"] or 0, "n_runs": row["n_runs"] or 0,
            "n_on_instrument": (total or {}).get("n") or 0,
            "sharpe_deviation": _deviation(row["n_sharpes"] or 0, row["total"] or 0.0, row["squares"] or 0.0),
        }  # fmt: skip

    def seconds(self, tenant: str, day: datetime.date) -> float:
        """Give the backtest-seconds charged to a day."""
        return self._accounts.usage(tenant, day).get(BACKTEST_MS, 0) / 1000.0

    # What the platform found of a strategy

    def note_finding(self, tenant: str, bundle_hash: str, name: str, content: dict[str, Any]) -> None:
        """Keep a finding beside a strategy; the first of a name stands."""
        from psycopg.types.json import Jsonb

        with self._accounts.transaction(tenant=tenant) as connection:
            connection.execute(
                "INSERT INTO findings (tenant_id, hash, name, content) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (tenant, bundle_hash, name, Jsonb(content)),
            )

    def findings(self, tenant: str, bundle_hash: str) -> dict[str, dict[str, Any]]:
        """Give a strategy's findings by name."""
        with self._accounts.transaction(tenant=tenant) as connection:
            rows = connection.execute("SELECT name, content FROM findings WHERE hash = %s", (bundle_hash,)).fetchall()
        return {row["name"]: row["content"] for row in rows}


def _check(batch: Runs) -> None:
    if len(batch.trials) % TRIAL_BYTES or len(batch.sharpes) not in (0, 8 * batch.n_runs):
        raise BadData(
            f"a batch must have {TRIAL_BYTES} bytes a trial and 8 a ratio or none, it had {len(batch.trials)} and "
            f"{len(batch.sharpes)}"
        )
    if not (batch.hypothesis + batch.strategy + batch.symbol).isprintable():
        raise BadData(f"names in a batch must be printable, they were {batch.hypothesis!r} and {batch.strategy!r}")


def _add(connection: Connection, tenant: str, who: str, batch: Runs, day: datetime.date) -> int:
    known = connection.execute("SELECT 1 FROM trial_batches WHERE batch_id = %s", (batch.batch,)).fetchone()
    if known is not None:
        return 0
    keys = sorted({batch.trials[at : at + TRIAL_BYTES] for at in range(0, len(batch.trials), TRIAL_BYTES)})
    new = _insert(connection, tenant, batch.symbol, batch.hypothesis, keys)
    new_on_instrument = _insert(connection, tenant, batch.symbol, "", keys)
    ratios = _ratios(batch, new)
    done = connection.execute(
        "INSERT INTO trial_batches (tenant_id, batch_id, who, kind, hypothesis, strategy, symbol, n_runs, n_new, "
        "n_new_on_instrument, n_sharpes, sharpe_sum, sharpe_squares, seconds) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            tenant, batch.batch, who, batch.kind, batch.hypothesis, batch.strategy, batch.symbol, batch.n_runs,
            len(new), len(new_on_instrument), len(ratios), float(ratios.sum()), float((ratios**2).sum()), batch.seconds,
        ),
    )  # fmt: skip
    if done.rowcount == 0:  # the same batch, from two processes at once: the other one has counted it
        return 0
    if batch.seconds > 0.0:
        connection.execute(
            "INSERT INTO usage (tenant_id, day, metric, count) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (tenant_id, day, metric) DO UPDATE SET count = usage.count + excluded.count",
            (tenant, day, BACKTEST_MS, math.ceil(1000.0 * batch.seconds)),
        )
    return 1


def _insert(connection: Connection, tenant: str, symbol: str, hypothesis: str, keys: list[bytes]) -> set[bytes]:
    if not keys:
        return set()
    rows = connection.execute(
        "INSERT INTO trials (tenant_id, symbol, hypothesis, trial) SELECT %s, %s, %s, unnest(%s::bytea[]) "
        "ON CONFLICT DO NOTHING RETURNING trial",
        (tenant, symbol, hypothesis, keys),
    ).fetchall()
    return {bytes(row["trial"]) for row in rows}


def _ratios(batch: Runs, new: set[bytes]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the finite ratios of trials that are new, each once."""
    given = np.frombuffer(batch.sharpes, "<f8")
    first: dict[bytes, float] = {}
    for number, ratio in enumerate(given.tolist()):
        first.setdefault(batch.trials[TRIAL_BYTES * number : TRIAL_BYTES * (number + 1)], ratio)
    found = np.array([ratio for key, ratio in first.items() if key in new], dtype=np.float64)
    # A hostile or broken ratio would spoil the sums for ever.
    return found[np.abs(found) < 1e6]


def _deviation(n: int, total: float, squares: float) -> float | None:
    if n < _LEAST_SHARPES:
        return None
    return math.sqrt(max(0.0, squares - total * total / n) / (n - 1))
