"""From quotes, holdings and account values to the rows the rules read: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from v6.ib.context import Context, hour_change, iv_percentile, iv_rank
from v6.ib.exercise import extrinsics, moneyness, short_exercise, short_options
from v6.ib.outlook import NOTHING_KNOWN, Outlook
from v6.model.catalogue import BY_NAME, Value, admit
from v6.model.contract import Right, SecType
from v6.model.position import Position, Structure
from v6.model.quote import Greeks, GreeksSource, Quote, QuoteType
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.strategy.net import net_mid, net_spread

Stamped = tuple[float, datetime]


@dataclass(frozen=True, slots=True)
class Session:
    """Where the moment lies in the trading day."""

    day: date
    minutes_since_open: float
    minutes_to_close: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one snapshot is made from.

    `commissions` are those paid so far by position_id, `symbol` names the underlying that `underlying` quotes;
    `outlooks` are by symbol, and bring the quotes of other underlyings.
    """

    at: datetime
    cycle: int
    session: Session
    positions: Sequence[Position]
    commissions: Mapping[str, Decimal]
    quotes: Mapping[int, Quote]
    unrealized: Mapping[int, Stamped]
    underlying: Quote | None
    vix: Quote | None
    net_liq: Stamped | None
    margin: Stamped | None
    context: Context
    symbol: str = "SPX"
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)


def build(inputs: Inputs) -> Snapshot:
    """Return the snapshot: the portfolio row, then the positions in order of their id."""
    market = _market(inputs)
    held = sorted(inputs.positions, key=lambda p: p.position_id)
    shared = {**market, **_portfolio(inputs, held)}
    rows = [Row.of(PORTFOLIO_KEY, shared)]
    rows.extend(Row.of(p.position_id, {**shared, **_position(inputs, p)}) for p in held)
    return Snapshot(f"{inputs.at:%Y%m%dT%H%M%S}-{inputs.cycle}", inputs.cycle, inputs.at, tuple(rows))


def live(quote: Quote | None) -> Quote | None:
    """Return the quote if it tells of now: delayed, frozen and halted prices are never taken for live ones."""
    return quote if quote is not None and quote.type is QuoteType.LIVE and quote.halted is not True else None


def price_of(quote: Quote | None) -> float | None:
    """Return the last price, or the mid of one that does not trade; nothing for a quote that is not live."""
    quote = live(quote)
    if quote is None:
        return None
    found = quote.last if quote.last is not None else quote.mid
    return found if found is not None and found > 0 else None


def _admitted(values: Mapping[str, Value], age_s: float) -> dict[str, Value]:
    return {name: admit(BY_NAME[name], value, age_s) for name, value in values.items()}


def _age(inputs: Inputs, quote: Quote | None) -> float:
    return 0.0 if quote is None else (inputs.at - quote.at).total_seconds()


def _outlook(inputs: Inputs, structure: Structure) -> Outlook:
    return inputs.outlooks.get(structure.symbol, NOTHING_KNOWN)


def _underlying(inputs: Inputs, structure: Structure) -> Quote | None:
    """Return the quote of the structure's own underlying, None if only another one is quoted."""
    return inputs.underlying if structure.symbol == inputs.symbol else _outlook(inputs, structure).quote


def _spot(inputs: Inputs, structure: Structure) -> float | None:
    return price_of(_underlying(inputs, structure))


def _market(inputs: Inputs) -> dict[str, Value]:
    spot, vix = price_of(inputs.underlying), price_of(inputs.vix)
    close = inputs.underlying.close if inputs.underlying else None
    vix_close = inputs.vix.close if inputs.vix else None
    # The ranks have no age of their own: they are as old as the VIX they rank.
    ranked = _number(admit(BY_NAME["vix"], vix, _age(inputs, inputs.vix)))
    of_spot = {
        "underlying_price": spot,
        "underlying_change_1h": hour_change(inputs.context, inputs.at, spot),
        "underlying_change_1d": spot / close - 1.0 if spot is not None and close else None,
    }
    of_vix = {
        "vix": vix,
        "vix_change_1d": vix - vix_close if vix is not None and vix_close is not None else None,
        "iv_rank": iv_rank(inputs.context, ranked),
        "iv_percentile": iv_percentile(inputs.context, ranked),
    }
    of_session = {
        "minutes_since_open": inputs.session.minutes_since_open,
        "minutes_to_close": inputs.session.minutes_to_close,
    }
    return {
        **_admitted(of_spot, _age(inputs, inputs.underlying)),
        **_admitted(of_vix, _age(inputs, inputs.vix)),
        **_admitted(of_session, 0.0),
    }


