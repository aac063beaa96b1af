"""What every client is made to ask, and what it must hear: one list for all clients, from which the table is written.

`answers` are the messages that must come, `codes` the errors; nothing else may. Scenarios about orders are in
`order_scenarios.py`; ALL joins them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.voices import Thing, Voice, thing

BOTH = ("ib_async", "ibapi")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request in one situation; `run` may leave the waiting for the answers to the suite."""

    request: str
    title: str
    run: Callable[[Voice], Awaitable[None]]
    answers: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    clients: tuple[str, ...] = BOTH
    check: Callable[[Voice], None] | None = None
    client_id: int = 7

    @property
    def expected(self) -> tuple[str, ...]:
        return (*self.answers, *(f"error {code}" for code in self.codes))


def asking(
    request: str, *arguments: Any, before: tuple[tuple[Any, ...], ...] = ()
) -> Callable[[Voice], Awaitable[None]]:
    """Return the scenario of one request, after others whose answers do not count."""

    async def run(voice: Voice) -> None:
        for name, *more in before:
            voice.say(name, *more)
        if before:
            await voice.fence()
            voice.begin()
        voice.say(request, *arguments)

    return run


INDEX = thing("Contract", conId=1, symbol="SPX", secType="IND", exchange="CBOE", currency="USD")
PUT = thing("Contract", conId=11, symbol="SPX", secType="OPT", exchange="SMART", currency="USD")
UNKNOWN = thing("Contract", symbol="NOPE", secType="STK", exchange="SMART", currency="USD")
ACCOUNT, FOREIGN = "DU1234567", "U7654321"


def option(**fields: Any) -> Thing:
    return thing("Contract", **{"symbol": "SPX", "secType": "OPT", "exchange": "SMART", "currency": "USD", **fields})


def leg(con_id: int, ratio: int, action: str) -> Thing:
    return thing("ComboLeg", conId=con_id, ratio=ratio, action=action, exchange="SMART")


CONDOR = thing(
    "Contract", symbol="SPX", secType="BAG", exchange="SMART", currency="USD",
    comboLegs=[leg(10, 1, "BUY"), leg(11, 1, "SELL"), leg(12, 1, "SELL"), leg(13, 1, "BUY")],
)  # fmt: skip


def _details(voice: Voice) -> None:
    (found,) = [details for _, details in voice.called("contractDetails")]
    contract = found.contract
    assert (contract.conId, contract.localSymbol.split(), contract.strike) == (11, ["SPXW", "150320P02000000"], 2000)
    assert (found.underConId, found.marketRuleIds, found.minTick) == (1, "110,110", 0.05)


def _chain(voice: Voice) -> None:
    exchanges = {arguments[1] for arguments in voice.called("securityDefinitionOptionParameter")}
    assert exchanges == {"SMART", "CBOE"}
    expirations, strikes = voice.called("securityDefinitionOptionParameter")[0][-2:]
    assert (set(expirations), set(strikes)) == ({"20150320", "20150417"}, {1950, 2000, 2200, 2250})


def _greeks(voice: Voice) -> None:
    told = {numbers[1]: [float(n) for n in numbers[3:]] for numbers in voice.called("tickOptionComputation")}
    assert told[13] == [0.2, -0.1, 2.15, 0.0, 0.001, 1.5, -0.5, 2100.0]
    # Of the bid and of the ask: another volatility, the price itself.
    assert sorted(told) == [10, 11, 13]
    assert told[10][0] < 0.2 < told[11][0]
    assert (told[10][2], told[11][2]) == (2.0, 2.3)


CONTRACTS = (
    Scenario("reqContractDetails", "one option", asking("reqContractDetails", 5, option(
        lastTradeDateOrContractMonth="20150320", strike=2000.0, right="P")),
        ("contractDetails", "contractDetailsEnd"), check=_details),
    Scenario("reqContractDetails", "all strikes of an expiry", asking("reqContractDetails", 5, option(
        lastTradeDateOrContractMonth="201503")), ("contractDetails", "contractDetailsEnd")),
    Scenario("reqContractDetails", "a contract that does not exist", asking("reqContractDetails", 5, UNKNOWN),
             codes=(200,)),
    Scenario("reqContractDetails", "a combo", asking("reqContractDetails", 5, CONDOR), codes=(321,)),
    Scenario("reqSecDefOptParams", "the option chain of an index",
             asking("reqSecDefOptParams", 5, "SPX", "", "IND", 1),
             ("securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd"), check=_chain),
    Scenario("reqContractDetails", "a fund", asking("reqContractDetails", 5, thing(
        "Contract", symbol="SPY", secType="STK", exchange="SMART", currency="USD")),
        ("contractDetails", "contractDetailsEnd")),
    Scenario("reqSecDefOptParams", "the option chain of a fund",
             asking("reqSecDefOptParams", 5, "SPY", "", "STK", 2),
             ("securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd")),
    Scenario("reqMatchingSymbols", "symbols that begin alike", asking("reqMatchingSymbols", 5, "sp"),
             ("symbolSamples",)),
    Scenario("reqMarketRule", "the price grid of index options", asking("reqMarketRule", 110), ("marketRule",)),
    Scenario("reqMarketRule", "a rule that does not exist", asking("reqMarketRule", 99), codes=(320,)),
    Scenario("reqSmartComponents", "the exchanges behind a quote", asking("reqSmartComponents", 5, "9c0001"),
             ("smartComponents",)),
)  # fmt: skip

