"""A desk does not let a second strategy onto the one position that a netting account has of a symbol."""

from pathlib import Path

import msgspec

from kernel_lib.importers import read_ticks
from kernel_lib.passport import Approved
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import AccountState, BrokerPosition, OrderIntent, encode
from tests.live_engine.desk_kit import desk_bundle
from tests.live_engine.test_desk import answered, crash, first_order, open_desk


def test_a_netting_position_has_one_strategy_until_the_first_is_rejected(data_dir: Path, tmp_path: Path) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    quick = ma_cross.with_params(fast=10, slow=40)
    first, second = desk_bundle(quick, mode="mt5"), desk_bundle(ma_cross, mode="mt5")
    sent: list[OrderIntent] = []
    desk, _ = first_order(ticks, quick, tmp_path, sent)
    desk.reload(second | first, {})
    assert [each.hash for each in desk.state().strategies] == list(first)
    (why,) = (desk.state().refused[each] for each in second)
    assert why.startswith("symbol_taken: on a netting account one strategy trades a symbol, and ma_cross")
    desk.reload(second, {})
    assert list(desk.state().refused) == list(second)  # the first one's order is still on its way
    desk.on_report("1-0", answered(sent[0], 1, kind="rejected"))
    desk.reload(second, {})
    assert desk.state().refused == {}
    assert [each.state for each in desk.state().strategies] == ["withdrawn", "active"]
    crash(desk)
    again = open_desk(tmp_path)
    assert [each.state for each in again.state().strategies] == ["withdrawn", "active"]
    crash(again)


def test_what_is_taken_off_and_still_holds_is_waited_for_though_its_exit_was_rejected(
    data_dir: Path, tmp_path: Path
) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    quick = ma_cross.with_params(fast=10, slow=40)
    second = desk_bundle(ma_cross, mode="mt5")
    sent: list[OrderIntent] = []
    desk, _ = first_order(ticks, quick, tmp_path, sent)
    desk.on_report("1-0", answered(sent[0], 1))
    desk.reload(second, {})
    desk.on_report("2-0", answered(sent[1], 2, kind="rejected"))
    for entry_id, symbol, waits in [("3-0", "EURUSD", True), ("4-0", "USDJPY", False)]:
        desk.on_report(entry_id, account(symbol))  # its book waits for a word that was lost: the account is asked
        desk.reload(second, {})
        assert list(desk.state().refused) == (list(second) if waits else [])
    assert [slot.withdrawn for slot in desk.slots.values()] == [True, False]
    crash(desk)


def test_a_strategy_that_is_approved_anew_waits_for_its_older_self(data_dir: Path, tmp_path: Path) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]
    sent: list[OrderIntent] = []
    quick = ma_cross.with_params(fast=10, slow=40)
    desk, _ = first_order(ticks, quick, tmp_path, sent)
    desk.on_report("1-0", answered(sent[0], 1))
    again = desk_bundle(quick, mode="mt5")
    ((hash_, (bundle, approval, approved)),) = again.items()
    later = msgspec.structs.replace(approved.approval, at_ns=approved.approval.at_ns + 1)
    anew = {hash_: (bundle, msgspec.msgpack.encode(later), Approved(approved.passport, later))}
    assert anew[hash_][1] != approval
    desk.reload(anew, {})
    assert desk.state().refused[hash_].startswith("goes_flat_first: ma_cross was taken off and approved anew")
    desk.on_report("2-0", answered(sent[1], 2))
    desk.reload(anew, {})
    assert [each.state for each in desk.state().strategies] == ["withdrawn", "active"]
    crash(desk)


def account(symbol: str) -> bytes:
    return encode(
        AccountState(
            agent="pc1", login=1, time_ns=1, balance=1.0, equity=1.0, margin=0.0, margin_free=1.0, trade_allowed=True,
            positions=[BrokerPosition(ticket=9, symbol=symbol, side=1, lots=0.1, price=1.1)],
        )
    )  # fmt: skip
