"""Executions: what a fill does to the ledger, and under which numbers it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from v6.model.contract import Contract, Side
from v6.paper.account import Ledger
from v6.paper.intake import Fees
from v6.paper.matching import Book, leg_prices
from v6.paper.orders import Origin, PaperExecution, PaperOrder


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where permanent ids and execution ids begin; from the clock, so that two runs of one desk do not collide."""

    base: int

    def perm_id(self, n: int) -> int:
        return 1_000_000_000 + (self.base + n) % 1_000_000_000

    def executed(self, n: int) -> str:
        """Return the first two groups of an exec_id, for the n-th execution."""
        return f"0000e0d5.{(self.base + n) & 0xFFFFFFFF:08x}"


def execute(
    order: PaperOrder, size: int, net: Decimal, book: Book, now: datetime, number: str, ledger: Ledger, fees: Fees
) -> list[PaperExecution]:  # fmt: skip
    """Book the legs of one fill and return its executions: `number.01.01` is a combo's summary, then its legs.

    The order's own totals (filled, value) are those after the fill.
    """
    side = order.terms.side
    done: list[PaperExecution] = []
    if order.is_bag:
        summary = PaperExecution(
            f"{number}.01.01", order.origin, None, side, size, net, order.filled, order.average, now,
            combo=order.block(),
        )  # fmt: skip
        done.append(summary)
    for leg, price in zip(order.legs, leg_prices(side, order.ratios, book, net), strict=True):
        signed = side.sign * leg.ratio * size
        commission = fees.of(leg.contract, signed, (order.filled - size) * abs(leg.ratio))
        realized = ledger.trade(leg.contract, signed, price, commission)
        leg_side, total = Side.BUY if signed > 0 else Side.SELL, order.filled * abs(leg.ratio)
        done.append(
            PaperExecution(
                f"{number}.{len(done) + 1:02d}.01",
                order.origin,
                leg.contract,
                leg_side,
                abs(signed),
                price,
                total,
                price,
                now,
                commission,
                realized,
            )
        )
    return done


def delivered(
    exec_id: str, account: str, contract: Contract, quantity: int, price: Decimal, at: datetime,
    realized: Decimal | None,
) -> PaperExecution:  # fmt: skip
    """Return one side of an exercise or assignment: signed contracts at 0, or shares at the strike, free of charge."""
    side = Side.BUY if quantity > 0 else Side.SELL
    size = abs(quantity)
    return PaperExecution(
        exec_id, Origin(account, contract.symbol), contract, side, size, price, size, price, at, Decimal(0), realized
    )