LINES = (
    Scenario("reqMktData", "an option, with greeks", asking("reqMktData", 5, PUT, "", False, False, []),
             ("marketDataType", "tickReqParams", "tickPrice", "tickOptionComputation"), check=_greeks),
    Scenario("reqMktData", "an index", asking("reqMktData", 5, INDEX, "", False, False, []),
             ("marketDataType", "tickReqParams", "tickPrice")),
    Scenario("reqMktData", "a combo", asking("reqMktData", 5, CONDOR, "", False, False, []),
             ("marketDataType", "tickReqParams", "tickPrice")),
    Scenario("reqMktData", "a snapshot", asking("reqMktData", 5, PUT, "", True, False, []),
             ("marketDataType", "tickReqParams", "tickPrice", "tickOptionComputation", "tickSnapshotEnd")),
    Scenario("reqMktData", "a contract that does not exist", asking("reqMktData", 5, UNKNOWN, "", False, False, []),
             codes=(200,)),
    Scenario("reqMktData", "an id that is in use", asking("reqMktData", 5, PUT, "", False, False, [], before=(
        ("reqMktData", 5, INDEX, "", False, False, []),)), codes=(322,)),
    Scenario("reqMktData", "a line too many", asking("reqMktData", 5, PUT, "", False, False, [], before=(
        *(("reqMktData", n, PUT, "", False, False, []) for n in range(10, 13)),)), codes=(101,)),
    Scenario("cancelMktData", "a line", asking("cancelMktData", 5, before=(
        ("reqMktData", 5, PUT, "", False, False, []),))),
    Scenario("cancelMktData", "a line that does not exist", asking("cancelMktData", 5), codes=(300,)),
    Scenario("reqMarketDataType", "frozen quotes", asking("reqMarketDataType", 2)),
    Scenario("reqMarketDataType", "a kind that does not exist", asking("reqMarketDataType", 9), codes=(320,)),
    Scenario("reqMktDepth", "the book of an option", asking("reqMktDepth", 5, PUT, 5, False, []), codes=(10092,)),
    Scenario("cancelMktDepth", "a book that was refused", asking("cancelMktDepth", 5, False), codes=(310,)),
    Scenario("reqMktDepthExchanges", "exchanges with a book", asking("reqMktDepthExchanges"),
             ("mktDepthExchanges",)),
    Scenario("reqTickByTickData", "quotes of an option", asking("reqTickByTickData", 5, PUT, "BidAsk", 0, False),
             ("tickByTick",)),
    Scenario("reqTickByTickData", "mid points of an option",
             asking("reqTickByTickData", 5, PUT, "MidPoint", 0, False), ("tickByTick",)),
    Scenario("reqTickByTickData", "trades, of which there are none",
             asking("reqTickByTickData", 5, PUT, "Last", 0, False), codes=(10189,)),
    Scenario("reqTickByTickData", "quotes of an index", asking("reqTickByTickData", 5, INDEX, "BidAsk", 0, False),
             codes=(10189,)),
    Scenario("reqTickByTickData", "a kind that does not exist",
             asking("reqTickByTickData", 5, PUT, "Rumours", 0, False), codes=(321,)),
    Scenario("reqTickByTickData", "a sixth contract", asking("reqTickByTickData", 9, PUT, "BidAsk", 0, False, before=(
        *(("reqTickByTickData", n, PUT, "MidPoint", 0, False) for n in range(10, 15)),)), codes=(10190,)),
    Scenario("cancelTickByTickData", "quotes", asking("cancelTickByTickData", 5, before=(
        ("reqTickByTickData", 5, PUT, "BidAsk", 0, False),))),
    Scenario("cancelTickByTickData", "quotes that were not asked for", asking("cancelTickByTickData", 5),
             codes=(300,)),
    Scenario("reqRealTimeBars", "mid points of an option",
             asking("reqRealTimeBars", 5, PUT, 5, "MIDPOINT", True, []), ("realtimeBar",)),
    Scenario("reqRealTimeBars", "values of an index", asking("reqRealTimeBars", 5, INDEX, 5, "TRADES", True, []),
             ("realtimeBar",)),
    Scenario("reqRealTimeBars", "trades of an option, of which there are none",
             asking("reqRealTimeBars", 5, PUT, 5, "TRADES", True, []), codes=(420,)),
    Scenario("reqRealTimeBars", "a kind that does not exist",
             asking("reqRealTimeBars", 5, PUT, 5, "RUMOURS", True, []), codes=(321,)),
    Scenario("cancelRealTimeBars", "bars", asking("cancelRealTimeBars", 5, before=(
        ("reqRealTimeBars", 5, PUT, 5, "MIDPOINT", True, []),))),
    Scenario("cancelRealTimeBars", "bars that were not asked for", asking("cancelRealTimeBars", 5), codes=(300,)),
    Scenario("calculateImpliedVolatility", "of a price",
             asking("calculateImpliedVolatility", 5, PUT, 2.15, 2100.0, []), ("tickOptionComputation",)),
    Scenario("calculateImpliedVolatility", "of an index",
             asking("calculateImpliedVolatility", 5, INDEX, 2.15, 2100.0, []), codes=(321,)),
    Scenario("cancelCalculateImpliedVolatility", "after the answer", asking("cancelCalculateImpliedVolatility", 5)),
    Scenario("calculateOptionPrice", "of a volatility", asking("calculateOptionPrice", 5, PUT, 0.2, 2100.0, []),
             ("tickOptionComputation",)),
    Scenario("cancelCalculateOptionPrice", "after the answer", asking("cancelCalculateOptionPrice", 5)),
)  # fmt: skip


