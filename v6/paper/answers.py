"""What the gateway answers to each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from v6.errors import V6Error
from v6.model.contract import Contract, Leg, SecType
from v6.paper import requests as ask
from v6.paper.codec import Malformed, Wire, frame, text
from v6.paper.fields import (
    ACCOUNT_END,
    ACCOUNT_TIME,
    COMPLETED_END,
    CONTRACT_END,
    CURRENT_TIME,
    EXECUTION_END,
    HISTORY_ID,
    MANAGED_ACCOUNTS,
    MULTI_END,
    NEXT_VALID_ID,
    OPEN_ORDER_END,
    OPTION_PARAMS_END,
    POSITION_END,
    SUMMARY_END,
    error,
)
from v6.paper.lines import DIVIDENDS, FROZEN, LIVE, Line
from v6.paper.listing import (
    RULES,
    NotFound,
    details,
    hours,
    market_rule,
    option_params,
    resolve,
    search,
    underlying,
)
from v6.paper.orders import PaperExecution, PaperOrder, completed_order, open_order, order_status
from v6.pricing.calendar import NEW_YORK, new_york_date

if TYPE_CHECKING:
    from v6.paper.session import Session

Fields = Mapping[str, str]


def whole(fields: Fields, name: str) -> int:
    """Return an integer field; empty is 0."""
    return ask.integer(name, fields[name])


def on(fields: Fields, name: str) -> bool:
    return fields[name] in ("1", "True")


# -- market


def watch(session: Session, fields: Sequence[str]) -> None:
    request, gateway = ask.quotes(fields), session.gateway
    if request.req_id in session.lines.by_id:
        session.send(error(request.req_id, 322, "Error processing request.-'bX' : cause - Duplicate ticker id"))
        return
    if request.snapshot and request.generic:
        reason = "Snapshot market data subscription is not applicable to generic ticks"
        session.send(error(request.req_id, 321, f"Error validating request.-'bX' : cause - {reason}"))
        return
    is_bag = request.contract.sec_type == "BAG"
    if is_bag:
        found = [(gateway.market.contract(leg.con_id), leg.signed) for leg in request.legs]
        legs = tuple(Leg(c, ratio) for c, ratio in found if c is not None)
        if not legs or len(legs) < len(found):
            raise NotFound("of a leg")
    else:
        legs = (Leg(resolve(gateway.market, request.contract, gateway.clock.now()), 1),)
    frozen = session.lines.kind in (2, 4) and not gateway.desk.is_open
    line = Line(request.req_id, legs, is_bag, FROZEN if frozen else LIVE)
    # What a contract has no generic tick for is not told; a real gateway may answer error 321 to some of them.
    line.wants_dividends = DIVIDENDS in request.generic and not is_bag
    quoted = frozen or gateway.desk.is_open
    ticks = b"".join(line.ticks(gateway.marks(line.con_ids), quoted=quoted))
    ticks += line.dividends(gateway.payout(line.con_ids[0])) if line.wants_dividends else b""
    session.send(line.header() + ticks + (line.end() if request.snapshot else b""))
    if ticks and not is_bag:
        gateway.told(line.con_ids[0])
    if not request.snapshot:
        session.lines.by_id[request.req_id] = line
        gateway.meter.lines(sum(len(s.lines.by_id) for s in gateway.sessions))


def unwatch(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    if session.lines.by_id.pop(number, None) is None:
        session.send(error(number, 300, f"Can't find EId with tickerId:{number}"))


def liveness(session: Session, fields: Fields) -> None:
    kind = whole(fields, "type")
    if kind not in (1, 2, 3, 4):
        raise Malformed(f"market data type {kind}")
    session.lines.kind = kind


def contract_details(session: Session, fields: Fields) -> None:
    gateway, number = session.gateway, whole(fields, "reqId")
    wanted, now = ask.contract_of(fields), gateway.clock.now()
    if wanted.sec_type == "BAG":
        # As at IB: a warning code, so that ib_async waits for ever. See the failure catalogue.
        session.send(error(number, 321, "Error validating request.-'bN' : cause - Invalid security type BAG"))
        return
    found = search(gateway.market, wanted, now)
    if not found:
        raise NotFound("")
    open_hours = hours(gateway.calendar, now)
    unders: dict[str, Contract | None] = {}
    out = []
    for contract in found:
        if contract.sec_type is SecType.OPTION and contract.symbol not in unders:
            unders[contract.symbol] = underlying(gateway.market, contract, now)
        under = unders.get(contract.symbol)
        terms = gateway.stock(contract.con_id)
        kind = "" if terms is None else terms.stock_type
        out.append(details(number, contract, gateway.market, under, open_hours, wanted.exchange, kind))
    session.send(b"".join(out) + CONTRACT_END.encode(number))


def option_chain(session: Session, fields: Fields) -> None:
    number, gateway = whole(fields, "reqId"), session.gateway
    chain = option_params(number, fields["symbol"], whole(fields, "conId"), gateway.market, gateway.clock.now())
    session.send(b"".join(chain) + OPTION_PARAMS_END.encode(number))


def rule(session: Session, fields: Fields) -> None:
    number = whole(fields, "ruleId")
    if number not in RULES:
        session.send(error(-1, 320, f"Error reading request: no market rule {number}"))
        return
    session.send(market_rule(number, RULES[number]))


_SESSIONS: Final = {"D": 1, "W": 5, "M": 21, "Y": 252}


def _sessions(request: ask.HistoryRequest) -> int:
    count, _, unit = request.duration.partition(" ")
    if request.bar_size not in ("1 day", "1d") or unit not in _SESSIONS or request.keep_up_to_date or len(count) > 4:
        raise Malformed("only complete daily bars are kept here")
    return ask.integer("duration", count) * _SESSIONS[unit]


def history(session: Session, fields: Sequence[str]) -> None:
    request, gateway = ask.history(fields), session.gateway
    try:
        count = _sessions(request)
        contract = resolve(gateway.market, request.contract, gateway.clock.now())
        until = _last_complete(session, _moment(request.end) or gateway.clock.now())
        bars = gateway.market.daily(contract.con_id, until, count)
    except NotFound:
        raise
    except V6Error as trouble:
        reason = f"Historical Market Data Service error message:{trouble}"
        session.send(error(request.req_id, 162, reason))
        return
    row: list[Wire] = [HISTORY_ID, request.req_id, _day(bars[0].day if bars else until), _day(until), len(bars)]
    for bar in bars:
        row += [f"{bar.day:%Y%m%d}", bar.open, bar.high, bar.low, bar.close, 0, 0.0, 0]
    session.send(frame([text(f) for f in row]))


def _day(day: date) -> str:
    return f"{day:%Y%m%d} 00:00:00"


def _moment(end: str) -> datetime | None:
    """Return the end of a history request: `20241220-21:00:00` is UTC, `20241220 16:00:00 US/Eastern` New York."""
    if not end:
        return None
    zone = UTC if "-" in end or end.endswith("UTC") else NEW_YORK
    try:
        return datetime.strptime(end.replace("-", " ")[:17], "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        raise Malformed(f"endDateTime {end!r}") from None


def _last_complete(session: Session, moment: datetime) -> date:
    """Return the last session that had closed; today's bar does not exist before its close."""
    calendar, day = session.gateway.calendar, new_york_date(moment)
    last = calendar.session_on_or_before(day)
    return last if calendar.close_utc(last) <= moment else calendar.previous_session(last)


