"""Answers to questions about the past: bars, schedules, head time stamps, ticks; and bars that stay up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import groupby, islice
from math import ceil
from typing import TYPE_CHECKING, Final

from v6.errors import V6Error
from v6.model.contract import Contract, SecType
from v6.paper import bars
from v6.paper import requests as ask
from v6.paper.bars import Candle
from v6.paper.codec import Malformed, Wire, frame, names, text
from v6.paper.fields import (
    HEAD_TIMESTAMP,
    HISTORICAL_BID_ASK_ID,
    HISTORICAL_LAST_ID,
    HISTORICAL_TICKS_ID,
    HISTORY_ID,
    SCHEDULE_ID,
    error,
)
from v6.paper.listing import ZONE, resolve, stamp
from v6.paper.ports import Mark
from v6.paper.streams import KeptBars
from v6.paper.times import moment
from v6.pricing.calendar import NEW_YORK, new_york_date

if TYPE_CHECKING:
    from v6.paper.gateway import PaperGateway
    from v6.paper.session import Session

Fields = Mapping[str, str]
KINDS: Final = names(
    "TRADES MIDPOINT BID ASK BID_ASK ADJUSTED_LAST HISTORICAL_VOLATILITY OPTION_IMPLIED_VOLATILITY FEE_RATE "
    "YIELD_BID YIELD_ASK YIELD_BID_ASK YIELD_LAST AGGTRADES SCHEDULE"
)
"""What IB's history service can be asked to show; most of it does not exist in the simulated market."""
MOST_TICKS: Final = 1000
_NO_DATA: Final = "HMDS query returned no data"


class Invalid(V6Error):
    """A request that TWS would not pass on to its history service; answered with error 321."""


class NoHistory(V6Error):
    """The history service has nothing; answered with error 162."""


def _answering(
    ask_it: Callable[[Session, Sequence[str]], None],
) -> Callable[[Session, Sequence[str]], None]:
    """Turn the refusals of a question about the past into the codes of TWS."""

    def answer(session: Session, fields: Sequence[str]) -> None:
        try:
            ask_it(session, fields)
        except Invalid as trouble:
            reason = f"Error validating request.-'bN' : cause - {trouble}"
            session.send(error(ask.req_id(fields), 321, reason))
        except Malformed:
            raise
        except V6Error as trouble:
            # NoHistory, and what the market or the calendar cannot answer: a time before they begin.
            reason = f"Historical Market Data Service error message:{trouble}"
            session.send(error(ask.req_id(fields), 162, reason))

    return answer


# -- bars


@_answering
def history(session: Session, fields: Sequence[str]) -> None:
    request, gateway = ask.history(fields), session.gateway
    now = gateway.clock.now()
    if request.bar_size not in bars.SIZES and request.bar_size not in bars.LONG_SIZES:
        legal = ", ".join([*bars.SIZES, bars.DAY, "1 week", "1 month"])
        raise Invalid(f"Historical data bar size setting is invalid. Legal ones are: {legal}")
    if request.what not in KINDS:
        raise Invalid(f"Unsupported whatToShow {request.what!r}")
    if request.keep_up_to_date and request.end:
        raise Invalid("End Date/Time: an end is not allowed when bars are kept up to date")
    try:
        length, end = bars.duration(request.duration), moment(request.end) or now
    except Malformed as trouble:
        raise Invalid(str(trouble)) from None
    contract = resolve(gateway.market, request.contract, now)
    if request.what == "SCHEDULE":
        session.send(_schedule(gateway, request.req_id, length, min(end, now)))
        return
    past = _Past(gateway, contract, request, length, min(end, now))
    candles = past.candles()
    if not candles:
        raise NoHistory(f"{_NO_DATA}: {contract.symbol} {request.what}")
    session.send(_bars(request, candles))
    if request.keep_up_to_date:
        session.streams.keep(KeptBars(request.req_id, contract, request.what, past.size_s,
                                      lambda at: show(at, request, past.size_s), candles[-1]))  # fmt: skip


def show(at: datetime, request: ask.HistoryRequest, size_s: int | None) -> str:
    """Return a bar's time: a day for bars of a day and longer, else by formatDate a local time or epoch seconds."""
    if size_s is None:
        return f"{at.astimezone(NEW_YORK):%Y%m%d}"
    return str(int(at.timestamp())) if request.format_date == 2 else stamp(at)


def _bars(request: ask.HistoryRequest, candles: Sequence[Candle]) -> bytes:
    size_s = bars.SIZES.get(request.bar_size)
    amount, average, count = bars.volume(request.what)
    row: list[Wire] = [HISTORY_ID, request.req_id, stamp(candles[0].start), stamp(candles[-1].start), len(candles)]
    for c in candles:
        row += [show(c.start, request, size_s), c.open, c.high, c.low, c.close, amount, average, count]
    return frame([text(f) for f in row])


