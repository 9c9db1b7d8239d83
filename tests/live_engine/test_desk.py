"""A desk rebuilt from its journal is the desk that was: cut anywhere, nothing lost, nothing twice."""

import hashlib
import itertools
import math
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from kernel_lib.backtest.replay import replay
from kernel_lib.errors import Broken
from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.strategy import load_strategy
from kernel_lib.trading.record import Control, Kind, Status
from kernel_lib.wire import OrderIntent, OutsideValue, Report, encode, tick_block
from live_engine import entries
from live_engine.heard import Question
from live_engine.journal import JournalConfig
from live_engine.proposers import Fault
from live_engine.segment import read_journal
from live_engine.strategy_wire import Answer
from live_engine.trading import Desk, DeskConfig
from tests.live_engine.desk_kit import InProcessStrategies, blocks_of, desk_bundle, journaled_rows

SMALL = DeskConfig(snapshot_ticks=10**9, journal=JournalConfig(segment_bytes=1 << 20))


class SilentStrategies(InProcessStrategies):
    """Answers nothing from a given tick on."""

    def __init__(self, silent_from: int) -> None:
        super().__init__()
        self.left = silent_from

    def ask(self, questions: list[Question]) -> dict[int, Answer | Fault]:
        self.left -= 1
        if self.left < 0:
            return {question.slot: Fault("no answer within 0.25 s", int(Status.TIMEOUT)) for question in questions}
        return super().ask(questions)


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


@pytest.fixture(scope="module")
def quick() -> Any:
    return ma_cross.with_params(fast=10, slow=40)


def open_desk(directory: Path, sent: list[OrderIntent] | None = None, **fields: Any) -> Desk:
    fields = {"proposers": InProcessStrategies(), "config": SMALL, "clock": lambda: 1_549_000_000_000_000_000} | fields
    return Desk(directory, "acme", send=(sent if sent is not None else []).append, **fields)


def feed(desk: Desk, blocks: list[tuple[str, bytes]]) -> None:
    """Feed what the desk has not seen yet, as the bus would."""
    seen = int(desk.tick_id.partition("-")[0] or 0)
    for entry_id, raw in blocks[seen:]:
        desk.on_block(entry_id, raw)


def crash(desk: Desk) -> None:
    """End without a snapshot, as a killed process does."""
    desk.journal.close()