# -- orders


def place(session: Session, fields: Sequence[str]) -> None:
    session.gateway.desk.place(session.client_id, ask.place_order(fields))


def cancel(session: Session, fields: Fields) -> None:
    session.gateway.desk.cancel(session.client_id, whole(fields, "orderId"))


def cancel_all(session: Session, fields: Fields) -> None:
    session.gateway.desk.cancel_all()


def _tell_open(session: Session, orders: Sequence[PaperOrder]) -> None:
    session.send(b"".join(open_order(o) + order_status(o) for o in orders) + OPEN_ORDER_END.encode())


def open_orders(session: Session, fields: Fields) -> None:
    _tell_open(session, [o for o in session.gateway.desk.book.live.values() if o.client_id == session.client_id])


def all_open_orders(session: Session, fields: Fields) -> None:
    _tell_open(session, list(session.gateway.desk.book.live.values()))


def auto_open(session: Session, fields: Fields) -> None:
    if session.client_id != 0:
        session.send(error(-1, 327, "Only the client with client id 0 may bind manual orders."))
        return
    open_orders(session, fields)


def completed_orders(session: Session, fields: Fields) -> None:
    """TWS keeps those of the day (in New York)."""
    today = new_york_date(session.gateway.clock.now())
    done = [o for o in session.gateway.desk.book.orders if o.ended_at and new_york_date(o.ended_at) == today]
    session.send(b"".join(map(completed_order, done)) + COMPLETED_END.encode())