def past(contract: Thing, length: str, size: str, what: str, *, keep: bool = False, end: str = "") -> Any:
    return asking("reqHistoricalData", 5, contract, end, length, size, what, 1, 1, keep, [])


def _minutes(voice: Voice) -> None:
    dates = [bar.date for _, bar in voice.called("historicalData")]
    assert dates[0] == "20150304 10:00:00 US/Eastern"
    assert len(dates) == 30
    (bar,) = [bar for _, bar in voice.called("historicalData")][:1]
    assert (bar.open, bar.high, bar.low, bar.close) == (2.15, 2.15, 2.15, 2.15)


HISTORY = (
    Scenario("reqHistoricalData", "daily bars of an index", past(INDEX, "3 D", "1 day", "TRADES"),
             ("historicalData",)),
    Scenario("reqHistoricalData", "mid points of an option by the minute", past(
        PUT, "1800 S", "1 min", "MIDPOINT", end="20150304-15:30:00"),
             ("historicalData",), check=_minutes),
    Scenario("reqHistoricalData", "bids and asks of an option", past(PUT, "1 D", "5 mins", "BID_ASK"),
             ("historicalData",)),
    Scenario("reqHistoricalData", "bars that are kept up to date",
             past(PUT, "1 D", "1 min", "MIDPOINT", keep=True), ("historicalData", "historicalDataUpdate")),
    Scenario("reqHistoricalData", "the trading sessions", past(INDEX, "5 D", "1 day", "SCHEDULE"),
             ("historicalSchedule",)),
    Scenario("reqHistoricalData", "trades of an option, of which there are none",
             past(PUT, "1 D", "5 mins", "TRADES"), codes=(162,)),
    Scenario("reqHistoricalData", "more bars than fit into an answer", past(INDEX, "1 Y", "1 secs", "TRADES"),
             codes=(162,)),
    Scenario("reqHistoricalData", "a bar size that does not exist", past(INDEX, "1 D", "7 mins", "TRADES"),
             codes=(321,)),
    Scenario("reqHistoricalData", "a contract that does not exist", past(UNKNOWN, "1 D", "1 day", "TRADES"),
             codes=(200,)),
    Scenario("cancelHistoricalData", "bars that are kept up to date", asking("cancelHistoricalData", 5, before=(
        ("reqHistoricalData", 5, PUT, "", "1 D", "1 min", "MIDPOINT", 1, 1, True, []),))),
    Scenario("reqHeadTimeStamp", "the first value of an index", asking("reqHeadTimeStamp", 5, INDEX, "TRADES", 1, 1),
             ("headTimestamp",)),
    Scenario("reqHeadTimeStamp", "of an option", asking("reqHeadTimeStamp", 5, PUT, "MIDPOINT", 1, 1), codes=(162,)),
    Scenario("cancelHeadTimeStamp", "after the answer", asking("cancelHeadTimeStamp", 5)),
    Scenario("reqHistoricalTicks", "quotes of an option", asking(
        "reqHistoricalTicks", 5, PUT, "", "20150302-15:30:00", 10, "BID_ASK", 1, True, []),
        ("historicalTicksBidAsk",)),
    Scenario("reqHistoricalTicks", "mid points of an option", asking(
        "reqHistoricalTicks", 5, PUT, "20150302-14:30:00", "", 10, "MIDPOINT", 1, True, []), ("historicalTicks",)),
    Scenario("reqHistoricalTicks", "values of an index", asking(
        "reqHistoricalTicks", 5, INDEX, "20150302-14:30:00", "", 10, "TRADES", 1, True, []),
        ("historicalTicksLast",)),
    Scenario("reqHistoricalTicks", "trades of an option, of which there are none", asking(
        "reqHistoricalTicks", 5, PUT, "20150302-14:30:00", "", 10, "TRADES", 1, True, []), codes=(162,)),
    Scenario("reqHistoricalTicks", "neither start nor end", asking(
        "reqHistoricalTicks", 5, PUT, "", "", 10, "BID_ASK", 1, True, []), codes=(321,)),
    Scenario("reqHistogramData", "of an index", asking("reqHistogramData", 5, INDEX, True, "3 days"), codes=(162,)),
    Scenario("cancelHistogramData", "that was refused", asking("cancelHistogramData", 5), codes=(300,)),
)  # fmt: skip

