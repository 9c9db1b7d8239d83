"""Every desk's day against the backtest of that day: ``python -m live_engine.parity_night [--day DAY]``.

What each strategy decided, ordered and filled live is read from the desk's journal, from where the night before left
off (:mod:`live_engine.parity_morning`). Its backtest runs in a sandbox, on the journal's ticks and what came in
between; where that parted before the day already, from the state in which the strategy really stood at its beginning.
On paper the two must be identical. A terminal's fills cannot be foretold: with mode mt5 the recorded ones are given to
both, decisions and orders compared, and slippage and latency reported beside what the passport assumes.

:mod:`live_engine.nightly` does it every night. A gap is told three ways: an error in the log, a signed report below
``HOME/engine/parity/TENANT``, exit status 1.
"""

import datetime
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.outside import OUTSIDE
from kernel_lib.backtest.parity_gap import Gap, Side, explain, first_difference
from kernel_lib.backtest.parity_moment import Moment
from kernel_lib.backtest.parity_run import counts_of
from kernel_lib.certificate import as_text, certificate_of
from kernel_lib.config import Home
from kernel_lib.errors import BadData, Broken, Misconfigured, TickhubError
from kernel_lib.keys import read_private_key
from kernel_lib.machine_code import cache_dir
from kernel_lib.sandbox import capabilities
from kernel_lib.trading.record import Kind
from live_engine.logs import set_up_logs
from live_engine.parity_backtest import SandboxedBacktest
from live_engine.parity_drift import told_from_features
from live_engine.parity_morning import keep_morning, morning_before
from live_engine.parity_record import Lived, Stretch, read_desk
from live_engine.tenant_user import tenant_uid

__all__ = ["Execution", "Night", "compare_day", "compare_desk", "main"]

