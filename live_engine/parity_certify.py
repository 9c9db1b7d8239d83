"""The platform's own comparison of a submitted strategy's backtest with the engine, signed:
``python -m live_engine.parity_certify --bundle FILE --ticks FILE.npy``.

Both sides run the strategy in sandboxes. The certificate lies below ``HOME/engine/parity`` and is shown to whoever
approves the strategy.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from kernel_lib.backtest.outside import OUTSIDE
from kernel_lib.backtest.parity_engine import run_engine
from kernel_lib.backtest.parity_gap import Side, explain
from kernel_lib.backtest.parity_job import Job
from kernel_lib.backtest.parity_moment import Moment
from kernel_lib.backtest.parity_run import counts_of
from kernel_lib.certificate import Certificate, as_text, certificate_of, certificate_path
from kernel_lib.config import Home
from kernel_lib.errors import BadData, Misconfigured, TickhubError
from kernel_lib.keys import read_private_key
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.passport import Passport, decode_passport
from kernel_lib.sandbox import capabilities
from live_engine.parity_backtest import SandboxedBacktest
from live_engine.tenant_user import tenant_uid

__all__ = ["certify", "main"]


def certify(passport: Passport, ticks: Ticks, *, uid: int = 52000, trusted: bool = False) -> Certificate:
    """Run a passport's strategy through both sides, in sandboxes, and state what came of it.

    Raises
    ------
    BadData
        It reads values from outside, which a file of ticks does not hold.
    Misconfigured
        The machine cannot isolate, and nobody said that the code is trusted.
    """
    if passport.channels:
        raise BadData(
            f"{passport.name} reads {', '.join(passport.channels)} from outside, which a file of ticks does not hold; "
            "its author runs parity(..., outside=...), and the nightly comparison covers it live"
        )
    if not trusted and not capabilities().isolates:
        raise Misconfigured(f"a tenant's code needs a sandbox: {'; '.join(capabilities().reasons)}")
    told = np.zeros(0, OUTSIDE)
    job = Job(bundle=passport.encode(), limits=passport.limits)
    found = run_engine(job, ticks, told)
    with SandboxedBacktest(
        passport, ticks, limits=passport.limits, costs=passport.costs, uid=uid, trusted=trusted
    ) as backtest:
        rows = backtest.rows()

        def in_engine(tick: int) -> Moment:
            part = run_engine(msgspec.structs.replace(job, stop=tick + 1), ticks, told)
            repeats = part.rows.tobytes() == found.rows[: len(part.rows)].tobytes()
            return Moment(
                tick=tick, shown=backtest.values(part.found.proposer), seen={}, answer=part.last_answer, repeats=repeats
            )

        gap = explain(
            Side(
                name="the backtest", ticks=ticks, told=told, rows=rows, tick_of=backtest.tick_of, moment=backtest.moment
            ),
            Side(
                name="the engine", ticks=found.ticks, told=told, rows=found.rows,
                tick_of=lambda row: (int(found.row_ticks[row]), True), moment=in_engine,
            ),
        )  # fmt: skip
    return certificate_of(
        passport, ticks, counts={"ticks": len(ticks), **counts_of(rows)}, gap=gap, isolated=found.found.isolated,
        machine_code=found.found.machine_code,
    )  # fmt: skip


@click.command()
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The passport's bytes.")
@click.option("--ticks", "file", required=True, type=click.Path(path_type=Path), help="Ticks as npy, dtype TICK.")
@click.option("--trusted", is_flag=True, help="The code is trusted: run unisolated where it must be.")
@click.option("--json", "as_json", is_flag=True, help="The signed certificate as one JSON object.")
def main(bundle: Path, file: Path, trusted: bool, as_json: bool) -> None:
    """Compare a submitted strategy's backtest with the engine, sign what came of it, and keep it for its approver."""
    try:
        certificate, text, path = _run(bundle, file, trusted)
    except TickhubError as error:
        sys.exit(f"tickhub: {type(error).__name__}: {error}")
    click.echo(json.dumps(json.loads(text) | {"path": str(path)}) if as_json else f"signed: {certificate}")
    sys.exit(certificate.verdict != "identical")


def _run(bundle: Path, file: Path, trusted: bool) -> tuple[Any, str, Path]:
    home = Home.from_environ()
    key = read_private_key(home)
    passport = decode_passport(bundle.read_bytes())
    ticks = np.load(file, allow_pickle=False)
    if ticks.dtype != TICK:
        raise BadData(f"ticks must be of dtype TICK, they were {ticks.dtype}", source=str(file))
    certificate = certify(passport, ticks, uid=tenant_uid(home, passport.tenant), trusted=trusted)
    text = as_text(certificate, key)
    path = certificate_path(home, passport.tenant, passport.hash)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(text)
    draft.rename(path)
    return certificate, text, path


if __name__ == "__main__":
    main()
