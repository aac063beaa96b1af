"""The option calculator: implied volatility of a price, price of a volatility, by Black-Scholes-Merton."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from v6.model.contract import Contract, SecType
from v6.paper import requests as ask
from v6.paper.codec import Malformed, Reader, Wire
from v6.paper.fields import TICK_OPTION, error
from v6.paper.listing import resolve
from v6.pricing.bsm import DAYS_PER_YEAR, greeks_of, implied_vol_of, price_of

if TYPE_CHECKING:
    from v6.paper.session import Session

CALCULATED: Final = 53
"""The tick type of an answer to a calculation."""

_PRICE_BASED: Final = 1
_SECONDS_PER_YEAR: Final = DAYS_PER_YEAR * 86_400


@dataclass(frozen=True, slots=True)
class Calculation:
    req_id: int
    contract: ask.WireContract
    given: float
    underlying: float


def calculation(fields: Sequence[str]) -> Calculation:
    """Parse calculateImpliedVolatility (54) and calculateOptionPrice (55)."""
    reader = Reader(fields[1:])
    reader.integer("version")
    number = reader.integer("reqId")
    what = ask.contract(reader)
    given, underlying = (ask.decimal(name, reader.word(name)) for name in ("given", "underlying price"))
    # ib_async writes the number of options and the options, the official client (10.50) the options alone.
    if reader.left not in (1, 2):
        raise Malformed(f"a calculation ends with one or two fields of options, not {reader.left}")
    while reader.left:
        if reader.word("options") not in ("", "0"):
            raise Malformed("calculation options are not supported")
    if given is None or underlying is None:
        raise Malformed("a calculation needs two numbers")
    return Calculation(number, what, float(given), float(underlying))


def _years(session: Session, contract: Contract) -> float:
    left = session.gateway.market.settles_at(contract) - session.gateway.clock.now()
    return left.total_seconds() / _SECONDS_PER_YEAR


def _answer(session: Session, fields: Sequence[str], *, volatility_given: bool) -> None:
    request = calculation(fields)
    contract = resolve(session.gateway.market, request.contract, session.gateway.clock.now())
    if contract.sec_type is not SecType.OPTION or contract.strike is None or contract.right is None:
        session.send(error(request.req_id, 321, "Error validating request.-'bQ' : cause - Not an option"))
        return
    rate, dividend = session.gateway.rates
    terms = (request.underlying, float(contract.strike), _years(session, contract))
    more = (contract.right, rate, dividend)
    vol = request.given if volatility_given else implied_vol_of(request.given, *terms, *more)
    price = request.given if not volatility_given else price_of(*terms, request.given, *more)
    greeks = greeks_of(*terms, vol, *more) if vol is not None else None
    # What cannot be computed is told by TWS's sentinels, -1 and -2.
    sensitivities: Sequence[Wire] = (-2.0, -2.0, -2.0, -2.0)
    if greeks is not None:
        sensitivities = [greeks.delta, greeks.gamma, greeks.vega, greeks.theta]
    delta, gamma, vega, theta = sensitivities
    shown = (-1.0 if vol is None else vol, delta, -1.0 if price is None else price, 0.0, gamma, vega, theta)
    session.send(TICK_OPTION.encode(request.req_id, CALCULATED, _PRICE_BASED, *shown, request.underlying))


def implied_volatility(session: Session, fields: Sequence[str]) -> None:
    _answer(session, fields, volatility_given=False)


def option_price(session: Session, fields: Sequence[str]) -> None:
    _answer(session, fields, volatility_given=True)


def forget(session: Session, fields: Mapping[str, str]) -> None:
    """Accept the cancel of a calculation, which was answered at once."""


RAW_ANSWERS: Final[dict[int, Callable[[Session, Sequence[str]], None]]] = {54: implied_volatility, 55: option_price}
ANSWERS: Final[dict[int, Callable[[Session, Mapping[str, str]], None]]] = {56: forget, 57: forget}
