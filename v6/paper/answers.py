"""What the gateway answers to requests about the market, contracts and orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from v6.model.contract import Contract, Leg, SecType
from v6.paper import requests as ask
from v6.paper.codec import Malformed
from v6.paper.fields import (
    COMPLETED_END,
    CONTRACT_END,
    CURRENT_TIME,
    EXECUTION_END,
    MANAGED_ACCOUNTS,
    NEXT_VALID_ID,
    OPEN_ORDER_END,
    OPTION_PARAMS_END,
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
from v6.paper.placement import place_order
from v6.paper.times import moment
from v6.pricing.calendar import new_york_date

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
    most = gateway.limits.lines
    if not request.snapshot and most is not None and gateway.lines_used >= most:
        session.send(error(request.req_id, 101, "Max number of tickers has been reached"))
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
    line.sides = None if is_bag else gateway.sides_of(legs[0].contract)
    line.wants_dividends = DIVIDENDS in request.generic and not is_bag
    quoted = frozen or gateway.desk.is_open
    ticks = line.halt(gateway.halt()) + b"".join(line.ticks(gateway.marks(line.con_ids), quoted=quoted))
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


# -- orders


def place(session: Session, fields: Sequence[str]) -> None:
    session.gateway.desk.place(session.client_id, place_order(fields))


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
    since = moment(fields["time"], "time")
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
        (not client or execution.origin.client_id == client)
        and (since is None or execution.at >= since)
        and fields["account"] in ("", execution.origin.account)
        and fields["symbol"] in ("", execution.origin.symbol)
        and fields["secType"] in ("", kind)
        and fields["exchange"] in ("", "SMART", execution.exchange)
        and (not fields["side"] or execution.side.value == fields["side"])
    )


def ids(session: Session, fields: Fields) -> None:
    session.send(NEXT_VALID_ID.encode(session.gateway.desk.next_id))


def current_time(session: Session, fields: Fields) -> None:
    session.send(CURRENT_TIME.encode(int(session.gateway.clock.now().timestamp())))


def accounts(session: Session, fields: Fields) -> None:
    session.send(MANAGED_ACCOUNTS.encode(session.gateway.account))


def nothing(session: Session, fields: Fields) -> None:
    """Accept what needs no answer: the log level."""


RAW_ANSWERS: Final[dict[int, Callable[[Session, Sequence[str]], None]]] = {1: watch, 3: place}
"""Requests of variable length, which read their own fields."""

ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    2: unwatch, 4: cancel, 5: open_orders, 7: executions, 8: ids, 9: contract_details, 14: nothing, 15: auto_open,
    16: all_open_orders, 17: accounts, 49: current_time, 58: cancel_all, 59: liveness, 78: option_chain, 91: rule,
    99: completed_orders,
}  # fmt: skip
