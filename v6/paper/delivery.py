"""Who gets shares and dividends, and when: the rules of exercise, assignment and payment, without the account.

Only options on stocks and funds are delivered; index options are settled in cash. All that is decided overnight.
Sources: OCC's exercise by exception (in the money by a cent), its assignment of short positions, and for calls on the
eve of an ex-dividend day the rule that a rational holder exercises if the dividend is worth more than the put of the
same strike, which is what he gives up. Assignment is drawn by lot at the OCC; here it takes the whole position, the
worst that can happen to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from v6.model.contract import Contract, Right, SecType
from v6.paper.ports import Dividend

IN_THE_MONEY: Final = Decimal("0.01")
"""Dollars a share from which an option is exercised at its expiry unless its owner says otherwise."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the owner of an option has asked for: how many contracts to exercise, and how many to let lapse."""

    exercise: int = 0
    lapse: int = 0


@dataclass(frozen=True, slots=True)
class Exercise:
    """Contracts that end overnight: `closed` are signed as held, of which `delivered` change hands at the strike."""

    option: Contract
    closed: int
    delivered: int

    @property
    def shares(self) -> int:
        """Return the shares that come in: a call held or a put owed brings them, the others take them away."""
        sign = 1 if self.option.right is Right.CALL else -1
        return sign * self.delivered * self.option.multiplier


def at_expiry(option: Contract, held: int, value: Decimal, wish: Instruction) -> Exercise:
    """Return what becomes of a position at its expiry; `value` is what a share of the option is worth then."""
    if held < 0:
        return Exercise(option, held, held if value >= IN_THE_MONEY else 0)
    delivered = held - min(wish.lapse, held) if value >= IN_THE_MONEY else min(wish.exercise, held)
    return Exercise(option, held, delivered)


def by_instruction(option: Contract, held: int, wish: Instruction) -> Exercise | None:
    """Return what the owner exercises before the expiry, None for nothing."""
    wanted = min(wish.exercise, max(held, 0))
    return Exercise(option, wanted, wanted) if wanted else None


def assigned_early(option: Contract, spot: Decimal, put: Decimal, dividend: Decimal) -> bool:
    """Tell whether a holder exercises a call before a dividend; `put` is the price of the put of the same strike."""
    if option.right is not Right.CALL or option.strike is None:
        return False
    return spot - option.strike >= IN_THE_MONEY and dividend > put


def entitlement(stock: Contract, shares: int, dividend: Dividend) -> Decimal:
    """Return the dollars that a holder gets, and whoever is short owes."""
    assert stock.sec_type is SecType.STOCK, stock
    return shares * dividend.amount
