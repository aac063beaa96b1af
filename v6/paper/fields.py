"""The layouts of what the server sends at version 178, as tables; each width is the decoder's own count."""

from __future__ import annotations

from typing import Final

from v6.paper.codec import Message, message, names

S11: Final = "conId symbol secType lastTradeDate strike right multiplier exchange currency localSymbol tradingClass"

TICK_PRICE = message(1, 6, 7, "reqId type price size attrMask")
TICK_SIZE = message(2, 6, 5, "reqId type size")
TICK_OPTION = message(21, None, 12, "reqId type attrib iv delta price pvDividend gamma vega theta underlying")
TICK_GENERIC = message(45, 6, 5, "reqId type value")
TICK_STRING = message(46, 6, 5, "reqId type value")
SNAPSHOT_END = message(57, 1, 3, "reqId")
LIVENESS = message(58, 1, 4, "reqId type")
TICK_REQ_PARAMS = message(81, None, 5, "reqId minTick bboExchange snapshotPermissions")

ORDER_STATUS = message(
    3, None, 12,
    "orderId status filled remaining avgFillPrice permId parentId lastFillPrice clientId whyHeld mktCapPrice",
)  # fmt: skip
ERROR = message(4, 2, 6, "reqId code text advancedOrderRejectJson")

ACCOUNT_VALUE = message(6, 2, 6, "tag value currency account")
PORTFOLIO = message(
    7, 8, 20,
    "conId symbol secType lastTradeDate strike right multiplier primaryExchange currency localSymbol tradingClass "
    "position marketPrice marketValue averageCost unrealizedPNL realizedPNL account",
)  # fmt: skip
ACCOUNT_TIME = message(8, 1, 3, "time")
ACCOUNT_END = message(54, 1, 3, "account")
MULTI = message(73, 1, 8, "reqId account modelCode tag value currency")
MULTI_END = message(74, 1, 3, "reqId")
SUMMARY = message(63, 1, 7, "reqId account tag value currency")
SUMMARY_END = message(64, 1, 3, "reqId")
POSITION = message(61, 3, 16, f"account {S11} position avgCost")
POSITION_END = message(62, 1, 2, "")
PNL = message(94, None, 5, "reqId daily unrealized realized")
PNL_SINGLE = message(95, None, 7, "reqId position daily unrealized realized value")

NEXT_VALID_ID = message(9, 1, 3, "orderId")
MANAGED_ACCOUNTS = message(15, 1, 3, "accounts")
CURRENT_TIME = message(49, 1, 3, "epoch")

CONTRACT = message(
    10, None, 40,
    "reqId symbol secType lastTrade strike right exchange currency localSymbol marketName tradingClass conId minTick "
    "multiplier orderTypes validExchanges priceMagnifier underConId longName primaryExchange contractMonth industry "
    "category subcategory timeZoneId tradingHours liquidHours evRule evMultiplier secIdCount aggGroup underSymbol "
    "underSecType marketRuleIds realExpirationDate stockType minSize sizeIncrement suggestedSizeIncrement",
)  # fmt: skip
CONTRACT_END = message(52, 1, 3, "reqId")
OPTION_PARAMS_END = message(76, None, 2, "reqId")
POSITION_MULTI = message(71, 1, 18, f"reqId account {S11} position avgCost modelCode")
POSITION_MULTI_END = message(72, 1, 3, "reqId")
SCANNER_PARAMETERS = message(19, 1, 3, "xml")
USER_INFO = message(107, None, 3, "reqId whiteBrandingId")
HEAD_TIMESTAMP = message(88, None, 3, "reqId timestamp")
HISTORY_UPDATE = message(90, None, 10, "reqId count date open close high low average volume")
REAL_TIME_BAR = message(50, 3, 11, "reqId time open high low close volume average count")
# Tick-by-tick has one layout per kind; the kind stands in the message.
TICK_BID_ASK = message(99, None, 9, "reqId kind time bid ask bidSize askSize attrMask")
TICK_MID_POINT = message(99, None, 5, "reqId kind time midPoint")
TICK_LAST = message(99, None, 9, "reqId kind time price size attrMask exchange conditions")

# Messages with counted blocks inside, which have an id and no table.
OPTION_PARAMS_ID: Final = 75
MARKET_RULE_ID: Final = 93
HISTORY_ID: Final = 17
SOFT_DOLLAR_TIERS_ID: Final = 77
FAMILY_CODES_ID: Final = 78
SYMBOL_SAMPLES_ID: Final = 79
DEPTH_EXCHANGES_ID: Final = 80
SMART_COMPONENTS_ID: Final = 82
NEWS_PROVIDERS_ID: Final = 85
HISTORICAL_TICKS_ID: Final = 96
HISTORICAL_BID_ASK_ID: Final = 97
HISTORICAL_LAST_ID: Final = 98
SCHEDULE_ID: Final = 106

