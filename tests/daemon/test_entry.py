import asyncio
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import cast

import pytest

from tests.conftest import ROOT
from tests.execution.fakes import NOON
from v6.daemon.entry import Market, propose
from v6.ib.feed import Feed
from v6.model.contract import Contract, Right, SecType
from v6.model.quote import Greeks, Quote, QuoteType
from v6.pricing.bsm import greeks_of, price_of
from v6.rules import load_desk
from v6.strategy import Proposal, Refused

TODAY = date(2014, 1, 7)
EXPIRY = date(2014, 2, 21)
SPOT = 1830.0
MARKET = Market(TODAY, SPOT, 14.0, 250_000.0)
TEMPLATE = load_desk(ROOT).strategies[0]


def listed(multiplier: int = 100) -> dict[tuple[float, str], Contract]:
    found = {}
    for n, strike in enumerate(range(1500, 2100, 5)):
        for right in Right:
            con_id = 10 * n + (1 if right is Right.CALL else 2)
            found[float(strike), right.value] = Contract(
                con_id, "SPX", SecType.OPTION, "SMART", "USD", multiplier, "SPXW", EXPIRY, Decimal(strike), right
            )
    return found


def quote(contract: Contract, kind: QuoteType = QuoteType.LIVE) -> Quote:
    assert contract.strike is not None
    assert contract.right is not None
    terms = (SPOT, float(contract.strike), 45 / 365, 0.14, contract.right)
    price, greeks = price_of(*terms), greeks_of(*terms)
    assert price is not None
    assert isinstance(greeks, Greeks)
    return Quote(contract.con_id, NOON, round(price, 2), round(price + 0.2, 2), greeks=greeks, type=kind)


@dataclass
class Chain:
    contracts: dict[tuple[float, str], Contract] = field(default_factory=listed)
    kind: QuoteType = QuoteType.LIVE
    asked: list[str] = field(default_factory=list)

    async def index(self, symbol: str, *_: object) -> Contract:
        self.asked.append(symbol)
        return Contract(90, symbol, SecType.INDEX, "CBOE")

    async def expiries(self, *_: object) -> list[date]:
        return [EXPIRY]

    async def options(self, *_: object, refresh: bool = False) -> dict[tuple[float, str], Contract]:
        self.asked.append("refresh" if refresh else "options")
        return self.contracts

    async def once(self, contracts: list[Contract]) -> dict[int, Quote]:
        self.asked.append(f"{len(contracts)} quotes")
        return {contract.con_id: quote(contract, self.kind) for contract in contracts}


def test_a_calm_market_gives_a_condor_at_the_templates_delta() -> None:
    proposal = asyncio.run(propose(TEMPLATE, cast(Feed, Chain()), MARKET))
    assert isinstance(proposal, Proposal), proposal
    strikes = [leg.contract.strike for leg in proposal.structure.legs]
    assert [leg.ratio for leg in proposal.structure.legs] == [1, -1, -1, 1]
    assert all(strike is not None for strike in strikes)
    assert strikes[1] - strikes[0] == strikes[3] - strikes[2] == 50  # type: ignore[operator]
    assert proposal.mid < 0


@pytest.mark.parametrize("kind", [QuoteType.DELAYED, QuoteType.FROZEN])
def test_nothing_is_built_from_quotes_that_are_not_live(kind: QuoteType) -> None:
    assert isinstance(asyncio.run(propose(TEMPLATE, cast(Feed, Chain(kind=kind)), MARKET)), Refused)


def test_adjusted_contracts_are_left_alone() -> None:
    chain = Chain(contracts=listed(multiplier=10))
    refused = asyncio.run(propose(TEMPLATE, cast(Feed, chain), MARKET))
    assert isinstance(refused, Refused)
    assert chain.asked == ["SPX", "options", "refresh"], "asked again, and no quote wanted"


def test_another_underlying_is_not_priced_from_this_one() -> None:
    chain = Chain()
    other = replace(TEMPLATE, underlying=replace(TEMPLATE.underlying, symbol="XSP"))
    refused = asyncio.run(propose(other, cast(Feed, chain), MARKET))
    assert isinstance(refused, Refused)
    assert "XSP" in refused.reasons[0]
    assert chain.asked == []
