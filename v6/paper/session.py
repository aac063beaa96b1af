"""One client's connection: handshake, requests, and what it has subscribed to."""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast

from v6.errors import V6Error
from v6.paper.codec import Framer, Malformed, frame, split
from v6.paper.fields import MANAGED_ACCOUNTS, NEXT_VALID_ID, OPEN_ORDER_END, error
from v6.paper.limits import Pace
from v6.paper.lines import Lines
from v6.paper.listing import NotFound
from v6.paper.orders import open_order, order_status
from v6.paper.reports import Figures, Row
from v6.paper.requests import parse, req_id
from v6.paper.routes import START_API, answer
from v6.paper.streams import Streams

if TYPE_CHECKING:
    from v6.paper.gateway import PaperGateway

SERVER_VERSION: Final = 178
_RANGE = re.compile(r"v(\d+)\.\.(\d+)")
_FARMS: Final = (
    (2104, "Market data farm connection is OK:usopt"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


class Stage(Enum):
    GREETING = auto()
    VERSION = auto()
    START = auto()
    READY = auto()
    CLOSED = auto()


class Session(asyncio.Protocol):
    """The server side of one socket; every request gets an answer, an error at worst."""

    def __init__(self, gateway: PaperGateway) -> None:
        self.gateway = gateway
        self.stage = Stage.GREETING
        self.client_id = -1
        self.lines = Lines()
        self.streams = Streams(self)
        self.pace = Pace(gateway.limits)
        self.wants_positions = False
        self.wants_account = False
        self.multis: dict[int, str] = {}
        self.summaries: dict[int, str] = {}
        self.pnls: list[int] = []
        self.pnl_singles: dict[int, int] = {}
        self._told: dict[tuple[int, str], str] = {}
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.gateway.sessions.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.stage = Stage.CLOSED
        self.streams.stop()
        if self in self.gateway.sessions:
            self.gateway.sessions.remove(self)

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        if self.stage is Stage.GREETING:
            greeted = self._framer.skip(b"API\0")
            if greeted is False:
                self.close()
            elif greeted:
                self.stage = Stage.VERSION
        if self.stage is Stage.GREETING:
            return
        try:
            for body in self._framer.raw():
                if self.stage is Stage.CLOSED:
                    return
                self._message(body)
        except Malformed as trouble:
            self.refuse(507, f"Bad Message Length: {trouble}")

    # -- sending

    def send(self, message: bytes) -> None:
        """Write, unless the connection is going away."""
        if message and self._transport is not None and not self._transport.is_closing():
            self._transport.write(message)

    def close(self) -> None:
        self.stage = Stage.CLOSED
        if self._transport is not None:
            self._transport.close()

    def refuse(self, code: int, reason: str) -> None:
        """Tell why and hang up."""
        self.send(error(-1, code, reason))
        self.close()

    # -- the conversation

    def _message(self, body: bytes) -> None:
        if self.stage is Stage.VERSION:
            self._greet(body.decode(errors="replace"))
            return
        fields = split(body)
        if self.stage is Stage.START:
            self._start(fields)
        else:
            self._request(fields)

    def _greet(self, versions: str) -> None:
        match = _RANGE.match(versions)
        if match is None:
            self.close()
        elif not int(match[1]) <= SERVER_VERSION <= int(match[2]):
            self.refuse(503, f"This gateway speaks server version {SERVER_VERSION} only; the client offers {versions}")
        else:
            now = self.gateway.clock.now()
            self.send(frame((str(SERVER_VERSION), f"{now:%Y%m%d %H:%M:%S} UTC")))
            self.stage = Stage.START

    def _start(self, fields: list[str]) -> None:
        try:
            if not fields or fields[0] != str(START_API):
                raise Malformed("the first message must be startApi")
            client_id = int(parse(START_API, fields)["clientId"])
        except (Malformed, ValueError) as trouble:
            self.refuse(320, f"Error reading request: {trouble}")
            return
        if any(s.client_id == client_id and s.stage is Stage.READY for s in self.gateway.sessions):
            self.refuse(326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
            return
        self.client_id = client_id
        self.stage = Stage.READY
        desk = self.gateway.desk
        mine = [o for o in desk.book.live.values() if o.client_id == client_id]
        # A real gateway pushes the client's working orders before it says which account and id are next.
        first = b"".join(open_order(o) + order_status(o) for o in mine) + OPEN_ORDER_END.encode() if mine else b""
        self.send(
            first
            + MANAGED_ACCOUNTS.encode(self.gateway.account)
            + NEXT_VALID_ID.encode(desk.next_id)
            + b"".join(error(-1, code, note) for code, note in _FARMS)
        )

    def _request(self, fields: list[str]) -> None:
        taken = self.pace.takes(asyncio.get_running_loop().time())
        self.gateway.meter.message(self.client_id, self.gateway.clock.now().timestamp(), taken=taken)
        if not taken:
            most = self.gateway.limits.messages
            reason = f"Max rate of messages per second has been exceeded:max={most} ({self.pace.offences})"
            self.send(error(-1, 100, reason))
            if self.pace.spent:
                self.close()
            return
        number = req_id(fields)
        try:
            msg_id = int(fields[0]) if fields else -1
        except ValueError:
            self.send(error(-1, 320, f"Error reading request: {fields[0][:40]!r} is no message id"))
            return
        try:
            answer(self, msg_id, fields)
        except NotFound as trouble:
            text = "No security definition has been found for the request"
            self.send(error(number, 200, f"{text} {trouble}".strip()))
        except Malformed as trouble:
            self.send(error(number, 320, f"Error reading request: {trouble}"))
        except V6Error as trouble:
            self.send(error(number, 320, f"Error processing request: {trouble}"))

    # -- the account, as far as this client subscribed

    def account_update(self, figures: Figures) -> None:
        """Send the account values that changed since they were last sent, and profit and loss."""
        rows = figures.values()
        out = []
        if self.wants_account:
            out.append(figures.account_values(self._changed(-1, rows)))
        out += [figures.multi(n, model, self._changed(n, rows)) for n, model in self.multis.items()]
        out += [figures.summary(n, tags, self._changed(n, rows)) for n, tags in self.summaries.items()]
        out += [figures.pnl(n) for n in self.pnls]
        out += [figures.pnl_single(n, con_id) for n, con_id in self.pnl_singles.items()]
        self.send(b"".join(out))

    def _changed(self, channel: int, rows: list[Row]) -> list[Row]:
        fresh = [row for row in rows if self._told.get((channel, row[0])) != row[1]]
        for tag, value, _ in fresh:
            self._told[(channel, tag)] = value
        return fresh