EXECUTION = message(
    11, None, 32,
    f"reqId orderId {S11} execId time account exchange side shares price permId clientId liquidation cumQty avgPrice "
    "orderRef evRule evMultiplier modelCode lastLiquidity pendingPriceRevision",
)  # fmt: skip
EXECUTION_END = message(55, 1, 3, "reqId")
COMMISSION = message(59, 1, 8, "execId commission currency realizedPNL yield yieldRedemptionDate")
OPEN_ORDER_END = message(53, 1, 2, "")
COMPLETED_END = message(102, None, 1, "")

# openOrder (5) and completedOrder (101) have counted blocks inside; these are the stretches between the counts. The
# eight (four) `deltaNeutral...` fields are there because a real gateway writes deltaNeutralOrderType as "None".
OPEN_ORDER_ID: Final = 5
OPEN_HEAD: Final = names(
    f"orderId {S11} action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef "
    "clientId permId outsideRth hidden discretionaryAmt goodAfterTime sharesAllocation faGroup faMethod faPercentage "
    "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode "
    "auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize blockOrder "
    "sweepToFill allOrNone minQty ocaType eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility "
    "volatilityType deltaNeutralOrderType deltaNeutralAuxPrice deltaNeutralConId deltaNeutralSettlingFirm "
    "deltaNeutralClearingAccount deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale "
    "deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation continuousUpdate referencePriceType trailStopPrice "
    "trailingPercent basisPoints basisPointsType comboLegsDescrip"
)
OPEN_SCALE: Final = names("scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement hedgeType")
OPEN_CLEARING: Final = names("optOutSmartRouting clearingAccount clearingIntent notHeld deltaNeutralPresent")
OPEN_STATE: Final = names(
    "algoStrategy solicited whatIf status initMarginBefore maintMarginBefore equityWithLoanBefore initMarginChange "
    "maintMarginChange equityWithLoanChange initMarginAfter maintMarginAfter equityWithLoanAfter commission "
    "minCommission maxCommission commissionCurrency warningText randomizeSize randomizePrice conditionCount "
    "adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice "
    "adjustedTrailingAmount adjustableTrailingUnit softTierName softTierValue softTierDisplayName cashQty "
    "dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo duration postToAts "
    "autoCancelParent minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
)

COMPLETED_ORDER_ID: Final = 101
COMPLETED_HEAD: Final = names(
    f"{S11} action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef permId "
    "outsideRth hidden discretionaryAmt goodAfterTime faGroup faMethod faPercentage modelCode goodTillDate rule80A "
    "percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode startingPrice stockRefPrice delta "
    "stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone minQty ocaType triggerMethod volatility "
    "volatilityType deltaNeutralOrderType deltaNeutralAuxPrice deltaNeutralConId deltaNeutralShortSale "
    "deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation continuousUpdate referencePriceType trailStopPrice "
    "trailingPercent comboLegsDescrip"
)
COMPLETED_CLEARING: Final = names("clearingAccount clearingIntent notHeld deltaNeutralPresent")
COMPLETED_STATE: Final = names(
    "algoStrategy solicited status randomizeSize randomizePrice conditionCount trailStopPrice lmtPriceOffset cashQty "
    "dontUseAutoPriceForHedge isOmsContainer autoCancelDate filledQuantity refFuturesConId autoCancelParent "
    "shareholder imbalanceOnly routeMarketableToBbo parentPermId completedTime completedStatus minTradeQty "
    "minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
)


TABLES: Final[dict[int, Message]] = {
    table.msg_id: table for table in list(globals().values()) if isinstance(table, Message) and table.msg_id != 99
}
"""Every message of fixed layout by its id; tick by tick (99) has one layout per kind and is left out."""


def error(number: int, code: int, reason: str) -> bytes:
    """Return an error message; number is a request or order id, or -1."""
    return ERROR.encode(number, code, reason, "")


WIDTHS: Final = (
    (OPEN_HEAD, 77),
    (OPEN_SCALE, 4),
    (OPEN_CLEARING, 5),
    (OPEN_STATE, 45),
    (COMPLETED_HEAD, 62),
    (COMPLETED_CLEARING, 4),
    (COMPLETED_STATE, 26),
)
for _names, _width in WIDTHS:
    assert len(_names) == _width, f"{_names[0]}..{_names[-1]}: {len(_names)} fields, not {_width}"