def _number(value: Value) -> float | None:
    return value if isinstance(value, float) else None


def _portfolio(inputs: Inputs, held: Sequence[Position]) -> dict[str, Value]:
    values: dict[str, Value] = {"open_positions": float(len(held))}
    if inputs.net_liq is None:
        return values
    net_liq, at = inputs.net_liq
    age = (inputs.at - at).total_seconds()
    before, peak = inputs.context.previous_net_liq, inputs.context.peak_net_liq
    values |= _admitted(
        {
            "net_liq": net_liq,
            # The first value ever seen is the reference of its day.
            "day_pnl_ratio": 0.0 if before is None else net_liq / before - 1.0 if before > 0 else None,
            "drawdown": 0.0 if peak is None else max(0.0, 1.0 - net_liq / peak) if peak > 0 else None,
        },
        age,
    )
    if net_liq > 0:
        values |= _shares(inputs, held, net_liq, age)
    return values


def _shares(inputs: Inputs, held: Sequence[Position], net_liq: float, age: float) -> dict[str, Value]:
    """Return the figures that are shares of the account value; an account without value has none."""
    losses = [p.max_loss for p in held]
    total_loss = None if None in losses else float(sum(loss for loss in losses if loss is not None))
    values = _admitted({"max_loss_ratio": None if total_loss is None else total_loss / net_liq}, age)
    if inputs.margin is not None:
        margin, margin_at = inputs.margin
        values |= _admitted({"margin_ratio": margin / net_liq}, max(age, (inputs.at - margin_at).total_seconds()))
    delta, delta_age = _dollar_delta(inputs, held)
    if delta is not None:
        values |= _admitted({"portfolio_delta_ratio": delta / net_liq}, max(age, delta_age))
    return values


def _dollar_delta(inputs: Inputs, held: Sequence[Position]) -> tuple[float | None, float]:
    total, age = 0.0, 0.0
    for position in held:
        legs, spot = _legs(inputs, position), _spot(inputs, position.structure)
        if legs is None or spot is None:
            return None, 0.0
        shares = position.quantity * position.structure.multiplier
        total += sum(ratio * g.delta for ratio, g, _ in legs) * shares * spot
        spot_age = _age(inputs, _underlying(inputs, position.structure))
        age = max(age, spot_age, *(leg_age for _, _, leg_age in legs))
    return total, age


def _legs(inputs: Inputs, position: Position) -> list[tuple[int, Greeks, float]] | None:
    """Return (ratio, greeks, age in seconds) of each leg; one leg without greeks makes all sums missing."""
    found = []
    for leg in position.structure.legs:
        quote = live(inputs.quotes.get(leg.contract.con_id))
        if quote is None or quote.greeks is None:
            return None
        found.append((leg.ratio, quote.greeks, _age(inputs, quote)))
    return found


def _position(inputs: Inputs, position: Position) -> dict[str, Value]:
    structure = position.structure
    max_profit, max_loss = position.max_profit, position.max_loss
    held = inputs.at - position.opened_at
    facts: dict[str, Value] = {
        "structure": structure.kind.value,
        "legs": float(len(structure.legs)),
        "quantity": float(position.quantity),
        "dte": float(max((structure.expiry - inputs.session.day).days, 0)),
        "days_held": max(held.total_seconds() / 86400.0, 0.0),
        "credit": float(position.credit),
        "max_profit": None if max_profit is None else float(max_profit),
        "max_loss": None if max_loss is None else float(max_loss),
    }
    spot = _spot(inputs, structure)
    # Needs the underlying alone: it is what rules fall back on when the greeks are missing.
    distance = {"short_distance": None if spot is None else _short_distance(position, spot)}
    return {
        **_admitted(facts, 0.0),
        **_admitted(distance, _age(inputs, _underlying(inputs, structure))),
        **_ahead(inputs, structure, spot),
        **_valuation(inputs, position),
        **_greek_sums(inputs, position),
    }


