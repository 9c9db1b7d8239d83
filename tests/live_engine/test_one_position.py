"""A desk does not let a second strategy onto the one position that a netting account has of a symbol."""

from pathlib import Path

from kernel_lib.importers import read_ticks
from kernel_lib.strategies import ma_cross
from kernel_lib.wire import OrderIntent
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