def executions(session: Session, fields: Fields) -> None:
    """TWS keeps those since midnight (in New York)."""
    number, client = whole(fields, "reqId"), whole(fields, "clientId")
    today = new_york_date(session.gateway.clock.now())
    since = _moment(fields["time"]) if fields["time"] else None
    out = []
    for execution in session.gateway.desk.executions:
        if new_york_date(execution.at) == today and _fits(execution, fields, client, since):
            out.append(execution.encode(number))
            if execution.contract is not None:
                out.append(execution.encode_commission())
    session.send(b"".join(out) + EXECUTION_END.encode(number))


def _fits(execution: PaperExecution, fields: Fields, client: int, since: datetime | None) -> bool:
    kind = "BAG" if execution.contract is None else execution.contract.sec_type.value
    return (
        (not client or execution.order.client_id == client)
        and (since is None or execution.at >= since)
        and fields["account"] in ("", execution.order.account)
        and fields["symbol"] in ("", execution.order.symbol)
        and fields["secType"] in ("", kind)
        and fields["exchange"] in ("", "SMART", "CBOE")
        and (not fields["side"] or execution.side.value == fields["side"])
    )


def ids(session: Session, fields: Fields) -> None:
    session.send(NEXT_VALID_ID.encode(session.gateway.desk.next_id))


# -- account


def positions(session: Session, fields: Fields) -> None:
    session.wants_positions = True
    figures = session.gateway.figures()
    session.send(figures.positions(figures.ledger.holdings.values()) + POSITION_END.encode())


def cancel_positions(session: Session, fields: Fields) -> None:
    session.wants_positions = False


def account_updates(session: Session, fields: Fields) -> None:
    session.wants_account = on(fields, "subscribe")
    if not session.wants_account:
        return
    figures = session.gateway.figures()
    now = session.gateway.clock.now().astimezone(NEW_YORK)
    session.send(
        figures.account_values(figures.values())
        + figures.portfolio()
        + ACCOUNT_TIME.encode(f"{now:%H:%M}")
        + ACCOUNT_END.encode(session.gateway.account)
    )


def account_multi(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    session.multis[number] = fields["modelCode"]
    figures = session.gateway.figures()
    session.send(figures.multi(number, fields["modelCode"], figures.values()) + MULTI_END.encode(number))


def account_summary(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    session.summaries[number] = fields["tags"]
    figures = session.gateway.figures()
    session.send(figures.summary(number, fields["tags"], figures.values()) + SUMMARY_END.encode(number))


def pnl(session: Session, fields: Fields) -> None:
    session.pnls.append(whole(fields, "reqId"))
    session.send(session.gateway.figures().pnl(session.pnls[-1]))


def pnl_single(session: Session, fields: Fields) -> None:
    number, con_id = whole(fields, "reqId"), whole(fields, "conId")
    session.pnl_singles[number] = con_id
    session.send(session.gateway.figures().pnl_single(number, con_id))


def cancel_pnl(session: Session, fields: Fields) -> None:
    number = whole(fields, "reqId")
    session.pnls = [n for n in session.pnls if n != number]


def cancel_pnl_single(session: Session, fields: Fields) -> None:
    session.pnl_singles.pop(whole(fields, "reqId"), None)


def cancel_multi(session: Session, fields: Fields) -> None:
    session.multis.pop(whole(fields, "reqId"), None)


def cancel_summary(session: Session, fields: Fields) -> None:
    session.summaries.pop(whole(fields, "reqId"), None)


def current_time(session: Session, fields: Fields) -> None:
    session.send(CURRENT_TIME.encode(int(session.gateway.clock.now().timestamp())))


def accounts(session: Session, fields: Fields) -> None:
    session.send(MANAGED_ACCOUNTS.encode(session.gateway.account))


def nothing(session: Session, fields: Fields) -> None:
    """Accept what needs no answer: the log level, the cancel of a history that has been sent already."""


RAW_ANSWERS: Final[dict[int, Callable[[Session, Sequence[str]], None]]] = {1: watch, 3: place, 20: history}
"""Requests of variable length, which read their own fields."""

ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    2: unwatch, 4: cancel, 5: open_orders, 6: account_updates, 7: executions, 8: ids, 9: contract_details,
    14: nothing, 15: auto_open, 16: all_open_orders, 17: accounts, 25: nothing, 49: current_time, 58: cancel_all,
    59: liveness, 61: positions, 62: account_summary, 63: cancel_summary, 64: cancel_positions,
    76: account_multi, 77: cancel_multi, 78: option_chain, 91: rule, 92: pnl, 93: cancel_pnl, 94: pnl_single,
    95: cancel_pnl_single, 99: completed_orders,
}  # fmt: skip
