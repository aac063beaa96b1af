"""What we have, as a fold of the event log: start-up and crash recovery are the same replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from v6.model import event as e
from v6.model.contract import Contract
from v6.model.order import Fill, OrderIntent, OrderState, Purpose
from v6.model.position import Position, Structure


def exec_key(exec_id: str) -> str:
    """Return the part of an execution id that a correction keeps: all but its last group (IB, `execId`)."""
    return exec_id.rpartition(".")[0] or exec_id


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One intent with everything known of it; `fills` holds the latest revision of each leg execution.

    `booked` holds the keys of the executions that are in a position already.
    """

    intent: OrderIntent
    state: OrderState
    order_id: int = 0
    perm_id: int = 0
    limit: Decimal | None = None
    sent_at: datetime | None = None
    fills: tuple[Fill, ...] = ()
    booked: frozenset[str] = frozenset()

    def loose(self) -> OrderRecord:
        """Return the record with only the fills that are in no position yet."""
        if not self.booked:
            return self
        return replace(self, fills=tuple(f for f in self.fills if exec_key(f.exec_id) not in self.booked))

    def units_filled(self) -> int:
        """Return the units of which every leg is filled."""
        held = self.contracts()
        return max(0, min(held.get(con_id, 0) // ratio for con_id, ratio in self._ratios().items()))

    def legged(self) -> bool:
        """Tell whether some legs are filled further than others."""
        units = self.units_filled()
        ratios, held = self._ratios(), self.contracts()
        return any(held.get(con_id, 0) != units * ratios.get(con_id, 0) for con_id in ratios.keys() | held.keys())

    def net_price(self) -> Decimal | None:
        """Return the average net price per unit in the sign convention of `Structure`, None before a whole unit."""
        units = self.units_filled()
        if units == 0:
            return None
        value = sum((fill.price * fill.quantity for fill in self.fills), Decimal(0))
        return value * self.intent.side.sign / units

    def commission(self) -> Decimal:
        return sum((fill.commission for fill in self.fills if fill.commission is not None), Decimal(0))

    def commissions_known(self) -> bool:
        return all(fill.commission is not None for fill in self.fills)

    def contracts(self) -> dict[int, int]:
        """Return the contracts filled by con_id, positive in the direction the order asks for."""
        total: dict[int, int] = {}
        signs = {con_id: 1 if ratio > 0 else -1 for con_id, ratio in self._signed().items()}
        for fill in self.fills:
            total[fill.con_id] = total.get(fill.con_id, 0) + fill.quantity * signs.get(fill.con_id, 1)
        return total

    def _ratios(self) -> dict[int, int]:
        return {con_id: abs(ratio) for con_id, ratio in self._signed().items()}

    def _signed(self) -> dict[int, int]:
        """Return what one unit of the order trades; legs may share a contract, and then count together."""
        total: dict[int, int] = {}
        for leg in self.intent.structure.legs:
            con_id = leg.contract.con_id
            total[con_id] = total.get(con_id, 0) + leg.ratio * self.intent.side.sign
        return {con_id: ratio for con_id, ratio in total.items() if ratio}


@dataclass(frozen=True, slots=True)
class Holding:
    """A position that is not wholly closed: `units` are still open."""

    position: Position
    units: int

    def now(self) -> Position:
        """Return the position as it is held now."""
        return replace(self.position, quantity=self.units)


class Ledger:
    """Projection of the log; holds nothing that the log does not say."""

    def __init__(self, events: Iterable[e.Event] = ()) -> None:
        self.orders: dict[str, OrderRecord] = {}
        self.holdings: dict[str, Holding] = {}
        self.rolls: dict[str, e.RollStarted] = {}
        self.reductions: dict[str, e.ReductionDue] = {}
        self.opened_on: dict[str, list[date]] = {}
        self.contracts: dict[int, Contract] = {}
        """Every contract that an order or a position of ours ever had as a leg."""
        self.traders: dict[int, list[str]] = {}
        """The order_refs with fills of a contract, oldest first."""
        self._paid: dict[str, tuple[OrderRecord, int, Decimal]] = {}
        self._live: dict[str, None] = {}
        self._unbooked: dict[str, None] = {}
        self._exec_owner: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._opening_ref: dict[str, str] = {}
        self._openings: dict[date, int] = {}
        for item in events:
            self.apply(item)

    def live_orders(self) -> Iterator[OrderRecord]:
        """Yield the orders that have not ended, oldest first."""
        return (self.orders[ref] for ref in tuple(self._live))

    def live_for(self, position_id: str) -> OrderRecord | None:
        return next((r for r in self.live_orders() if r.intent.position_id == position_id), None)

    def attempts(self, position_id: str) -> int:
        """Return how many closing orders the position has had."""
        return self._attempts.get(position_id, 0)

    def openings_on(self, day: date) -> int:
        """Return how many opening orders were sent on the day (UTC)."""
        return self._openings.get(day, 0)

    def unbooked(self) -> list[str]:
        """Return the order_refs with fills that are in no position yet, oldest first."""
        return list(self._unbooked)

    def owner_of(self, exec_id: str) -> OrderRecord | None:
        ref = self._exec_owner.get(exec_key(exec_id))
        return None if ref is None else self.orders[ref]

    def expected_contracts(self) -> dict[int, int]:
        """Return signed contracts by con_id that the fills say we hold: closed positions net to nothing."""
        total: dict[int, int] = {}
        for holding in self.holdings.values():
            for leg in holding.position.structure.legs:
                con_id = leg.contract.con_id
                total[con_id] = total.get(con_id, 0) + leg.ratio * holding.units
        for ref in self.unbooked():
            for fill in self.orders[ref].loose().fills:
                total[fill.con_id] = total.get(fill.con_id, 0) + fill.quantity
        return {con_id: quantity for con_id, quantity in total.items() if quantity}

    def commission_of(self, position: Position) -> Decimal:
        """Return the commissions known for the position's opening, also those that came after the fill."""
        ref = self._opening_ref.get(position.position_id)
        if ref is None:
            return position.commission
        record = self.orders[ref]
        known = self._paid.get(ref)
        if known is None or known[0] is not record:
            # Asked for in every cycle, and the same until a fill or a report changes the record.
            known = self._paid[ref] = (record, record.units_filled(), record.commission())
        _, units, commission = known
        # Units that came late are another position, with their own share of the order's commissions.
        return commission * position.quantity / units if units else position.commission

    def apply(self, event: e.Event) -> None:
        """Fold one event; events of the rules and the sync layer change nothing here."""
        match event:
            case e.OrderIntended():
                ref = event.intent.order_ref
                self._live[ref] = None
                self._know(event.intent.structure)
                self.orders[ref] = OrderRecord(event.intent, OrderState.INTENT, limit=event.intent.limit)
                if event.intent.purpose is Purpose.CLOSE:
                    self._attempts[event.intent.position_id] = event.intent.attempt
                else:
                    self._opening_ref[event.intent.position_id] = ref
            case e.OrderSending():
                self._change(event.order_ref, state=OrderState.SENDING, order_id=event.order_id, sent_at=event.at)
                if self.orders[event.order_ref].intent.purpose is Purpose.OPEN:
                    self._openings[event.at.date()] = self.openings_on(event.at.date()) + 1
            case e.OrderSubmitted():
                self._change(event.order_ref, state=OrderState.WORKING, perm_id=event.perm_id)
            case e.OrderRepriced():
                self._change(event.order_ref, limit=event.limit)
            case e.OrderUnresolved():
                self._change(event.order_ref, state=OrderState.UNKNOWN)
            case e.OrderFilled():
                self._fill(event.fill)
            case e.CommissionReported():
                self._commission(event)
            case e.OrderEnded():
                # Whoever ends an order books its fills in the same transaction.
                booked = frozenset(exec_key(fill.exec_id) for fill in self.orders[event.order_ref].fills)
                self._change(event.order_ref, state=event.state, booked=booked)
                self._live.pop(event.order_ref, None)
                self._unbooked.pop(event.order_ref, None)
            case _:
                self._apply_position(event)

    def _apply_position(self, event: e.Event) -> None:
        match event:
            case e.PositionOpened():
                position = event.position
                self._know(position.structure)
                self.holdings[position.position_id] = Holding(position, position.quantity)
                self.opened_on.setdefault(position.strategy, []).append(position.opened_at.date())
            case e.ReductionDue():
                self.reductions[event.position_id] = event
            case e.PositionReduced():
                held = self.holdings[event.position_id]
                self.holdings[event.position_id] = replace(held, units=held.units - event.units)
                due = self.reductions.get(event.position_id)
                if due is not None and held.units - event.units <= due.keep:
                    self.reductions.pop(event.position_id)
            case e.PositionClosed():
                self.holdings.pop(event.position_id, None)
                self.reductions.pop(event.position_id, None)
            case e.RollStarted():
                self.rolls[event.position_id] = event
            case e.RollEnded():
                self.rolls.pop(event.position_id, None)
            case _:
                pass

    def _know(self, structure: Structure) -> None:
        for leg in structure.legs:
            self.contracts[leg.contract.con_id] = leg.contract

    def _change(self, ref: str, **fields: object) -> None:
        self.orders[ref] = replace(self.orders[ref], **fields)  # type: ignore[arg-type]

    def _fill(self, fill: Fill) -> None:
        record = self.orders[fill.order_ref]
        key = exec_key(fill.exec_id)
        self._exec_owner[key] = fill.order_ref
        traders = self.traders.setdefault(fill.con_id, [])
        if fill.order_ref not in traders:
            traders.append(fill.order_ref)
        if key not in record.booked:
            self._unbooked[fill.order_ref] = None
        # A correction replaces the execution it corrects; its commission is the old one until a new report comes.
        others = tuple(f for f in record.fills if exec_key(f.exec_id) != key)
        old = next((f for f in record.fills if exec_key(f.exec_id) == key), None)
        if fill.commission is None and old is not None:
            fill = replace(fill, commission=old.commission)
        self._change(fill.order_ref, fills=(*others, fill))

    def _commission(self, event: e.CommissionReported) -> None:
        owner = self.owner_of(event.exec_id)
        if owner is None:
            return
        fills = tuple(
            replace(f, commission=event.commission) if exec_key(f.exec_id) == exec_key(event.exec_id) else f
            for f in owner.fills
        )
        self._change(owner.intent.order_ref, fills=fills)
