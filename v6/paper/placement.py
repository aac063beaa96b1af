"""The layout of placeOrder (3), the longest message that a client sends, and its parsing to the last field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from v6.paper.codec import Malformed, Reader, names
from v6.paper.requests import WireContract, WireLeg, contract, decimal, leg


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """One placeOrder; `terms` holds every scalar field under ib_async's name for it, as it came."""

    order_id: int
    contract: WireContract
    legs: tuple[WireLeg, ...]
    terms: Mapping[str, str]
    extras: tuple[str, ...]
    """Names of the optional blocks that were present: conditions, algo, scale..."""

    def decimal(self, name: str) -> Decimal | None:
        """Return a price or size; unset is None."""
        return decimal(name, self.terms[name])

    def flag(self, name: str) -> bool:
        return self.terms[name] in ("1", "True")


PLACE_HEAD: Final = names(
    "secIdType secId action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef "
    "transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden"
)
PLACE_MIDDLE: Final = names(
    "sharesAllocation discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage modelCode "
    "shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty percentOffset "
    "eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice delta stockRangeLower "
    "stockRangeUpper overridePercentageConstraints volatility volatilityType deltaNeutralOrderType "
    "deltaNeutralAuxPrice"
)
PLACE_NEUTRAL: Final = names(
    "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
    "deltaNeutralOpenClose deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation"
)
PLACE_SCALE: Final = names(
    "continuousUpdate referencePriceType trailStopPrice trailingPercent scaleInitLevelSize scaleSubsLevelSize "
    "scalePriceIncrement"
)
PLACE_SCALE_MORE: Final = names(
    "scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset scaleInitPosition "
    "scaleInitFillQty scaleRandomPercent"
)
PLACE_HEDGE: Final = names("scaleTable activeStartTime activeStopTime hedgeType")
PLACE_CLEARING: Final = names("optOutSmartRouting clearingAccount clearingIntent notHeld")
PLACE_ALGO: Final = names("algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice")
PLACE_BENCH: Final = names(
    "referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount referenceExchangeId"
)
PLACE_TAIL: Final = names(
    "adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice adjustedTrailingAmount "
    "adjustableTrailingUnit extOperator softTierName softTierValue cashQty mifid2DecisionMaker mifid2DecisionAlgo "
    "mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice "
    "usePriceMgmtAlgo duration postToAts autoCancelParent advancedErrorOverride manualOrderTime"
)
CONDITION_WIDTH: Final = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""Fields after the type of a condition: price, time, margin, execution, volume, percent change."""

_WIDTHS: Final = (
    (PLACE_HEAD, 21), (PLACE_MIDDLE, 31), (PLACE_NEUTRAL, 8), (PLACE_SCALE, 7), (PLACE_SCALE_MORE, 7),
    (PLACE_HEDGE, 4), (PLACE_CLEARING, 4), (PLACE_ALGO, 6), (PLACE_BENCH, 5), (PLACE_TAIL, 24),
)  # fmt: skip
for _names, _width in _WIDTHS:
    assert len(_names) == _width, f"{_names[0]}..{_names[-1]}: {len(_names)} fields, not {_width}"


class _PlaceReader:
    """Reads one placeOrder; a class because every block may add to `terms` and `extras`."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.reader = Reader(fields[1:])
        self.terms: dict[str, str] = {}
        self.extras: list[str] = []

    def take(self, row: Sequence[str]) -> None:
        for name in row:
            self.terms[name] = self.reader.word(name)

    def combo(self) -> tuple[WireLeg, ...]:
        legs = []
        for _ in range(self.reader.count("legs", 8)):
            legs.append(leg(self.reader))
            for name in ("openClose", "shortSaleSlot", "designatedLocation", "exemptCode"):
                self.reader.word(name)
        prices = [self.reader.word("leg price") for _ in range(self.reader.count("leg prices", 1))]
        if any(decimal("leg price", p) is not None for p in prices):
            self.extras.append("leg prices")
        for _ in range(self.reader.count("routing parameters", 2)):
            tag, value = self.reader.word("tag"), self.reader.word("value")
            self.terms[f"routing {tag}"] = value
        return tuple(legs)

    def blocks(self) -> None:
        self.take(PLACE_MIDDLE)
        if self.terms["deltaNeutralOrderType"]:
            self.take(PLACE_NEUTRAL)
            if self.terms["deltaNeutralOrderType"] != "None":
                self.extras.append("delta neutral order")
        self.take(PLACE_SCALE)
        increment = decimal("scalePriceIncrement", self.terms["scalePriceIncrement"])
        if increment is not None and increment > 0:
            self.take(PLACE_SCALE_MORE)
            self.extras.append("scale order")
        self.take(PLACE_HEDGE)
        if self.terms["hedgeType"]:
            self.take(("hedgeParam",))
            self.extras.append("hedge order")
        self.take(PLACE_CLEARING)
        if self.reader.flag("deltaNeutral"):
            self.take(("dncConId", "dncDelta", "dncPrice"))
            self.extras.append("delta neutral contract")
        self.take(("algoStrategy",))
        if self.terms["algoStrategy"]:
            self.extras.append("algo order")
            for _ in range(2 * self.reader.count("algo parameters", 2)):
                self.reader.word("algo parameter")
        self.take(PLACE_ALGO)
        if self.terms["orderType"] in ("PEG BENCH", "PEGBENCH"):
            self.take(PLACE_BENCH)

    def conditions(self) -> None:
        n = self.reader.count("conditions", 4)
        for _ in range(n):
            kind = self.reader.integer("condition type")
            if kind not in CONDITION_WIDTH:
                raise Malformed(f"condition type {kind}")
            for _ in range(CONDITION_WIDTH[kind]):
                self.reader.word("condition")
        if n:
            self.take(("conditionsIgnoreRth", "conditionsCancelOrder"))
            self.extras.append("conditions")

    def tail(self, exchange: str) -> None:
        self.take(PLACE_TAIL)
        if exchange == "IBKRATS":
            self.take(("minTradeQty",))
        kind = self.terms["orderType"]
        if kind in ("PEG BEST", "PEGBEST"):
            self.take(("minCompeteSize", "competeAgainstBestOffset"))
        if kind in ("PEG MID", "PEGMID") or self.terms.get("competeAgainstBestOffset") == "Infinite":
            self.take(("midOffsetAtWhole", "midOffsetAtHalf"))


def place_order(fields: Sequence[str]) -> PlaceOrder:
    """Parse placeOrder (3) to its last field."""
    place = _PlaceReader(fields)
    order_id = place.reader.integer("orderId")
    what = contract(place.reader)
    place.take(PLACE_HEAD)
    legs = place.combo() if what.sec_type == "BAG" else ()
    place.blocks()
    place.conditions()
    place.tail(what.exchange)
    place.reader.end()
    return PlaceOrder(order_id, what, legs, place.terms, tuple(place.extras))
