"""One snapshot quote on the slowest lane, with nothing left behind in ib_async."""

from __future__ import annotations

from datetime import datetime

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.link import SNAPSHOT_TIMEOUT_S, Link
from v6.ib.pacing import Lane
from v6.model.contract import Contract
from v6.model.quote import Quote
from v6.ports import Clock


class Glimpse:
    """What `IB.reqTickersAsync` does, for thousands of contracts in turn.

    Each question has a ticker of its own, which no stream and no earlier question has written to (ib_async #223).
    """

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    async def quote(self, contract: Contract) -> Quote:
        """Return what the broker says of the contract now; raises BrokerError, also for an answer without a price."""
        return priced(await self.ticker(contract, Lane.BULK), contract, self._clock.now())

    async def ticker(self, contract: Contract, lane: Lane) -> ib_async.Ticker:
        """Return the ticker with all that a snapshot on this lane brought; raises BrokerError."""
        wrapper, client = self._link.ib.wrapper, self._link.ib.client
        wire = convert.to_ib(contract)
        try:
            number = client.getReqId()
        except ConnectionError as error:
            raise BrokerError(f"quote of {contract}: {error}") from error
        answer = wrapper.startReq(number, wire)  # type: ignore[no-untyped-call]
        ticker = wrapper.reqId2Ticker[number] = ib_async.Ticker(contract=wire, defaults=wrapper.defaults)
        try:
            with self._link.pacer.using(lane):
                client.reqMktData(number, wire, "", True, False, [])  # type: ignore[no-untyped-call]
            await self._link.ask(lambda: answer, f"quote of {contract}", SNAPSHOT_TIMEOUT_S)
        except ConnectionError as error:
            raise BrokerError(f"quote of {contract}: {error}") from error
        finally:
            for table in (wrapper.reqId2Ticker, wrapper._futures, wrapper._results, wrapper._reqId2Contract):
                table.pop(number, None)
        return ticker


def priced(ticker: ib_async.Ticker, contract: Contract, at: datetime) -> Quote:
    """Return the ticker as a quote; raises BrokerError for an answer without a price."""
    quote = convert.quote_of(ticker, contract.con_id, at)
    if quote.bid is None and quote.ask is None and quote.last is None:
        raise BrokerError(f"quote of {contract}: an answer without a price")
    return quote
