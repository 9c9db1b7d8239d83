"""No key is given twice: a strategy that begins a new book, on this desk or another, begins new keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import sign_approval, verify
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import OrderIntent
from live_engine import entries
from live_engine.trading import Desk
from tests.live_engine.desk_kit import approved_bundle, blocks_of
from tests.live_engine.test_desk import answered, crash, open_desk

QUICK = ma_cross.with_params(fast=10, slow=40)
DAY_NS = 86_400 * 10**9
BEGUN_NS = 1_549_000_000_000_000_000


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


@pytest.fixture(scope="module")
def approval_of() -> Callable[[int], Any]:
    """The same strategy, approved on a given day."""
    key = Ed25519PrivateKey.generate()
    passport, _, _, first = approved_bundle(QUICK, mode="mt5", key=key)

    def approve(day: int) -> Any:
        approval = msgspec.structs.replace(first.approval, at_ns=first.approval.at_ns + day * DAY_NS)
        content, signature = sign_approval(approval, key)
        approved = verify(passport.encode(), content, signature, key.public_key(), tenant="acme", now_ns=approval.at_ns)
        return {passport.hash: (passport.encode(), content, approved)}

    return approve


def _until_it_trades(desk: Desk, blocks: list[Any], sent: list[OrderIntent]) -> OrderIntent:
    n_sent = len(sent)
    while len(sent) == n_sent:
        desk.on_block(*blocks.pop(0))
    return sent[-1]


def test_a_strategy_that_is_approved_anew_gives_new_keys_and_each_book_takes_its_own_reports(
    ticks: Ticks, approval_of: Callable[[int], Any], tmp_path: Path
) -> None:
    sent: list[OrderIntent] = []
    desk = open_desk(tmp_path, sent)  # its clock stands still
    blocks = blocks_of(ticks, [40] * 200)
    desk.reload(approval_of(0), {})
    first = _until_it_trades(desk, blocks, sent)
    desk.on_report("1-0", answered(first, 1, kind="rejected"))
    desk.reload(approval_of(1), {})
    second = _until_it_trades(desk, blocks, sent)
    assert (second.magic, len(second.key) <= 16) == (first.magic, True)
    assert second.key != first.key
    desk.on_report("2-0", answered(second, 2))
    older, newer = desk.state().strategies
    assert (older.rejected, older.fills, newer.rejected, newer.fills) == (1, 0, 0, 1)
    desk.on_report("3-0", answered(first, 3))  # too late
    desk.snapshot()
    crash(desk)
    again = open_desk(tmp_path, sent)
    assert [each.fills for each in again.state().strategies] == [0, 1]
    third = _until_it_trades(again, blocks, sent)
    assert len({each.key for each in sent}) == len(sent) == 3
    again.on_report("4-0", answered(third, 4))
    assert [each.fills for each in again.state().strategies] == [0, 2]
    crash(again)


def test_a_desk_whose_home_was_lost_gives_no_key_of_before(
    ticks: Ticks, approval_of: Callable[[int], Any], tmp_path: Path
) -> None:
    keys = []
    for at, name in enumerate(("lost", "made anew")):
        sent: list[OrderIntent] = []
        desk = open_desk(tmp_path / name, sent, clock=lambda at=at: BEGUN_NS + at * DAY_NS)
        desk.reload(approval_of(0), {})
        keys.append(_until_it_trades(desk, blocks_of(ticks, [40] * 200), sent).key)
        crash(desk)
    assert keys[0] != keys[1]


def test_a_desk_of_an_older_release_goes_on_with_the_keys_it_gave(
    ticks: Ticks, approval_of: Callable[[int], Any], tmp_path: Path
) -> None:
    sent: list[OrderIntent] = []
    desk = open_desk(tmp_path, sent)
    bundle, approval, _ = next(iter(approval_of(0).values()))
    older = msgspec.msgpack.encode({"slot": 1, "bundle": bundle, "approval": approval})
    desk.journal.append(entries.OPENED, older)
    crash(desk)
    again = open_desk(tmp_path, sent)
    order = _until_it_trades(again, blocks_of(ticks, [40] * 200), sent)
    assert order.key.endswith(".1")
    again.on_report("1-0", answered(order, 1))
    assert again.state().strategies[0].fills == 1
    crash(again)
