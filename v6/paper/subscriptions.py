"""Answers to requests that begin or end a stream: real-time bars, tick by tick, news bulletins, positions by model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from v6.model.contract import SecType
from v6.paper import bars
from v6.paper import requests as ask
from v6.paper.fields import error
from v6.paper.listing import resolve
from v6.paper.streams import BAR_S, BID_ASK, MID_POINT, RealTimeBars, TickByTick

if TYPE_CHECKING:
    from v6.paper.session import Session

Fields = Mapping[str, str]
MOST_BY_TICK: Final = 5
"""Contracts that IB streams tick by tick for an account with a hundred lines."""

_KINDS: Final = {"BidAsk": BID_ASK, "MidPoint": MID_POINT}


def real_time_bars(session: Session, fields: Fields) -> None:
    number, what = ask.integer("reqId", fields["reqId"]), fields["whatToShow"]
    contract = resolve(session.gateway.market, ask.contract_of(fields), session.gateway.clock.now())
    if ask.integer("barSize", fields["barSize"]) not in (0, BAR_S):
        session.send(error(number, 321, "Error validating request.-'bU' : cause - Only bars of 5 seconds are served"))
    elif what not in ("TRADES", "BID", "ASK", "MIDPOINT"):
        session.send(error(number, 321, f"Error validating request.-'bU' : cause - Invalid whatToShow {what!r}"))
    elif bars.price_of(contract, what) is None:
        reason = f"Invalid Real-time Query:No market data permissions for {contract.symbol} {what}: there are none"
        session.send(error(number, 420, reason))
    else:
        session.streams.live(RealTimeBars(number, contract, what))


def cancel_real_time_bars(session: Session, fields: Fields) -> None:
    number = ask.integer("reqId", fields["reqId"])
    if not session.streams.drop_bars(number):
        session.send(error(number, 300, f"Can't find EId with tickerId:{number}"))


def tick_by_tick(session: Session, fields: Fields) -> None:
    number, what = ask.integer("reqId", fields["reqId"]), fields["kind"]
    contract = resolve(session.gateway.market, ask.contract_of(fields), session.gateway.clock.now())
    failed = "Failed to request tick-by-tick data:"
    if what not in ("Last", "AllLast", *_KINDS):
        session.send(error(number, 321, f"Error validating request.-'cM' : cause - Invalid tick type {what!r}"))
    elif what not in _KINDS:
        session.send(error(number, 10189, f"{failed}No market data permissions: nobody else trades here"))
    elif contract.sec_type is SecType.INDEX:
        kind = f"{what} tick-by-tick requests are not supported for IND"
        session.send(error(number, 10189, f"{failed}{kind}"))
    elif len(session.streams.by_tick) >= MOST_BY_TICK:
        session.send(error(number, 10190, "Max number of tick-by-tick requests has been reached"))
    else:
        session.streams.tick(TickByTick(number, contract, _KINDS[what]))


def cancel_tick_by_tick(session: Session, fields: Fields) -> None:
    number = ask.integer("reqId", fields["reqId"])
    if not session.streams.drop_ticks(number):
        session.send(error(number, 300, f"Can't find EId with tickerId:{number}"))


def bulletins(session: Session, fields: Fields) -> None:
    """Accept: bulletins would come when there are any, and there are none."""


ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    12: bulletins, 13: bulletins, 50: real_time_bars, 51: cancel_real_time_bars, 97: tick_by_tick,
    98: cancel_tick_by_tick,
}  # fmt: skip
