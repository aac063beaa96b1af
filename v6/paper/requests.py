"""The layouts of what a client sends at version 178, and their parsing; nothing is read past or left unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from v6.paper.codec import UNSET_DOUBLE, Malformed, Reader, names

C12: Final = (
    "conId symbol secType lastTradeDate strike right multiplier exchange primaryExchange currency localSymbol "
    "tradingClass"
)

TABLES: Final[dict[int, tuple[str, ...]]] = {
    number: names(row)
    for number, row in {
        2: "version reqId",
        4: "version orderId manualCancelTime",
        5: "version",
        6: "version subscribe account",
        7: "version reqId clientId account time symbol secType exchange side",
        8: "version count",
        9: f"version reqId {C12} includeExpired secIdType secId issuerId",
        14: "version level",
        15: "version autoBind",
        16: "version",
        17: "version",
        25: "version reqId",
        49: "version",
        58: "version",
        59: "version type",
        61: "version",
        62: "version reqId group tags",
        63: "version reqId",
        64: "version",
        71: "version clientId optionalCapabilities",
        76: "version reqId account modelCode ledgerAndNLV",
        77: "version reqId",
        78: "reqId symbol futFopExchange secType conId",
        91: "ruleId",
        92: "reqId account modelCode",
        93: "reqId",
        94: "reqId account modelCode conId",
        95: "reqId",
        99: "apiOnly",
    }.items()
}
"""Requests of fixed length: the names of the fields after the id."""

LARGEST: Final = 15
"""Decimal digits beyond which a number is not meant: 1E999999999 must not become an integer."""

UNSET: Final = frozenset(("", UNSET_DOUBLE, "1.7976931348623157e+308", "2147483647", "-9223372036854775808"))
"""How clients write a number that is not given: empty, or the largest of its type (the official client)."""

REQ_ID_AT: Final[dict[int, int]] = {
    1: 2, 2: 2, 3: 1, 4: 2, 7: 2, 9: 2, 10: 2, 11: 2, 19: 4, 20: 1, 21: 2, 22: 1, 23: 2, 25: 2, 50: 2, 51: 2, 52: 2,
    53: 2, 54: 2, 55: 2, 56: 2, 57: 2, 62: 2, 63: 2, 67: 2, 68: 2, 69: 2, 70: 2, 74: 2, 75: 2, 76: 2, 77: 2, 78: 1,
    79: 1, 81: 1, 83: 1, 84: 1, 86: 1, 87: 1, 88: 1, 89: 1, 90: 1, 92: 1, 93: 1, 94: 1, 95: 1, 96: 1, 97: 1, 98: 1,
    100: 1, 101: 1, 102: 1, 103: 1, 104: 1,
}  # fmt: skip
"""Where the request (or order) id stands, counted from the message id; for error replies to what we cannot read."""


def req_id(fields: Sequence[str]) -> int:
    """Return the id that an error about this message must carry, or -1."""
    try:
        return int(fields[REQ_ID_AT[int(fields[0])]])
    except (KeyError, IndexError, ValueError):
        return -1


def parse(msg_id: int, fields: Sequence[str], tables: Mapping[int, tuple[str, ...]] = TABLES) -> dict[str, str]:
    """Return the named fields of a request of fixed length; raise Malformed if the count is wrong."""
    row = tables[msg_id]
    body = fields[1:]
    if len(body) != len(row):
        raise Malformed(f"request {msg_id} has {len(body)} fields after its id, not {len(row)}")
    return dict(zip(row, body, strict=True))


@dataclass(frozen=True, slots=True)
class WireContract:
    """A contract as a client names it; empty means anything."""

    con_id: int
    symbol: str
    sec_type: str
    last_trade: str
    strike: str
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str


@dataclass(frozen=True, slots=True)
class WireLeg:
    con_id: int
    ratio: int
    action: str
    exchange: str

    @property
    def signed(self) -> int:
        """Return the ratio with the sign of the action, as if the combo were bought."""
        return self.ratio if self.action == "BUY" else -self.ratio


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    req_id: int
    contract: WireContract
    legs: tuple[WireLeg, ...]
    snapshot: bool
    generic: tuple[str, ...] = ()
    """Numbers of the generic ticks asked for besides the ordinary ones."""


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    req_id: int
    contract: WireContract
    end: str
    bar_size: str
    duration: str
    what: str
    format_date: int
    keep_up_to_date: bool


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


def decimal(name: str, field: str) -> Decimal | None:
    """Return a finite number, or None for an empty or unset field."""
    if field in UNSET:
        return None
    try:
        value = Decimal(field)
    except InvalidOperation:
        raise Malformed(f"{name} is not a number: {field!r}") from None
    if not value.is_finite() or not -LARGEST < value.adjusted() < LARGEST:
        raise Malformed(f"{name} is out of range: {field!r}")
    return value


def integer(name: str, field: str) -> int:
    """Return an integer; empty is 0."""
    try:
        return int(field or 0)
    except ValueError:
        raise Malformed(f"{name} is not an integer: {field!r}") from None


def contract(reader: Reader) -> WireContract:
    """Read the twelve fields of a contract."""
    con_id = reader.integer("conId")
    return WireContract(con_id, *(reader.word(name) for name in C12.split()[1:]))


def contract_of(fields: Mapping[str, str]) -> WireContract:
    """Return the contract of a parsed request."""
    return contract(Reader([fields[name] for name in C12.split()]))


def _leg(reader: Reader) -> WireLeg:
    leg = WireLeg(reader.integer("leg conId"), reader.integer("leg ratio"), reader.word("leg action"),
                  reader.word("leg exchange"))  # fmt: skip
    if leg.action not in ("BUY", "SELL") or leg.ratio < 1:
        raise Malformed(f"a leg needs BUY or SELL and a positive ratio: {leg}")
    return leg


def quotes(fields: Sequence[str]) -> QuoteRequest:
    """Parse reqMktData (1)."""
    reader = Reader(fields[1:])
    reader.integer("version")
    number = reader.integer("reqId")
    what = contract(reader)
    legs: tuple[WireLeg, ...] = ()
    if what.sec_type == "BAG":
        legs = tuple(_leg(reader) for _ in range(reader.count("legs", 4)))
    if reader.flag("deltaNeutral"):
        for name in ("conId", "delta", "price"):
            reader.word(name)
    generic = tuple(word.strip() for word in reader.word("genericTicks").split(",") if word.strip())
    snapshot = reader.flag("snapshot")
    regulatory = reader.flag("regulatorySnapshot")
    reader.word("options")
    reader.end()
    return QuoteRequest(number, what, legs, snapshot or regulatory, generic)


def history(fields: Sequence[str]) -> HistoryRequest:
    """Parse reqHistoricalData (20)."""
    reader = Reader(fields[1:])
    number = reader.integer("reqId")
    what = contract(reader)
    reader.flag("includeExpired")
    end, size, duration = (reader.word(n) for n in ("endDateTime", "barSize", "duration"))
    reader.flag("useRTH")
    show = reader.word("whatToShow")
    style = reader.integer("formatDate")
    if what.sec_type == "BAG":
        for _ in range(reader.count("legs", 4)):
            _leg(reader)
    keep = reader.flag("keepUpToDate")
    reader.word("chartOptions")
    reader.end()
    return HistoryRequest(number, what, end, size, duration, show, style, keep)


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
            legs.append(_leg(self.reader))
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
