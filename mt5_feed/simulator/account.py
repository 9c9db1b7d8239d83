"""The simulated broker's books: positions, deals and money, netting or hedging."""

from pathlib import Path

import msgspec

from kernel_lib.market.instrument import Instrument

__all__ = ["Book", "Deal", "Order", "Position", "Quote"]

_IN, _OUT, _INOUT, _OUT_BY = 0, 1, 2, 3
_PLACED, _CANCELED, _PARTIAL, _FILLED, _REJECTED = 1, 2, 3, 4, 5
_LOT_DIGITS = 8


class Quote(msgspec.Struct, frozen=True):
    """The market at one instant."""

    time_ns: int
    bid: float
    ask: float


class Position(msgspec.Struct):
    """One open position; ``side`` is +1 long, -1 short."""

    ticket: int
    identifier: int
    symbol: str
    side: int
    lots: float
    price: float
    time_ns: int
    stop_loss: float = 0.0
    take_profit: float = 0.0
    magic: int = 0
    comment: str = ""
    reason: int = 3


class Deal(msgspec.Struct, frozen=True):
    """One deal; ``side`` 0 is a balance operation."""

    ticket: int
    order: int
    time_ns: int
    side: int
    entry: int
    position_id: int
    symbol: str
    lots: float
    price: float
    profit: float
    commission: float
    magic: int
    reason: int
    comment: str


class Order(msgspec.Struct):
    """One order; ``left`` are the lots that no deal has filled, ``state`` is the module's ``ORDER_STATE_*``."""

    ticket: int
    time_ns: int
    side: int
    symbol: str
    lots: float
    left: float
    magic: int
    reason: int
    comment: str
    position_id: int = 0
    state: int = _PLACED

    @property
    def working(self) -> bool:
        return self.state in (_PLACED, _PARTIAL)


class State(msgspec.Struct):
    """All of it, as it is kept on disk."""

    balance: float
    next_ticket: int
    positions: list[Position]
    deals: list[Deal]
    orders: list[Order] = []


