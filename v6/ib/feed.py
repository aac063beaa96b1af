"""Market data and account values: streams for what is held, snapshots for what is considered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.health import LinkState
from v6.ib.link import SNAPSHOT_TIMEOUT_S, Link
from v6.ib.outlook import Underlying
from v6.model.contract import Contract, SecType
from v6.model.quote import Quote
from v6.model.upcoming import NextDividend
from v6.ports import Clock

DIVIDENDS: Final = "456"
"""The generic tick that brings the dividends of a stock or fund."""


class Feed:
    """Quotes by con_id and account values by tag, each with the time at which it last came."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._lines: dict[int, ib_async.Ticker] = {}
        self._streamed: dict[int, Contract] = {}
        self._seen: dict[int, datetime] = {}
        self._halted: set[int] = set()
        self._converted: dict[int, tuple[tuple[object, ...], Quote]] = {}
        self._account: dict[str, tuple[float, datetime]] = {}
        self._account_ready = True
        self._unrealized: dict[int, tuple[float, datetime]] = {}
        self._confirmed: datetime | None = None
        self._details: dict[tuple[str, str, date], dict[tuple[float, str], Contract]] = {}
        link.on_restored(self._resubscribe)
        ib = link.ib
        ib.pendingTickersEvent += self._on_tickers
        ib.accountValueEvent += self._on_account_value
        ib.updatePortfolioEvent += self._on_portfolio

    # -- streams ---------------------------------------------------------------------------------------------------

    def stream(self, contracts: Iterable[Contract]) -> None:
        """Hold exactly these lines: open what is missing, close what is no longer wanted; raises BrokerError."""
        wanted = {c.con_id: c for c in contracts}
        try:
            for con_id in [c for c in self._lines if c not in wanted]:
                self._close(con_id)
            for con_id, contract in wanted.items():
                if con_id not in self._lines:
                    # IB refuses generic ticks that a kind of contract does not have, so only stocks are asked.
                    extra = DIVIDENDS if contract.sec_type is SecType.STOCK else ""
                    self._streamed[con_id] = contract
                    self._lines[con_id] = self._link.ib.reqMktData(convert.to_ib(contract), extra)
        except ConnectionError as error:
            raise BrokerError(f"market data: {error}") from error

    def refused(self, con_id: int) -> bool:
        """Drop a line that the broker would not open; False if there was none."""
        known = self._lines.pop(con_id, None) is not None
        self._streamed.pop(con_id, None)
        self._drop(con_id)
        return known

    def close(self, con_ids: Iterable[int]) -> None:
        """Close lines, to be opened anew by the next `stream`; raises BrokerError."""
        try:
            for con_id in list(con_ids):
                self._close(con_id)
        except ConnectionError as error:
            raise BrokerError(f"market data: {error}") from error

    def silent(self) -> list[int]:
        """Return the lines on which nothing has come since they were opened, or kept over a gap."""
        return [con_id for con_id in self._lines if con_id not in self._seen]

    def ask_again(self, con_ids: Iterable[int]) -> None:
        """Close these lines and open them anew at once; raises BrokerError."""
        contracts = [self._streamed[con_id] for con_id in con_ids if con_id in self._lines]
        self.close(contract.con_id for contract in contracts)
        self.stream([self._streamed[con_id] for con_id in self._lines] + contracts)

    def resumed(self) -> list[int]:
        """Return the lines that told of a halt since they were opened, and then of its end."""
        lines = ((con_id, self._lines.get(con_id)) for con_id in sorted(self._halted))
        return [con_id for con_id, ticker in lines if ticker is not None and convert.halted(ticker) is False]

    def forget_lines(self) -> None:
        """Drop what was subscribed on a connection that is gone; old values never count as quotes again."""
        self._lines.clear()
        self._streamed.clear()
        self._seen.clear()
        self._halted.clear()
        self._converted.clear()
        self._account.clear()
        self._account_ready = True
        self._unrealized.clear()
        self._confirmed = None

    def reasons(self) -> Iterator[str]:
        """Yield why nothing may open: the broker itself says that its figures of the account may be wrong."""
        if not self._account_ready:
            yield "the broker's figures of the account are not ready"

    def connected(self) -> bool:
        """Tell whether there is a connection that could answer."""
        return self._link.ib.isConnected()

    def lines(self) -> int:
        return len(self._lines)

    def quote(self, con_id: int) -> Quote | None:
        """Return the streamed quote, None until the first tick of this subscription."""
        ticker, seen = self._lines.get(con_id), self._seen.get(con_id)
        if ticker is None or seen is None:
            return None
        # All that a quote is made from: read several times in a cycle, and converted once.
        source = (seen, ticker.bid, ticker.ask, ticker.last, ticker.close, ticker.modelGreeks, ticker.marketDataType,
                  ticker.halted)  # fmt: skip
        known = self._converted.get(con_id)
        if known is None or known[0] != source:
            known = self._converted[con_id] = (source, convert.quote_of(ticker, con_id, seen))
        return known[1]

    def ticked(self, con_id: int) -> bool:
        """Tell whether there is a quote."""
        return con_id in self._lines and con_id in self._seen

    def quotes(self) -> dict[int, Quote]:
        found = ((con_id, self.quote(con_id)) for con_id in self._lines)
        return {con_id: quote for con_id, quote in found if quote is not None}

    def dividend(self, con_id: int) -> NextDividend:
        """Return what the line of a stock or fund told of its next dividend, None if it told nothing."""
        ticker = self._lines.get(con_id)
        return None if ticker is None else convert.dividend_of(ticker)

    # -- one-off questions -----------------------------------------------------------------------------------------

    async def once(self, contracts: list[Contract]) -> dict[int, Quote]:
        """Return a snapshot quote of each contract that answered; these do not take streaming lines.

        Raises BrokerError when not one of them did.
        """
        asked_at = self._clock.now()
        try:
            answers = await asyncio.gather(*map(self._ask_once, contracts))
            quotes: dict[int, Quote] = {}
            for contract, answer in zip(contracts, answers, strict=True):
                seen = self._seen.get(contract.con_id)
                # ib_async reuses the ticker of a contract: only what came since the question is an answer (#223).
                if isinstance(answer, ib_async.Ticker) and seen is not None and seen >= asked_at:
                    quotes[contract.con_id] = convert.quote_of(answer, contract.con_id, seen)
        finally:
            idle = [c.con_id for c in contracts if c.con_id not in self._lines]
            self._forget_questions([ticker for con_id in idle for ticker in self._drop(con_id)])
        errors = [answer for answer in answers if isinstance(answer, BrokerError)]
        if errors and len(errors) == len(answers):
            raise errors[0]
        return quotes

    async def _ask_once(self, contract: Contract) -> ib_async.Ticker | BrokerError:
        # One by one, so that a contract without data costs the others nothing.
        wire = convert.to_ib(contract)
        try:
            (ticker,) = await self._link.ask(
                lambda: self._link.ib.reqTickersAsync(wire), f"quote of {contract}", SNAPSHOT_TIMEOUT_S
            )
        except BrokerError as error:
            return error
        return ticker

    async def index(self, symbol: str, sec_type: SecType, exchange: str) -> Contract:
        """Return the one contract of an underlying; none or several is an error and never a guess."""
        pattern = ib_async.Contract(
            secType=sec_type.value, symbol=symbol, exchange=exchange, currency=convert.CURRENCY
        )
        details = await self._link.ask(lambda: self._link.ib.reqContractDetailsAsync(pattern), f"contract {symbol}")
        if len(details) != 1 or details[0].contract is None:
            raise BrokerError(f"{symbol} on {exchange} names {len(details)} contracts, not one")
        return convert.from_ib(details[0].contract)

    async def underlying(self, option: Contract) -> Underlying:
        """Return the contract that the broker names as the option's underlying; raises BrokerError."""
        (listed,) = await self._details_of(convert.to_ib(option), f"contract of {option}")
        if not listed.underConId:
            raise BrokerError(f"the broker names no underlying of {option}")
        pattern = ib_async.Contract(conId=listed.underConId)
        (found,) = await self._details_of(pattern, f"underlying of {option}")
        assert found.contract is not None
        return Underlying(convert.from_ib(found.contract), found.stockType)

    async def _details_of(self, pattern: ib_async.Contract, what: str) -> list[ib_async.ContractDetails]:
        details = await self._link.ask(lambda: self._link.ib.reqContractDetailsAsync(pattern), what)
        if len(details) != 1 or details[0].contract is None:
            raise BrokerError(f"{what}: {len(details)} contracts, not one")
        return details

    async def expiries(self, underlying: Contract, trading_class: str) -> list[date]:
        """Return the listed expiries of the trading class, sorted."""
        chains = await self._link.ask(
            lambda: self._link.ib.reqSecDefOptParamsAsync(
                underlying.symbol, "", underlying.sec_type.value, underlying.con_id
            ),
            f"option chain of {underlying.symbol}",
        )
        try:
            return convert.expiries(chains, trading_class)
        except ValueError as error:
            raise BrokerError(f"option chain of {underlying.symbol}: {error}") from error

    async def options(
        self, symbol: str, trading_class: str, expiry: date, *, refresh: bool = False
    ) -> dict[tuple[float, str], Contract]:
        """Return the listed options of an expiry by (strike, right); kept, since a listed contract does not change.

        `refresh` asks again, for strikes that were listed since.
        """
        key = (symbol, trading_class, expiry)
        if key not in self._details or refresh:
            pattern = convert.series(symbol, trading_class, expiry)
            details = await self._link.ask(
                lambda: self._link.ib.reqContractDetailsAsync(pattern), f"options {trading_class} {expiry}"
            )
            contracts = [convert.from_ib(d.contract) for d in details if d.contract is not None]
            self._details[key] = {
                (float(c.strike), c.right.value): c for c in contracts if c.strike is not None and c.right is not None
            }
        return self._details[key]

    async def closes(self, index: Contract, span: str, before: date) -> dict[date, float]:
        """Return the daily closes of an index over the span (`1 Y`) by day, oldest first.

        The bar of a session that is under way is no close: only days earlier than `before` are given.
        """
        wire = convert.to_ib(index)
        bars = await self._link.ask(
            lambda: self._link.ib.reqHistoricalDataAsync(wire, "", span, "1 day", "TRADES", True),
            f"history of {index.symbol}",
        )
        found: dict[date, float] = {}
        for bar in bars or ():
            day = bar.date.date() if isinstance(bar.date, datetime) else bar.date
            close = convert.price(bar.close)
            if day < before and close is not None:
                found[day] = close
        return found

    # -- account ---------------------------------------------------------------------------------------------------

    def confirm(self, at: datetime) -> None:
        """Note a heartbeat: account values are pushed on change only, so they are current while the link answers.

        A gateway that has lost IB's servers answers too, and then nothing is confirmed.
        """
        if self._link.state in (LinkState.HEALTHY, LinkState.DEGRADED):
            self._confirmed = at

    def account_value(self, tag: str) -> tuple[float, datetime] | None:
        """Return an account value in dollars and when it was last confirmed, None while it is unknown or not ready."""
        stamp = self._account.get(tag) if self._account_ready else None
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
        self._link.ticked()
        for ticker in tickers:
            contract = ticker.contract
            # A late tick of a subscription that is closed changes a ticker that nobody reads any more.
            if contract is not None and self._link.ib.wrapper.tickers.get(hash(contract)) is ticker:
                self._seen[contract.conId] = now
                if convert.halted(ticker):
                    self._halted.add(contract.conId)

    def _on_account_value(self, value: ib_async.AccountValue) -> None:
        self._take_account_value(value, self._clock.now())

    def _on_portfolio(self, item: ib_async.PortfolioItem) -> None:
        self._take_portfolio(item, self._clock.now())

    def _take_account_value(self, value: ib_async.AccountValue, now: datetime) -> None:
        if value.tag == "AccountReady" and value.account == self._link.account:
            # False while IB's server of the account is reset: its values may be out of date or incorrect.
            self._account_ready = value.value.lower() != "false"
        # BASE is the account's own currency, which need not be dollars.
        if value.account != self._link.account or value.currency != convert.CURRENCY or value.modelCode:
            return
        try:
            amount = convert.number(float(Decimal(value.value)))
        except ArithmeticError:
            amount = None  # a word, or IB's "not available"
        if amount is None:
            self._account.pop(value.tag, None)
        else:
            self._account[value.tag] = (amount, now)

    def _take_portfolio(self, item: ib_async.PortfolioItem, now: datetime) -> None:
        if item.account != self._link.account:
            return
        amount = convert.number(item.unrealizedPNL)
        if amount is None or not item.position:
            self._unrealized.pop(item.contract.conId, None)
        else:
            self._unrealized[item.contract.conId] = (amount, now)

    def _close(self, con_id: int) -> None:
        contract = self._lines.pop(con_id).contract
        self._streamed.pop(con_id, None)
        if contract is not None:
            self._link.ib.cancelMktData(contract)
        self._drop(con_id)

    def _resubscribe(self) -> None:
        """After a gap let go of every line, to be opened anew; of one that the broker kept, of what it said before."""
        if self._link.lines_kept:
            self._seen.clear()
        else:
            for con_id in list(self._lines):
                self._close(con_id)
        self._link.ib.client.reqAccountUpdates(True, self._link.account)  # type: ignore[no-untyped-call]

    def _drop(self, con_id: int) -> list[ib_async.Ticker]:
        """Let ib_async forget the contract's ticker, so that the next subscription begins with an empty one."""
        self._seen.pop(con_id, None)
        self._halted.discard(con_id)
        self._converted.pop(con_id, None)
        tickers = self._link.ib.wrapper.tickers
        keys = [k for k, t in tickers.items() if t.contract is not None and t.contract.conId == con_id]
        return [tickers.pop(key) for key in keys]

    def _forget_questions(self, tickers: list[ib_async.Ticker]) -> None:
        # ib_async keeps the ticker of every snapshot that was ever asked for.
        wrapper = self._link.ib.wrapper
        for req_id in [n for n, ticker in wrapper.reqId2Ticker.items() if any(ticker is t for t in tickers)]:
            del wrapper.reqId2Ticker[req_id]
        for ticker in tickers:
            wrapper.ticker2ReqId["snapshot"].pop(ticker, None)
