"""``tickhub parity``: backtest against engine; one's own strategy, a submitted one, or every desk's day."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kernel_lib.cli.choose import choose_strategy, echo_json, parse_settings
from kernel_lib.errors import BadData

if TYPE_CHECKING:
    from kernel_lib.config import Home
    from kernel_lib.market.tick import Ticks

__all__ = ["parity"]


@click.command()
@click.argument("strategy", required=False)
@click.option("--ticks", "file", type=click.Path(path_type=Path), help="File of recorded ticks.")
@click.option("--symbol", help="Symbol of the file, where its name does not say.")
@click.option("--set", "settings", multiple=True, metavar="PARAM=VALUE", help="Change a parameter; repeat for more.")
@click.option("--deposit", default=10_000.0, show_default=True, help="Opening balance in USD.")
@click.option("--latency-ms", default=40.0, show_default=True, help="From decision to fill.")
@click.option("--slippage-points", default=0, show_default=True, help="Against us on market orders and stops.")
@click.option("--certify", metavar="HASH", help="The platform's own run of a submitted strategy, signed.")
@click.option("--tenant", default="", help="Whose strategy (--certify) or desk (--nightly; all without it).")
@click.option("--nightly", is_flag=True, help="Compare what every desk did on a day with the backtest of that day.")
@click.option("--day", default="", help="UTC day for --nightly, such as 2026-01-31; else yesterday.")
@click.option("--trusted", is_flag=True, help="The strategies' code is trusted: run it where nothing can isolate it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def parity(
    strategy: str | None, file: Path | None, symbol: str | None, settings: tuple[str, ...], deposit: float,
    latency_ms: float, slippage_points: int, certify: str | None, tenant: str, nightly: bool, day: str, trusted: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Run STRATEGY (a reference strategy's name, or path.py:name) through backtest and engine and compare to the byte.

    Exit status 1 says that they part. What this prints of your own strategy is a claim; --certify and --nightly, run by
    the platform's operator, sign theirs.

    \b
    tickhub parity ma_cross --ticks EURUSD.csv.gz
    tickhub parity --certify 3f2a... --tenant acme --ticks EURUSD.csv.gz
    tickhub parity --nightly
    """
    asked = [name for name, on in (("STRATEGY", strategy), ("--certify", certify), ("--nightly", nightly)) if on]
    if len(asked) != 1:
        raise click.UsageError(
            f"give one of STRATEGY, --certify HASH or --nightly; it was {', '.join(asked) or 'none'}"
        )
    if nightly:
        _become("live_engine.parity_night", day=day, tenant=tenant, trusted=trusted, as_json=as_json)
    if file is None:
        raise click.UsageError("name the file of recorded ticks: --ticks FILE")
    ticks, found_symbol = _read(file, symbol)
    if certify is not None:
        _certify(certify, tenant, ticks, trusted=trusted, as_json=as_json)
    else:
        _own(str(strategy), ticks, found_symbol, settings, (deposit, latency_ms, slippage_points), as_json)


def _own(
    named: str, ticks: "Ticks", symbol: str, settings: tuple[str, ...], figures: tuple[float, float, int], as_json: bool
) -> None:
    from kernel_lib.backtest import parity as compare
    from kernel_lib.certificate import as_text
    from kernel_lib.trading.account import AccountConfig, Costs

    deposit, latency_ms, slippage_points = figures
    given = compare(
        choose_strategy(named).with_params(**parse_settings(settings)), ticks, instrument=symbol,
        account=AccountConfig(deposit=deposit), costs=Costs(latency_ms=latency_ms, slippage_points=slippage_points),
        progress=False if as_json else None,
    )  # fmt: skip
    if as_json:
        import msgspec

        gap = None if given.gap is None else msgspec.to_builtins(given.gap)
        answer = {
            "identical": given.identical, "counts": given.counts, "engine_counts": given.engine_counts, "gap": gap,
            "isolated": given.isolated, "fault": given.fault, "evidence": as_text(given.certificate()),
        }  # fmt: skip
        echo_json(answer)
    else:
        click.echo(repr(given))
    sys.exit(not given.identical)


def _certify(wanted: str, tenant: str, ticks: "Ticks", *, trusted: bool, as_json: bool) -> None:
    import numpy as np

    from kernel_lib.config import Home

    home = Home.from_environ()
    if not tenant:
        raise click.UsageError("name whose strategy it is: --tenant NAME")
    with tempfile.TemporaryDirectory(prefix="tickhub-certify-") as scratch:
        bundle, rows = Path(scratch) / "bundle", Path(scratch) / "ticks.npy"
        bundle.write_bytes(_submitted(home, tenant, wanted))
        np.save(rows, ticks, allow_pickle=False)
        argv = [sys.executable, "-m", "live_engine.parity_certify", "--bundle", str(bundle), "--ticks", str(rows)]
        argv += ["--trusted"] * trusted + ["--json"] * as_json
        sys.exit(subprocess.run(argv, check=False).returncode)


def _submitted(home: "Home", tenant: str, wanted: str) -> bytes:
    from kernel_lib.config import StoreUrls
    from kernel_lib.passport import load_approved

    for stored in load_approved(home, tenant):
        if stored.hash.startswith(wanted) and stored.bundle:
            return stored.bundle
    from kernel_lib.stores.accounts import PostgresAccounts

    accounts = PostgresAccounts(StoreUrls.from_environ(home, os.environ).accounts)
    try:
        known = [each.hash for each in accounts.strategies(tenant) if each.hash.startswith(wanted)]
        bundle = accounts.bundle(tenant, known[0]) if len(known) == 1 else None
    finally:
        accounts.close()
    if bundle is None:
        raise BadData(f"{wanted!r} must begin the hash of one submitted strategy of {tenant}, it begins {len(known)}")
    return bundle


def _read(file: Path, symbol: str | None) -> "tuple[Ticks, str]":
    from kernel_lib.importers import read_ticks
    from kernel_lib.market.validation import Validator

    imported = read_ticks(file, symbol=symbol)
    accepted = Validator().check(imported.ticks, None).accepted
    if len(accepted) == 0:
        raise BadData("no tick of the file passed validation", source=str(file))
    return accepted, imported.symbol


def _become(module: str, *, day: str, tenant: str, trusted: bool, as_json: bool) -> None:
    argv = [sys.executable, "-m", module]
    for name, text in (("--day", day), ("--tenant", tenant)):
        argv += [name, text] if text else []
    argv += ["--trusted"] * trusted + ["--json"] * as_json
    os.execv(sys.executable, argv)  # noqa: S606
