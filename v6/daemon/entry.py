"""From a template to a priced proposal: which contracts to ask about, and what the builder makes of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from v6.daemon.watch import UNDERLYING
from v6.ib.feed import Feed
from v6.ib.snapshot import live
from v6.lang.desk import StrategyTemplate
from v6.model.contract import Contract
from v6.strategy import Offer, Proposal, Refused, Spread, build, candidate_strikes, choose_expiry, spreads

FEW_CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class Market:
    """What an entry needs to know of the moment."""

    today: date
    spot: float
    vix: float
    net_liq: float | None


async def propose(template: StrategyTemplate, feed: Feed, market: Market) -> Proposal | Refused:
    """Ask the broker for the chain and its quotes and build the structure; raises BrokerError if it cannot answer."""
    offers = await offered(template, feed, market)
    return offers if isinstance(offers, Refused) else build(template, offers, market.spot, market.net_liq)


async def offered(template: StrategyTemplate, feed: Feed, market: Market) -> list[Offer] | Refused:
    """Return the options that the template may be built of, with live quotes; raises BrokerError."""
    target = template.underlying
    if target.symbol != UNDERLYING:
        return Refused((f"only {UNDERLYING} is watched, and {target.symbol} would be priced from it",))
    underlying = await feed.index(target.symbol, target.sec_type, target.exchange)
    expiries = await feed.expiries(underlying, target.trading_class)
    expiry = choose_expiry(template, expiries, market.today)
    if expiry is None:
        window = f"{template.expiry.dte_min}..{template.expiry.dte_max}"
        return Refused((f"no {target.trading_class} expiry is {window} days away",))
    contracts = await _candidates(template, feed, market, expiry)
    if not contracts:
        return Refused((f"no {target.trading_class} strikes of {expiry} are in the range that would be traded",))
    quotes = await feed.once(contracts)
    halted = [c for c in contracts if (quote := quotes.get(c.con_id)) is not None and quote.halted]
    if halted:
        return Refused((f"trading in {len(halted)} of {len(contracts)} contracts is halted, {halted[0]} among them",))
    return [Offer(c, quotes[c.con_id]) for c in contracts if live(quotes.get(c.con_id)) is not None]


async def _candidates(template: StrategyTemplate, feed: Feed, market: Market, expiry: date) -> list[Contract]:
    target, wanted = template.underlying, spreads(template.structure)
    for refresh in (False, True):
        found = await feed.options(target.symbol, target.trading_class, expiry, refresh=refresh)
        # Another multiplier is an adjusted contract, whose deliverable is not what the template means.
        listed = {key: c for key, c in found.items() if c.multiplier == target.multiplier}
        chosen = {key: listed[key] for spread in wanted for key in _keys(template, spread, market, expiry, listed)}
        if len(chosen) >= FEW_CANDIDATES * len(wanted):
            break
    return list(chosen.values())


def _keys(
    template: StrategyTemplate, spread: Spread, market: Market, expiry: date, listed: dict[tuple[float, str], Contract]
) -> list[tuple[float, str]]:
    side = spread.right.value
    strikes = [strike for strike, right in listed if right == side]
    days = (expiry - market.today).days
    chosen = candidate_strikes(template, spread, market.spot, market.vix / 100.0, days, strikes)
    return [(strike, side) for strike in chosen]
