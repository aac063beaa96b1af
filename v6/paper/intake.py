"""What the gateway accepts as an order; everything else is refused with TWS's code and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from v6.errors import V6Error
from v6.model.contract import Contract, Leg, SecType, Side
from v6.paper.account import Ledger
from v6.paper.codec import Malformed
from v6.paper.listing import RULES, resolve, rule_of
from v6.paper.margin import quotes_of
from v6.paper.matching import BAG_TICK, Trail, book_of, divisible, on_tick
from v6.paper.orders import MarginChange, OrderType, PaperOrder, Terms
from v6.paper.placement import PlaceOrder
from v6.paper.ports import Market
from v6.paper.requests import UNSET, integer
from v6.paper.times import moment

_UNSUPPORTED: Final = (
    "goodAfterTime",
    "adjustedOrderType",
    "faGroup",
    "modelCode",
    "cashQty",
    "minQty",
    "percentOffset",
    "volatility",
)
TIMES_IN_FORCE: Final = ("DAY", "GTC", "GTD", "IOC", "FOK")


class Refused(V6Error):
    """An order that is not taken; `code` is TWS's."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


def rejected(reason: str) -> Refused:
    """Return the common refusal."""
    return Refused(201, f"Order rejected - reason:{reason}")


@dataclass(frozen=True, slots=True)
class Fees:
    """Dollars per contract and leg: the broker's commission and the exchange's fee by underlying.

    Shares cost `share` each, `least` an order at least, as at IBKR Pro, fixed.
    """

    commission: Decimal = Decimal("0.65")
    exchange: tuple[tuple[str, Decimal], ...] = (("SPX", Decimal("0.60")), ("VIX", Decimal("0.60")))

    share: Decimal = Decimal("0.005")
    least: Decimal = Decimal("1.00")

    def of(self, contract: Contract, quantity: int, before: int = 0) -> Decimal:
        """Return the commission of a fill; `before` is how much of the order has been filled before it."""
        if contract.sec_type is SecType.STOCK:
            whole = max(self.share * (before + abs(quantity)), self.least)
            return whole - (max(self.share * before, self.least) if before else 0)
        fee = next((fee for symbol, fee in self.exchange if symbol == contract.symbol), Decimal(0))
        return (self.commission + fee) * abs(quantity)


def read_terms(request: PlaceOrder, at: datetime) -> Terms:
    """Return the terms of a request; raise Refused or Malformed."""
    try:
        side = Side(request.terms["action"])
    except ValueError:
        raise Malformed(f"action {request.terms['action']!r}") from None
    try:
        order_type = OrderType(request.terms["orderType"])
    except ValueError:
        raise Refused(387, "Unsupported order type for this exchange and security type.") from None
    size = request.decimal("totalQuantity")
    if not size:
        raise Refused(434, "The order size cannot be zero.")
    if size < 0 or size != int(size):
        raise rejected(f"the size {size} is not a whole number of contracts")
    tif = request.terms["tif"] or "DAY"
    if tif not in TIMES_IN_FORCE:
        raise rejected(f"time in force {tif} is not supported here; use one of {', '.join(TIMES_IN_FORCE)}")
    odd = [*request.extras, *(name for name in _UNSUPPORTED if request.terms[name] not in UNSET | {"0", "0.0"})]
    if request.flag("allOrNone"):
        odd.append("allOrNone")
    if odd:
        raise rejected(f"not supported by the paper gateway: {', '.join(odd)}")
    limit, stop = request.decimal("lmtPrice"), request.decimal("auxPrice")
    if order_type.has_limit and limit is None:
        raise rejected(f"a {order_type} order needs a limit price")
    if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) and stop is None:
        raise rejected(f"a {order_type} order needs a stop price")
    trail = _trail(request, order_type)
    if trail is not None:
        stop = request.decimal("trailStopPrice")
    parent = integer("parentId", request.terms["parentId"])
    if tif in ("IOC", "FOK") and (order_type.waits or parent):
        raise rejected(f"{tif} is for orders that can fill on arrival, not for stops and attached orders")
    oca_type = integer("ocaType", request.terms["ocaType"])
    if not 0 <= oca_type <= 3:
        raise rejected(f"OCA type {oca_type} is none of 1, 2 and 3")
    return Terms(side, int(size), order_type, limit, stop, tif, request.terms["ocaGroup"], parent,
                 request.flag("transmit"), oca_type, _until(request, tif, at), trail)  # fmt: skip


def _trail(request: PlaceOrder, order_type: OrderType) -> Trail | None:
    """Return how a trailing stop trails, None for another order; an amount is given, or a percentage."""
    percent = request.decimal("trailingPercent")
    if order_type is not OrderType.TRAIL:
        if percent or request.decimal("trailStopPrice"):
            raise rejected(f"not supported by the paper gateway: a trailing stop in a {order_type} order")
        return None
    amount = request.decimal("auxPrice") or None
    percent = percent or None
    if (amount is None) is (percent is None):
        raise rejected("a TRAIL order needs a trailing amount or a trailing percentage, and not both")
    if (amount or percent or 0) < 0 or (percent is not None and percent >= 100):
        raise rejected("the trailing amount of a TRAIL order is out of range")
    return Trail(amount, percent)


