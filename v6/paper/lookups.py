"""Questions about what there is: symbols, exchanges, families; lists that are empty here are answered as empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from v6.model.contract import Contract, SecType
from v6.paper.codec import Wire, frame, text
from v6.paper.fields import (
    DEPTH_EXCHANGES_ID,
    FAMILY_CODES_ID,
    NEWS_PROVIDERS_ID,
    SCANNER_PARAMETERS,
    SMART_COMPONENTS_ID,
    SOFT_DOLLAR_TIERS_ID,
    SYMBOL_SAMPLES_ID,
    USER_INFO,
)
from v6.paper.lines import BBO_EXCHANGE
from v6.paper.requests import integer

if TYPE_CHECKING:
    from v6.paper.session import Session

Fields = Mapping[str, str]
_MOST_SAMPLES: Final = 16


def _send(session: Session, *fields: Wire) -> None:
    session.send(frame([text(f) for f in fields]))


def scanner_parameters(session: Session, fields: Fields) -> None:
    """There is nothing to scan by, in the form of what TWS answers."""
    empty = '<?xml version="1.0" encoding="UTF-8"?>\n<ScanParameterResponse></ScanParameterResponse>\n'
    session.send(SCANNER_PARAMETERS.encode(empty))


def soft_dollar_tiers(session: Session, fields: Fields) -> None:
    _send(session, SOFT_DOLLAR_TIERS_ID, integer("reqId", fields["reqId"]), 0)


def family_codes(session: Session, fields: Fields) -> None:
    """The one account belongs to no family."""
    _send(session, FAMILY_CODES_ID, 1, session.gateway.account, "")


def matching_symbols(session: Session, fields: Fields) -> None:
    """Underlyings whose symbol begins with the pattern, in the order of their symbols."""
    market, now = session.gateway.market, session.gateway.clock.now()
    number, start = integer("reqId", fields["reqId"]), fields["pattern"].strip().upper()
    listed: list[Contract] = []
    for kind in (SecType.INDEX, SecType.STOCK):
        listed += market.find(Contract(0, "", kind, exchange="", currency="", multiplier=0), now)
    found = sorted((c for c in listed if start and c.symbol.startswith(start)), key=lambda c: c.symbol)
    row: list[Wire] = [SYMBOL_SAMPLES_ID, number, min(len(found), _MOST_SAMPLES)]
    for c in found[:_MOST_SAMPLES]:
        kinds = ["OPT"] if market.expiries(c.symbol, now) else []
        row += [c.con_id, c.symbol, c.sec_type, c.exchange, c.currency, len(kinds), *kinds, c.symbol, ""]
    _send(session, *row)


def depth_exchanges(session: Session, fields: Fields) -> None:
    _send(session, DEPTH_EXCHANGES_ID, 0)


def smart_components(session: Session, fields: Fields) -> None:
    """The exchanges behind the BBO map that our lines name; nothing for a map that we never named."""
    number = integer("reqId", fields["reqId"])
    known = fields["bboExchange"] == BBO_EXCHANGE
    _send(session, SMART_COMPONENTS_ID, number, *((1, 0, "CBOE", "C") if known else (0,)))


def news_providers(session: Session, fields: Fields) -> None:
    _send(session, NEWS_PROVIDERS_ID, 0)


def user_info(session: Session, fields: Fields) -> None:
    """No white branding: an account of IB itself."""
    session.send(USER_INFO.encode(integer("reqId", fields["reqId"]), ""))


ANSWERS: Final[dict[int, Callable[[Session, Fields], None]]] = {
    24: scanner_parameters, 79: soft_dollar_tiers, 80: family_codes, 81: matching_symbols, 82: depth_exchanges,
    83: smart_components, 85: news_providers, 104: user_info,
}  # fmt: skip
