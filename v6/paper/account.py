"""The account of one paper trader: cash, positions and profit; its margin by the rules of `margin`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from v6.model.contract import Contract, SecType
from v6.paper.margin import Quotes, Requirement, requirement

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """Signed contracts and what they cost in money, commissions included as IB does."""

    contract: Contract
    quantity: int
    cost: Decimal
    realized: Decimal = _ZERO

    @property
    def average_cost(self) -> Decimal:
        """Return the cost of one contract (multiplier included), positive for long and short."""
        return self.cost / self.quantity if self.quantity else _ZERO


class Ledger:
    """Cash and holdings; everything that changes them goes through `trade` and `settle`."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.realized = _ZERO
        self.holdings: dict[int, Holding] = {}
        self.closed: dict[int, Holding] = {}
        self.flows: dict[int, Decimal] = {}
        """What trading each contract has brought in (paid: negative) since `begin_day`, commissions included."""
        self.accrued = _ZERO
        """Dividends that are ours since the ex-dividend day and not paid yet; negative where we owe them."""
        self._margin: Requirement | None = None

    def trade(self, contract: Contract, quantity: int, price: Decimal, commission: Decimal) -> Decimal | None:
        """Book a fill of signed contracts; return the realised profit of the part that closed, None if none did."""
        held = self.holdings.get(contract.con_id, Holding(contract, 0, _ZERO))
        paid = quantity * price * contract.multiplier + commission
        self.cash -= paid
        self.flows[contract.con_id] = self.flows.get(contract.con_id, _ZERO) - paid
        closing = min(abs(quantity), abs(held.quantity)) if held.quantity * quantity < 0 else 0
        cost, realized = held.cost, None
        if closing:
            part = held.cost * closing / abs(held.quantity)
            fee = commission * closing / abs(quantity)
            sign = 1 if quantity > 0 else -1
            realized = -sign * closing * price * contract.multiplier - fee - part
            cost -= part
            self.realized += realized
        opening = abs(quantity) - closing
        if opening:
            sign = 1 if quantity > 0 else -1
            cost += sign * opening * price * contract.multiplier + commission * opening / abs(quantity)
        self._put(Holding(contract, held.quantity + quantity, cost, held.realized + (realized or _ZERO)))
        return realized

    def accrue(self, con_id: int, amount: Decimal) -> None:
        """Note a dividend on its ex-dividend day: it is worth its dollars, and paid later."""
        self.accrued += amount
        self.flows[con_id] = self.flows.get(con_id, _ZERO) + amount

    def receive(self, amount: Decimal) -> None:
        """Turn an accrued dividend into cash."""
        self.accrued -= amount
        self.cash += amount

    def begin_day(self) -> None:
        """Count flows from now on."""
        self.flows.clear()

    def settle(self, con_id: int, value: Decimal) -> Holding:
        """Close a holding at its cash value per share, without commission; return what was held."""
        held = self.holdings[con_id]
        self.trade(held.contract, -held.quantity, value, _ZERO)
        return held

    def quantity(self, con_id: int) -> int:
        held = self.holdings.get(con_id)
        return held.quantity if held else 0

    def margin(self, quotes: Quotes) -> Requirement:
        """Return what is asked for what is held."""
        if self._margin is None or self._margin.moves:
            self._margin = self.after({}, quotes)
        return self._margin

    def after(self, changes: Mapping[int, tuple[Contract, int]], quotes: Quotes) -> Requirement:
        """Return what would be asked after trading signed contracts; a price that is missing counts at cost."""
        wanted = {con_id: (h.contract, h.quantity) for con_id, h in self.holdings.items()}
        for con_id, (contract, quantity) in changes.items():
            wanted[con_id] = (contract, wanted.get(con_id, (contract, 0))[1] + quantity)
        costs = {c: h.average_cost / h.contract.multiplier for c, h in self.holdings.items() if c not in quotes.prices}
        return requirement(wanted.values(), Quotes({**costs, **quotes.prices}, quotes.spots))

    def equity(self, prices: Mapping[int, Decimal]) -> Decimal:
        """Return the equity with loan value: cash and shares; options lend nothing."""
        shares = (h for h in self.holdings.values() if h.contract.sec_type is SecType.STOCK)
        return self.cash + sum((self.value(h, prices) for h in shares), _ZERO)

    def market_value(self, prices: Mapping[int, Decimal]) -> Decimal:
        """Return the value of all holdings; a price that is missing counts at cost."""
        return sum((self.value(h, prices) for h in self.holdings.values()), _ZERO)

    def value(self, held: Holding, prices: Mapping[int, Decimal]) -> Decimal:
        """Return the signed market value of one holding."""
        price = prices.get(held.contract.con_id)
        return held.cost if price is None else price * held.quantity * held.contract.multiplier

    def _put(self, held: Holding) -> None:
        self._margin = None
        if held.quantity:
            self.holdings[held.contract.con_id] = held
        else:
            self.holdings.pop(held.contract.con_id, None)
            self.closed[held.contract.con_id] = held