def test_a_journal_cut_at_any_record_is_recovered_and_goes_on_to_the_same_end(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    blocks = blocks_of(ticks, [17] * 400)
    expected = replay(quick, ticks)
    whole = open_desk(tmp_path / "whole", config=DeskConfig(snapshot_ticks=2000, journal=SMALL.journal))
    whole.reload(desk_bundle(quick), {})
    feed(whole, blocks)
    crash(whole)
    assert journaled_rows(tmp_path / "whole").tobytes() == expected.events.tobytes()
    path = next((tmp_path / "whole" / "journal").glob("*.wal"))
    content = path.read_bytes()
    used = len(content.rstrip(b"\0"))
    final = whole.slots[1].book.snapshot()
    dice = random.Random(3)
    for number in range(8):
        cut_at = dice.randrange(used // 2, used)
        cut = tmp_path / f"cut{number}"
        shutil.copytree(tmp_path / "whole", cut)
        (cut / "snapshot").unlink()  # else a cut before the snapshot would be a lost journal
        (cut / "journal" / path.name).write_bytes(content[:cut_at])
        desk = open_desk(cut)
        feed(desk, blocks)
        assert desk.state().counts["ticks"] == len(ticks)
        assert (desk.state().counts["lost"], desk.state().counts["doubled"]) == (0, 0)
        assert desk.slots[1].book.snapshot() == final
        crash(desk)
        assert journaled_rows(cut).tobytes() == expected.events.tobytes()


def test_a_snapshot_shortens_recovery_and_changes_nothing(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    blocks = blocks_of(ticks, [25] * 400)
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks[:100])
    desk.snapshot()
    feed(desk, blocks[:150])
    crash(desk)
    again = open_desk(tmp_path)
    feed(again, blocks)
    again.close()
    assert journaled_rows(tmp_path).tobytes() == replay(quick, ticks).events.tobytes()
    third = open_desk(tmp_path)
    assert third.state().counts["ticks"] == len(ticks)
    crash(third)


def test_a_journal_that_says_otherwise_is_broken(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks_of(ticks[:2000], [25] * 80))
    rows = desk.slots[1].book.drain()
    forged = np.zeros(1, rows.dtype)
    desk.journal.append(entries.ROWS, entries.pack_rows(1, forged.tobytes()))
    crash(desk)
    with pytest.raises(Broken, match="must give again what it gave"):
        open_desk(tmp_path)


def test_a_desk_killed_before_its_first_tick_still_begins_where_it_began(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.start_at("5-0", "3-0")
    crash(desk)
    again = open_desk(tmp_path)
    again.start_at("900-0", "900-0")
    assert (again.tick_id, again.report_id) == ("5-0", "3-0")
    crash(again)


def test_a_damaged_snapshot_is_refused_by_name(quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    desk.close()
    content = bytearray((tmp_path / "snapshot").read_bytes())
    content[50] ^= 1
    (tmp_path / "snapshot").write_bytes(bytes(content))
    with pytest.raises(Broken, match="snapshot must match its checksum"):
        open_desk(tmp_path)
    (tmp_path / "snapshot").unlink()
    crash(open_desk(tmp_path))


def test_a_snapshot_of_an_older_release_is_refused_by_its_version(quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    desk.close()
    held = msgspec.msgpack.decode((tmp_path / "snapshot").read_bytes()[32:])
    assert held["version"] == 3
    old = msgspec.msgpack.encode({**held, "version": 2})
    (tmp_path / "snapshot").write_bytes(hashlib.sha256(old).digest() + old)
    with pytest.raises(Broken, match="a snapshot must have version 3, it has 2; move it away"):
        open_desk(tmp_path)


def test_a_strategy_that_never_answers_is_paused_with_a_reason_and_stays_so(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    blocks = blocks_of(ticks, [25] * 400)
    desk = open_desk(tmp_path, proposers=SilentStrategies(1000))
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks[:100])
    (before,) = desk.state().strategies
    assert (before.state, before.reason, before.ticks) == ("paused", "no answer within 0.25 s", 2500)
    crash(desk)
    again = open_desk(tmp_path)
    (after,) = again.state().strategies
    assert after == before
    assert again.control(Control.RESUME, by="tom", reason="fixed", strategy=quick.name) == [quick.name]
    feed(again, blocks)
    (resumed,) = again.state().strategies
    assert (resumed.state, resumed.reason) == ("active", "")
    assert resumed.decisions > before.decisions
    final = again.slots[1].book.snapshot()
    crash(again)
    third = open_desk(tmp_path)
    assert third.slots[1].book.snapshot() == final
    crash(third)


def sent_by(agent: str, first: int, ticks: Ticks, received_s: int) -> tuple[str, bytes]:
    newest_ns = int(ticks["time_ns"][-1])
    block = tick_block(agent, "EURUSD", first, ticks, terminal_ns=newest_ns, read_ns=newest_ns)
    return f"{received_s}-0", encode(block)


def test_two_agents_with_one_symbol_are_two_markets(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    seconds = [0]
    clock = {"clock": lambda: 1_549_000_000_000_000_000 + seconds[0] * 10**9}
    desk = open_desk(tmp_path, [], **clock)
    desk.reload(desk_bundle(quick) | desk_bundle(ma_cross.with_params(fast=11, slow=40), mode="mt5"), {})
    paper, real = sorted(desk.slots.values(), key=lambda slot: not slot.paper)
    assert (paper.approval.agent, real.approval.agent) == ("", "pc1")
    for number, (agent, expected) in enumerate(
        [("pc2", (100, 0)), ("pc1", (100, 100)), ("pc2", (200, 100)), ("pc1", (200, 200))], 1
    ):
        seconds[0] = number
        part = ticks[(number - 1) * 100 : number * 100]
        desk.on_block(*sent_by(agent, 1 + 100 * ((number - 1) // 2), part, number))
        assert (paper.book.numbers["n_ticks"], real.book.numbers["n_ticks"]) == expected
    shown = desk.state().ticks[0].time_ns
    assert shown == int(ticks["time_ns"][299])
    desk.snapshot()
    crash(desk)
    again = open_desk(tmp_path, [], **clock)
    seconds[0] = 63  # a minute after pc2 was last heard
    again.on_block(*sent_by("pc1", 201, ticks[400:500], 63))
    seconds[0] = 64
    again.on_block(*sent_by("pc1", 301, ticks[500:600], 64))
    paper, real = sorted(again.slots.values(), key=lambda slot: not slot.paper)
    assert (paper.book.numbers["n_ticks"], real.book.numbers["n_ticks"]) == (300, 400)
    assert again.state().counts["lost"] == 0
    crash(again)


def test_a_snapshot_without_room_is_told_and_the_journal_is_enough(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    blocks = blocks_of(ticks, [25] * 400)
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks[:100])
    (tmp_path / "snapshot.draft").mkdir()  # what a full disk does: the draft cannot be written
    desk.snapshot()
    assert "needs room beside the journal" in desk.state().warnings[-1]
    feed(desk, blocks)
    crash(desk)
    again = open_desk(tmp_path)
    assert again.slots[1].book.snapshot() == desk.slots[1].book.snapshot()
    crash(again)
    assert journaled_rows(tmp_path).tobytes() == replay(quick, ticks).events.tobytes()


def test_a_strategy_is_named_by_the_first_characters_of_its_hash(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    (held,) = desk.slots.values()
    assert desk.control(Control.PAUSE, by="tom", reason="odd", strategy=held.hash[:5]) == []
    assert desk.control(Control.PAUSE, by="tom", reason="odd", strategy=held.hash[:6]) == [quick.name]
    crash(desk)


def test_a_strategy_that_raises_gives_the_same_rows_as_in_the_backtest(ticks: Ticks, tmp_path: Path) -> None:
    source = (
        "from kernel_lib import features as f\nfrom kernel_lib.strategy import strategy\n"
        "@strategy(features={'fast': f.ema(10), 'slow': f.ema(40)})\n"
        "def fragile(x, position, p):\n"
        f"    if x.time_ns > {int(ticks['time_ns'][3000])}: return 5.0\n"
        "    return 1.0 if x.fast > x.slow else -1.0\n"
    )
    fragile = load_strategy(source, "fragile")
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(fragile), {})
    feed(desk, blocks_of(ticks, [40] * 200))
    (state,) = desk.state().strategies
    crash(desk)
    assert state.paused
    assert "from -1 to 1" in state.reason
    assert journaled_rows(tmp_path).tobytes() == replay(fragile, ticks).events.tobytes()


def test_a_killed_desk_goes_flat_and_new_strategies_start_killed(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    blocks = blocks_of(ticks, [25] * 400)
    desk = open_desk(tmp_path)
    bundles = desk_bundle(quick)
    desk.reload(bundles, {})
    feed(desk, blocks[:100])
    assert desk.state().positions
    desk.control(Control.KILL, by="tom", reason="drill")
    orders = desk.state().strategies[0].orders
    feed(desk, blocks[:150])
    assert not desk.state().positions
    assert desk.state().strategies[0].orders == orders
    desk.reload(bundles | desk_bundle(ma_cross), {})
    assert [each.state for each in desk.state().strategies] == ["killed", "killed"]
    crash(desk)
    again = open_desk(tmp_path)
    assert [each.state for each in again.state().strategies] == ["killed", "killed"]
    crash(again)


@pytest.mark.parametrize("one", [False, True], ids=["all", "one"])
def test_a_pause_that_comes_after_a_kill_takes_nothing_of_it_back(
    ticks: Ticks, quick: Any, tmp_path: Path, one: bool
) -> None:
    blocks = blocks_of(ticks, [25] * 400)
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks[:100])
    assert desk.state().positions
    strategy = quick.name if one else ""
    desk.control(Control.KILL, by="tom", reason="drill", strategy=strategy)
    assert desk.control(Control.PAUSE, by="ann", reason="odd", strategy=strategy) == [quick.name]
    (state,) = desk.state().strategies
    assert (state.state, state.reason) == ("killed", "kill by tom: drill")
    feed(desk, blocks[:101])
    assert not desk.state().positions
    desk.reload(desk_bundle(quick) | desk_bundle(ma_cross), {})
    assert [each.state for each in desk.state().strategies][1] == ("active" if one else "killed")
    crash(desk)


def test_a_strategy_that_was_taken_off_goes_flat_whoever_pauses_the_desk(
    ticks: Ticks, quick: Any, tmp_path: Path
) -> None:
    sent: list[OrderIntent] = []
    desk, rest = first_order(ticks, quick, tmp_path, sent)
    desk.on_report("1-0", answered(sent[0], 1))
    desk.reload({}, {})
    desk.on_report("2-0", answered(sent[1], 2, kind="rejected"))
    desk.control(Control.PAUSE, by="ann", reason="odd")
    for block in rest:
        desk.on_block(*block)
    assert len(sent) == 3, "the exit is asked for again"
    assert sent[2].closes == sent[0].lots
    crash(desk)


def test_garbage_on_the_bus_is_counted_and_passed_over(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    (first, second) = blocks_of(ticks[:80], [40, 40])
    desk.on_block(*first)
    desk.on_block("7-0", b"garbage")
    bad = ticks[:1].copy()
    bad["bid"] = np.nan
    desk.on_block("8-0", blocks_of(bad, [1])[0][1])
    desk.on_report("1-0", b"garbage")
    desk.on_block("9-0", second[1])
    assert desk.state().counts["refused_blocks"] == 2
    assert desk.state().counts["ticks"] == 80
    assert len(desk.state().warnings) == 3
    crash(desk)
    again = open_desk(tmp_path)
    assert again.tick_id == "9-0"
    crash(again)


def test_a_full_disk_halts_before_anything_is_sent(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    sent: list[OrderIntent] = []
    desk = open_desk(tmp_path, sent)
    desk.reload(desk_bundle(quick, mode="mt5"), {})
    desk.journal._failure = OSError(28, "no space left on device")
    with pytest.raises(Broken, match="no space left"):
        feed(desk, blocks_of(ticks, [40] * 200))
    assert sent == []
    assert desk.state().state == "broken"
    desk.close()


def answered(intent: OrderIntent, seq: int, **fields: Any) -> bytes:
    given: dict[str, Any] = {
        "agent": "pc1", "seq": seq, "kind": "filled", "key": intent.key, "time_ns": intent.sent_ns, "symbol": "EURUSD",
        "magic": intent.magic, "side": intent.side, "lots": intent.lots, "price": 1.14, "position": 4711, "deal": seq,
    }  # fmt: skip
    return encode(Report(**(given | fields)))


def first_order(ticks: Ticks, quick: Any, directory: Path, sent: list[OrderIntent]) -> tuple[Desk, list[Any]]:
    desk = open_desk(directory, sent)
    desk.reload(desk_bundle(quick, mode="mt5"), {})
    blocks = blocks_of(ticks, [40] * 200)
    for number, block in enumerate(blocks):
        desk.on_block(*block)
        if sent:
            return desk, blocks[number + 1 :]
    raise AssertionError("the strategy must trade")


def test_every_journaled_block_is_in_the_order_of_the_bus(ticks: Ticks, quick: Any, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(quick), {})
    feed(desk, blocks_of(ticks, [40] * 200))
    crash(desk)
    ids = [
        entries.unpack_inbound(each.payload).entry_id
        for each in read_journal(tmp_path / "journal")
        if each.kind == entries.BLOCK
    ]
    assert ids == [f"{number}-0" for number in range(1, 151)]


def test_a_value_from_outside_reaches_who_reads_it_and_is_told_again_after_a_crash(
    ticks: Ticks, tmp_path: Path
) -> None:
    source = (
        "from kernel_lib import features as f\nfrom kernel_lib.strategy import strategy\n"
        "@strategy(on='tick', features={'news': f.outside('news:EURUSD')})\n"
        "def reader(x, position, p):\n    return 1.0 if x.news > 0.0 else -1.0\n"
    )
    blocks = blocks_of(ticks[:300], itertools.repeat(1))
    desk = open_desk(tmp_path)
    desk.on_outside("1-0", value("news:EURUSD", 0.5))  # before the strategy comes: the latest holds
    desk.on_outside("2-0", b"\x93garbage")
    desk.on_outside("3-0", value("news:GBPUSD", -9.0))
    desk.reload(desk_bundle(load_strategy(source, "reader")), {})
    feed(desk, blocks[:100])
    assert [row["target"] for row in journaled_rows(tmp_path) if row["kind"] == int(Kind.DECISION)] == [1.0]
    desk.on_outside("4-0", value("news:EURUSD", -0.25))
    crash(desk)

    again = open_desk(tmp_path)
    assert again.outside_id == "4-0"
    assert any("value 2-0 refused" in each for each in desk.warnings)
    feed(again, blocks[:200])
    again.snapshot()
    crash(again)
    third = open_desk(tmp_path)
    third.on_outside("5-0", value("news:EURUSD", math.nan))  # nothing is known: the decision is not called
    feed(third, blocks)
    crash(third)
    rows = journaled_rows(tmp_path)
    assert [row["target"] for row in rows if row["kind"] == int(Kind.DECISION)] == [1.0, -1.0]


def value(channel: str, number: float) -> bytes:
    return encode(OutsideValue(channel=channel, number=number, known_ns=1))
