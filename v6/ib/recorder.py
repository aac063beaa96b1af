"""Record what the market quotes, sweep by sweep, in whatever the desk's own questions leave of the wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import ib_async
import structlog

from v6.errors import BrokerError, StoreError
from v6.ib import convert
from v6.ib.glimpse import Glimpse, priced
from v6.ib.listings import Listings
from v6.ib.pacing import Lane
from v6.model.contract import Contract, Right, SecType
from v6.model.recording import Band, Observation, RecordingPlan
from v6.ports import Clock
from v6.pricing.calendar import TradingCalendar, new_york_date

AT_ONCE: Final = 20
"""Questions of the recorder that may be open at once; each takes a market data line until it is answered."""

BATCH: Final = 500
_NO_ROOM_S: Final = 1.0

log = structlog.get_logger("v6.ib")


class Archive(Protocol):
    """Where observations go; both methods block and are called in a thread."""

    def put(self, observations: Sequence[Observation]) -> int: ...

    def done(self, sweep: datetime) -> set[int]: ...


class Recorder:
    """`room` is how many questions there are lines for, 0 or less while nothing may be asked.

    `tell` takes the code and the text of a finding.
    """

    def __init__(
        self,
        plan: RecordingPlan,
        listings: Listings,
        glimpse: Glimpse,
        archive: Archive,
        clock: Clock,
        calendar: TradingCalendar,
        room: Callable[[], int],
        tell: Callable[[str, str], object],
    ) -> None:
        self._plan = plan
        self._listings = listings
        self._glimpse = glimpse
        self._archive = archive
        self._clock = clock
        self._calendar = calendar
        self._room = room
        self._tell = tell

    async def run(self) -> None:
        """Sweep on schedule for ever; a sweep under way when a process ended is gone on with. Cancel it to end it."""
        last: datetime | None = None
        while True:
            slot = self._due(last)
            await asyncio.sleep(max(0.0, (slot - self._clock.now()).total_seconds()))
            last = slot
            try:
                await self.sweep(slot)
            except (BrokerError, StoreError) as error:
                self._tell("recording-missed", f"the sweep of {slot:%Y-%m-%d %H:%M:%S} UTC: {error}")

    def _due(self, last: datetime | None) -> datetime:
        """Return the sweep that is due now, unless it was the last, or else the next one."""
        now = self._clock.now()
        day = self._calendar.session_on_or_before(new_york_date(now))
        while True:
            slots = self._plan.slots(self._calendar.open_utc(day), self._calendar.close_utc(day))
            for slot in slots:
                fresh = last is None or slot > last
                over = min(slot + timedelta(seconds=self._plan.every_s), self._calendar.close_utc(day))
                if fresh and now < over:
                    return slot
            day = self._calendar.next_session(day)

    async def sweep(self, slot: datetime) -> None:
        """Ask of everything planned what has no row of this sweep yet; raises BrokerError and StoreError."""
        over = slot + timedelta(seconds=self._plan.every_s)
        while self._room() <= 0:  # at a start nobody is connected yet
            if self._clock.now() >= over:
                raise BrokerError("nothing could be asked while it lasted")
            await asyncio.sleep(_NO_ROOM_S)
        done = await asyncio.to_thread(self._archive.done, slot)
        spots = await self._watched(slot, done, over)
        for band in self._plan.chains:
            try:
                contracts = await self._chain(band, spots.get(band.symbol))
            except BrokerError as error:
                self._tell("recording-missed", f"{band.trading_class} at {slot:%Y-%m-%d %H:%M:%S} UTC: {error}")
                continue
            await self._ask([c for c in contracts if c.con_id not in done], slot, over, spots[band.symbol])

    async def _watched(self, slot: datetime, done: set[int], over: datetime) -> dict[str, float]:
        """Record the underlyings and return the prices of those that chains are listed on."""
        contracts = []
        today = new_york_date(self._clock.now())
        for watched in self._plan.watched:
            try:
                contracts.append(await self._listings.watched(watched, today))
            except BrokerError as error:
                self._tell("recording-missed", f"{watched.symbol} at {slot:%Y-%m-%d %H:%M:%S} UTC: {error}")
        priced_here = {band.symbol for band in self._plan.chains}
        # After a restart the spot is asked again, as its row tells what it was and not what it is.
        again = [c for c in contracts if c.con_id in done and c.symbol in priced_here]
        seen = await self._ask([c for c in contracts if c.con_id not in done], slot, over, None)
        seen += [await self._observe(contract, slot, None) for contract in again]
        found: dict[str, float] = {}
        for one in seen:
            if one.quote is not None and one.contract.sec_type is not SecType.FUTURE:
                price = one.quote.mid if one.quote.mid is not None else one.quote.last
                if price is not None:
                    found[one.contract.symbol] = price
        return found

    async def _chain(self, band: Band, spot: float | None) -> list[Contract]:
        if spot is None:
            raise BrokerError(f"no price of {band.symbol}, so no strikes are chosen")
        today = new_york_date(self._clock.now())
        found = []
        for expiry in band.expiries(await self._listings.expiries(band, today), today):
            found += [c for c in await self._listings.options(band, expiry, today) if band.holds(c, spot)]
        return found

    async def _ask(
        self, contracts: Sequence[Contract], slot: datetime, over: datetime, spot: float | None
    ) -> list[Observation]:
        todo, seen, kept = deque(contracts), list[Observation](), 0
        flying: set[asyncio.Task[Observation]] = set()
        try:
            while (todo and self._clock.now() < over) or flying:
                while todo and len(flying) < min(self._room(), AT_ONCE) and self._clock.now() < over:
                    flying.add(asyncio.create_task(self._observe(todo.popleft(), slot, spot)))
                if not flying:
                    await asyncio.sleep(_NO_ROOM_S)
                    continue
                landed, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                seen += sorted((task.result() for task in landed), key=lambda one: one.contract.con_id)
                if len(seen) - kept >= BATCH:
                    await asyncio.to_thread(self._archive.put, seen[kept:])
                    kept = len(seen)
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
        if seen[kept:]:
            await asyncio.to_thread(self._archive.put, seen[kept:])
        if todo:
            text = f"{len(todo)} of {len(contracts)} contracts could not be asked by {over:%H:%M:%S} UTC"
            self._tell("recording-late", f"the sweep of {slot:%Y-%m-%d %H:%M:%S} UTC: {text}")
        return seen

    async def _observe(self, contract: Contract, slot: datetime, spot: float | None) -> Observation:
        try:
            ticker = await self._glimpse.ticker(contract, Lane.RECORD)
            quote = priced(ticker, contract, self._clock.now())
        except BrokerError as error:
            return Observation(slot, self._clock.now(), contract, None, spot=spot, error=str(error)[:300])
        return Observation(
            slot,
            quote.at,
            contract,
            quote,
            bid_size=_count(ticker.bidSize),
            ask_size=_count(ticker.askSize),
            volume=_count(ticker.volume),
            open_interest=_open_interest(ticker, contract),
            spot=spot,
        )


def _open_interest(ticker: ib_async.Ticker, contract: Contract) -> float | None:
    """Return the open interest if it was told; IB tells it to streams with tick 101 only, never to a snapshot."""
    if contract.right is None:
        return None
    return _count(ticker.callOpenInterest if contract.right is Right.CALL else ticker.putOpenInterest)


def _count(value: float | None) -> float | None:
    found = convert.number(value)
    return None if found is None or found < 0 else found
