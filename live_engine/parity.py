"""The engine on recorded ticks, for a comparison with a backtest: ``python -m live_engine.parity DIRECTORY``.

A real desk: blocks of ticks as the bridge would publish them, the write-ahead journal, the strategy in its sandboxed
process, the paper broker. What comes out is read from the journal. The directory's files are those of
:mod:`kernel_lib.backtest.parity_job`.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.parity_job import Found, Job, read_array, read_struct, write_array, write_struct
from kernel_lib.errors import Broken, TickhubError
from kernel_lib.machine_code import cache_dir
from kernel_lib.market.tick import TICK, Ticks, make_ticks
from kernel_lib.passport import Approval, Approved, Passport, decode_passport
from kernel_lib.sandbox import capabilities
from kernel_lib.trading.record import EVENT
from kernel_lib.wire import OrderIntent, OutsideValue, TickBlock, decode, encode, tick_block
from live_engine import entries
from live_engine.segment import read_journal
from live_engine.strategy_process import HostConfig, StrategyHost
from live_engine.trading import Desk

__all__ = ["main", "run"]

_AGENT = "parity"
_LONGEST_BLOCK = 200
_SAY_EVERY_S = 0.2


def run(directory: Path) -> None:
    """Run the job of a directory and leave what was found beside it."""
    began = time.monotonic()
    job: Job = read_struct(directory, "job", Job)
    ticks = read_array(directory, "ticks")
    told = read_array(directory, "told")
    passport = decode_passport(job.bundle)
    able = capabilities()
    host = StrategyHost(f"parity-{os.getpid()}", HostConfig(answer_s=job.answer_s, trusted=not able.isolates))
    desk = Desk(directory / "desk", passport.tenant, host, send=_refuse)
    number, snapshot = 0, b""
    try:
        desk.reload({passport.hash: _approved(passport, job, ticks)}, {})
        (number,) = desk.slots
        slot = desk.slots[number]
        loaded = slot.running
        if loaded:
            _feed(desk, passport, job, ticks[: job.stop or len(ticks)], told)
        if slot.running:
            taken = host.snapshot(number)
            snapshot = taken if isinstance(taken, bytes) else b""
        numbers, reason = slot.book.numbers, slot.reason
    finally:
        desk.close()
    _write_trail(directory, number, passport.instrument.symbol)
    write_struct(
        directory, "found",
        Found(
            loaded=loaded, reason=reason, isolated=able.isolates, unisolated=[] if able.isolates else able.reasons,
            numbers=dict(numbers), proposer=snapshot, machine_code=cache_dir().name,
            seconds=time.monotonic() - began,
        ),
    )  # fmt: skip


def _approved(passport: Passport, job: Job, ticks: Ticks) -> tuple[bytes, bytes, Approved]:
    approval = Approval(
        hash=passport.hash, tenant=passport.tenant, author=passport.author, approver="nobody, a rehearsal",
        mode="paper", limits=job.limits, at_ns=int(ticks["time_ns"][0]),
    )  # fmt: skip
    return job.bundle, msgspec.msgpack.encode(approval, order="sorted"), Approved(passport, approval)


def _feed(desk: Desk, passport: Passport, job: Job, ticks: Ticks, told: npt.NDArray[np.void]) -> None:
    spoken = 0.0
    n_done = 0
    for entry, (kind, raw, n_ticks) in enumerate(_messages(passport, job, ticks, told), 1):
        if kind == "outside":
            desk.on_outside(f"{entry}-0", raw)
        else:
            desk.on_block(f"{entry}-0", raw)
        n_done += n_ticks
        now = time.monotonic()
        if now - spoken > _SAY_EVERY_S:
            spoken = now
            _say(n_done)
    _say(n_done)


def _messages(
    passport: Passport, job: Job, ticks: Ticks, told: npt.NDArray[np.void]
) -> Iterator[tuple[str, bytes, int]]:
    """Cut the ticks into blocks; values from outside come before the first tick at or after their time."""
    symbol = passport.instrument.symbol
    dice = random.Random(job.seed)  # noqa: S311  (lengths of blocks, nothing secret)
    places = np.searchsorted(ticks["time_ns"], told["time_ns"], side="left")
    at = next_told = n_quotes = 0
    while at < len(ticks):
        while next_told < len(told) and places[next_told] <= at:
            time_ns, place, number = told[next_told].item()
            channel = passport.channels[place]
            next_told += 1
            if channel in job.quoted:
                n_quotes += 1
                quote = make_ticks(np.array([time_ns]), np.array([number]), np.array([number]))
                yield "ticks", _block(channel, n_quotes, quote, f"{_AGENT}-other"), 0
            else:
                yield "outside", encode(OutsideValue(channel=channel, number=number, known_ns=time_ns, by=_AGENT)), 0
        stop = min(len(ticks), at + dice.randint(1, _LONGEST_BLOCK))
        if next_told < len(told):
            stop = min(stop, int(places[next_told]))
        yield "ticks", _block(symbol, at + 1, ticks[at:stop], _AGENT), stop - at
        at = stop


def _block(symbol: str, first: int, ticks: Ticks, agent: str) -> bytes:
    newest_ns = int(ticks["time_ns"][-1])
    return encode(tick_block(agent, symbol, first, ticks, terminal_ns=newest_ns, read_ns=newest_ns))


def _write_trail(directory: Path, slot: int, symbol: str) -> None:
    """Read rows, ticks and the last answer from the journal."""
    parts: list[npt.NDArray[np.void]] = [np.zeros(0, EVENT)]
    places: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    seen: list[npt.NDArray[np.void]] = [np.zeros(0, TICK)]
    n_before = n_seen = at = 0
    answer = np.zeros(1, entries.PROPOSAL)
    for record in read_journal(directory / "desk" / "journal"):
        if record.kind == entries.BLOCK:
            block = decode(entries.unpack_inbound(record.payload).raw)
            if isinstance(block, TickBlock) and block.symbol == symbol:
                n_before = n_seen
                seen.append(block.array())
                n_seen += len(seen[-1])
        elif record.kind == entries.PROPOSALS:
            index, answers = entries.unpack_proposals(record.payload)
            at = n_before + index
            if len(answers):
                answer = answers[answers["slot"] == slot].copy()
        elif record.kind == entries.ROWS:
            rows = entries.unpack_rows(record.payload)[1]
            parts.append(rows)
            places.append(np.full(len(rows), at, np.int64))
    write_array(directory, "rows", np.concatenate(parts))
    write_array(directory, "row_ticks", np.concatenate(places))
    write_array(directory, "seen", np.concatenate(seen))
    names = ["target", "units", "stop", "take", "status"]
    plain = np.zeros(1, [(name, entries.PROPOSAL[name]) for name in names])
    for name in names:
        plain[name] = answer[name]
    write_array(directory, "last_answer", plain)


def _refuse(intent: OrderIntent) -> None:
    raise Broken(f"a rehearsal sends no order, it sent {intent.key}")


def _say(n_ticks: int) -> None:
    print(json.dumps({"ticks": n_ticks}), flush=True)  # noqa: T201


def main() -> None:
    """Run the job of the directory named on the command line."""
    signal.signal(signal.SIGTERM, _end)
    try:
        run(Path(sys.argv[1]))
    except TickhubError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _end(*_: Any) -> None:
    raise SystemExit("ended by who started it")


if __name__ == "__main__":
    main()