class Book:
    """Books deals and keeps positions; where ``path`` is given, survives the process like a broker does.

    Parameters
    ----------
    balance : float
        Opening deposit, account currency.
    hedging : bool
        One position per deal, or one per symbol.
    commission_per_lot : float
        Charged on each deal, account currency, positive.
    """

    def __init__(
        self, contracts: dict[str, Instrument], balance: float, *, hedging: bool, currency: str, leverage: int,
        commission_per_lot: float = 0.0, first_ticket: int = 1000, path: Path | None = None,
    ) -> None:  # fmt: skip
        self.contracts = contracts
        self.hedging = hedging
        self.currency = currency
        self.leverage = leverage
        self._commission = commission_per_lot
        self._path = path
        self.state = State(balance=balance, next_ticket=first_ticket, positions=[], deals=[])
        if path is not None and path.exists():
            self.state = msgspec.json.decode(path.read_bytes(), type=State)

    def place(
        self, symbol: str, side: int, lots: float, time_ns: int, *, magic: int, comment: str, reason: int
    ) -> Order:
        """Take an order that no deal has filled yet; give it. Kept on disk with what comes next."""
        order = Order(self._ticket(), time_ns, side, symbol, lots, lots, magic, reason, comment)
        self.state.orders.append(order)
        return order

    def end(self, order: Order, *, rejected: bool = False) -> None:
        """Cancel or reject what is left of an order."""
        order.state = _REJECTED if rejected else _CANCELED
        self.save()

    def fill(
        self, symbol: str, side: int, lots: float, price: float, time_ns: int, *, magic: int, comment: str, reason: int,
        closes: Position | None = None, stop_loss: float = 0.0, take_profit: float = 0.0, of: Order | None = None,
    ) -> Deal:  # fmt: skip
        """Book one deal at a price, of an order of its own or of one that was placed; give it."""
        placed = of or self.place(symbol, side, lots, time_ns, magic=magic, comment=comment, reason=reason)
        order = placed.ticket
        held = closes if closes is not None else None if self.hedging else self.position_of(symbol)
        commission = -self._commission * lots
        profit = 0.0
        if held is None:
            entry = _IN
            held = Position(
                order, order, symbol, side, lots, price, time_ns, stop_loss, take_profit, magic, comment, reason
            )
            self.state.positions.append(held)
        elif held.side == side:
            entry = _IN
            total = round(held.lots + lots, _LOT_DIGITS)
            held.price = (held.price * held.lots + price * lots) / total
            held.lots, held.magic, held.comment = total, magic, comment
            # The last order's stand, none where it has none: MetaTrader 5 Help, Basic Principles, netting.
            held.stop_loss, held.take_profit = stop_loss, take_profit
        else:
            closed = min(lots, held.lots)
            profit = round(self.profit_of(held, price, closed), 2)
            entry = _OUT
            left = round(lots - closed, _LOT_DIGITS)
            held.lots = round(held.lots - closed, _LOT_DIGITS)
            if left > 0:
                entry = _INOUT
                held.ticket, held.side, held.lots, held.price, held.time_ns = order, side, left, price, time_ns
                held.stop_loss, held.take_profit, held.magic, held.comment = stop_loss, take_profit, magic, comment
            elif held.lots <= 0:
                self.state.positions.remove(held)
        deal = Deal(
            ticket=self._ticket(), order=order, time_ns=time_ns, side=side, entry=entry, position_id=held.identifier,
            symbol=symbol, lots=lots, price=price, profit=profit, commission=commission, magic=magic, reason=reason,
            comment=comment,
        )  # fmt: skip
        placed.left = round(placed.left - lots, _LOT_DIGITS)
        placed.state = _PARTIAL if placed.left > 0 else _FILLED
        placed.position_id = held.identifier
        self._book(deal)
        return deal

    def close_by(self, held: Position, other: Position, time_ns: int) -> Order:
        """Close a position by an opposite one, a deal of each at the other's price; give the order."""
        lots = min(held.lots, other.lots)
        order = self.place(held.symbol, -held.side, lots, time_ns, magic=0, comment="", reason=0)
        for each, against in ((held, other), (other, held)):
            # The broker books the whole profit with the first position: the second closes at its own price.
            price = against.price if each is held else each.price
            profit = round(self.profit_of(each, price, lots), 2)
            deal = Deal(
                ticket=self._ticket(), order=order.ticket, time_ns=time_ns, side=-each.side, entry=_OUT_BY,
                position_id=each.identifier, symbol=each.symbol, lots=lots, price=price, profit=profit, commission=0.0,
                magic=0, reason=0, comment=f"#{each.ticket} by #{against.ticket}",
            )  # fmt: skip
            self._book(deal)
        for each in (held, other):
            each.lots = round(each.lots - lots, _LOT_DIGITS)
        self.state.positions = [each for each in self.state.positions if each.lots > 0]
        order.left, order.state, order.position_id = 0.0, _FILLED, held.identifier
        self.save()
        return order

    def _book(self, deal: Deal) -> None:
        self.state.deals.append(deal)
        self.state.balance = round(self.state.balance + deal.profit + deal.commission, 2)
        self.save()

    def position_of(self, symbol: str) -> Position | None:
        return next((each for each in self.state.positions if each.symbol == symbol), None)

    def position_by_ticket(self, ticket: int) -> Position | None:
        return next((each for each in self.state.positions if each.ticket == ticket), None)

    def profit_of(self, position: Position, price: float, lots: float) -> float:
        """Profit in account currency of closing ``lots`` at ``price``."""
        contract = self.contracts[position.symbol]
        profit = (price - position.price) * position.side * lots * contract.contract_size
        ours = contract.currency_profit in ("", self.currency)
        return profit / price if contract.currency_base == self.currency and not ours else profit

    def margin_of(self, symbol: str, lots: float, price: float) -> float:
        """Margin in account currency that ``lots`` bind: of a pair its base, of anything else times its price.

        By MetaTrader 5's SYMBOL_CALC_MODE_FOREX and _CFDLEVERAGE, as
        :func:`~kernel_lib.trading.account.make_rules` counts it.
        """
        contract = self.contracts[symbol]
        worth = lots * contract.contract_size / self.leverage
        of_base = contract.currency_base == self.currency != contract.currency_profit
        return worth if of_base else worth * price

    def save(self) -> None:
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self.state))
            fresh.replace(self._path)

    def _ticket(self) -> int:
        # Rising, not contiguous: other clients of the same server take numbers in between.
        self.state.next_ticket += 1 + self.state.next_ticket % 3
        return self.state.next_ticket
