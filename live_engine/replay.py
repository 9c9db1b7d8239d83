"""Feed a desk's journal again: ``python -m live_engine.replay --tenant T``.

Every journaled event goes through fresh books in its order, with the strategies' journaled answers in place of their
code, so nothing of a tenant's runs here. What the books give must equal what the journal says they gave.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.config import Home
from kernel_lib.errors import BadData, TickhubError
from kernel_lib.market.tick import TICK
from kernel_lib.passport import Approval, Passport
from kernel_lib.trading.record import EVENT, Kind
from kernel_lib.wire import TickBlock, decode
from live_engine import entries
from live_engine.draft import Draft
from live_engine.heard import Question, Told
from live_engine.proposers import AskedSeats, Fault, Seats
from live_engine.segment import read_journal
from live_engine.slot import Slot
from live_engine.strategy_wire import Answer
from live_engine.trading import Desk

__all__ = ["SlotTrail", "Trail", "check_journal", "main", "read_trail"]


class SlotTrail(msgspec.Struct):
    """What one strategy's book gave; ``first_tick`` counts the ticks of its symbol before it was put on the desk."""

    passport: Passport
    approval: Approval
    rows: npt.NDArray[np.void]
    first_tick: int


class Trail(msgspec.Struct):
    """What a journal holds: ``ticks`` by symbol, each once, and a trail for each slot."""

    ticks: dict[str, npt.NDArray[np.void]]
    slots: dict[int, SlotTrail]
    n_records: int


def read_trail(directory: Path) -> Trail:
    """Read a desk's journal into arrays.

    Parameters
    ----------
    directory : Path
        The desk's, with ``journal`` in it.

    Raises
    ------
    BadData
        There is no journal.
    Broken
        It is damaged; says where.
    """
    if not (directory / "journal").is_dir():
        raise BadData(f"a desk's journal must be at {directory / 'journal'}; has this tenant traded?")
    blocks: dict[str, list[npt.NDArray[np.void]]] = {}
    rows: dict[int, list[npt.NDArray[np.void]]] = {}
    slots: dict[int, SlotTrail] = {}
    n_records = 0
    for record in read_journal(directory / "journal"):
        n_records += 1
        if record.kind == entries.BLOCK:
            block = decode(entries.unpack_inbound(record.payload).raw)
            if isinstance(block, TickBlock):
                blocks.setdefault(block.symbol, []).append(block.array())
        elif record.kind == entries.OPENED:
            opened = msgspec.msgpack.decode(record.payload, type=entries.OpenedEntry)
            passport = msgspec.msgpack.decode(opened.bundle, type=Passport)
            approval = msgspec.msgpack.decode(opened.approval, type=Approval)
            before = sum(map(len, blocks.get(passport.instrument.symbol, ())))
            slots[opened.slot] = SlotTrail(passport, approval, np.zeros(0, EVENT), before)
        elif record.kind == entries.ROWS:
            slot, given = entries.unpack_rows(record.payload)
            rows.setdefault(slot, []).append(given)
    for number, trail in slots.items():
        trail.rows = np.concatenate([np.zeros(0, EVENT), *rows.get(number, [])])
    ticks = {symbol: np.concatenate([np.zeros(0, TICK), *parts]) for symbol, parts in blocks.items()}
    return Trail(ticks, slots, n_records)


def check_journal(directory: Path, tenant: str) -> Desk:
    """Rebuild a desk from its whole journal, on a copy, and give it.

    Raises
    ------
    Broken
        A book gives something else than it gave live; says where.
    """
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(directory / "journal", Path(scratch) / "journal")
        desk = Desk(Path(scratch), tenant, _NoCode(), send=lambda intent: None, was_sent=lambda key: True)
        desk.journal.close()
        return desk


class _NoCode:
    """Runs no strategy: in a replay all answers come from the journal."""

    restarts = 0

    def add(
        self, slot: int, load: dict[str, object], state: bytes = b"", since: Iterable[Question | Told] = ()
    ) -> None:
        return None

    def tell(self, told: Told) -> None:
        return None

    def remove(self, slot: int) -> None:
        return None

    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]:
        return {}

    def seats(self, slots: list[Slot], draft: Draft) -> Seats:
        return AskedSeats(self, slots)

    def snapshot(self, slot: int) -> bytes | Fault:
        return b""

    def close(self) -> None:
        return None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--tenant", required=True, help="Whose desk.")
@click.option("--out", type=click.Path(path_type=Path), help="Write ticks and rows to this npz file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def main(tenant: str, out: Path | None, as_json: bool) -> None:
    """Feed a desk's journal again and check that it gives the same rows."""
    try:
        answer = _run(tenant, out)
    except TickhubError as error:
        sys.exit(f"tickhub: {type(error).__name__}: {error}")
    if as_json:
        click.echo(json.dumps(answer))
        return
    click.echo(f"identical: {answer['records']:,} records, {answer['ticks']:,} ticks")
    for each in answer["strategies"]:
        counts = f"{each['decisions']:,} changes of mind, {each['orders']:,} orders, {each['fills']:,} fills"
        click.echo(f"  {each['name']} ({each['mode']}): {counts}")


def _run(tenant: str, out: Path | None) -> dict[str, Any]:
    directory = Home.from_environ() / "engine" / "desks" / tenant
    trail = read_trail(directory)
    check_journal(directory, tenant)
    if out is not None:
        arrays: dict[str, npt.NDArray[np.void]] = {f"ticks_{symbol}": ticks for symbol, ticks in trail.ticks.items()}
        arrays |= {f"rows_{each.passport.hash}": each.rows for each in trail.slots.values()}
        np.savez(out, **arrays)  # type: ignore[arg-type]
    strategies = [
        {
            "slot": number, "name": each.passport.name, "hash": each.passport.hash,
            "mode": each.approval.mode,
            "symbol": each.passport.instrument.symbol, "first_tick": each.first_tick,
            "decisions": int((each.rows["kind"] == int(Kind.DECISION)).sum()),
            "orders": int((each.rows["kind"] == int(Kind.ORDER)).sum()),
            "fills": int((each.rows["kind"] == int(Kind.FILL)).sum()),
        }
        for number, each in trail.slots.items()
    ]  # fmt: skip
    return {"identical": True, "records": trail.n_records, "ticks": sum(map(len, trail.ticks.values())),
            "strategies": strategies}  # fmt: skip


if __name__ == "__main__":
    main(prog_name="tickhub replay")
