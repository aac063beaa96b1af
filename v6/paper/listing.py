"""Contracts as the wire names them: patterns, blocks, details, option chains, market rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from v6.model.contract import Contract, Right, SecType
from v6.paper.codec import Malformed, Wire, frame, text
from v6.paper.fields import CONTRACT, MARKET_RULE_ID, OPTION_PARAMS_ID
from v6.paper.matching import Increments
from v6.paper.ports import Market
from v6.paper.requests import WireContract, decimal
from v6.pricing.calendar import NEW_YORK, TradingCalendar

ZONE: Final = "US/Eastern"
BAG_CON_ID: Final = 28812380
INDEX_OPTION_RULE: Final = 110
CENT_RULE: Final = 26
RULES: Final[dict[int, Increments]] = {
    INDEX_OPTION_RULE: ((Decimal("0"), Decimal("0.05")), (Decimal("3"), Decimal("0.1"))),
    CENT_RULE: ((Decimal("0"), Decimal("0.01")),),
}
INDEX_SYMBOLS: Final = frozenset({"SPX", "XSP", "VIX", "NDX", "RUT"})
ORDER_TYPES: Final = "ACTIVETIM,DAY,FOK,GTC,GTD,IOC,LMT,MKT,OCA,STP,STPLMT,TRAIL,WHATIF"
_HOURS_AHEAD: Final = 5


class NotFound(Malformed):
    """No contract fits; answered with error 200."""


def stamp(moment: datetime) -> str:
    """Return a moment as TWS writes it, `20241220 16:00:00 US/Eastern`."""
    return f"{moment.astimezone(NEW_YORK):%Y%m%d %H:%M:%S} {ZONE}"


def rule_of(contract: Contract) -> int:
    """Return the market rule of a contract's price grid."""
    index_option = contract.sec_type is SecType.OPTION and contract.symbol in INDEX_SYMBOLS
    return INDEX_OPTION_RULE if index_option else CENT_RULE


def local_symbol(contract: Contract) -> str:
    """Return the OCC symbol of an option, the symbol of anything else."""
    if contract.expiry is None or contract.strike is None or contract.right is None:
        return contract.symbol
    root = contract.trading_class or contract.symbol
    return f"{root:<6}{contract.expiry:%y%m%d}{contract.right}{int(contract.strike * 1000):08d}"


def last_trade(contract: Contract) -> str:
    return f"{contract.expiry:%Y%m%d}" if contract.expiry else ""


def multiplier(contract: Contract) -> str:
    return str(contract.multiplier) if contract.sec_type in (SecType.OPTION, SecType.FUTURE) else ""


def strike(contract: Contract) -> float:
    return float(contract.strike) if contract.strike is not None else 0.0


def primary_exchange(contract: Contract) -> str:
    """Return the exchange on which a contract is listed; the fund's is Arca, everything else is Cboe's."""
    return "ARCA" if contract.sec_type is SecType.STOCK else "CBOE"


@lru_cache(maxsize=4096)
def block(contract: Contract, exchange: str) -> tuple[Wire, ...]:
    """Return the eleven fields of a contract as the server writes them."""
    return (
        contract.con_id, contract.symbol, contract.sec_type, last_trade(contract), strike(contract),
        contract.right or "", multiplier(contract), exchange, contract.currency, local_symbol(contract),
        contract.trading_class,
    )  # fmt: skip


def bag_block(symbol: str, exchange: str) -> tuple[Wire, ...]:
    """Return the eleven fields of a combo; every BAG of a symbol has the same con_id at IB."""
    return BAG_CON_ID, symbol, "BAG", "", 0.0, "", "", exchange or "SMART", "USD", symbol, "COMB"


def _expiry(last_trade: str) -> tuple[date | None, str]:
    """Return (day, month prefix) of a lastTradeDateOrContractMonth."""
    if not last_trade.strip():
        return None, ""
    digits = last_trade.split()[0].replace("-", "")
    if len(digits) == 6 and digits.isdigit():
        return None, digits
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])), ""
    except ValueError:
        raise Malformed(f"lastTradeDateOrContractMonth is no date: {last_trade!r}") from None


def search(market: Market, what: WireContract, at: datetime) -> list[Contract]:
    """Return the contracts that a client's pattern names; strike 0 and right '', '0' or '?' match anything."""
    if what.con_id:
        found = market.contract(what.con_id)
        return [found] if found else []
    try:
        sec_type = SecType(what.sec_type)
        right = Right(what.right[:1]) if what.right not in ("", "0", "?") else None
    except ValueError:
        raise NotFound(f"secType {what.sec_type!r} right {what.right!r}") from None
    day, month = _expiry(what.last_trade)
    price = decimal("strike", what.strike)
    pattern = Contract(
        con_id=0, symbol=what.symbol, sec_type=sec_type, exchange=what.exchange, currency=what.currency, multiplier=0,
        trading_class=what.trading_class, expiry=day, strike=price or None, right=right,
    )  # fmt: skip
    found_all = market.find(pattern, at)
    return [
        c
        for c in found_all
        if (not month or last_trade(c).startswith(month))
        and (not what.local_symbol or local_symbol(c) == what.local_symbol)
        and (not what.multiplier or multiplier(c) == what.multiplier)
    ]


