"""The names of what the server sends, by message id: those of the callbacks that the clients make of them."""

MESSAGE_NAMES = {
    1: "tickPrice", 2: "tickSize", 3: "orderStatus", 5: "openOrder", 6: "updateAccountValue", 7: "updatePortfolio",
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
