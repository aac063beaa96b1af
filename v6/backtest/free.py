"""A market without a spread: what the same trades would have brought if trading cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from v6.model.contract import Contract
from v6.paper.intake import Fees
from v6.paper.ports import Bar, Mark, Market

NO_FEES: Final = Fees(commission=Decimal(0), exchange=())


class FreeMarket:
    """A `Market` in which both sides of every option quote its theoretical value, to the cent."""

    def __init__(self, market: Market) -> None:
        self._market = market

    @property
    def first_day(self) -> date:
        return self._market.first_day

    @property
    def last_day(self) -> date:
        return self._market.last_day

    def contract(self, con_id: int) -> Contract | None:
        return self._market.contract(con_id)

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        return self._market.find(pattern, at)

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        return self._market.expiries(symbol, at)

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        return self._market.strikes(symbol, trading_class, expiry, at)

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        return [None if mark is None else _free(mark) for mark in self._market.marks(con_ids, at)]

    def settlement(self, contract: Contract) -> float:
        return self._market.settlement(contract)

    def settles_at(self, contract: Contract) -> datetime:
        return self._market.settles_at(contract)

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        return self._market.daily(con_id, until, sessions)


def _free(mark: Mark) -> Mark:
    if mark.iv is None:
        return mark
    # Below half a cent nobody bids and a cent is asked, as on any grid.
    fair = round(mark.price, 2)
    return replace(mark, bid=fair if fair > 0 else None, ask=max(fair, 0.01), bid_size=100, ask_size=100)
