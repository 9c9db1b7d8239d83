"""Resting orders and trailing stops on a desk: on paper to the byte as in the backtest, at a terminal refused."""

from pathlib import Path

import pytest

from kernel_lib.backtest import replay
from kernel_lib.errors import Refused, StrategyFault
from kernel_lib.importers import read_ticks
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import build_passport, check_mode
from kernel_lib.strategy import Strategy, load_strategy
from kernel_lib.trading.record import Kind, OrderType
from kernel_lib.trading.terms import joined, order_status
from live_engine.desk import DeskConfig
from live_engine.strategy_wire import PROPOSAL, PROPOSAL_FRAME, checked_proposal
from tests.live_engine.desk_kit import approved_bundle, blocks_of, desk_bundle, journaled_rows
from tests.live_engine.test_desk import SMALL, crash, feed, open_desk

SOURCE = """
from kernel_lib import features as f
from kernel_lib.strategy import at_limit, at_stop_limit, keep, strategy

@strategy(on="1m", features={"slow": f.ema(30, bars="1m"), "fast": f.ema(10)}, stop_loss_points=60, trailing_points=40)
def waits(x, position, p):
    if position.exposure == 0.0:
        if x.fast > x.slow:
            return at_limit(1.0, x.bid - 0.00005, 600)
        return at_stop_limit(-1.0, x.bid - 0.00005, x.bid - 0.00002)
    return keep() if x.fast > x.slow else 0.0
"""


@pytest.fixture(scope="module")
def ticks(data_dir: Path) -> Ticks:
    return read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:6_000]


def waits() -> Strategy:
    return load_strategy(SOURCE, "waits")


def test_a_desk_on_paper_rests_orders_as_the_backtest_does_and_recovers_them(ticks: Ticks, tmp_path: Path) -> None:
    expected = replay(waits(), ticks)
    kinds = set(expected.events["kind"].tolist())
    assert kinds >= {int(kind) for kind in (Kind.PLACED, Kind.TRIGGERED, Kind.CANCELLED, Kind.FILL, Kind.CLOSED)}
    blocks = blocks_of(ticks, [25] * 300)
    desk = open_desk(tmp_path, config=DeskConfig(snapshot_ticks=700, journal=SMALL.journal))
    desk.reload(desk_bundle(waits()), {})
    for until in (60, 61, 150, len(blocks)):  # killed and started again in between
        feed(desk, blocks[:until])
        crash(desk)
        desk = open_desk(tmp_path)
    assert desk.slots[1].book.snapshot() == expected.book.snapshot()
    crash(desk)
    assert journaled_rows(tmp_path).tobytes() == expected.events.tobytes()


def test_an_approval_for_a_terminal_is_refused_and_says_why() -> None:
    with pytest.raises(Refused, match=r"uses resting orders, .* it runs on paper only") as refused:
        approved_bundle(waits(), mode="mt5")
    assert refused.value.code == "paper_only"
    lines = SOURCE.replace("import at_limit, at_stop_limit, keep, strategy", "import strategy").splitlines()
    trailing = load_strategy("\n".join([*lines[:6], "    return 1.0 if x.fast > x.slow else 0.0"]), "waits")
    assert trailing.paper_only == "a trailing stop"
    approved_bundle(trailing)
    with pytest.raises(Refused, match="a trailing stop"):
        approved_bundle(trailing, mode="mt5")


def test_the_mode_of_a_passport_without_such_things_is_not_refused() -> None:
    from kernel_lib.market.instrument import EURUSD
    from kernel_lib.strategies import CATALOGUE

    passport = build_passport(
        CATALOGUE["ma_cross"], instrument=EURUSD, author="quinn", tenant="acme", created_ns=1_700_000_000_000_000_000
    )
    check_mode(passport, "mt5")
    assert "paper_only" not in passport.evidence


def framed(target: float, units: int, stop: int, take: int, status: int) -> bytes:
    return PROPOSAL_FRAME.pack(PROPOSAL, 1, 2, 3, target, units, stop, take, status)


def test_an_orders_terms_come_through_the_line_as_they_are() -> None:
    status = order_status(int(OrderType.STOP_LIMIT), 110_050, 110_020)
    answer = checked_proposal(framed(1.0, 10, joined(60, 40), joined(0, 600), status), 1, 2, 3)
    assert answer == (1.0, 10, joined(60, 40), joined(0, 600), status)


@pytest.mark.parametrize(
    ("stop", "take", "status"),
    [
        (-1, 0, 1),
        (0, -1, -1),
        (10**9, 0, 1),
        (joined(0, 10**9), 0, 1),
        (0, 0, -(1 << 62)),
        (0, 0, 3),
        (0, 0, -(1 << 63)),
    ],
)
def test_terms_that_no_honest_step_gives_are_a_fault(stop: int, take: int, status: int) -> None:
    with pytest.raises(StrategyFault, match="an answer"):
        checked_proposal(framed(1.0, 10, stop, take, status), 1, 2, 3)