ACCOUNTS = (
    Scenario("reqAccountUpdates", "of the account", asking("reqAccountUpdates", True, ACCOUNT),
             ("updateAccountValue", "updateAccountTime", "accountDownloadEnd")),
    Scenario("reqAccountUpdates", "of somebody else", asking("reqAccountUpdates", True, FOREIGN), codes=(321,)),
    Scenario("reqPositions", "an account without positions", asking("reqPositions"), ("positionEnd",)),
    Scenario("cancelPositions", "a subscription", asking("cancelPositions")),
    Scenario("reqPositionsMulti", "an account without positions", asking("reqPositionsMulti", 5, ACCOUNT, ""),
             ("positionMultiEnd",)),
    Scenario("reqPositionsMulti", "of somebody else", asking("reqPositionsMulti", 5, FOREIGN, ""), codes=(321,)),
    Scenario("cancelPositionsMulti", "a subscription", asking("cancelPositionsMulti", 5)),
    Scenario("reqAccountSummary", "some tags", asking("reqAccountSummary", 5, "All", "NetLiquidation,BuyingPower"),
             ("accountSummary", "accountSummaryEnd")),
    Scenario("reqAccountSummary", "a third summary", asking("reqAccountSummary", 7, "All", "NetLiquidation", before=(
        ("reqAccountSummary", 5, "All", "NetLiquidation"), ("reqAccountSummary", 6, "All", "BuyingPower"))),
        codes=(322,)),
    Scenario("cancelAccountSummary", "a summary", asking("cancelAccountSummary", 5)),
    Scenario("reqAccountUpdatesMulti", "of the account", asking("reqAccountUpdatesMulti", 5, ACCOUNT, "", False),
             ("accountUpdateMulti", "accountUpdateMultiEnd")),
    Scenario("reqAccountUpdatesMulti", "of somebody else", asking("reqAccountUpdatesMulti", 5, FOREIGN, "", False),
             codes=(321,)),
    Scenario("cancelAccountUpdatesMulti", "a subscription", asking("cancelAccountUpdatesMulti", 5)),
    Scenario("reqPnL", "of the account", asking("reqPnL", 5, ACCOUNT, ""), ("pnl",)),
    Scenario("reqPnL", "of somebody else", asking("reqPnL", 5, FOREIGN, ""), codes=(321,)),
    Scenario("cancelPnL", "a subscription", asking("cancelPnL", 5)),
    Scenario("reqPnLSingle", "of a contract", asking("reqPnLSingle", 5, ACCOUNT, "", 11), ("pnlSingle",)),
    Scenario("reqPnLSingle", "of somebody else", asking("reqPnLSingle", 5, FOREIGN, "", 11), codes=(321,)),
    Scenario("cancelPnLSingle", "a subscription", asking("cancelPnLSingle", 5)),
    Scenario("reqManagedAccts", "the account", asking("reqManagedAccts"), ("managedAccounts",)),
    Scenario("reqFamilyCodes", "of the account", asking("reqFamilyCodes"), ("familyCodes",)),
    Scenario("reqUserInfo", "of the user", asking("reqUserInfo", 5), ("userInfo",)),
    Scenario("reqSoftDollarTiers", "of the account", asking("reqSoftDollarTiers", 5), ("softDollarTiers",)),
    Scenario("requestFA", "of an account that advises nobody", asking("requestFA", 1), codes=(321,)),
    Scenario("replaceFA", "of an account that advises nobody", asking("replaceFA", 5, 1, "<x/>"), codes=(321,)),
)  # fmt: skip

