"""What a template would open on a day of the paper market's history: nothing is sent, nothing is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from v6.daemon.entry import Market, offered
from v6.demo import CASH, market_of
from v6.errors import V6Error
from v6.ib.feed import Feed
from v6.ib.link import Link
from v6.ib.snapshot import price_of
from v6.lang.desk import StrategyTemplate
from v6.model.contract import SecType
from v6.model.quote import Quote
from v6.paper.gateway import PaperGateway
from v6.paper.ports import Market as PaperMarket
from v6.paper.scenarios import Scenario
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import TradingCalendar, xnys
from v6.strategy import Offer, Proposal, Refused, build
from v6.strategy.payoff import Curve, breakevens, curve, probability, profits, years_to

AFTER_OPEN: Final = timedelta(hours=1)
POINTS: Final = 81
WIDEST_DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class LegView:
    """One leg: its ratio in a unit, and its market."""

    ratio: int
    strike: float
    right: str
    bid: float | None
    ask: float | None
    delta: float | None
    iv: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A proposal with its figures: prices in points per unit, the rest in money for all units.

    `probability_of_profit` is risk-neutral at expiry and leaves out the slope of the skew; `margin` is Reg T's for
    defined risk, which is the largest loss.
    """

    strategy: str
    at: datetime
    underlying: float
    expiry: date
    days: int
    legs: tuple[LegView, ...]
    units: int
    mid: float
    natural: float
    max_profit: float
    max_loss: float
    breakevens: tuple[float, ...]
    probability_of_profit: float | None
    margin: float
    delta: float | None
    theta: float | None
    vega: float | None
    curve: Curve | None


def preview(
    template: StrategyTemplate, day: date | None, seed: int, scenario: Scenario | None = None
) -> Preview | Refused:
    """Return what the template would open one hour after the open of the day, the last of the history if None.

    The entry condition is not judged. Raises V6Error for a day that is no session of the history.
    """
    market, calendar = market_of(scenario, seed), xnys()
    at = calendar.open_utc(_session(market, calendar, day)) + AFTER_OPEN

    async def main(loop: VirtualLoop) -> Preview | Refused:
        clock = VirtualClock(loop, at)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=seed, step_s=60.0)
        link = Link("127.0.0.1", await gateway.start("127.0.0.1", 0), 1, clock)
        feed = Feed(link, clock)
        try:
            await link.connect()
            return await _preview(template, feed, clock)
        finally:
            link.disconnect()
            await gateway.stop()

    return run_virtual(main)


def _session(market: PaperMarket, calendar: TradingCalendar, day: date | None) -> date:
    chosen = day or market.last_day
    if chosen not in calendar.sessions(market.first_day, market.last_day):
        raise V6Error(f"{chosen} is no session of the history, which has {market.first_day} to {market.last_day}")
    return chosen


async def _preview(template: StrategyTemplate, feed: Feed, clock: VirtualClock) -> Preview | Refused:
    now = clock.now()
    indices = [
        await feed.index(template.underlying.symbol, template.underlying.sec_type, template.underlying.exchange),
        await feed.index("VIX", SecType.INDEX, "CBOE"),
    ]
    quotes = await feed.once(indices)
    spot, vix = (price_of(quotes.get(index.con_id)) for index in indices)
    if spot is None or vix is None:
        return Refused(("the underlying or VIX has no price",))
    today = Market(now.date(), spot, vix, float(CASH))
    offers = await offered(template, feed, today)
    if isinstance(offers, Refused):
        return offers
    proposal = build(template, offers, spot, today.net_liq)
    return proposal if isinstance(proposal, Refused) else _figures(template, proposal, offers, today, now)


def _figures(
    template: StrategyTemplate, proposal: Proposal, offers: Sequence[Offer], market: Market, now: datetime
) -> Preview:
    quotes = {offer.contract.con_id: offer.quote for offer in offers}
    structure, units = proposal.structure, proposal.quantity
    entry = Decimal(repr(proposal.mid))
    low, high = structure.extremes()
    assert low is not None
    assert high is not None
    each = structure.multiplier * units
    legs = tuple(
        _leg(leg.ratio, offer) for leg in structure.legs for offer in offers if offer.contract == leg.contract
    )
    days = (structure.expiry - market.today).days
    regions = profits(structure, entry)
    vol_at = {leg.strike: leg.iv for leg in legs if leg.iv is not None}
    loss = float(entry - low) * each
    vols = {c: q.greeks.iv for c, q in quotes.items() if q.greeks is not None}
    return Preview(
        strategy=template.id,
        at=now.astimezone(UTC),
        underlying=market.spot,
        expiry=structure.expiry,
        days=days,
        legs=legs,
        units=units,
        mid=proposal.mid,
        natural=proposal.natural,
        max_profit=float(high - entry) * each,
        max_loss=loss,
        breakevens=breakevens(regions),
        probability_of_profit=probability(regions, market.spot, vol_at, years_to(days)),
        margin=loss,
        delta=_total(proposal, quotes, "delta"),
        theta=_total(proposal, quotes, "theta"),
        vega=_total(proposal, quotes, "vega"),
        curve=_curve(proposal, vols, market, days),
    )


def _leg(ratio: int, offer: Offer) -> LegView:
    contract, quote = offer.contract, offer.quote
    greeks = quote.greeks
    return LegView(
        ratio,
        float(contract.strike or 0),
        contract.right.value if contract.right else "",
        quote.bid,
        quote.ask,
        greeks.delta if greeks else None,
        greeks.iv if greeks else None,
    )


def _total(proposal: Proposal, quotes: dict[int, Quote], name: str) -> float | None:
    """Return the greek of the whole proposal in money; missing if any leg's is."""
    total = 0.0
    for leg in proposal.structure.legs:
        greeks = quotes[leg.contract.con_id].greeks
        if greeks is None:
            return None
        total += leg.ratio * float(getattr(greeks, name))
    return total * proposal.structure.multiplier * proposal.quantity


def _curve(proposal: Proposal, vols: dict[int, float], market: Market, days: int) -> Curve | None:
    structure = proposal.structure
    if any(leg.contract.con_id not in vols for leg in structure.legs):
        return None
    width = WIDEST_DEVIATIONS * market.spot * market.vix / 100.0 * years_to(max(days, 1)) ** 0.5
    strikes = [float(leg.contract.strike or 0) for leg in structure.legs]
    start = max(min(market.spot - width, *strikes), market.spot * 0.05)
    end = max(market.spot + width, *strikes)
    spots = sorted({*(start + (end - start) * n / (POINTS - 1) for n in range(POINTS)), *strikes})
    return curve(structure, Decimal(repr(proposal.mid)), vols, years_to(days), spots)