def _until(request: PlaceOrder, tif: str, at: datetime) -> datetime | None:
    """Return when a GTD order ends; the time is New York's unless it has a zone."""
    until = moment(request.terms["goodTillDate"], "goodTillDate")
    if (tif == "GTD") is (until is None):
        raise rejected("a GTD order needs goodTillDate, and no other order may have it")
    if until is not None and until <= at:
        raise rejected("the goodTillDate of the order is in the past")
    return until


def read_legs(request: PlaceOrder, market: Market, at: datetime) -> tuple[Leg, ...]:
    """Return the contracts to trade with signed ratios; one leg of ratio 1 unless it is a combo."""
    if request.contract.sec_type != "BAG":
        legs: tuple[Leg, ...] = (Leg(resolve(market, request.contract, at), 1),)
    else:
        found = [(market.contract(leg.con_id), leg.signed) for leg in request.legs]
        if len(found) < 2 or len({leg.con_id for leg in request.legs}) < len(found):
            raise rejected("a combo needs at least two different legs")
        if any(c is None for c, _ in found):
            raise Refused(200, "No security definition has been found for the request")
        legs = tuple(Leg(c, ratio) for c, ratio in found if c is not None)
        if not divisible([leg.ratio for leg in legs]):
            raise rejected("the ratios of the combo cannot be priced; reduce them")
    for leg in legs:
        if leg.contract.sec_type is SecType.STOCK and len(legs) == 1:
            continue
        if leg.contract.sec_type is not SecType.OPTION:
            raise rejected(f"{leg.contract} cannot be traded here: only options, shares, and combos of options can")
        if market.settles_at(leg.contract) <= at:
            raise rejected(f"{leg.contract} has expired")
    return legs


def check_prices(terms: Terms, legs: tuple[Leg, ...], is_bag: bool) -> None:
    """Refuse prices off the grid."""
    if terms.order_type is OrderType.MARKET:
        return
    rule = ((Decimal(0), BAG_TICK),) if is_bag else RULES[rule_of(legs[0].contract)]
    used = [terms.limit if terms.order_type.has_limit else None]
    used.append(terms.stop if terms.order_type.waits else None)
    for price in used:
        if price is not None and (not on_tick(price, rule) or (not is_bag and price <= 0)):
            raise Refused(110, "The price does not conform to the minimum price variation for this contract.")


def same_order(order: PaperOrder, request: PlaceOrder, terms: Terms, legs: tuple[Leg, ...]) -> bool:
    """Tell whether a request may be a change of the order: same legs and side, same kind of contract."""
    return order.legs == legs and order.terms.side is terms.side and order.is_bag == is_bag(request)


def is_bag(request: PlaceOrder) -> bool:
    return request.contract.sec_type == "BAG"


def margin_change(
    terms: Terms, legs: tuple[Leg, ...], ledger: Ledger, fees: Fees, market: Market, at: datetime
) -> MarginChange:
    """Return what the whole order would do to the account, filled at its limit (a stop: at the far side)."""
    contracts = {leg.contract.con_id: leg.contract for leg in legs}
    contracts.update((con_id, held.contract) for con_id, held in ledger.holdings.items())
    marks = dict(zip(contracts, market.marks([*contracts], at), strict=True))
    quotes = quotes_of(contracts, marks)
    book = book_of([leg.ratio for leg in legs], [marks[leg.contract.con_id] for leg in legs])
    price = terms.limit if terms.order_type.has_limit else None
    if price is None:
        price = (book.far(terms.side) if book else None) or terms.stop or Decimal(0)
    changes = {g.contract.con_id: (g.contract, terms.side.sign * g.ratio * terms.quantity) for g in legs}
    commission = sum((fees.of(c, q) for c, q in changes.values()), Decimal(0))
    paid = terms.side.sign * price * terms.quantity * legs[0].contract.multiplier
    shares = [(c, q) for c, q in changes.values() if c.sec_type is SecType.STOCK]
    worth = sum((quotes.prices.get(c.con_id, price) * q for c, q in shares), Decimal(0))
    equity = ledger.equity(quotes.prices)
    return MarginChange(
        ledger.margin(quotes), ledger.after(changes, quotes), equity, equity - paid + worth - commission, commission
    )


def check_margin(change: MarginChange, terms: Terms, legs: tuple[Leg, ...], ledger: Ledger) -> None:
    """Refuse an order that the account cannot carry, unless every leg only reduces a position."""
    if change.equity_after >= change.after.initial:
        return
    for leg in legs:
        held = ledger.quantity(leg.contract.con_id)
        if abs(held + terms.side.sign * leg.ratio * terms.quantity) >= abs(held):
            raise rejected(
                "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
                f"[{change.equity_after:.2f} USD] MUST EXCEED THE INITIAL MARGIN [{change.after.initial:.2f} USD]"
            )
