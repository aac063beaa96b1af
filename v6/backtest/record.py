"""What a segment leaves behind: each day's account and each trade, as frozen values that survive as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from v6.errors import StoreError
from v6.model import event as e
from v6.model.decision import ActionKind
from v6.model.order import OrderIntent
from v6.model.position import Position
from v6.model.snapshot import PORTFOLIO_KEY
from v6.paper.gateway import PaperGateway
from v6.pricing.calendar import new_york_date

STILL_OPEN: Final = "still open"


@dataclass(frozen=True, slots=True)
class DayMark:
    """The account after one close, in dollars; options count at their theoretical value.

    `pnl` is the change since the close before, `commission` and `slippage` are what that day's fills paid (slippage:
    against the theoretical value at the moment of the fill). `own` is false in the run-off.
    """

    day: date
    net_liq: float
    pnl: float
    margin: float
    open_positions: int
    commission: float
    slippage: float
    own: bool = True


@dataclass(frozen=True, slots=True)
class Trade:
    """One position from its opening to its end; dollars, prices net per unit as in `Structure`.

    `pnl` is after commissions; None while it is open. `exit` is the rule that closed it, `expired`, or `still open`
    (then `unrealized` is what it would bring at theoretical values, the commission of its opening taken off).
    """

    position_id: str
    legs: str
    expiry: date
    units: int
    opened: datetime
    closed: datetime | None
    entry_price: float
    exit_price: float | None
    pnl: float | None
    unrealized: float | None
    commission: float
    slippage: float
    max_loss: float | None
    exit: str
    rolled_from: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """Everything of a segment that the report needs."""

    first: date
    last: date
    cash: float
    days: tuple[DayMark, ...]
    trades: tuple[Trade, ...]
    cycles: int
    findings: tuple[str, ...]
    denied: int
    halted_days: int
    fingerprint: str
    event_log_sha256: str


def to_json(result: SegmentResult) -> bytes:
    return msgspec.json.encode(result)


def from_json(text: bytes) -> SegmentResult:
    """Read what `to_json` wrote; raises StoreError."""
    try:
        return msgspec.json.decode(text, type=SegmentResult)
    except msgspec.MsgspecError as error:
        raise StoreError(f"a stored segment cannot be read: {error}") from error


@dataclass
class _Open:
    position: Position
    roll_of: str | None
    pnl: Decimal = Decimal(0)
    closed: e.PositionClosed | None = None
    slippage: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)


class Recorder:
    """Listens to the daemon's events and keeps what the report needs of them."""

    def __init__(self, gateway: PaperGateway) -> None:
        self._gateway = gateway
        self._intents: dict[str, OrderIntent] = {}
        self._trades: dict[str, _Open] = {}
        self._slippage: dict[str, Decimal] = {}
        self._day_slippage = self._day_commission = Decimal(0)
        self._halted: set[date] = set()
        self.findings: list[str] = []
        self.denied = 0

    @property
    def halted_days(self) -> int:
        """Return on how many days a rule halted opening."""
        return len(self._halted)

    def hear(self, event: e.Event) -> None:
        """Take one event of the journal."""
        match event:
            case e.OrderIntended():
                self._intents[event.intent.order_ref] = event.intent
            case e.OrderFilled():
                self._fill(event)
            case e.CommissionReported():
                self._day_commission += event.commission
            case e.PositionOpened():
                self._opened(event)
            case e.PositionReduced():
                trade = self._trades[event.position_id]
                trade.pnl += event.pnl
                trade.commission += event.commission
            case e.PositionClosed():
                trade = self._trades[event.position_id]
                trade.pnl += event.pnl
                trade.commission += event.commission
                trade.closed = event
            case e.DecisionsMade():
                self._halts(event)
            case e.OrderDenied():
                self.denied += 1
            case e.FindingRaised():
                self.findings.append(f"{event.at:%Y-%m-%d} {event.code}: {event.text}")
            case _:
                pass

    def mark(self, day: date, net_liq: Decimal, pnl: Decimal, gateway: PaperGateway, own: bool) -> DayMark:
        """Return the day's figures and begin the next day."""
        margin, held = float(gateway.maintenance_margin()), _structures(gateway, self._trades)
        commission, slippage = float(self._day_commission), float(self._day_slippage)
        self._day_commission = self._day_slippage = Decimal(0)
        return DayMark(day, float(net_liq), float(pnl), margin, held, commission, slippage, own)

    def trades(self, gateway: PaperGateway) -> tuple[Trade, ...]:
        """Return all trades in the order of their opening, those that are open at theoretical values."""
        prices = {c: Decimal(repr(m.price)) for c, m in gateway.marks(gateway.ledger.holdings).items() if m}
        return tuple(self._trade(trade, prices) for trade in self._trades.values())

    # -- events

    def _fill(self, event: e.OrderFilled) -> None:
        fill, intent = event.fill, self._intents.get(event.fill.order_ref)
        mark = self._gateway.marks([fill.con_id])[fill.con_id]
        contract = self._gateway.market.contract(fill.con_id)
        if mark is None or contract is None or intent is None:
            self.findings.append(f"{event.at:%Y-%m-%d} slippage: the fill {fill.exec_id} could not be compared")
            return
        paid = fill.quantity * (fill.price - Decimal(repr(mark.price))) * contract.multiplier
        self._day_slippage += paid
        trade = self._trades.get(intent.position_id)
        if trade is None:
            before = self._slippage.get(intent.position_id, Decimal(0))
            self._slippage[intent.position_id] = before + paid
        else:
            trade.slippage += paid

    def _opened(self, event: e.PositionOpened) -> None:
        position = event.position
        intent = next(
            (i for i in reversed(self._intents.values()) if i.position_id == position.position_id and i.side.sign > 0),
            None,
        )
        trade = _Open(position, None if intent is None else intent.roll_of)
        trade.slippage = self._slippage.pop(position.position_id, Decimal(0))
        self._trades[position.position_id] = trade

    def _halts(self, event: e.DecisionsMade) -> None:
        for decision in event.decisions:
            if decision.key == PORTFOLIO_KEY and decision.action and decision.action.kind is ActionKind.HALT_OPENS:
                self._halted.add(new_york_date(event.at))

    def _trade(self, trade: _Open, prices: Mapping[int, Decimal]) -> Trade:
        position, closed = trade.position, trade.closed
        max_loss = position.max_loss
        return Trade(
            position_id=position.position_id,
            legs=_legs(position),
            expiry=position.structure.expiry,
            units=position.quantity,
            opened=position.opened_at,
            closed=None if closed is None else closed.at,
            entry_price=float(position.entry_price),
            exit_price=None if closed is None else float(closed.exit_price),
            pnl=None if closed is None else float(trade.pnl),
            unrealized=None if closed is not None else _unrealized(position, prices),
            commission=float(trade.commission if closed is not None else position.commission),
            slippage=float(trade.slippage),
            max_loss=None if max_loss is None else float(max_loss),
            exit=STILL_OPEN if closed is None else closed.reason,
            rolled_from=trade.roll_of,
        )


def _structures(gateway: PaperGateway, trades: Mapping[str, _Open]) -> int:
    """Return how many positions the account holds legs of."""
    held = gateway.ledger.holdings
    return sum(
        trade.closed is None and any(leg.contract.con_id in held for leg in trade.position.structure.legs)
        for trade in trades.values()
    )


def _unrealized(position: Position, prices: Mapping[int, Decimal]) -> float | None:
    legs = position.structure.legs
    if any(leg.contract.con_id not in prices for leg in legs):
        return None
    value = sum((prices[leg.contract.con_id] * leg.ratio for leg in legs), Decimal(0))
    gain = (value - position.entry_price) * position.structure.multiplier * position.quantity
    return float(gain - position.commission)


def _legs(position: Position) -> str:
    """Return the legs as people write them: signed ratio, strike and right."""
    legs = position.structure.legs
    return " ".join(f"{leg.ratio:+d} {float(leg.contract.strike or 0):g}{leg.contract.right}" for leg in legs)