def _ahead(inputs: Inputs, structure: Structure, spot: float | None) -> dict[str, Value]:
    """Return what may happen to the position from outside: exercise, a dividend, earnings."""
    outlook = _outlook(inputs, structure)
    exercise = short_exercise(structure, outlook.sec_type)
    quotes = {c.con_id: q for c in short_options(structure) if (q := live(inputs.quotes.get(c.con_id))) is not None}
    spot_age = _age(inputs, _underlying(inputs, structure))
    age = max([spot_age, *(_age(inputs, quote) for quote in quotes.values())])
    return {
        "short_exercise": None if exercise is None else exercise.value,
        **_admitted(moneyness(structure, spot), spot_age),
        **_admitted(extrinsics(structure, quotes, spot), age),
        **_admitted(outlook.fields(), 0.0),
    }


def _valuation(inputs: Inputs, position: Position) -> dict[str, Value]:
    structure = position.structure
    found = [(leg.contract.con_id, live(inputs.quotes.get(leg.contract.con_id))) for leg in structure.legs]
    quotes = {con_id: quote for con_id, quote in found if quote is not None}
    age = max((_age(inputs, quote) for quote in quotes.values()), default=0.0)
    mark = net_mid(structure, quotes)
    units = structure.multiplier * position.quantity
    paid = float(inputs.commissions.get(position.position_id, position.commission))
    pnl = None if mark is None else (mark - float(position.entry_price)) * units - paid
    basis = abs(float(position.entry_price)) * units
    values: dict[str, Value] = {
        "mark": mark,
        # Of a crossed leg there is no mid, and its spread would hide the others'.
        "spread": None if mark is None else net_spread(structure, quotes),
        "pnl": pnl,
        "pnl_ratio": pnl / basis if pnl is not None and basis > 0 else None,
    }
    return {**_admitted(values, age), **_broker_valuation(inputs, position, basis)}


def _broker_valuation(inputs: Inputs, position: Position, basis: float) -> dict[str, Value]:
    con_ids = [leg.contract.con_id for leg in position.structure.legs]
    shared = [
        p.position_id
        for p in inputs.positions
        if p.position_id != position.position_id and any(leg.contract.con_id in con_ids for leg in p.structure.legs)
    ]
    stamps = [inputs.unrealized.get(con_id) for con_id in con_ids]
    known = [stamp for stamp in stamps if stamp is not None]
    # The broker books by contract: with a leg in two positions its figure belongs to neither.
    if shared or len(known) < len(con_ids) or basis <= 0:
        return {}
    age = max((inputs.at - at).total_seconds() for _, at in known)
    return _admitted({"broker_pnl_ratio": sum(amount for amount, _ in known) / basis}, age)


def _greek_sums(inputs: Inputs, position: Position) -> dict[str, Value]:
    legs, spot = _legs(inputs, position), _spot(inputs, position.structure)
    if legs is None:
        return {}
    age = max(leg_age for _, _, leg_age in legs)
    short = [g for ratio, g, _ in legs if ratio < 0]
    watched = short or [g for _, g, _ in legs]
    gamma = sum(ratio * g.gamma for ratio, g, _ in legs)
    own = any(g.source is GreeksSource.LOCAL for _, g, _ in legs)
    values: dict[str, Value] = {
        "greeks_source": (GreeksSource.LOCAL if own else GreeksSource.BROKER).value,
        "delta": sum(ratio * g.delta for ratio, g, _ in legs),
        "theta": sum(ratio * g.theta for ratio, g, _ in legs),
        "vega": sum(ratio * g.vega for ratio, g, _ in legs),
        "iv": sum(g.iv for g in watched) / len(watched),
        "short_delta": max((abs(g.delta) for g in short), default=None),
    }
    of_spot: dict[str, Value] = {"gamma_1pct": None if spot is None else gamma * spot * 0.01}
    return {
        **_admitted(values, age),
        **_admitted(of_spot, max(age, _age(inputs, _underlying(inputs, position.structure)))),
    }


def _short_distance(position: Position, spot: float) -> float | None:
    distances = []
    for leg in position.structure.legs:
        contract = leg.contract
        if leg.ratio < 0 and contract.sec_type is SecType.OPTION and contract.strike is not None:
            away = float(contract.strike) - spot
            distances.append((away if contract.right is Right.CALL else -away) / spot)
    return min(distances, default=None)
