"""Market data lines: what each subscriber was last told, and the bytes that tell what has changed since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from v6.model.contract import Leg, SecType
from v6.paper.codec import frame
from v6.paper.fields import (
    LIVENESS,
    SNAPSHOT_END,
    TICK_GENERIC,
    TICK_OPTION,
    TICK_PRICE,
    TICK_REQ_PARAMS,
    TICK_SIZE,
    TICK_STRING,
)
from v6.paper.listing import RULES, rule_of
from v6.paper.matching import book_of
from v6.paper.ports import Halt, Mark, Payout
from v6.paper.sides import Sides

BID, ASK, LAST, CLOSE = 1, 2, 4, 9
BID_SIZE, ASK_SIZE = 0, 3
MODEL: Final = 13
HALTED: Final = 49
IB_DIVIDENDS: Final = 59
DIVIDENDS: Final = "456"
"""The generic tick that a client names to be told of dividends."""
LIVE, FROZEN = 1, 2
BBO_EXCHANGE: Final = "9c0001"
"""The name of the exchanges behind our quotes, which reqSmartComponents spells out."""

NOTHING_PAID: Final[Mapping[int, Payout | None]] = {}

# The hot path writes the fields as text itself; the tables stay the authority on their number.
assert len(TICK_PRICE.names) == 5
assert len(TICK_SIZE.names) == 3
assert len(TICK_OPTION.names) == 11


@dataclass(slots=True)
class Line:
    """One subscription of one session; `told` is the last value sent per tick type."""

    req_id: int
    legs: tuple[Leg, ...]
    is_bag: bool
    kind: int = LIVE
    told: dict[int, tuple[float, ...]] = field(default_factory=dict)
    wants_dividends: bool = False
    payout: Payout | None = None
    halted: bool = False
    sides: Sides | None = None
    """What tells the computations of bid, ask and last, of an option in a gateway that serves them."""

    @property
    def con_ids(self) -> list[int]:
        return [leg.contract.con_id for leg in self.legs]

    def header(self) -> bytes:
        """Return what precedes the first tick: the kind of the prices (live, frozen) and the tick size."""
        tick = 0.05 if self.is_bag else RULES[rule_of(self.legs[0].contract)][0][1]
        return self.turn(self.kind) + TICK_REQ_PARAMS.encode(self.req_id, tick, BBO_EXCHANGE, 3)

    def turn(self, kind: int) -> bytes:
        """Return the message that the prices of this line are live or frozen from now on."""
        self.kind = kind
        return LIVENESS.encode(self.req_id, kind)

    def dividends(self, payout: Payout | None) -> bytes:
        """Return the dividends, `0.83,0.92,20130219,0.23`, if they were asked for and are not what was last told."""
        if not self.wants_dividends or payout is None or payout == self.payout:
            return b""
        self.payout = payout
        day = "" if payout.ex_day is None else f"{payout.ex_day:%Y%m%d}"
        past, coming, amount = (
            "" if x is None else repr(float(x)) for x in (payout.past_year, payout.next_year, payout.amount)
        )
        return TICK_STRING.encode(self.req_id, IB_DIVIDENDS, f"{past},{coming},{day},{amount}")

    def halt(self, halt: Halt | None) -> bytes:
        """Return what tells that trading is halted (1) or goes on (0), if that is news, and the end of the quotes.

        An index is no contract that could be halted.
        """
        kind = self.legs[0].contract.sec_type
        if kind is SecType.INDEX or (halt is not None) == self.halted:
            return b""
        self.halted = halt is not None
        out = [TICK_GENERIC.encode(self.req_id, HALTED, float(self.halted))]
        if halt is Halt.QUOTES:
            self._book(out, None, 0, -1.0, 0)
        return b"".join(out)

    def end(self) -> bytes:
        """Return the end of a snapshot."""
        return SNAPSHOT_END.encode(self.req_id)

    def ticks(self, marks: Mapping[int, Mark | None], *, quoted: bool = True) -> list[bytes]:
        """Return the ticks for what has changed; nothing at all for a contract without a market.

        `quoted` is False while the exchange is closed and no frozen quotes were asked for: there is no book then.
        """
        if self.is_bag:
            return self._combo([marks.get(con_id) for con_id in self.con_ids]) if quoted else []
        mark = marks.get(self.legs[0].contract.con_id)
        if mark is None:
            return []
        out: list[bytes] = []
        kind = self.legs[0].contract.sec_type
        if kind is not SecType.INDEX and quoted:
            self._book(out, mark.bid, mark.bid_size, mark.ask, mark.ask_size)
        if kind is SecType.OPTION:
            if quoted:
                self._greeks(out, mark)
                if self.sides is not None:
                    out += self.sides.ticks(self.req_id, mark)
        else:
            # An index has no book; TWS sends its value as the last price, without a size.
            self._price(out, LAST, mark.price, 0 if kind is SecType.INDEX else 1)
        self._price(out, CLOSE, mark.close, 0)
        return out

    def _combo(self, marks: Sequence[Mark | None]) -> list[bytes]:
        book = book_of([leg.ratio for leg in self.legs], marks)
        out: list[bytes] = []
        if book is not None:
            bid = None if book.bid is None else float(book.bid)
            self._book(out, bid, min(m.bid_size for m in marks if m), float(book.ask),
                       min(m.ask_size for m in marks if m))  # fmt: skip
        return out

    def _book(self, out: list[bytes], bid: float | None, bid_size: int, ask: float, ask_size: int) -> None:
        self._side(out, BID, BID_SIZE, -1.0 if bid is None else bid, 0 if bid is None else bid_size)
        self._side(out, ASK, ASK_SIZE, ask, ask_size)

    def _side(self, out: list[bytes], kind: int, size_kind: int, price: float, size: int) -> None:
        told = self.told.get(kind)
        if told == (price, size):
            return
        self.told[kind] = (price, size)
        if told is not None and told[0] == price and size:
            out.append(frame(("2", "6", str(self.req_id), str(size_kind), str(size))))
        else:
            out.append(frame(("1", "6", str(self.req_id), str(kind), repr(price), str(size), "0")))

    def _price(self, out: list[bytes], kind: int, price: float, size: int) -> None:
        if self.told.get(kind) != (price,):
            self.told[kind] = (price,)
            out.append(frame(("1", "6", str(self.req_id), str(kind), repr(price), str(size), "0")))

    def _greeks(self, out: list[bytes], mark: Mark) -> None:
        if mark.iv is None or mark.delta is None or mark.underlying is None:
            return
        # -2 is TWS's own sign for a greek that it has not computed.
        gamma, vega, theta = (-2.0 if g is None else g for g in (mark.gamma, mark.vega, mark.theta))
        values = (mark.iv, mark.delta, mark.price, 0.0, gamma, vega, theta, mark.underlying)
        if self.told.get(MODEL) != values:
            self.told[MODEL] = values
            out.append(frame(("21", str(self.req_id), str(MODEL), "0", *map(repr, values))))


@dataclass(slots=True)
class Lines:
    """The lines of one session by request id."""

    kind: int = LIVE
    by_id: dict[int, Line] = field(default_factory=dict)

    def ticks(
        self,
        marks: Mapping[int, Mark | None],
        payouts: Mapping[int, Payout | None] = NOTHING_PAID,
        halt: Halt | None = None,
        told: Callable[[int], None] | None = None,
    ) -> bytes:
        """Return one buffer for all lines, in a session; `payouts` by con_id are of the lines that want dividends.

        `told` is called with the con_id of each contract of which there is something to tell.
        """
        out: list[bytes] = []
        for line in self.by_id.values():
            if line.kind != LIVE:
                out.append(line.turn(LIVE))
            out.append(line.halt(halt))
            ticks = line.ticks(marks)
            out += ticks
            if ticks and told is not None and not line.is_bag:
                told(line.con_ids[0])
            if line.wants_dividends:
                out.append(line.dividends(payouts.get(line.con_ids[0])))
        return b"".join(out)

    def freeze(self) -> bytes:
        """Return what ends the session: prices stand as they are, for those who asked for frozen ones."""
        if self.kind not in (2, 4):
            return b""
        return b"".join(line.turn(FROZEN) for line in self.by_id.values())