_DAY_NS = 86_400 * 10**9
_log = logging.getLogger("tickhub.parity")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """How a terminal's fills were, beside what the passport assumes.

    Parameters
    ----------
    n_fills : int
    slippage_points : dict
        ``p50``, ``p95``, ``max`` of the fill's price against the quote of the decision; positive is against us.
    latency_ms : dict
        The same of the time from the order's tick to the fill's report, both by the engine's clock.
    assumed_slippage_points, assumed_latency_ms : float
    """

    n_fills: int
    slippage_points: dict[str, float]
    latency_ms: dict[str, float]
    assumed_slippage_points: float
    assumed_latency_ms: float


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's day.

    Parameters
    ----------
    identical : bool
    counts : dict
        Ticks, decisions, orders, denied, fills, closed of the day, as they were live.
    gap : Gap or None
    from_state : bool
        Backtest and desk had parted before the day; the comparison began with the desk's state of that morning.
    execution : Execution or None
        Of a terminal's fills.
    failure : str
        Why nothing could be compared; empty otherwise.
    """

    tenant: str
    name: str
    hash: str
    mode: str
    symbol: str
    day: str
    identical: bool
    counts: dict[str, int] = {}
    gap: Gap | None = None
    from_state: bool = False
    execution: Execution | None = None
    failure: str = ""
    certificate: str = ""


def compare_day(
    lived: Lived, day: datetime.date, *, tenant: str, uid: int = 52000, trusted: bool = False, key: Any = None
) -> Night | None:
    """Compare one strategy's day with its backtest; None when it saw no tick on that day.

    Parameters
    ----------
    day : date
        UTC.
    uid : int
        Host user of the sandbox.
    key : Ed25519PrivateKey or None
        Signs the certificate.
    """
    start_ns = _start_ns(day)
    first, stop = (int(each) for each in np.searchsorted(lived.ticks["time_ns"], [start_ns, start_ns + _DAY_NS]))
    if first == stop:
        return None
    passport, mode = lived.passport, lived.approval.mode
    kept = lived.row_ticks < stop
    rows = lived.rows[kept]
    n_before = int((lived.row_ticks < first).sum())
    settings: dict[str, Any] = {
        "limits": lived.approval.limits, "costs": passport.costs if mode == "paper" else None,
        "events": [each for each in lived.events if each.tick <= stop], "ages_ns": lived.ages_ns[:stop],
        "begins": lived.begins, "uid": uid, "trusted": trusted,
    }  # fmt: skip
    ticks = lived.ticks[:stop]
    gap, parted = _gap(lived, ticks, rows, settings, n_before)
    if parted:
        gap, _ = _gap(lived, ticks, rows, settings | {"follow": lived.answers[:first]}, 0)
    if gap is not None:
        gap = told_from_features(lived, gap, settings)
    of_day = rows[n_before:]
    counts = {"ticks": stop - first, **counts_of(of_day)}
    certificate = certificate_of(
        passport, lived.ticks[first:stop], counts=counts, gap=gap, isolated=capabilities().isolates,
        machine_code=cache_dir().name,
    )  # fmt: skip
    return Night(
        tenant=tenant, name=passport.name, hash=lived.approval.hash, mode=mode, symbol=passport.instrument.symbol,
        day=day.isoformat(), identical=gap is None, counts=counts, gap=gap, from_state=parted,
        execution=None if mode == "paper" else _execution(lived, n_before, len(rows)),
        certificate=as_text(certificate, key),
    )  # fmt: skip


def compare_desk(home: Home, tenant: str, day: datetime.date, *, trusted: bool = False) -> list[Night]:
    """Compare every strategy of a desk; what cannot be compared is a failure of its own and hides no other."""
    key, uid = read_private_key(home), tenant_uid(home, tenant)
    nights = []
    folder = home / "engine" / "parity" / tenant
    stretch = _stretch(home / "engine" / "desks" / tenant, morning_before(folder, day), _start_ns(day) + _DAY_NS)
    parted = set()
    for lived in stretch.lives:
        night = None
        try:
            night = compare_day(lived, day, tenant=tenant, uid=uid, trusted=trusted, key=key)
        except TickhubError as error:
            night = Night(
                tenant=tenant, name=lived.passport.name, hash=lived.approval.hash, mode=lived.approval.mode,
                symbol=lived.passport.instrument.symbol, day=day.isoformat(), identical=False,
                failure=f"{type(error).__name__}: {error}",
            )  # fmt: skip
        if night is None or night.from_state or not night.identical:
            parted.add(lived.number)
        if night is not None:
            nights.append(night)
    keep_morning(folder, day + datetime.timedelta(days=1), stretch, as_lived=parted, uid=uid, trusted=trusted)
    return nights


def _stretch(directory: Path, morning: Path | None, until_ns: int) -> Stretch:
    try:
        return read_desk(directory, morning=morning, until_ns=until_ns)
    except Broken as error:
        if morning is None:
            raise
        _log.warning("a morning is of no use, all is read", extra={"path": str(morning), "reason": str(error)})
        return read_desk(directory, until_ns=until_ns)


def _start_ns(day: datetime.date) -> int:
    return int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC).timestamp()) * 10**9


def _gap(
    lived: Lived, ticks: Any, rows: npt.NDArray[np.void], settings: dict[str, Any], n_before: int
) -> tuple[Gap | None, bool]:
    """Give the gap, or that the two parted among the first ``n_before`` rows."""
    nothing = np.zeros(0, OUTSIDE)
    with SandboxedBacktest(lived.passport, ticks, **settings) as backtest:
        ours = backtest.rows()
        if 0 <= first_difference(ours, rows) < n_before:
            return None, True
        live = Side(
            name="the desk", ticks=ticks, told=nothing, rows=rows,
            tick_of=lambda row: (int(lived.row_ticks[row]), True),
            moment=lambda tick: Moment(tick=tick, shown=[], seen={}, answer=lived.answers[tick]),
        )  # fmt: skip
        again = Side(
            name="the backtest", ticks=ticks, told=nothing, rows=ours, tick_of=backtest.tick_of, moment=backtest.moment
        )
        return explain(again, live), False


def _execution(lived: Lived, start: int, stop: int) -> Execution:
    rows, received = lived.rows[start:stop], lived.received_ns[start:stop]
    orders = {int(rows["order_id"][at]): at for at in np.flatnonzero(rows["kind"] == int(Kind.ORDER))}
    slips, waits = [], []
    for at in np.flatnonzero(rows["kind"] == int(Kind.FILL)):
        sent = orders.get(int(rows["order_id"][at]))
        if sent is not None:
            slips.append(float(rows["points"][at] - rows["points"][sent]) * int(rows["side"][at]))
            waits.append(float(received[at] - received[sent]) / 1e6)
    costs = lived.passport.costs
    return Execution(
        n_fills=len(slips), slippage_points=_spread_of(slips), latency_ms=_spread_of(waits),
        assumed_slippage_points=float(costs.slippage_points), assumed_latency_ms=float(costs.latency_ms),
    )  # fmt: skip


def _spread_of(figures: list[float]) -> dict[str, float]:
    if not figures:
        return {}
    p50, p95 = np.percentile(figures, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": float(max(figures))}


@click.command()
@click.option("--day", "text", default="", help="UTC day such as 2026-01-31; else yesterday.")
@click.option("--tenant", default="", help="Whose desk; all without it.")
@click.option("--trusted", is_flag=True, help="The strategies' code is trusted: run it where nothing can isolate it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def main(text: str, tenant: str, trusted: bool, as_json: bool) -> None:
    """Compare what the desks did on a day with the backtest of that day; exit status 1 says that something differs."""
    set_up_logs(program="parity")
    try:
        home = Home.from_environ()
        nights = _night(home, tenant, _day(text), trusted=trusted)
    except TickhubError as error:
        sys.exit(f"tickhub: {type(error).__name__}: {error}")
    if as_json:
        click.echo(json.dumps({"identical": all(each.identical for each in nights), "nights": _plain(nights)}))
    else:
        for each in nights:
            click.echo(_in_words(each))
        if not nights:
            click.echo("no strategy saw a tick on that day")
    sys.exit(not all(each.identical for each in nights))


def _night(home: Home, tenant: str, day: datetime.date, *, trusted: bool) -> list[Night]:
    if not trusted and not capabilities().isolates:
        raise Misconfigured(f"a tenant's code needs a sandbox: {'; '.join(capabilities().reasons)}")
    desks = home / "engine" / "desks"
    tenants = [tenant] if tenant else sorted(each.name for each in desks.glob("*") if (each / "journal").is_dir())
    nights: list[Night] = []
    for name in tenants:
        try:
            found = compare_desk(home, name, day, trusted=trusted)
        except TickhubError as error:
            failure = f"{type(error).__name__}: {error}"
            found = [
                Night(
                    tenant=name, name="", hash="", mode="", symbol="", day=day.isoformat(), identical=False,
                    failure=failure,
                )
            ]  # fmt: skip
        for each in found:
            _keep(home, each)
        nights += found
    return nights


def _keep(home: Home, night: Night) -> None:
    folder = home / "engine" / "parity" / night.tenant
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"night-{night.day}-{night.hash[:12] or 'desk'}.json"
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_bytes(msgspec.json.encode(night))
    draft.rename(path)
    if not night.identical:
        said = night.failure or str(night.gap)
        _log.error(
            "live and backtest differ",
            extra={"tenant": night.tenant, "strategy": night.name, "day": night.day, "said": said, "report": str(path)},
        )


def _day(text: str) -> datetime.date:
    if not text:
        return datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise BadData(f"a day is written as 2026-01-31, it was {text!r}") from None


def _plain(nights: list[Night]) -> list[Any]:
    plain: list[Any] = msgspec.to_builtins(nights)
    return plain


def _in_words(night: Night) -> str:
    name = f"{night.tenant}: {night.name} on {night.symbol} ({night.mode}), {night.day}"
    if night.failure:
        return f"{name}: not compared: {night.failure}"
    told = ", ".join(f"{number:,} {what}" for what, number in night.counts.items())
    lines = [f"{name}: {'identical' if night.identical else f'NOT identical: {night.gap}'}; {told}"]
    if night.from_state:
        lines.append("  parted before that day already; compared from the desk's state of that morning")
    if night.execution is not None and night.execution.n_fills:
        done = night.execution
        lines.append(
            f"  {done.n_fills:,} fills: slippage {done.slippage_points['p50']:+.1f} points (median; assumed "
            f"{done.assumed_slippage_points:g}), latency {done.latency_ms['p50']:.0f} ms (assumed "
            f"{done.assumed_latency_ms:g})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
