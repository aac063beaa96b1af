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


def leg(reader: Reader) -> WireLeg:
    """Read the four fields that every leg of a combo begins with."""
    found = WireLeg(reader.integer("leg conId"), reader.integer("leg ratio"), reader.word("leg action"),
                  reader.word("leg exchange"))  # fmt: skip
    if found.action not in ("BUY", "SELL") or found.ratio < 1:
        raise Malformed(f"a leg needs BUY or SELL and a positive ratio: {found}")
    return found


def quotes(fields: Sequence[str]) -> QuoteRequest:
    """Parse reqMktData (1)."""
    reader = Reader(fields[1:])
    reader.integer("version")
    number = reader.integer("reqId")
    what = contract(reader)
    legs: tuple[WireLeg, ...] = ()
    if what.sec_type == "BAG":
        legs = tuple(leg(reader) for _ in range(reader.count("legs", 4)))
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
            leg(reader)
    keep = reader.flag("keepUpToDate")
    reader.word("chartOptions")
    reader.end()
    return HistoryRequest(number, what, end, size, duration, show, style, keep)
