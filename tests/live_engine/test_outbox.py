from kernel_lib.errors import Transient
from kernel_lib.wire import OrderIntent, Report
from live_engine.outbox import Outbox


class Bus:
    """A bus that may be away, and may take an intent without saying so."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.rejected: list[Report] = []
        self.away = self.mute = False
        self.now_ns = 0
        self.outbox = Outbox(self.append, self.was_sent, self.rejected.append, lambda: self.now_ns)

    def append(self, intent: OrderIntent) -> None:
        if self.away:
            raise Transient("away")
        self.taken.append(intent.key)
        if self.mute:
            raise Transient("the answer was lost")

    def was_sent(self, key: str) -> bool:
        if self.away:
            raise Transient("away")
        return key in self.taken


def intent(key: str, expires_ns: int = 10) -> OrderIntent:
    return OrderIntent(key=key, agent="pc1", magic=1, symbol="EURUSD", side=1, lots=0.1, expires_ns=expires_ns)


def flushed(bus: Bus) -> bool:
    try:
        bus.outbox.flush()
    except Transient:
        return False
    return True


def test_orders_wait_for_the_bus_and_keep_their_order() -> None:
    bus = Bus()
    bus.outbox.send(intent("a"))
    bus.away = True
    bus.outbox.send(intent("b"))
    assert not flushed(bus)
    bus.away = False
    bus.outbox.send(intent("c"))  # not before b
    assert bus.taken == ["a"]
    assert flushed(bus)
    assert (bus.taken, bus.rejected, len(bus.outbox)) == (["a", "b", "c"], [], 0)


def test_an_order_that_expired_while_the_bus_was_away_is_rejected_and_not_sent() -> None:
    bus = Bus()
    bus.away = True
    bus.outbox.send(intent("a"))
    bus.outbox.send(intent("b", expires_ns=30))
    bus.away, bus.now_ns = False, 20
    assert flushed(bus)
    assert bus.taken == ["b"]
    assert [(each.key, each.kind, each.origin) for each in bus.rejected] == [("a", "rejected", "bridge")]


def test_an_order_that_the_bus_took_without_an_answer_is_not_sent_again() -> None:
    bus = Bus()
    bus.mute = True
    bus.outbox.send(intent("a"))
    bus.mute, bus.now_ns = False, 20
    assert flushed(bus)
    assert (bus.taken, bus.rejected, len(bus.outbox)) == (["a"], [], 0)
