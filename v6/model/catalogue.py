"""The one list of fields that rules may read.

From it come the names, types and units of the rule language, the columns of the Delta `snapshots` table, the
enumerations in the JSON Schemas and the reference in docs/. A field is added here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from v6.model.position import StructureKind
from v6.model.quote import GreeksSource
from v6.model.upcoming import Earnings, Exercise

Value: TypeAlias = float | bool | str | None
"""What a field can hold in a row; None is *missing* and never stands for zero."""


class Kind(StrEnum):
    NUMBER = "number"
    BOOL = "bool"
    ENUM = "enum"


class Unit(StrEnum):
    """What a number counts; comparing or adding two different units is a type error."""

    NONE = "none"
    RATIO = "ratio"
    USD = "usd"
    PRICE = "price"
    DAYS = "days"
    MINUTES = "minutes"
    VOL = "vol"
    POINTS = "points"
    DELTA = "delta"
    COUNT = "count"


class Scope(StrEnum):
    """POSITION fields exist only on a position's row; MARKET and PORTFOLIO fields on every row."""

    POSITION = "position"
    MARKET = "market"
    PORTFOLIO = "portfolio"


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the rules; numbers outside [low, high] or older than max_age_s arrive as missing."""

    name: str
    scope: Scope
    kind: Kind
    unit: Unit
    nullable: bool
    doc: str
    low: float = -1e15
    high: float = 1e15
    max_age_s: float | None = None
    choices: tuple[str, ...] = ()


def _number(
    name: str,
    scope: Scope,
    unit: Unit,
    doc: str,
    *,
    low: float = -1e15,
    high: float = 1e15,
    nullable: bool = True,
    max_age_s: float | None = None,
) -> Field:
    return Field(name, scope, Kind.NUMBER, unit, nullable, doc, low, high, max_age_s)


def _word(name: str, scope: Scope, choices: type[StrEnum], doc: str, *, nullable: bool = True) -> Field:
    return Field(name, scope, Kind.ENUM, Unit.NONE, nullable, doc, choices=tuple(c.value for c in choices))


_P, _M, _B = Scope.POSITION, Scope.MARKET, Scope.PORTFOLIO

FIELDS: Final[tuple[Field, ...]] = (
    _word("structure", _P, StructureKind, "recognised shape of the legs", nullable=False),
    _number("legs", _P, Unit.COUNT, "number of legs", low=1, high=16, nullable=False),
    _number("quantity", _P, Unit.COUNT, "units held", low=1, high=1e6, nullable=False),
    _number("dte", _P, Unit.DAYS, "calendar days to the nearest expiry", low=0, high=2000, nullable=False),
    _number("days_held", _P, Unit.DAYS, "days since the position was opened", low=0, high=4000, nullable=False),
    _number("credit", _P, Unit.PRICE, "net credit per unit at entry, 0 for a debit", low=0, nullable=False),
    _number("max_profit", _P, Unit.USD, "largest profit at expiry, whole position", low=0, nullable=False),
    _number(
        "max_loss", _P, Unit.USD, "largest loss at expiry, whole position, as a positive number", low=0, nullable=False
    ),
    _number(
        "mark", _P, Unit.PRICE, "net mid of the legs per unit; negative while it costs money to close", max_age_s=300
    ),
    _number("spread", _P, Unit.PRICE, "sum of the legs' bid-ask spreads per unit", low=0, max_age_s=300),
    _number("pnl", _P, Unit.USD, "unrealised profit at the mark less commissions paid", max_age_s=300),
    _number(
        "pnl_ratio",
        _P,
        Unit.RATIO,
        "pnl over the credit received (credit) or the debit paid (debit)",
        low=-100,
        high=100,
        max_age_s=300,
    ),
    _number(
        "broker_pnl_ratio",
        _P,
        Unit.RATIO,
        "the same from the broker's own unrealised P&L",
        low=-100,
        high=100,
        max_age_s=900,
    ),
    _number("delta", _P, Unit.DELTA, "sum of the legs' deltas per unit", low=-16, high=16, max_age_s=300),
    _number(
        "gamma_1pct",
        _P,
        Unit.DELTA,
        "change of `delta` for a 1 % move of the underlying",
        low=-50,
        high=50,
        max_age_s=300,
    ),
    _number("theta", _P, Unit.PRICE, "price change of one unit per calendar day", max_age_s=300),
    _number("vega", _P, Unit.PRICE, "price change of one unit per volatility point", max_age_s=300),
    _number(
        "iv",
        _P,
        Unit.VOL,
        "mean implied volatility of the short legs (all legs if none is short)",
        low=0,
        high=10,
        max_age_s=300,
    ),
    _number("short_delta", _P, Unit.DELTA, "largest absolute delta of a short leg", low=0, high=1, max_age_s=300),
    _number(
        "short_distance",
        _P,
        Unit.RATIO,
        "distance of the nearest short strike out of the money over the underlying price; negative in the money",
        low=-5,
        high=5,
        max_age_s=300,
    ),
    _number("underlying_price", _M, Unit.PRICE, "last or mid price of the underlying", low=0, max_age_s=60),
    _number(
        "underlying_change_1h",
        _M,
        Unit.RATIO,
        "move against the last price at least one hour old",
        low=-1,
        high=10,
        max_age_s=60,
    ),
    _number(
        "underlying_change_1d",
        _M,
        Unit.RATIO,
        "move against the previous session's close",
        low=-1,
        high=10,
        max_age_s=60,
    ),
    _number("vix", _M, Unit.POINTS, "Cboe Volatility Index", low=1, high=300, max_age_s=300),
    _number("vix_change_1d", _M, Unit.POINTS, "VIX less its previous close", low=-300, high=300, max_age_s=300),
    _number(
        "iv_rank", _M, Unit.RATIO, "VIX between its lowest (0) and highest (1) close of 252 sessions", low=0, high=1
    ),
    _number("iv_percentile", _M, Unit.RATIO, "share of the last 252 closes of VIX below today's", low=0, high=1),
    _number(
        "minutes_since_open", _M, Unit.MINUTES, "minutes since the session opened", low=0, high=1440, nullable=False
    ),
    _number(
        "minutes_to_close", _M, Unit.MINUTES, "minutes until the session closes", low=0, high=1440, nullable=False
    ),
    _number("net_liq", _B, Unit.USD, "account value", max_age_s=600),
    _number(
        "day_pnl_ratio",
        _B,
        Unit.RATIO,
        "change of net_liq since the previous close over net_liq then",
        low=-10,
        high=10,
        max_age_s=600,
    ),
    _number(
        "drawdown",
        _B,
        Unit.RATIO,
        "fall of net_liq from its highest close, as a positive ratio",
        low=0,
        high=10,
        max_age_s=600,
    ),
    _number("open_positions", _B, Unit.COUNT, "positions of ours that are open", low=0, high=1e6, nullable=False),
    _number("max_loss_ratio", _B, Unit.RATIO, "sum of all max_loss over net_liq", low=0, high=1000, max_age_s=600),
    _number("margin_ratio", _B, Unit.RATIO, "maintenance margin over net_liq", low=0, high=1000, max_age_s=600),
    _number(
        "portfolio_delta_ratio",
        _B,
        Unit.RATIO,
        "dollar delta of all positions (delta x multiplier x quantity x price) over net_liq",
        low=-1000,
        high=1000,
        max_age_s=300,
    ),
    # Appended: recorded rows are tuples in this order, and what an older one does not hold is missing at its end.
    _word(
        "short_exercise",
        _P,
        Exercise,
        "when the short options can be exercised: american any day, european at expiry only, none if none is short",
    ),
    _number(
        "short_call_itm",
        _P,
        Unit.RATIO,
        "how far the deepest short call is in the money over the underlying price; 0 when none is",
        low=0,
        high=1,
        max_age_s=300,
    ),
    _number(
        "short_call_extrinsic",
        _P,
        Unit.PRICE,
        "least mid above intrinsic value of a short call in the money; missing when none is",
        max_age_s=300,
    ),
    _number(
        "short_put_itm",
        _P,
        Unit.RATIO,
        "how far the deepest short put is in the money over the underlying price; 0 when none is",
        low=0,
        high=100,
        max_age_s=300,
    ),
    _number(
        "short_put_extrinsic",
        _P,
        Unit.PRICE,
        "least mid above intrinsic value of a short put in the money; missing when none is",
        max_age_s=300,
    ),
    _number(
        "next_dividend",
        _P,
        Unit.PRICE,
        "next dividend of a share of the underlying, 0 when it is known to pay none",
        low=0,
    ),
    _number(
        "sessions_to_ex_dividend",
        _P,
        Unit.DAYS,
        "session closes before the ex-dividend date: at 1 it is exercised for tonight, 0 on the date itself",
        low=0,
        high=2000,
    ),
    _word("earnings", _P, Earnings, "whether the underlying reports earnings; an index or a fund does not"),
    _number(
        "sessions_to_earnings",
        _P,
        Unit.DAYS,
        "session closes before the next earnings report: at 1 this session is the last one before it",
        low=0,
        high=2000,
    ),
    _word(
        "greeks_source",
        _P,
        GreeksSource,
        "whose the greeks are: the broker's, or local if those of any leg are computed here from its mid",
    ),
)

INDEX: Final[dict[str, int]] = {field.name: i for i, field in enumerate(FIELDS)}
BY_NAME: Final[dict[str, Field]] = {field.name: field for field in FIELDS}


# A member's name is looked up by a descriptor of the enumeration's class, a dozen times slower than a global.
_NUMBER, _BOOL = Kind.NUMBER, Kind.BOOL


def admit(field: Field, value: Value, age_s: float = 0.0) -> Value:
    """Return the value as a rule may see it: out of range, non-finite, sentinel or too old is missing."""
    if value is None:
        return None
    if field.max_age_s is not None and age_s > field.max_age_s:
        return None
    kind = field.kind
    if kind is _NUMBER:
        number = float(value)
        # NaN fails both comparisons, and every range bound is finite, so infinities and 1.797e308 fail too.
        return number if field.low <= number <= field.high else None
    if kind is _BOOL:
        return value if isinstance(value, bool) else None
    return value if value in field.choices else None