class _Past:
    """The candles of one request; a class because every step needs market, calendar, contract and limits."""

    def __init__(
        self, gateway: PaperGateway, contract: Contract, request: ask.HistoryRequest, length: bars.Duration,
        end: datetime,
    ) -> None:  # fmt: skip
        self.size_s = bars.SIZES.get(request.bar_size)
        self._gateway = gateway
        self._contract = contract
        self._request = request
        self._length = length
        self._end = end
        self._looked = 0

    def candles(self) -> list[Candle]:
        days = self._days()
        if self.size_s is not None:
            most = ceil(self._length.seconds / self.size_s) if self._length.seconds else None
            # From the newest back, so that no more is looked at than is asked for.
            newest = (c for day in reversed(days) for c in self._intraday(day, self.size_s))
            return list(islice(newest, most))[::-1]
        kind = bars.LONG_SIZES[self._request.bar_size]
        daily = self._daily(days)
        if kind == "1 week":
            return _merged(daily, lambda c: c.start.isocalendar()[:2])
        if kind == "1 month":
            return _merged(daily, lambda c: (c.start.year, c.start.month))
        return daily

    def _days(self) -> list[date]:
        """Return the sessions asked for that have begun, of those the market knows."""
        calendar, market = self._gateway.calendar, self._gateway.market
        first, last = market.first_day, min(new_york_date(self._end), market.last_day)
        days = calendar.sessions(first, last) if first <= last else []
        days = [day for day in days if calendar.open_utc(day) <= self._end]
        # A stretch of seconds lies within this many sessions of at least three hours.
        count = self._length.sessions or self._length.seconds // 10_800 + 2
        return days[-count:]

    def _daily(self, days: Sequence[date]) -> list[Candle]:
        """Return daily candles; a session that is still open has none unless bars are kept up to date."""
        calendar = self._gateway.calendar
        done = [d for d in days if calendar.close_utc(d) <= self._end]
        if self._contract.sec_type is SecType.INDEX and self._request.what == "TRADES":
            until = calendar.session_on_or_before(new_york_date(self._end))
            if calendar.close_utc(until) > self._end:
                until = calendar.previous_session(until)
            kept = self._gateway.market.daily(self._contract.con_id, until, self._length.sessions or len(done))
            midnight = time(tzinfo=NEW_YORK)
            found = [Candle(datetime.combine(b.day, midnight), b.open, b.high, b.low, b.close) for b in kept]
        else:
            found = [c for day in done for c in self._session(day)]
        if self._request.keep_up_to_date and days and days[-1] not in done:
            found += self._session(days[-1])
        return found[-(self._length.sessions or len(days)) :]

    def _session(self, day: date) -> list[Candle]:
        calendar = self._gateway.calendar
        made = self._candle(calendar.open_utc(day), min(calendar.close_utc(day), self._end))
        return [made] if made else []

    def _intraday(self, day: date, size_s: int) -> Iterator[Candle]:
        """Yield the bars of a session that have begun, the newest first."""
        calendar = self._gateway.calendar
        for start, end in reversed([*bars.spans(calendar.open_utc(day), calendar.close_utc(day), size_s)]):
            if start < self._end:
                made = self._candle(start, min(end, self._end))
                if made is not None:
                    yield made

    def _candle(self, start: datetime, end: datetime) -> Candle | None:
        moments = bars.moments(start, end)
        self._looked += len(moments)
        if self._looked > bars.MOST_SAMPLES:
            raise NoHistory("Time length exceed max.")
        marks = [self._gateway.market.marks([self._contract.con_id], at)[0] for at in moments]
        known = [m for m in marks if m is not None]
        if self._request.what == "BID_ASK" and self._contract.sec_type is not SecType.INDEX:
            return _bid_ask(start, known)
        read = bars.price_of(self._contract, self._request.what)
        prices = [read(m) for m in known] if read is not None else []
        return bars.candle(start, [p for p in prices if p is not None])


def _bid_ask(start: datetime, marks: Sequence[Mark]) -> Candle | None:
    """Return what IB calls a BID_ASK bar: mean bid, highest ask, lowest bid, mean ask."""
    quoted = [(m.bid, m.ask) for m in marks if m.bid is not None]
    if not quoted:
        return None
    bids, asks = [b for b, _ in quoted], [a for _, a in quoted]
    return Candle(start, round(sum(bids) / len(bids), 4), max(asks), min(bids), round(sum(asks) / len(asks), 4))


def _merged(daily: Iterable[Candle], key: Callable[[Candle], object]) -> list[Candle]:
    merged = []
    for _, group in groupby(daily, key):
        days = list(group)
        merged.append(Candle(days[0].start, days[0].open, max(c.high for c in days), min(c.low for c in days),
                             days[-1].close))  # fmt: skip
    return merged


