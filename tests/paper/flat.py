"""A market that stands still until a test moves it, and a stage on which real ib_async plays against the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from ib_async import IB, Bag, ComboLeg, Option

from v6.model.contract import Contract, Right, SecType
from v6.paper.faults import Faults, parse_script
from v6.paper.gateway import PaperGateway
from v6.paper.limits import Limits
from v6.paper.ports import Bar, Dividend, Mark, StockTerms
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import NEW_YORK, TradingCalendar

T = TypeVar("T")

FIRST, LAST = date(2015, 3, 2), date(2015, 4, 30)
EXPIRY = date(2015, 3, 20)
OPEN = datetime(2015, 3, 2, 14, 30, tzinfo=UTC)
SPX = Contract(1, "SPX", SecType.INDEX, "CBOE", "USD", 1, "SPX")


def option(con_id: int, strike: int, right: Right, expiry: date = EXPIRY) -> Contract:
    return Contract(con_id, "SPX", SecType.OPTION, "SMART", "USD", 100, "SPXW", expiry, Decimal(strike), right)


LONG_PUT, SHORT_PUT = option(10, 1950, Right.PUT), option(11, 2000, Right.PUT)
SHORT_CALL, LONG_CALL = option(12, 2200, Right.CALL), option(13, 2250, Right.CALL)
SPY = Contract(2, "SPY", SecType.STOCK, "SMART", "USD", 1, "SPY")
SPY_CALL = Contract(20, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", EXPIRY, Decimal(205), Right.CALL)
SPY_WING = Contract(21, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", EXPIRY, Decimal(210), Right.CALL)
SPY_PUT = Contract(22, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", EXPIRY, Decimal(205), Right.PUT)
FAR = option(14, 2000, Right.PUT, date(2015, 4, 17))


@cache
def weekdays() -> TradingCalendar:
    days = [FIRST + timedelta(days=i) for i in range((LAST - FIRST).days + 1)]
    days = [day for day in days if day.weekday() < 5]

    def at(day: date, hour: int, minute: int) -> datetime:
        return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)

    return TradingCalendar(days, [at(d, 9, 30) for d in days], [at(d, 16, 0) for d in days])


@dataclass
class FlatMarket:
    """Quotes by con_id as (bid, ask); the spot settles all options."""

    first_day: date = FIRST
    last_day: date = LAST
    spot: float = 2100.0
    listed: list[Contract] = field(default_factory=lambda: [SPX, LONG_PUT, SHORT_PUT, SHORT_CALL, LONG_CALL, FAR])
    quotes: dict[int, tuple[float | None, float]] = field(
        default_factory=lambda: {10: (1.0, 1.2), 11: (2.0, 2.3), 12: (3.0, 3.4), 13: (1.5, 1.6), 14: (6.0, 6.4)}
    )
    stocks: dict[int, StockTerms] = field(default_factory=dict)
    pays: list[Dividend] = field(default_factory=list)
    calls: int = 0

    def stock(self, con_id: int, at: datetime) -> StockTerms | None:
        return self.stocks.get(con_id)

    def dividends(self, con_id: int, first: date, last: date) -> list[Dividend]:
        return [d for d in self.pays if con_id == SPY.con_id and first <= d.ex_day <= last]

    def contract(self, con_id: int) -> Contract | None:
        return next((c for c in self.listed if c.con_id == con_id), None)

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        def fits(c: Contract) -> bool:
            return (
                c.sec_type is pattern.sec_type
                and pattern.symbol in ("", c.symbol)
                and pattern.trading_class in ("", c.trading_class)
                and pattern.exchange in ("", c.exchange)
                and pattern.expiry in (None, c.expiry)
                and pattern.strike in (None, c.strike)
                and pattern.right in (None, c.right)
            )

        return [c for c in self.listed if fits(c)]

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        return sorted({(c.trading_class, c.expiry) for c in self.listed if c.symbol == symbol and c.expiry})

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        listed = [c for c in self.listed if c.symbol == symbol and c.expiry == expiry]
        return sorted({float(c.strike) for c in listed if c.strike is not None})

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        self.calls += 1
        return [self._mark(con_id, at) for con_id in con_ids]

    def _mark(self, con_id: int, at: datetime) -> Mark | None:
        contract = self.contract(con_id)
        if contract is None:
            return None
        if contract.sec_type is SecType.INDEX:
            return Mark(self.spot, None, self.spot, 0, 0, 2090.0)
        if contract.sec_type is SecType.STOCK:
            bid, ask = self.quotes[con_id]
            return Mark(((bid or 0.0) + ask) / 2, bid, ask, 20, 30, 209.0)
        if at >= self.settles_at(contract):
            return None
        bid, ask = self.quotes[con_id]
        price = ((bid or 0.0) + ask) / 2
        spot = self._level(contract)
        return Mark(price, bid, ask, 0 if bid is None else 20, 30, 1.0, 0.2, -0.1, 0.001, -0.5, 1.5, spot)

    def settlement(self, contract: Contract) -> float:
        assert contract.strike is not None
        points = round(self._level(contract) - float(contract.strike), 2)
        return max(points if contract.right is Right.CALL else -points, 0.0)

    def _level(self, contract: Contract) -> float:
        """Return the price of an option's underlying: the index, or the middle of the fund's quotes."""
        if contract.symbol != SPY.symbol:
            return self.spot
        bid, ask = self.quotes[SPY.con_id]
        return round(((bid or 0.0) + ask) / 2, 4)

    def settles_at(self, contract: Contract) -> datetime:
        assert contract.expiry is not None
        return datetime.combine(contract.expiry, time(16, 0), NEW_YORK).astimezone(UTC)

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        days = [until - timedelta(days=i) for i in range(sessions)]
        return [Bar(day, 1.0, 3.0, 0.5, 2.0) for day in reversed(days)]


def with_stock(terms: StockTerms) -> FlatMarket:
    """Return the flat market with a fund, two of its calls and a put beside the index."""
    market = FlatMarket(stocks={SPY.con_id: terms})
    market.listed += [SPY, SPY_CALL, SPY_WING, SPY_PUT]
    market.quotes |= {2: (209.99, 210.01), 20: (5.1, 5.3), 21: (1.0, 1.2), 22: (0.1, 0.12)}
    return market


@dataclass
class Stage:
    """What a test has in hand: the gateway, its market, and clients that note every error."""

    loop: VirtualLoop
    clock: VirtualClock
    market: FlatMarket
    gateway: PaperGateway
    port: int
    errors: list[tuple[int, int, str]] = field(default_factory=list)
    faults: Faults | None = None

    async def client(self, client_id: int = 1, **options: Any) -> IB:
        ib = IB()
        ib.RaiseRequestErrors = True
        ib.errorEvent += lambda number, code, text, _: self.errors.append((number, code, text))
        await ib.connectAsync("127.0.0.1", self.port, clientId=client_id, timeout=4, raiseSyncErrors=True, **options)
        return ib

    def codes(self) -> list[int]:
        return [code for _, code, _ in self.errors if code not in (2104, 2106, 2158)]


def play(
    story: Callable[[Stage], Awaitable[T]],
    *,
    at: datetime = OPEN,
    step_s: float = 300.0,
    cash: int = 100_000,
    seed: int = 1,
    market: FlatMarket | None = None,
    limits: Limits | None = None,
    faults: str | None = None,
    sides: bool = False,
) -> T:
    """Run a story in virtual time; `faults` is the list of a fault script in YAML."""

    async def main(loop: VirtualLoop) -> T:
        clock, scene = VirtualClock(loop, at), market or FlatMarket()
        engine = Faults(parse_script(f"version: 1\nseed: {seed}\nfaults:\n{faults}")) if faults else None
        gateway = PaperGateway(
            scene, clock=clock, cash=Decimal(cash), seed=seed, step_s=step_s, calendar=weekdays(), limits=limits,
            faults=engine, sides=sides,
        )  # fmt: skip
        stage = Stage(loop, clock, scene, gateway, await gateway.start("127.0.0.1", 0), faults=engine)
        problems: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: problems.append(context))
        try:
            result = await story(stage)
        finally:
            await gateway.stop()
        # A callback that raises is only logged by asyncio; on a real socket it would kill the connection.
        assert problems == []
        return result

    return run_virtual(main)


def wire(contract: Contract) -> Option:
    """Return the option as a client names it."""
    assert contract.expiry is not None
    assert contract.strike is not None
    return Option(
        contract.symbol, f"{contract.expiry:%Y%m%d}", float(contract.strike), str(contract.right), "SMART",
        conId=contract.con_id, currency="USD", multiplier="100", tradingClass=contract.trading_class,
    )  # fmt: skip


def bag(*legs: tuple[Contract, int]) -> Bag:
    """Return a combo of contracts with signed ratios."""
    combo = [ComboLeg(c.con_id, abs(r), "BUY" if r > 0 else "SELL", "SMART") for c, r in legs]
    return Bag(symbol="SPX", exchange="SMART", currency="USD", comboLegs=combo)


CONDOR = ((LONG_PUT, 1), (SHORT_PUT, -1), (SHORT_CALL, -1), (LONG_CALL, 1))
"""Bought: net bid 1.0+1.5-2.3-3.4 = -3.2, net ask 1.2+1.6-2.0-3.0 = -2.2."""
