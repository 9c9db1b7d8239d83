"""Positions of ours that no strategy answers for are named once they stay, and only those."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import AccountState, BrokerPosition, OrderIntent, encode
from live_engine.broker import magic_of, order_key
from live_engine.state import OrphanState
from live_engine.trading import Desk
from tests.live_engine.desk_kit import desk_bundle
from tests.live_engine.test_desk import answered, crash, first_order, open_desk

QUICK = ma_cross.with_params(fast=10, slow=40)


class Told:
    """A desk that is told accounts."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._n_told = 100

    def tell(self, *positions: BrokerPosition, times: int = 2, agent: str = "pc1") -> list[OrphanState]:
        state = AccountState(
            agent=agent, login=1, time_ns=1, balance=1.0, equity=1.0, margin=0.0, margin_free=1.0, trade_allowed=True,
            positions=list(positions),
        )  # fmt: skip
        for _ in range(times):
            self._n_told += 1
            self.desk.on_report(f"{self._n_told}-0", encode(state))
        return self.desk.state().orphans


def held(magic: int, *, ticket: int = 4711, comment: str = "", symbol: str = "EURUSD", **more: Any) -> BrokerPosition:
    given = {"side": 1, "lots": 0.1, "price": 1.14, "profit": -2.5} | more
    return BrokerPosition(ticket=ticket, symbol=symbol, magic=magic, comment=comment, **given)


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Told]:
    """A desk without strategies: its home was lost."""
    made = Told(open_desk(tmp_path))
    yield made
    crash(made.desk)


def test_a_position_with_a_key_of_ours_and_no_strategy_is_named_once_it_stays(empty: Told) -> None:
    ours = held(77, comment=order_key(77, 12))
    assert empty.tell(ours, times=1) == []  # told beside its fill, perhaps
    (found,) = empty.tell(ours, times=1)
    assert (found.agent, found.symbol, found.side, found.lots, found.ticket, found.magic, found.profit) == (
        "pc1", "EURUSD", 1, 0.1, 4711, 77, -2.5,
    )  # fmt: skip
    assert found.words.startswith("EURUSD long 0.1 lots at agent pc1 (ticket 4711, magic 77) has no owner")
    (sold,) = empty.tell(held(77, comment=order_key(77, 12), side=-1))
    assert sold.words.startswith("EURUSD short 0.1 lots at agent pc1")
    assert [each.agent for each in empty.tell(ours, agent="pc2")] == ["pc1", "pc2"]
    assert [each.agent for each in empty.tell(times=1)] == ["pc2"]


def test_a_persons_trades_and_another_experts_are_nobodys_business(empty: Told) -> None:
    assert empty.tell(held(0), held(5, comment="grid v2"), held(77, comment=order_key(78, 12), ticket=1)) == []


def test_a_rewritten_comment_is_known_by_the_magic_number_of_a_strategy_that_is_not_run(empty: Told) -> None:
    expired = "ab12cd34" + "0" * 56
    empty.desk.reload({}, {expired: "expired: it ended", "notes.txt": "hash_mismatch: it is none"})
    assert [each.magic for each in empty.tell(held(magic_of(expired), comment="to close"))] == [magic_of(expired)]


def test_what_a_strategy_answers_for_has_an_owner_until_it_is_taken_off_and_flat(ticks: Ticks, tmp_path: Path) -> None:
    sent: list[OrderIntent] = []
    desk, rest = first_order(ticks, QUICK, tmp_path, sent)
    told, (entry,) = Told(desk), sent
    mine = held(entry.magic, comment=entry.key, side=entry.side)
    assert told.tell(mine) == []
    desk.on_report("1-0", answered(entry, 1))
    assert told.tell(mine) == []
    assert [each.symbol for each in told.tell(mine, held(entry.magic, symbol="USDJPY", ticket=9))] == ["USDJPY"]
    assert [each.agent for each in told.tell(mine, agent="pc2")][-1] == "pc2"  # it trades at another agent
    told.tell(agent="pc2")
    desk.reload({}, {})
    assert told.tell(mine) == []  # it goes flat
    for block in rest[:3]:
        desk.on_block(*block)
    desk.on_report("2-0", answered(sent[1], 2))
    assert desk.state().positions == []
    assert [each.ticket for each in told.tell(mine)] == [4711]
    crash(desk)


def test_a_strategy_on_paper_owns_nothing_at_a_broker(ticks: Ticks, tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(QUICK, agent="pc1"), {})
    (slot,) = desk.slots.values()
    assert [each.ticket for each in Told(desk).tell(held(slot.magic))] == [4711]
    crash(desk)


def test_a_strategy_that_runs_answers_for_its_position_though_its_book_is_flat(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.reload(desk_bundle(QUICK, mode="mt5"), {})
    (slot,) = desk.slots.values()
    assert Told(desk).tell(held(slot.magic)) == []
    crash(desk)
