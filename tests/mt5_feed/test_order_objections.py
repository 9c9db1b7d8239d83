"""What is refused before it leaves, and what is told of deals that no order waits for."""

from typing import Any

import pytest

from kernel_lib.wire import OrderIntent
from mt5_feed.simulator import Fault
from tests.mt5_feed.order_bench import Make, intent, path_of

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"key": "0123456789abcdefg"}, "16 characters"),
        ({"lots": 0.0}, "positive"), ({"lots": -0.1}, "positive"), ({"lots": INFINITE}, "positive"),
        ({"stop_loss": NAN}, "prices or 0"), ({"take_profit": INFINITE}, "prices or 0"),
        ({"magic": -1}, "magic"), ({"magic": 2**63}, "magic"),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_the_terminal_would_take_amiss_are_refused(make: Make, order: dict[str, Any], reason: str) -> None:
    bench = make(path_of(1.1))
    given = {"key": "k1", "agent": "demo", "magic": 77, "symbol": "EURUSD", "side": 1, "lots": 0.1} | order
    bench.desk.receive(OrderIntent(**given))
    (report,) = bench.reports()
    assert (report.kind, reason in report.reason) == ("rejected", True)
    assert report.lots == (0.0 if order.get("lots") == INFINITE else given["lots"])
    assert bench.positions == ()


@pytest.mark.parametrize("order", [{"key": "0123456789abcdef"}, {"magic": 0}], ids=str)
def test_numbers_at_the_edge_are_taken(make: Make, order: dict[str, Any]) -> None:
    bench = make(path_of(1.1))
    given = {"key": "k1", "agent": "demo", "magic": 77, "symbol": "EURUSD", "side": 1, "lots": 0.1} | order
    bench.desk.receive(OrderIntent(**given))
    assert bench.kinds() == ["filled"]


def test_nothing_is_sent_while_there_is_trouble(make: Make) -> None:
    bench = make(path_of(1.1))
    bench.desk._trouble = lambda: "the server's clock is off"
    bench.desk.receive(intent("k1"))
    (report,) = bench.reports()
    assert (report.kind, report.reason) == ("rejected", "the server's clock is off")
    assert bench.positions == ()
    bench.desk._trouble = str
    bench.desk.receive(intent("k2"))
    assert bench.kinds() == ["filled"]


@pytest.mark.parametrize("side", [1, -1])
def test_a_deal_with_the_key_of_an_order_that_was_refused_is_told_as_its_fill_once(make: Make, side: int) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "retcode", 10006),))
    bench.desk.receive(intent("k1", side=side))
    assert bench.kinds() == ["rejected"]
    known = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0 if side > 0 else 1, "type_filling": 1}
    for comment, magic in (("k1", 77), ("by hand", 0)):  # the broker did it all the same; a person traded too
        result = bench.terminal.order_send({**known, "comment": comment, "magic": magic})
        assert result is not None
        assert result.retcode == 10009
    for _ in range(3):
        bench.desk.reconcile()
    (late,) = bench.reports()
    assert (late.kind, late.key, late.side, late.lots, late.magic) == ("filled", "k1", side, 0.1, 77)
    assert late.price == (1.1001 if side > 0 else 1.1)


@pytest.mark.parametrize(
    ("comment", "why", "said"),
    [
        ("closed by server", 4, "[sl] closed by server"), ("", 5, "[tp]"), ("", 6, "[so]"),
        ("[tp 1.15000]", 5, "[tp 1.15000]"), ("", 0, "reason 0"), ("by hand", 0, "by hand"),
    ],
)  # fmt: skip
def test_a_close_by_the_server_says_which_though_the_broker_rewrote_the_comment(
    make: Make, comment: str, why: int, said: str
) -> None:
    bench = make(path_of(1.1, 1.08))
    bench.desk.receive(intent("k1", stop_loss=1.09))
    bench.reports()
    bench.step()
    look = bench.terminal.history_deals_get

    def rewritten(*dates: float, **filters: Any) -> Any:
        return tuple(
            each._replace(comment=comment, reason=why) if each.entry == 1 else each
            for each in look(*dates, **filters) or ()
        )

    bench.terminal.history_deals_get = rewritten  # type: ignore[method-assign]
    bench.desk.reconcile()
    (closed,) = bench.reports()
    assert (closed.kind, closed.key, closed.reason) == ("closed", "k1", said)