SCAN = thing("ScannerSubscription", numberOfRows=5, instrument="STK", locationCode="STK.US", scanCode="TOP_PERC_GAIN")
WISH = thing("WshEventData", conId=1)
ONE = ("ib_async",)


async def impatient(voice: Voice) -> None:
    """ib_async keeps to 45 a second unless it is told not to."""
    voice.client.MaxRequests = 0
    for _ in range(60):
        voice.say("reqIds", 1)
    await voice.until("error 100")
    await asyncio.sleep(1)


OTHERS = (
    Scenario("startApi", "a second time", asking("startApi"), codes=(321,)),
    Scenario("reqCurrentTime", "the time of the market", asking("reqCurrentTime"), ("currentTime",)),
    Scenario("reqIds", "the next order id", asking("reqIds", 1), ("nextValidId",)),
    Scenario("reqIds", "more often than fifty times a second", impatient, ("nextValidId",), codes=(100,), clients=ONE),
    Scenario("setServerLogLevel", "any level", asking("setServerLogLevel", 2)),
    Scenario("reqNewsBulletins", "bulletins, of which there are none", asking("reqNewsBulletins", True)),
    Scenario("cancelNewsBulletins", "a subscription", asking("cancelNewsBulletins")),
    Scenario("reqNewsProviders", "providers, of which there are none", asking("reqNewsProviders"),
             ("newsProviders",)),
    Scenario("reqNewsArticle", "an article", asking("reqNewsArticle", 5, "BRFG", "BRFG$0", []), codes=(10172,)),
    Scenario("reqHistoricalNews", "headlines", asking("reqHistoricalNews", 5, 1, "BRFG", "", "", 10, []),
             codes=(10276,)),
    Scenario("reqScannerParameters", "what can be scanned", asking("reqScannerParameters"), ("scannerParameters",)),
    Scenario("reqScannerSubscription", "a scan", asking("reqScannerSubscription", 5, SCAN, [], []), codes=(162,)),
    Scenario("cancelScannerSubscription", "a scan that was refused", asking("cancelScannerSubscription", 5),
             codes=(365,)),
    Scenario("reqFundamentalData", "a report", asking("reqFundamentalData", 5, INDEX, "ReportSnapshot", []),
             codes=(430,), clients=ONE),
    Scenario("cancelFundamentalData", "a report that was refused", asking("cancelFundamentalData", 5), codes=(300,),
             clients=ONE),
    Scenario("reqWshMetaData", "the calendar", asking("reqWshMetaData", 5), codes=(10276,)),
    Scenario("cancelWshMetaData", "that was refused", asking("cancelWshMetaData", 5), codes=(10280,)),
    Scenario("reqWshEventData", "events of a company", asking("reqWshEventData", 5, WISH), codes=(10276,)),
    Scenario("cancelWshEventData", "that were refused", asking("cancelWshEventData", 5), codes=(10284,)),
    Scenario("queryDisplayGroups", "groups of windows", asking("queryDisplayGroups", 5), codes=(321,)),
    Scenario("subscribeToGroupEvents", "a group", asking("subscribeToGroupEvents", 5, 1), codes=(321,)),
    Scenario("updateDisplayGroup", "a group", asking("updateDisplayGroup", 5, "1"), codes=(321,)),
    Scenario("unsubscribeFromGroupEvents", "a group", asking("unsubscribeFromGroupEvents", 5), codes=(321,)),
    Scenario("verifyRequest", "an authentication", asking("verifyRequest", "v6", "1"), codes=(321,), clients=ONE),
    Scenario("verifyMessage", "an authentication", asking("verifyMessage", "x"), codes=(321,)),
    Scenario("verifyAndAuthRequest", "an authentication", asking("verifyAndAuthRequest", "v6", "1", "k"),
             codes=(321,), clients=ONE),
    Scenario("verifyAndAuthMessage", "an authentication", asking("verifyAndAuthMessage", "x", "y"), codes=(321,)),
)  # fmt: skip
