"""The layouts of requests beyond what a trading desk needs, and the names of all requests at version 178."""

from __future__ import annotations

from typing import Final

from v6.paper.codec import names
from v6.paper.fields import S11
from v6.paper.requests import C12

MORE_TABLES: Final[dict[int, tuple[str, ...]]] = {
    number: names(row)
    for number, row in {
        12: "version all",
        13: "version",
        21: f"version reqId {S11} exerciseAction exerciseQuantity account override",
        24: "version",
        50: f"version reqId {C12} barSize whatToShow useRTH options",
        51: "version reqId",
        56: "version reqId",
        57: "version reqId",
        74: "version reqId account modelCode",
        75: "version reqId",
        79: "reqId",
        80: "",
        81: "reqId pattern",
        82: "",
        83: "reqId bboExchange",
        85: "",
        87: f"reqId {C12} includeExpired useRTH whatToShow formatDate",
        90: "reqId",
        96: f"reqId {C12} includeExpired start end count whatToShow useRTH ignoreSize options",
        97: f"reqId {C12} kind count ignoreSize",
        98: "reqId",
        104: "reqId",
    }.items()
}
"""Requests of fixed length: the names of the fields after the id."""

REQUEST_NAMES: Final[dict[int, str]] = {
    1: "reqMktData", 2: "cancelMktData", 3: "placeOrder", 4: "cancelOrder", 5: "reqOpenOrders",
    6: "reqAccountUpdates", 7: "reqExecutions", 8: "reqIds", 9: "reqContractDetails", 10: "reqMktDepth",
    11: "cancelMktDepth", 12: "reqNewsBulletins", 13: "cancelNewsBulletins", 14: "setServerLogLevel",
    15: "reqAutoOpenOrders", 16: "reqAllOpenOrders", 17: "reqManagedAccts", 18: "requestFA", 19: "replaceFA",
    20: "reqHistoricalData", 21: "exerciseOptions", 22: "reqScannerSubscription", 23: "cancelScannerSubscription",
    24: "reqScannerParameters", 25: "cancelHistoricalData", 49: "reqCurrentTime", 50: "reqRealTimeBars",
    51: "cancelRealTimeBars", 52: "reqFundamentalData", 53: "cancelFundamentalData",
    54: "calculateImpliedVolatility", 55: "calculateOptionPrice", 56: "cancelCalculateImpliedVolatility",
    57: "cancelCalculateOptionPrice", 58: "reqGlobalCancel", 59: "reqMarketDataType", 61: "reqPositions",
    62: "reqAccountSummary", 63: "cancelAccountSummary", 64: "cancelPositions", 65: "verifyRequest",
    66: "verifyMessage", 67: "queryDisplayGroups", 68: "subscribeToGroupEvents", 69: "updateDisplayGroup",
    70: "unsubscribeFromGroupEvents", 71: "startApi", 72: "verifyAndAuthRequest", 73: "verifyAndAuthMessage",
    74: "reqPositionsMulti", 75: "cancelPositionsMulti", 76: "reqAccountUpdatesMulti",
    77: "cancelAccountUpdatesMulti", 78: "reqSecDefOptParams", 79: "reqSoftDollarTiers", 80: "reqFamilyCodes",
    81: "reqMatchingSymbols", 82: "reqMktDepthExchanges", 83: "reqSmartComponents", 84: "reqNewsArticle",
    85: "reqNewsProviders", 86: "reqHistoricalNews", 87: "reqHeadTimeStamp", 88: "reqHistogramData",
    89: "cancelHistogramData", 90: "cancelHeadTimeStamp", 91: "reqMarketRule", 92: "reqPnL", 93: "cancelPnL",
    94: "reqPnLSingle", 95: "cancelPnLSingle", 96: "reqHistoricalTicks", 97: "reqTickByTickData",
    98: "cancelTickByTickData", 99: "reqCompletedOrders", 100: "reqWshMetaData", 101: "cancelWshMetaData",
    102: "reqWshEventData", 103: "cancelWshEventData", 104: "reqUserInfo",
}  # fmt: skip
"""Every request of the protocol at version 178, under the name of the call in both clients."""

MESSAGE_NAMES: Final[dict[int, str]] = {
    1: "tickPrice", 2: "tickSize", 3: "orderStatus", 4: "error", 5: "openOrder", 6: "updateAccountValue",
    7: "updatePortfolio",
    8: "updateAccountTime", 9: "nextValidId", 10: "contractDetails", 11: "execDetails", 15: "managedAccounts",
    17: "historicalData", 19: "scannerParameters", 21: "tickOptionComputation", 45: "tickGeneric", 46: "tickString",
    49: "currentTime", 50: "realtimeBar", 52: "contractDetailsEnd", 53: "openOrderEnd", 54: "accountDownloadEnd",
    55: "execDetailsEnd", 57: "tickSnapshotEnd", 58: "marketDataType", 59: "commissionReport", 61: "position",
    62: "positionEnd", 63: "accountSummary", 64: "accountSummaryEnd", 71: "positionMulti", 72: "positionMultiEnd",
    73: "accountUpdateMulti", 74: "accountUpdateMultiEnd", 75: "securityDefinitionOptionParameter",
    76: "securityDefinitionOptionParameterEnd", 77: "softDollarTiers", 78: "familyCodes", 79: "symbolSamples",
    80: "mktDepthExchanges", 81: "tickReqParams", 82: "smartComponents", 85: "newsProviders", 88: "headTimestamp",
    90: "historicalDataUpdate", 93: "marketRule", 94: "pnl", 95: "pnlSingle", 96: "historicalTicks",
    97: "historicalTicksBidAsk", 98: "historicalTicksLast", 99: "tickByTick", 101: "completedOrder",
    102: "completedOrdersEnd", 106: "historicalSchedule", 107: "userInfo",
}  # fmt: skip
"""What the server sends: the names of the callbacks that clients make of the messages."""
