"""Two strategies never share the one position that a netting account has of a symbol."""

from typing import Any

import msgspec
import pytest

from kernel_lib.errors import Refused
from kernel_lib.market.instrument import EURUSD
from kernel_lib.one_position import require_own_position
from kernel_lib.passport import Approved
from kernel_lib.strategies import breakout, ma_cross
from kernel_lib.trading.account import AccountConfig
from tests.live_engine.desk_kit import approved_bundle

GBPUSD = msgspec.structs.replace(EURUSD, symbol="GBPUSD")
HEDGING: dict[str, Any] = {"account": AccountConfig(hedging=True)}


def approved(strategy: Any = ma_cross, mode: str = "mt5", agent: str = "pc1", **fields: Any) -> Approved:
    found = approved_bundle(strategy, mode=mode, **fields)[3]
    return Approved(found.passport, msgspec.structs.replace(found.approval, agent=agent))


def test_a_second_strategy_on_the_same_position_is_refused_with_the_first_ones_name() -> None:
    first = approved()
    with pytest.raises(Refused, match=rf"ma_cross \({first.approval.hash[:8]}\) trades EURUSD at agent pc1") as refused:
        require_own_position(approved(breakout), [approved(instrument=GBPUSD), first])
    assert refused.value.code == "symbol_taken"


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        (approved(breakout, mode="paper"), approved()),
        (approved(breakout), approved(mode="paper")),
        (approved(breakout), approved(instrument=GBPUSD)),
        (approved(breakout), approved(agent="pc2")),
        (approved(breakout, **HEDGING), approved(**HEDGING)),
        (approved(breakout), approved(**HEDGING)),
        (approved(breakout, **HEDGING), approved()),
        (approved(), approved()),
    ],
    ids=[
        "on paper", "beside paper", "another symbol", "another agent", "both hedge", "the other hedges", "it hedges",
        "itself",
    ],
)  # fmt: skip
def test_what_has_a_position_of_its_own_is_let_through(wanted: Approved, other: Approved) -> None:
    require_own_position(wanted, [other])
