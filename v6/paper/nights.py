"""What happens to the account at two in the morning: exercise, assignment, dividends.

As at IB it is told by nothing but changed positions; the executions are found by whoever asks for them: the option
closed at a price of 0, and the shares at the strike, under order id 0. That the premium is realised on the option and
not carried into the cost of the shares is our choice. Rules: `delivery`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from v6.errors import V6Error
from v6.model.contract import Contract, Right, SecType
from v6.paper.account import Ledger
from v6.paper.delivery import (
    IN_THE_MONEY,
    Exercise,
    Instruction,
    assigned_early,
    at_expiry,
    by_instruction,
    entitlement,
)
from v6.paper.executions import delivered
from v6.paper.listing import underlying
from v6.paper.matching import cents
from v6.paper.orders import PaperExecution
from v6.paper.ports import Dividend, Market, PayingMarket
from v6.pricing.calendar import NEW_YORK, TradingCalendar, new_york_date

HOUR: Final = time(2, 0)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Due:
    """A dividend that the account will get, or owes: dollars, paid on a day."""

    con_id: int
    pay_day: date
    amount: Decimal


class Nights:
    """The account's nights; `tell` takes the executions of one, and the con_ids whose positions have changed."""

    def __init__(
        self, market: Market, calendar: TradingCalendar, ledger: Ledger, account: str,
        tell: Callable[[Sequence[PaperExecution], Sequence[int]], None], number: Callable[[int], str],
    ) -> None:  # fmt: skip
        self._market = market
        self._paying = market if isinstance(market, PayingMarket) else None
        self._calendar = calendar
        self._ledger = ledger
        self._account = account
        self._tell = tell
        self._number = number
        self._shares: dict[str, Contract | None] = {}
        self.wishes: dict[int, Instruction] = {}
        self.dues: list[Due] = []
        self._done: date | None = None

    def share_of(self, contract: Contract, at: datetime) -> Contract | None:
        """Return the stock or fund that an option delivers, None for one that is settled in cash."""
        if contract.sec_type is not SecType.OPTION:
            return None
        if contract.symbol not in self._shares:
            found = underlying(self._market, contract, at)
            self._shares[contract.symbol] = found if found and found.sec_type is SecType.STOCK else None
        return self._shares[contract.symbol]

    def next(self, now: datetime) -> datetime | None:
        """Return the next night in which something can happen, None while nothing can."""
        held = (h.contract for h in self._ledger.holdings.values())
        concerns = self.dues or any(c.sec_type is SecType.STOCK or self.share_of(c, now) for c in held)
        if not concerns:
            return None
        try:
            day = self._calendar.session_on_or_before(new_york_date(now))
            while self._night(day) <= now or (self._done is not None and day <= self._done):
                day = self._calendar.next_session(day)
        except V6Error:  # the calendar ends: there are no more sessions, and so no more nights
            return None
        return self._night(day) if day <= self._market.last_day else None

    def run(self, now: datetime) -> None:
        """Do what the night after the last session brings."""
        day = self._calendar.session_on_or_before(new_york_date(now) - timedelta(days=1))
        # A real loop may wake a little early; a night must not pay twice.
        if self._done is not None and day <= self._done:
            return
        self._done = day
        try:
            following = self._calendar.next_session(day)
        except V6Error:  # the last session of the calendar: nothing has its ex-dividend day after it
            following = day
        executions: list[PaperExecution] = []
        changed: list[int] = []
        for exercise in self._exercises(now, day, following):
            self._deliver(exercise, now, executions, changed)
        kept = (c for c, wish in self.wishes.items() if self._ledger.quantity(c) > 0 and wish.lapse)
        self.wishes = {c: Instruction(lapse=self.wishes[c].lapse) for c in kept}
        self._dividends(day, following)
        if changed:
            self._tell(executions, changed)

    @staticmethod
    def _night(day: date) -> datetime:
        return datetime.combine(day + timedelta(days=1), HOUR, NEW_YORK)

    # -- exercise and assignment

    def _exercises(self, now: datetime, day: date, following: date) -> Iterable[Exercise]:
        for held in list(self._ledger.holdings.values()):
            option, quantity = held.contract, held.quantity
            share = self.share_of(option, now)
            if share is None:
                continue
            wish = self.wishes.get(option.con_id, Instruction())
            if self._market.settles_at(option) <= now:
                value = Decimal(repr(round(self._market.settlement(option), 6)))
                yield at_expiry(option, quantity, value, wish)
                continue
            chosen = by_instruction(option, quantity, wish)
            if chosen is not None:
                yield chosen
            elif quantity < 0 and self._taken(option, share, now, day, following):
                yield Exercise(option, quantity, quantity)

    def _taken(self, option: Contract, share: Contract, now: datetime, day: date, following: date) -> bool:
        """Tell whether the holders of a short call exercise this night; without a price of the put nobody knows."""
        paid = sum((d.amount for d in self._coming(share, day, following)), _ZERO)
        if option.right is not Right.CALL or not paid:
            return False
        spot, put = self._price(share, now), self._twin(option, now)
        return spot is not None and put is not None and assigned_early(option, spot, put, paid)

    def _twin(self, call: Contract, now: datetime) -> Decimal | None:
        pattern = Contract(
            0, call.symbol, SecType.OPTION, "", "", 0, call.trading_class, call.expiry, call.strike, Right.PUT
        )
        found = self._market.find(pattern, now)
        return self._price(found[0], now) if found else None

    def _price(self, contract: Contract, now: datetime) -> Decimal | None:
        mark = self._market.marks([contract.con_id], now)[0]
        return None if mark is None else cents(mark.price)

    def _deliver(
        self, exercise: Exercise, now: datetime, executions: list[PaperExecution], changed: list[int]
    ) -> None:
        option, share = exercise.option, self.share_of(exercise.option, now)
        assert share is not None
        assert option.strike is not None
        changed += [option.con_id, share.con_id] if exercise.delivered else [option.con_id]
        if exercise.delivered:
            number = self._number(len(executions))
            trades = ((option, -exercise.delivered, _ZERO), (share, exercise.shares, option.strike))
            for i, (contract, quantity, price) in enumerate(trades, 1):
                realized = self._ledger.trade(contract, quantity, price, _ZERO)
                exec_id = f"{number}.{i:02d}.01"
                executions.append(delivered(exec_id, self._account, contract, quantity, price, now, realized))
        lapsed = exercise.closed - exercise.delivered
        if lapsed:
            self._ledger.trade(option, -lapsed, _ZERO, _ZERO)

    # -- dividends

    def _coming(self, share: Contract, day: date, following: date) -> list[Dividend]:
        """Return the dividends whose ex-dividend day comes after one session, up to the next."""
        if self._paying is None:
            return []
        return self._paying.dividends(share.con_id, day + timedelta(days=1), following)

    def _dividends(self, day: date, following: date) -> None:
        for held in self._ledger.holdings.values():
            if held.contract.sec_type is not SecType.STOCK:
                continue
            for dividend in self._coming(held.contract, day, following):
                amount = entitlement(held.contract, held.quantity, dividend)
                self._ledger.accrue(held.contract.con_id, amount)
                self.dues.append(Due(held.contract.con_id, dividend.pay_day, amount))
        for due in [due for due in self.dues if due.pay_day <= following]:
            self._ledger.receive(due.amount)
            self.dues.remove(due)

    # -- what the owner asks

    def exercise(self, option: Contract, quantity: int, *, lapse: bool, override: bool, now: datetime) -> str | None:
        """Keep an instruction for the night in place of an earlier one; return why it is refused, or None."""
        share = self.share_of(option, now)
        if share is None:
            return ("European options cannot be exercised before expiry; those in the money are exercised for you"
                    if option.sec_type is SecType.OPTION else "Not an option")  # fmt: skip
        if quantity < 1 or self._ledger.quantity(option.con_id) < quantity:
            return f"No unlapsed position exists in this option in account {self._account}"
        spot = self._price(share, now)
        if spot is not None and not override:
            assert option.strike is not None
            inside = (spot - option.strike) * (1 if option.right is Right.CALL else -1) >= IN_THE_MONEY
            if inside is lapse:
                act, where = ("lapsed", "in") if lapse else ("exercised", "out of")
                return f"An option that is {where} the money is not {act} without override"
        old = self.wishes.get(option.con_id, Instruction())
        self.wishes[option.con_id] = Instruction(old.exercise, quantity) if lapse else Instruction(quantity, old.lapse)
        return None