def _schedule(gateway: PaperGateway, number: int, length: bars.Duration, end: datetime) -> bytes:
    calendar = gateway.calendar
    last = calendar.session_on_or_before(new_york_date(end))
    days = calendar.sessions(calendar.first_day, last)[-max(length.sessions, 1) :]
    rows = [(calendar.open_utc(d).astimezone(NEW_YORK), calendar.close_utc(d).astimezone(NEW_YORK)) for d in days]
    row: list[Wire] = [SCHEDULE_ID, number, _dashed(rows[0][0]), _dashed(rows[-1][1]), ZONE, len(rows)]
    for opened, closed in rows:
        row += [_dashed(opened), _dashed(closed), f"{opened:%Y%m%d}"]
    return frame([text(f) for f in row])


def _dashed(at: datetime) -> str:
    return f"{at:%Y%m%d-%H:%M:%S}"


def cancel_history(session: Session, fields: Fields) -> None:
    """A history that was sent already needs no cancel; clients send one all the same."""
    session.streams.drop_bars(ask.integer("reqId", fields["reqId"]))


# -- the first moment


def head_timestamp(session: Session, fields: Fields) -> None:
    """Tell since when there are prices: of an index since the first session; of options TWS keeps none either."""
    gateway, number = session.gateway, ask.integer("reqId", fields["reqId"])
    contract = resolve(gateway.market, ask.contract_of(fields), gateway.clock.now())
    if bars.price_of(contract, fields["whatToShow"]) is None or contract.sec_type is not SecType.INDEX:
        session.send(error(number, 162, "Historical Market Data Service error message:No head time stamp"))
        return
    first = gateway.calendar.open_utc(gateway.market.first_day)
    as_text = str(int(first.timestamp())) if fields["formatDate"] == "2" else f"{first:%Y%m%d-%H:%M:%S}"
    session.send(HEAD_TIMESTAMP.encode(number, as_text))


# -- ticks


def historical_ticks(session: Session, fields: Fields) -> None:
    """Answer quotes or mid points at each minute where they changed, or the values of an index."""
    gateway, number, what = session.gateway, ask.integer("reqId", fields["reqId"]), fields["whatToShow"]
    contract = resolve(gateway.market, ask.contract_of(fields), gateway.clock.now())
    start, end = moment(fields["start"], "startDateTime"), moment(fields["end"])
    count = ask.integer("numberOfTicks", fields["count"])
    # As at IB exactly one of start and end says where the ticks lie.
    if (start is None) == (end is None) or not 0 < count <= MOST_TICKS:
        reason = f"Error validating request.-'bN' : cause - give one of start and end, and 1 to {MOST_TICKS} ticks"
        session.send(error(number, 321, reason))
        return
    kinds = ("TRADES",) if contract.sec_type is SecType.INDEX else ("BID_ASK", "MIDPOINT")
    if what not in kinds:
        session.send(error(number, 162, f"Historical Market Data Service error message:{_NO_DATA}: {what}"))
        return
    ticks = _ticks(gateway, contract, start, end, count)
    session.send(_tick_message(number, contract, what, ticks))


def _ticks(
    gateway: PaperGateway, contract: Contract, start: datetime | None, end: datetime | None, count: int
) -> list[tuple[datetime, Mark]]:
    now, calendar = gateway.clock.now(), gateway.calendar
    first, last = gateway.market.first_day, min(gateway.market.last_day, new_york_date(now))
    days = calendar.sessions(first, last) if first <= last else []
    forward = start is not None
    found: list[tuple[datetime, Mark]] = []
    for day in days if forward else reversed(days):
        opened, closed = calendar.open_utc(day), min(calendar.close_utc(day), now)
        minutes = [opened + timedelta(minutes=i) for i in range(int((closed - opened).total_seconds() // 60) + 1)]
        for at in minutes if forward else reversed(minutes):
            if (start is None or at >= start) and (end is None or at < end):
                mark = gateway.market.marks([contract.con_id], at)[0]
                if mark is not None:
                    found.append((at, mark))
            if len(found) == count:
                return found if forward else found[::-1]
    return found if forward else found[::-1]


def _tick_message(number: int, contract: Contract, what: str, ticks: Sequence[tuple[datetime, Mark]]) -> bytes:
    row: list[Wire] = []
    quoted = [(int(at.timestamp()), m) for at, m in ticks if m.bid is not None or contract.sec_type is SecType.INDEX]
    if what == "BID_ASK":
        for at, m in quoted:
            row += [at, 0, m.bid, m.ask, m.bid_size, m.ask_size]
        row = [HISTORICAL_BID_ASK_ID, number, len(quoted), *row, 1]
    elif what == "TRADES":
        for at, m in quoted:
            row += [at, 0, m.price, 0, contract.exchange, ""]
        row = [HISTORICAL_LAST_ID, number, len(quoted), *row, 1]
    else:
        read = bars.price_of(contract, what)
        for at, m in quoted:
            row += [at, 0, read(m) if read else None, 0]
        row = [HISTORICAL_TICKS_ID, number, len(quoted), *row, 1]
    return frame([text(f) for f in row])


RAW_ANSWERS: Final[dict[int, Callable[[Session, Sequence[str]], None]]] = {20: history}
ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    25: cancel_history, 87: head_timestamp, 90: cancel_history, 96: historical_ticks,
}  # fmt: skip
