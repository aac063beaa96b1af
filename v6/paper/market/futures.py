"""Index futures beside any market: ES from its S&P 500 and carry, NQ and RTY from that by beta and seeded noise.

Quotes only: nothing margins a future here, and the grid of prices that the gateway tells of them is one of cents.
There is no history of the Nasdaq 100 or the Russell 2000 behind NQ and RTY: their levels are made up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from math import exp
from typing import Final

from v6.errors import V6Error
from v6.model.contract import Contract, SecType
from v6.paper.market.book import FLAT_RATES
from v6.paper.ports import Bar, Halt, HaltingMarket, Mark, Market, StockMarket, StockTerms
from v6.pricing.calendar import NEW_YORK, new_york_date, xnys

EXCHANGE: Final = "CME"
FIRST_ID: Final = 900_000_000
"""Below the options' ids, above the indices'."""

_IDS_OF_ROOT: Final = 10_000
_QUARTERS_LISTED: Final = 4
_NOISE: Final = 0.01
_SECONDS_PER_YEAR: Final = 365.0 * 86400.0


@dataclass(frozen=True, slots=True)
class Root:
    """One product: its level is `ratio` times the S&P 500 on the first day, and moves `beta` times as much."""

    symbol: str
    multiplier: int
    tick: float
    ratio: float
    beta: float


ROOTS: Final = (
    Root("ES", 50, 0.25, 1.0, 1.0),
    Root("NQ", 20, 0.25, 2.0, 1.15),
    Root("RTY", 50, 0.10, 0.62, 1.2),
)


class WithFutures:
    """The market given, and the next four quarterly months of ES, NQ and RTY on CME.

    A month stops trading at the opening of its third Friday, or of the session before it.
    """

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._seed = seed
        pattern = Contract(0, "SPX", SecType.INDEX, exchange="", currency="", multiplier=0)
        opens = xnys().open_utc(xnys().session_on_or_before(market.first_day))
        found = market.find(pattern, opens)
        if len(found) != 1:
            raise V6Error("futures need a market that lists SPX")
        self._index = found[0].con_id
        (start,) = market.marks([self._index], opens)
        if start is None:
            raise V6Error("futures need a price of SPX on the market's first day")
        self._start = start.price

    @property
    def first_day(self) -> date:
        return self._market.first_day

    @property
    def last_day(self) -> date:
        return self._market.last_day

    def contract(self, con_id: int) -> Contract | None:
        """Return a contract by identity, expired ones too, or None if there is none."""
        place, code = divmod(con_id - FIRST_ID, _IDS_OF_ROOT)
        if not _is_future(con_id):
            return self._market.contract(con_id)
        year, month = 2000 + code // 12, code % 12 + 1
        return _future(ROOTS[place], year, month) if month % 3 == 0 else None

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit the pattern, futures by month."""
        if pattern.sec_type is not SecType.FUTURE and not _is_future(pattern.con_id):
            return self._market.find(pattern, at)
        if pattern.con_id:
            known = self.contract(pattern.con_id)
            return [known] if known is not None and at < self.settles_at(known) else []
        found = [c for root in ROOTS for c in _listed(root, at) if pattern.symbol in ("", c.symbol)]
        return [
            c
            for c in found
            if pattern.exchange in ("", EXCHANGE)
            and pattern.currency in ("", c.currency)
            and pattern.multiplier in (0, 1, c.multiplier)
            and pattern.trading_class in ("", c.trading_class)
            and pattern.expiry in (None, c.expiry)
        ]

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        return self._market.expiries(symbol, at)

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        return self._market.strikes(symbol, trading_class, expiry, at)

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract; a future's is one tick wide around its fair value."""
        found = self._market.marks(con_ids, at)
        futures = [(i, con_id) for i, con_id in enumerate(con_ids) if _is_future(con_id)]
        if not futures:
            return found
        (index,) = self._market.marks([self._index], at)
        for i, con_id in futures:
            contract = self.contract(con_id)
            if contract is not None and index is not None and at < self.settles_at(contract):
                found[i] = self._mark(contract, index, at)
        return found

    def settlement(self, contract: Contract) -> float:
        """Return the value of one share, of a future its level when it stops trading."""
        if contract.sec_type is not SecType.FUTURE:
            return self._market.settlement(contract)
        end = self.settles_at(contract)
        (index,) = self._market.marks([self._index], end)
        if index is None:
            raise V6Error(f"{contract} settles when its index has no price")
        return round(self._level(contract, index.price, end), 2)

    def settles_at(self, contract: Contract) -> datetime:
        """Return when the contract stops trading (UTC)."""
        if contract.sec_type is not SecType.FUTURE or contract.expiry is None:
            return self._market.settles_at(contract)
        return xnys().open_utc(contract.expiry)

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        """Return daily bars; of futures there are none."""
        return [] if _is_future(con_id) else self._market.daily(con_id, until, sessions)

    def stock(self, con_id: int, at: datetime) -> StockTerms | None:
        """Return the terms of a stock of the market beneath, None for what is no stock."""
        return self._market.stock(con_id, at) if isinstance(self._market, StockMarket) else None

    def halt(self, at: datetime) -> Halt | None:
        """Return the halt of the market beneath."""
        return self._market.halt(at) if isinstance(self._market, HaltingMarket) else None

    def _mark(self, contract: Contract, index: Mark, at: datetime) -> Mark:
        root = next(root for root in ROOTS if root.symbol == contract.symbol)
        day = xnys().session_on_or_before(new_york_date(at) - timedelta(days=1))
        price = self._level(contract, index.price, at)
        close = self._level(contract, index.close, xnys().close_utc(day))
        bid = round(int(price / root.tick) * root.tick, 2)
        dice = random.Random(f"{self._seed}/{contract.con_id}/{int(at.timestamp()) // 5}")
        sizes = dice.randint(5, 120), dice.randint(5, 120)
        settled = round(round(close / root.tick) * root.tick, 2)
        return Mark(round(price, 2), bid, round(bid + root.tick, 2), *sizes, settled)

    def _level(self, contract: Contract, spot: float, at: datetime) -> float:
        root = next(root for root in ROOTS if root.symbol == contract.symbol)
        years = max((self.settles_at(contract) - at).total_seconds(), 0.0) / _SECONDS_PER_YEAR
        carry = exp((FLAT_RATES.rate - FLAT_RATES.dividend) * years)
        if root.symbol == "ES":
            return spot * carry
        moved: float = (spot / self._start) ** root.beta
        return self._start * root.ratio * moved * (1.0 + self._noise(root, at)) * carry

    def _noise(self, root: Root, at: datetime) -> float:
        """Return how far the index is from its beta's path: a seeded value at each midnight, straight in between."""
        local = at.astimezone(NEW_YORK)
        midnight = datetime.combine(local.date(), time(0), NEW_YORK)
        share = (at - midnight).total_seconds() / 86400.0
        today, next_day = (
            random.Random(f"{self._seed}/{root.symbol}/{day}").gauss(0.0, _NOISE)
            for day in (local.date(), local.date() + timedelta(days=1))
        )
        return today + (next_day - today) * share


def _is_future(con_id: int) -> bool:
    return FIRST_ID <= con_id < FIRST_ID + _IDS_OF_ROOT * len(ROOTS)


def _listed(root: Root, at: datetime) -> list[Contract]:
    """Return the months that trade at the moment, nearest first."""
    today = new_york_date(at)
    months = ((today.year + (n - 1) // 12, (n - 1) % 12 + 1) for n in range(today.month, today.month + 16))
    found = [_future(root, year, month) for year, month in months if month % 3 == 0]
    return [c for c in found if c.expiry is not None and at < xnys().open_utc(c.expiry)][:_QUARTERS_LISTED]


def _future(root: Root, year: int, month: int) -> Contract:
    friday = date(year, month, 15) + timedelta(days=(4 - date(year, month, 15).weekday()) % 7)
    place = ROOTS.index(root)
    blank = Contract(0, root.symbol, SecType.FUTURE, EXCHANGE, "USD", root.multiplier, root.symbol)
    con_id = FIRST_ID + place * _IDS_OF_ROOT + (year - 2000) * 12 + month - 1
    return replace(blank, con_id=con_id, expiry=xnys().session_on_or_before(friday))
