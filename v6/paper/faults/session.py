"""A session whose line can be cut, slowed, garbled and silenced."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from v6.paper.codec import frame, split
from v6.paper.faults.script import Act, Fault
from v6.paper.fields import EXECUTION, TABLES, error
from v6.paper.requests import req_id
from v6.paper.session import Session, Stage

if TYPE_CHECKING:
    from v6.paper.faults.engine import Faults
    from v6.paper.gateway import PaperGateway

MARKET_MESSAGES: Final = frozenset({1, 2, 21, 45, 46, 50, 57, 58, 81, 90, 99})
ORDER_MESSAGES: Final = frozenset({3, 5, 11, 59})
ORDER_REQUESTS: Final = frozenset({3, 4, 58})
TEXTS: Final[dict[int, str]] = {
    100: "Max rate of messages per second has been exceeded.",
    101: "Max number of tickers has been reached",
    103: "Duplicate order id",
    110: "The price does not conform to the minimum price variation for this contract.",
    161: "Cancel attempted when order is not in a cancellable state.",
    201: "Order rejected - reason:",
    202: "Order Canceled - reason:",
    321: "Error validating request.",
    354: "Requested market data is not subscribed.",
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
    2103: "Market data farm connection is broken:usopt",
    2104: "Market data farm connection is OK:usopt",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    10089: "Requested market data requires additional subscription for API.",
    10147: "OrderId that needs to be cancelled is not found.",
    10197: "No market data during competing live session",
    10349: "Order TIF was set to DAY based on order preset.",
}
"""What TWS says with a code; a script may say something else."""

_JUST_AFTER_S: Final = 0.001


def frames(message: bytes) -> Iterator[bytes]:
    """Yield the frames of a buffer that holds whole ones."""
    at = 0
    while at < len(message):
        (length,) = struct.unpack_from(">I", message, at)
        yield message[at : at + 4 + length]
        at += 4 + length


def garbled(whole: bytes) -> bytes:
    """Return a frame with a true length and the last third of its fields gone."""
    fields = split(whole[4:])
    return frame(fields[: max(1, len(fields) * 2 // 3)])


def rewritten(whole: bytes, changes: Sequence[tuple[str, str]]) -> bytes:
    """Return a frame of fixed layout with some fields replaced, by name."""
    fields = split(whole[4:])
    table = TABLES[int(fields[0])]
    head = 1 if table.version is None else 2
    for name, new in changes:
        fields[head + table.names.index(name)] = new
    return frame(fields)


def corrected(whole: bytes, dollars: float) -> bytes:
    """Return the correction of an execDetails: the same execution as its next revision, at another price."""
    fields = dict(zip(EXECUTION.names, split(whole[4:])[1:], strict=True))
    stem, _, revision = fields["execId"].rpartition(".")
    price = repr(round(float(fields["price"]) + dollars, 4))
    return rewritten(whole, (("execId", f"{stem}.{int(revision) + 1:02d}"), ("price", price), ("avgPrice", price)))


@dataclass(slots=True)
class _Held:
    """A message that lets `left` others go first."""

    left: int
    one: bytes


class FaultySession(Session):
    """What goes out and what comes in passes the faults first."""

    def __init__(self, gateway: PaperGateway, faults: Faults) -> None:
        super().__init__(gateway)
        self._faults = faults
        self._later: list[_Held] = []
        self._outage = False
        self._frozen = False
        self._kept_back: list[bytes] = []
        self._waiting: list[Sequence[str]] = []
        self._queue: deque[Sequence[str]] = deque()

    # -- out

    def send(self, message: bytes) -> None:
        for one in frames(message):
            self._send_one(one)

    def _send_one(self, one: bytes) -> None:
        head = one[4 : one.index(b"\0", 4)]
        number = int(head) if head.isdigit() else -1
        if self._frozen or (self._outage and number in ORDER_MESSAGES):
            self._kept_back.append(one)
            return
        if self._outage and number in MARKET_MESSAGES:
            return
        fault = self._faults.on_sent(self.client_id, number) if self.stage is Stage.READY else None
        if fault is None:
            self._out(one)
        else:
            self._spoil(fault, one)

    def _spoil(self, fault: Fault, one: bytes) -> None:
        match fault.act:
            case Act.DELAY:
                asyncio.get_running_loop().call_later(fault.number, self._out, one)
            case Act.DUPLICATE:
                for _ in range(1 + int(fault.number)):
                    self._out(one)
            case Act.HOLD:
                self._later.append(_Held(int(fault.number), one))
            case Act.GARBLE:
                self._out(garbled(one))
            case Act.REWRITE:
                self._out(rewritten(one, fault.fields))
            case Act.CORRECT:
                self._out(one)
                self._out(corrected(one, fault.number))
            case Act.RESET if fault.word == "before":
                self.reset()
            case Act.RESET:
                self._out(one)
                asyncio.get_running_loop().call_later(_JUST_AFTER_S, self.reset)
            case _:
                assert fault.act is Act.DROP

    def _out(self, one: bytes) -> None:
        super().send(one)
        for held in self._later:
            held.left -= 1
        due = [held for held in self._later if not held.left]
        self._later = [held for held in self._later if held.left]
        for held in due:
            super().send(held.one)

    def reset(self) -> None:
        """Cut the connection without a farewell: what was not yet sent is lost."""
        self.stage = Stage.CLOSED
        if self._transport is not None:
            self._transport.abort()

    # -- in

    def _request(self, fields: list[str]) -> None:
        gap_s = self._faults.gap_s(self.client_id)
        if gap_s:
            self._queue.append(fields)
            if len(self._queue) == 1:
                asyncio.get_running_loop().call_later(gap_s, self._next)
        else:
            self._take(fields)

    def _next(self) -> None:
        self._take(list(self._queue.popleft()))
        if self._queue:
            asyncio.get_running_loop().call_later(self._faults.gap_s(self.client_id), self._next)

    def _take(self, fields: list[str]) -> None:
        number = int(fields[0]) if fields and fields[0].isascii() and fields[0].isdigit() else -1
        if self._outage and number in ORDER_REQUESTS:
            self._waiting.append(fields)
            return
        fault = self._faults.on_asked(self.client_id, number)
        serve: Callable[[list[str]], None] = super()._request
        match fault.act if fault else None:
            case None:
                serve(fields)
            case Act.DELAY if fault:
                asyncio.get_running_loop().call_later(fault.number, serve, fields)
            case Act.ERROR if fault:
                self.send(_said(fault, req_id(fields)))
            case Act.WARNING if fault:
                serve(fields)
                self.send(_said(fault, req_id(fields)))
            case Act.RESET if fault:
                if fault.word == "after":
                    serve(fields)
                self.reset()
            case _:
                assert fault is not None
                assert fault.act is Act.DROP

    # -- at a moment

    def suffer(self, fault: Fault) -> None:
        """Let a fault of this moment come over the session."""
        loop = asyncio.get_running_loop()
        match fault.act:
            case Act.NOTICE:
                self.send(_said(fault, -1))
            case Act.OUTAGE:
                self.send(error(-1, 1100, TEXTS[1100]))
                self._outage = True
                loop.call_later(fault.number, self._restored, fault.code)
            case Act.HALF_OPEN:
                self._freeze()
                loop.call_later(fault.number, self._thaw)
            case Act.OVERSIZED:
                super().send(b"\xff\xff\xff\xff")
            case Act.GARBLE:
                super().send(frame(("3", "not", "an", "orderStatus")))
            case Act.RESET:
                self.reset()
            case _:
                assert fault.act in (Act.PARTIAL_FILLS, Act.SLOW), "these are not the session's"

    def _restored(self, code: int) -> None:
        """End an outage: lines are lost with 1101 and go on with 1102; orders and fills come in either case."""
        self._outage = False
        if code == 1101:
            self.lines.by_id.clear()
            self.streams.stop()
        for line in self.lines.by_id.values():
            # What was told into the outage was not heard.
            line.told.clear()
        self.send(error(-1, code, TEXTS[code]))
        self._catch_up()
        waiting, self._waiting = self._waiting, []
        for fields in waiting:
            self._take(list(fields))

    def _catch_up(self) -> None:
        back, self._kept_back = self._kept_back, []
        for one in back:
            self._send_one(one)

    def _freeze(self) -> None:
        self._frozen = True
        if self._transport is not None:
            self._transport.pause_reading()

    def _thaw(self) -> None:
        self._frozen = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._catch_up()


def _said(fault: Fault, number: int) -> bytes:
    return error(number, fault.code, fault.text or TEXTS.get(fault.code, ""))