def resolve(market: Market, what: WireContract, at: datetime) -> Contract:
    """Return the one contract that fits; raise NotFound for none and for several, as TWS does (error 200)."""
    found = search(market, what, at)
    if len(found) != 1:
        raise NotFound("The contract description specified is ambiguous." if found else "")
    return found[0]


def underlying(market: Market, contract: Contract, at: datetime) -> Contract | None:
    """Return the underlying of an option, if the market lists it."""
    for kind in (SecType.INDEX, SecType.STOCK):
        found = market.find(Contract(0, contract.symbol, kind, exchange="", currency="", multiplier=0), at)
        if found:
            return found[0]
    return None


def hours(calendar: TradingCalendar, at: datetime) -> str:
    """Return the trading hours of the next sessions, `20241220:0930-20241220:1600;...`."""
    day = at.astimezone(NEW_YORK).date()
    days = [day] if calendar.is_session(day) else []
    while len(days) < _HOURS_AHEAD and day < calendar.last_day:
        day = calendar.next_session(day)
        days.append(day)
    spans = ((calendar.open_utc(d).astimezone(NEW_YORK), calendar.close_utc(d).astimezone(NEW_YORK)) for d in days)
    return ";".join(f"{a:%Y%m%d:%H%M}-{b:%Y%m%d:%H%M}" for a, b in spans)


def details(
    number: int,
    contract: Contract,
    market: Market,
    under: Contract | None,
    open_hours: str,
    exchange: str,
    stock_type: str = "",
) -> bytes:
    """Return one contractData message; `exchange` is the one the client asked for."""
    option = contract.sec_type is SecType.OPTION
    traded = contract.sec_type is not SecType.INDEX
    rule = rule_of(contract)
    names = ("SMART", "CBOE") if option else (contract.exchange,)
    settles = market.settles_at(contract).astimezone(NEW_YORK) if option else None
    # An AM-settled option stops trading the day before it settles; that day's close is when it last trades.
    same_day = settles is not None and f"{settles:%Y%m%d}" == last_trade(contract)
    clock_time = f"{settles:%H:%M:%S}" if settles and same_day else "16:00:00"
    when = f"{last_trade(contract)} {clock_time} {ZONE}" if option else last_trade(contract)
    return CONTRACT.encode(
        number, contract.symbol, contract.sec_type, when, strike(contract), contract.right or "",
        exchange or names[0], contract.currency, local_symbol(contract), contract.trading_class,
        contract.trading_class, contract.con_id, RULES[rule][0][1], multiplier(contract),
        ORDER_TYPES if traded else "", ",".join(names), 1,
        under.con_id if under else 0, contract.symbol, "", last_trade(contract)[:6], "", "", "", ZONE, open_hours,
        open_hours, "", 0, 0, 1, contract.symbol if option else "", under.sec_type if under and option else "",
        ",".join([str(rule)] * len(names)), f"{settles:%Y%m%d}" if settles else "", stock_type, 1, 1, 1,
    )  # fmt: skip


def option_params(number: int, symbol: str, con_id: int, market: Market, at: datetime) -> list[bytes]:
    """Return one message per trading class and exchange, as TWS: all its expiries, the union of its strikes."""
    by_class: dict[str, list[date]] = {}
    for trading_class, expiry in market.expiries(symbol, at):
        by_class.setdefault(trading_class, []).append(expiry)
    messages = []
    for trading_class, expiries in sorted(by_class.items()):
        days = sorted(set(expiries))
        strikes = sorted({k for d in days for k in market.strikes(symbol, trading_class, d, at)})
        for exchange in ("SMART", "CBOE"):
            fields: list[Wire] = [OPTION_PARAMS_ID, number, exchange, con_id, trading_class, "100"]
            fields += [len(days), *(f"{d:%Y%m%d}" for d in days), len(strikes), *strikes]
            messages.append(frame([text(f) for f in fields]))
    return messages


def market_rule(number: int, increments: Iterable[tuple[Decimal, Decimal]]) -> bytes:
    """Return the price increments of a market rule."""
    pairs = list(increments)
    fields: list[Wire] = [MARKET_RULE_ID, number, len(pairs)]
    for low, increment in pairs:
        fields += [low, increment]
    return frame([text(f) for f in fields])
