"""What is listed, asked on the slowest lane and once a day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.link import Link
from v6.ib.pacing import Lane
from v6.model.contract import Contract, SecType
from v6.model.recording import Band, Watched

T = TypeVar("T")


class Listings:
    """Contracts by description; what was learnt on an earlier day is asked again, for strikes that came since."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._day: date | None = None
        self._watched: dict[Watched, Contract] = {}
        self._expiries: dict[Band, list[date]] = {}
        self._options: dict[tuple[str, date], list[Contract]] = {}

    async def watched(self, what: Watched, today: date) -> Contract:
        """Return the one contract, of a future the front month: the first that still trades after today.

        Raises BrokerError for none, or for several that are no series of months.
        """
        self._turn(today)
        if what not in self._watched:
            pattern = ib_async.Contract(
                secType=what.sec_type.value, symbol=what.symbol, exchange=what.exchange, currency=convert.CURRENCY
            )
            found = await self._details(pattern, f"contract {what.symbol}")
            if what.sec_type is SecType.FUTURE:
                found = sorted((c for c in found if c.expiry is not None and c.expiry > today), key=_expiry)[:1]
            if len(found) != 1:
                raise BrokerError(f"{what.symbol} on {what.exchange} names {len(found)} contracts, not one")
            self._watched[what] = found[0]
        return self._watched[what]

    async def expiries(self, band: Band, today: date) -> list[date]:
        """Return the listed expiries of the band's class; its underlying must have been asked for before."""
        self._turn(today)
        if band not in self._expiries:
            under = next((c for w, c in self._watched.items() if w.symbol == band.symbol and c.expiry is None), None)
            if under is None:
                raise BrokerError(f"the underlying {band.symbol} is not known")
            chains = await self._asked(
                lambda: self._link.ib.reqSecDefOptParamsAsync(under.symbol, "", under.sec_type.value, under.con_id),
                f"option chain of {band.symbol}",
            )
            try:
                self._expiries[band] = convert.expiries(chains, band.trading_class)
            except ValueError as error:
                raise BrokerError(f"option chain of {band.symbol}: {error}") from error
        return self._expiries[band]

    async def options(self, band: Band, expiry: date, today: date) -> list[Contract]:
        """Return all options of one expiry, by strike, calls before puts."""
        self._turn(today)
        key = (band.trading_class, expiry)
        if key not in self._options:
            pattern = convert.series(band.symbol, band.trading_class, expiry)
            found = await self._details(pattern, f"options {band.trading_class} {expiry}")
            self._options[key] = sorted(found, key=lambda c: (c.strike or 0, c.right or ""))
        return self._options[key]

    async def _details(self, pattern: ib_async.Contract, what: str) -> list[Contract]:
        details = await self._asked(lambda: self._link.ib.reqContractDetailsAsync(pattern), what)
        return [convert.from_ib(d.contract) for d in details if d.contract is not None]

    async def _asked(self, request: Callable[[], Awaitable[T]], what: str) -> T:
        def on_lane() -> Awaitable[T]:
            with self._link.pacer.using(Lane.RECORD):  # ib_async writes the question before it returns the future
                return request()

        return await self._link.ask(on_lane, what)

    def _turn(self, today: date) -> None:
        if today != self._day:
            self._day = today
            self._watched.clear()
            self._expiries.clear()
            self._options.clear()


def _expiry(contract: Contract) -> date:
    return contract.expiry or date.max
