"""One snapshot quote on the slowest lane, with nothing left behind in ib_async."""

from __future__ import annotations

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
        wrapper, client = self._link.ib.wrapper, self._link.ib.client
        wire = convert.to_ib(contract)
        try:
            number = client.getReqId()
        except ConnectionError as error:
            raise BrokerError(f"quote of {contract}: {error}") from error
        answer = wrapper.startReq(number, wire)  # type: ignore[no-untyped-call]
        ticker = wrapper.reqId2Ticker[number] = ib_async.Ticker(contract=wire, defaults=wrapper.defaults)
        try:
            with self._link.pacer.using(Lane.BULK):
                client.reqMktData(number, wire, "", True, False, [])  # type: ignore[no-untyped-call]
            await self._link.ask(lambda: answer, f"quote of {contract}", SNAPSHOT_TIMEOUT_S)
        except ConnectionError as error:
            raise BrokerError(f"quote of {contract}: {error}") from error
        finally:
            for table in (wrapper.reqId2Ticker, wrapper._futures, wrapper._results, wrapper._reqId2Contract):
                table.pop(number, None)
        quote = convert.quote_of(ticker, contract.con_id, self._clock.now())
        if quote.bid is None and quote.ask is None and quote.last is None:
            raise BrokerError(f"quote of {contract}: an answer without a price")
        return quote
