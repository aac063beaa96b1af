"""Market data and account values: streams for what is held, snapshots for what is considered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.link import Link
from v6.model.contract import Contract, SecType
from v6.model.quote import Quote
from v6.ports import Clock

VIX_INDEX = ib_async.Index("VIX", "CBOE", "USD")


class Feed:
    """Quotes by con_id and account values by tag, each with the time at which it last came."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._lines: dict[int, ib_async.Ticker] = {}
        self._contracts: dict[int, Contract] = {}
        self._seen: dict[int, datetime] = {}
        self._account: dict[str, tuple[float, datetime]] = {}
        self._unrealized: dict[int, tuple[float, datetime]] = {}
        self._confirmed: datetime | None = None
        self._details: dict[tuple[str, date], dict[tuple[float, str], Contract]] = {}
        ib = link.ib
        ib.pendingTickersEvent += self._on_tickers
        ib.accountValueEvent += self._on_account_value
        ib.updatePortfolioEvent += self._on_portfolio

    # -- streams ---------------------------------------------------------------------------------------------------

    def stream(self, contracts: Iterable[Contract]) -> None:
        """Hold exactly these lines: open what is missing, close what is no longer wanted."""
        wanted = {c.con_id: c for c in contracts}
        for con_id in [c for c in self._lines if c not in wanted]:
            self._link.ib.cancelMktData(convert.to_ib(self._contracts[con_id]))
            del self._lines[con_id]
            self._drop(con_id)
        for con_id, contract in wanted.items():
            if con_id not in self._lines:
                self._contracts[con_id] = contract
                self._lines[con_id] = self._link.ib.reqMktData(convert.to_ib(contract))

    def forget_lines(self) -> None:
        """Drop what was subscribed on a connection that is gone; old values never count as quotes again."""
        self._lines.clear()
        self._seen.clear()
        self._account.clear()
        self._unrealized.clear()
        self._confirmed = None

    def lines(self) -> int:
        return len(self._lines)

    def quote(self, con_id: int) -> Quote | None:
        """Return the streamed quote, None until the first tick of this subscription."""
        ticker, seen = self._lines.get(con_id), self._seen.get(con_id)
        return None if ticker is None or seen is None else convert.quote_of(ticker, con_id, seen)

    def quotes(self) -> dict[int, Quote]:
        found = ((con_id, self.quote(con_id)) for con_id in self._lines)
        return {con_id: quote for con_id, quote in found if quote is not None}

    # -- one-off questions -----------------------------------------------------------------------------------------

    async def once(self, contracts: list[Contract]) -> dict[int, Quote]:
        """Return a snapshot quote of each contract that answered; these do not take streaming lines."""
        asked_at = self._clock.now()
        ib = self._link.ib
        wire = [convert.to_ib(c) for c in contracts]
        tickers = await self._link.ask(ib.reqTickersAsync(*wire), "snapshot quotes")
        quotes: dict[int, Quote] = {}
        for contract, ticker in zip(contracts, tickers, strict=True):
            seen = self._seen.get(contract.con_id)
            # ib_async reuses the ticker of a contract: only what came since the question is an answer (#223).
            if seen is not None and seen >= asked_at:
                quotes[contract.con_id] = convert.quote_of(ticker, contract.con_id, seen)
            if contract.con_id not in self._lines:
                self._drop(contract.con_id)
        return quotes

    async def index(self, symbol: str, sec_type: SecType, exchange: str) -> Contract:
        """Return the one contract of an underlying; none or several is an error and never a guess."""
        pattern = ib_async.Contract(secType=sec_type.value, symbol=symbol, exchange=exchange, currency="USD")
        details = await self._link.ask(self._link.ib.reqContractDetailsAsync(pattern), f"contract {symbol}")
        if len(details) != 1 or details[0].contract is None:
            raise BrokerError(f"{symbol} on {exchange} names {len(details)} contracts, not one")
        return convert.from_ib(details[0].contract)

    async def expiries(self, underlying: Contract, trading_class: str) -> list[date]:
        """Return the listed expiries of the trading class, sorted."""
        chains = await self._link.ask(
            self._link.ib.reqSecDefOptParamsAsync(underlying.symbol, "", underlying.sec_type.value, underlying.con_id),
            f"option chain of {underlying.symbol}",
        )
        found = {text for chain in chains if chain.tradingClass == trading_class for text in chain.expirations}
        return sorted(date.fromisoformat(f"{t[:4]}-{t[4:6]}-{t[6:8]}") for t in found)

    async def options(
        self, symbol: str, trading_class: str, expiry: date, *, refresh: bool = False
    ) -> dict[tuple[float, str], Contract]:
        """Return the listed options of an expiry by (strike, right); kept, since a listed contract does not change.

        `refresh` asks again, for strikes that were listed since.
        """
        key = (trading_class, expiry)
        if key not in self._details or refresh:
            pattern = ib_async.Option(
                symbol, f"{expiry:%Y%m%d}", exchange="SMART", currency="USD", tradingClass=trading_class
            )
            details = await self._link.ask(
                self._link.ib.reqContractDetailsAsync(pattern), f"options {trading_class} {expiry}"
            )
            contracts = [convert.from_ib(d.contract) for d in details if d.contract is not None]
            self._details[key] = {
                (float(c.strike), c.right.value): c for c in contracts if c.strike is not None and c.right is not None
            }
        return self._details[key]

    async def vix_closes(self) -> list[float]:
        """Return the daily closes of VIX of the last year, oldest first."""
        bars = await self._link.ask(
            self._link.ib.reqHistoricalDataAsync(VIX_INDEX, "", "1 Y", "1 day", "TRADES", True),
            "VIX history",
        )
        closes = [convert.price(bar.close) for bar in bars or ()]
        return [close for close in closes if close is not None]

    # -- account ---------------------------------------------------------------------------------------------------

    def confirm(self, at: datetime) -> None:
        """Note a heartbeat: account values are pushed on change only, so they are current while the link answers."""
        self._confirmed = at

    def account_value(self, tag: str) -> tuple[float, datetime] | None:
        """Return an account value in the base currency and when it was last confirmed."""
        stamp = self._account.get(tag)
        return None if stamp is None else self._current(stamp)

    def unrealized(self) -> dict[int, tuple[float, datetime]]:
        """Return the broker's own unrealised P&L by con_id and when it was last confirmed."""
        return {con_id: self._current(stamp) for con_id, stamp in self._unrealized.items()}

    def _current(self, stamp: tuple[float, datetime]) -> tuple[float, datetime]:
        value, at = stamp
        return (value, at) if self._confirmed is None else (value, max(at, self._confirmed))

    def load_account(self) -> None:
        """Take over what the start-up synchronisation brought before our listeners were of use."""
        now = self._clock.now()
        for value in self._link.ib.accountValues(self._link.account):
            self._take_account_value(value, now)
        for item in self._link.ib.portfolio(self._link.account):
            self._take_portfolio(item, now)

    def _on_tickers(self, tickers: set[ib_async.Ticker]) -> None:
        now = self._clock.now()
        for ticker in tickers:
            if ticker.contract is not None:
                self._seen[ticker.contract.conId] = now

    def _on_account_value(self, value: ib_async.AccountValue) -> None:
        self._take_account_value(value, self._clock.now())

    def _on_portfolio(self, item: ib_async.PortfolioItem) -> None:
        self._take_portfolio(item, self._clock.now())

    def _take_account_value(self, value: ib_async.AccountValue, now: datetime) -> None:
        if value.currency not in {"USD", "BASE"} or value.modelCode:
            return
        try:
            amount = convert.number(float(Decimal(value.value)))
        except ArithmeticError:
            return  # AccountType, AccountReady and the like are no numbers
        if amount is not None:
            self._account[value.tag] = (amount, now)

    def _take_portfolio(self, item: ib_async.PortfolioItem, now: datetime) -> None:
        amount = convert.number(item.unrealizedPNL)
        if amount is None or not item.position:
            self._unrealized.pop(item.contract.conId, None)
        else:
            self._unrealized[item.contract.conId] = (amount, now)

    def _drop(self, con_id: int) -> None:
        self._seen.pop(con_id, None)
        contract = self._contracts.pop(con_id, None)
        tickers = self._link.ib.wrapper.tickers
        for key in [k for k, t in tickers.items() if t.contract is not None and t.contract.conId == con_id]:
            del tickers[key]
        del contract
