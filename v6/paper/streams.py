"""What flows between the steps of the market: real-time bars, bars kept up to date, tick by tick.

The market is a function of time and the step only says how often lines are told; these subscriptions are told at whole
seconds (bars at every fifth), while the market is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from v6.model.contract import Contract
from v6.paper import bars
from v6.paper.bars import Candle
from v6.paper.fields import HISTORY_UPDATE, REAL_TIME_BAR, TICK_BID_ASK, TICK_MID_POINT
from v6.paper.ports import Mark
from v6.pricing.calendar import new_york_date

if TYPE_CHECKING:
    from v6.paper.session import Session

BAR_S: Final = 5
TICK_S: Final = 1
BID_ASK, MID_POINT = 3, 4


@dataclass(slots=True)
class RealTimeBars:
    """A bar of five seconds, again and again."""

    req_id: int
    contract: Contract
    what: str
    last: float | None = None

    def turn(self, at: datetime, mark: Mark) -> bytes:
        """Return the bar that ends at this moment; the first turn only begins one."""
        read = bars.price_of(self.contract, self.what)
        price = read(mark) if read is not None else None
        begun, self.last = self.last, price
        if begun is None or price is None:
            return b""
        amount, average, count = bars.volume(self.what)
        return REAL_TIME_BAR.encode(self.req_id, int(at.timestamp()) - BAR_S, begun, max(begun, price),
                                    min(begun, price), price, amount, average, count)  # fmt: skip


@dataclass(slots=True)
class KeptBars:
    """The last bar of a history, kept up to date; `size_s` is None for bars of a day, which `show` writes as a day."""

    req_id: int
    contract: Contract
    what: str
    size_s: int | None
    show: Callable[[datetime], str]
    last: Candle

    def turn(self, start: datetime, price: float, *, joined: bool) -> bytes:
        """Return the update after one more price; `start` is where the bar of this moment begins.

        Unless it is the first of a session (not `joined`), a bar begins at the price at which the bar before it ends,
        as in a history asked for later.
        """
        told = b""
        if start > self.last.start:
            told = self._close(price) if joined else b""
            self.last = Candle(start, price, price, price, price)
        return told + self._close(price)

    def _close(self, price: float) -> bytes:
        self.last = c = self.last.to(price)
        amount, average, count = bars.volume(self.what)
        return HISTORY_UPDATE.encode(self.req_id, count, self.show(c.start), c.open, c.close, c.high, c.low, average,
                                     amount)  # fmt: skip


@dataclass(slots=True)
class TickByTick:
    """Quotes or mid points, told whenever they have changed."""

    req_id: int
    contract: Contract
    kind: int
    told: tuple[float, ...] | None = None

    def turn(self, at: datetime, mark: Mark) -> bytes:
        """Return the tick, nothing if it is as it was; without a bid there is neither."""
        if mark.bid is None:
            return b""
        quote = (mark.bid, mark.ask, mark.bid_size, mark.ask_size)
        middle = (round((mark.bid + mark.ask) / 2, 4),)
        now: tuple[float, ...] = quote if self.kind == BID_ASK else middle
        if now == self.told:
            return b""
        self.told = now
        seconds = int(at.timestamp())
        if self.kind == BID_ASK:
            return TICK_BID_ASK.encode(self.req_id, self.kind, seconds, *quote, 0)
        return TICK_MID_POINT.encode(self.req_id, self.kind, seconds, *middle)


class Streams:
    """The subscriptions of one session; one timer, and only while there are any and the market is open."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live: dict[int, RealTimeBars] = {}
        self._kept: dict[int, KeptBars] = {}
        self.by_tick: dict[int, TickByTick] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told = 0

    def live(self, stream: RealTimeBars) -> None:
        """Begin real-time bars."""
        self._live[stream.req_id] = stream
        self.arm()

    def keep(self, stream: KeptBars) -> None:
        """Begin to update the last bar of a history."""
        self._kept[stream.req_id] = stream
        self.arm()

    def tick(self, stream: TickByTick) -> None:
        """Begin tick by tick, with the quote as it is."""
        self.by_tick[stream.req_id] = stream
        if self._session.gateway.desk.is_open:
            mark = self._session.gateway.marks([stream.contract.con_id])[stream.contract.con_id]
            if mark is not None:
                self._session.send(stream.turn(self._session.gateway.clock.now(), mark))
        self.arm()

    def drop_bars(self, number: int) -> bool:
        """End the bars under this id; tell whether there were any."""
        return (self._live.pop(number, None) or self._kept.pop(number, None)) is not None

    def drop_ticks(self, number: int) -> bool:
        """End tick by tick under this id; tell whether it was there."""
        return self.by_tick.pop(number, None) is not None

    def stop(self) -> None:
        """End everything."""
        for subscriptions in (self._live, self._kept, self.by_tick):
            subscriptions.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm(self) -> None:
        """See to it that the next whole second is noticed."""
        if self._timer is not None or not self._session.gateway.desk.is_open:
            return
        if self._live or self._kept or self.by_tick:
            period = TICK_S if self.by_tick else BAR_S
            wait = period - self._session.gateway.clock.now().timestamp() % period
            self._timer = asyncio.get_running_loop().call_later(wait, self._pulse)

    def begin_session(self) -> None:
        """Tell the prices of the opening and go on; the gateway calls this at every opening."""
        self._tell(self._session.gateway.clock.now())
        self.arm()

    def end_session(self) -> None:
        """Tell the prices of the close; the gateway calls this at every close."""
        self._tell(self._session.gateway.clock.now())
        for stream in self._live.values():
            stream.last = None

    def _pulse(self) -> None:
        self._timer = None
        if self._session.gateway.desk.is_open:
            self._tell(self._session.gateway.clock.now())
        self.arm()

    def _tell(self, now: datetime) -> None:
        # A timer may be early or late by a little: what counts is the second it stands for, once.
        second = round(now.timestamp())
        if second == self._told:
            return
        self._told = second
        streams: list[RealTimeBars | KeptBars | TickByTick] = [*self.by_tick.values()]
        if second % BAR_S == 0:
            streams += [*self._live.values(), *self._kept.values()]
        marks = self._session.gateway.marks(s.contract.con_id for s in streams)
        out = []
        for stream in streams:
            mark = marks.get(stream.contract.con_id)
            if mark is not None:
                out.append(self._turn(stream, now, mark))
        self._session.send(b"".join(out))

    def _turn(self, stream: RealTimeBars | KeptBars | TickByTick, now: datetime, mark: Mark) -> bytes:
        if not isinstance(stream, KeptBars):
            return stream.turn(now, mark)
        calendar = self._session.gateway.calendar
        read, day = bars.price_of(stream.contract, stream.what), calendar.session_on_or_before(new_york_date(now))
        price = read(mark) if read is not None else None
        if price is None:
            return b""
        opened, closed = calendar.open_utc(day), calendar.close_utc(day)
        if stream.size_s is None:
            return stream.turn(opened, price, joined=False)
        # The price of the close belongs to the last bar, not to one that begins there.
        inside = min(now, closed - timedelta(microseconds=1))
        start = bars.span_of(inside, stream.size_s, opened, closed)[0]
        return stream.turn(start, price, joined=start != opened)
