"""A server that answers from a recording: the same questions get the same answers, as long after them as then."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Sequence
from typing import cast

from v6.errors import V6Error
from v6.paper.codec import Framer, Malformed, frame, split
from v6.paper.fields import error
from v6.paper.layouts import REQUEST_NAMES
from v6.paper.recording.causes import (
    CANCELS,
    CLIENT_AT,
    EXECUTION,
    ID_AT,
    MORE_ORDERS_AT,
    PLACE_ORDER,
    Asked,
    Conversation,
    conversation,
    order_shape,
    shape,
)
from v6.paper.recording.entries import GREETING, Entry, Recording, What
from v6.paper.requests import REQ_ID_AT, req_id
from v6.paper.routes import START_API

_RANGE = re.compile(r"v(\d+)\.\.(\d+)")
_log = logging.getLogger(__name__)


class ReplayServer:
    """Serves the connections of a recording; raises V6Error if it has none that a client could have.

    A client gets the recorded connection of its client id, else the first that nobody has had. `unanswered` counts,
    by name, the questions that the recording has no answer to; they are refused with code 321 (orders with 201).
    """

    def __init__(self, recording: Recording, speed: float = 1.0) -> None:
        self.speed = speed
        self.unanswered: dict[str, int] = {}
        found = (
            conversation([entry for entry in recording.entries if entry.link == link]) for link in recording.links()
        )
        self._conversations = [one for one in found if one is not None]
        if not self._conversations:
            raise V6Error(f"{recording.name} has no connection on which a client started its API")
        self.hello = self._conversations[0].hello
        self._sessions: list[_Session] = []
        self._server: asyncio.AbstractServer | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.close()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _accept(self) -> _Session:
        session = _Session(self)
        self._sessions.append(session)
        return session

    def choose(self, client_id: int) -> Conversation:
        """Return the connection to play: an unused one of the client id, else an unused one, else the first."""
        fresh = [one for one in self._conversations if not any(asked.used for asked in one.asked)]
        fits = [one for one in fresh if one.client_id == client_id]
        return next(iter([*fits, *fresh, *self._conversations]))

    def miss(self, fields: Sequence[str]) -> None:
        """Count a question without an answer."""
        name = REQUEST_NAMES.get(int(fields[0]), fields[0]) if fields[0].isdecimal() else fields[0]
        self.unanswered[name] = self.unanswered.get(name, 0) + 1
        _log.info("the recording has no answer to %s", fields)


class _Session(asyncio.Protocol):
    def __init__(self, server: ReplayServer) -> None:
        self._server = server
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._greeted = False
        self._versions = False
        self._said: Conversation | None = None
        self._client_id = -1
        self._numbers: dict[int, int] = {}
        self._plays: dict[int, list[_Play]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for plays in self._plays.values():
            for play in plays:
                play.stop()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, wire: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(wire)

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        if not self._greeted:
            greeted = self._framer.skip(GREETING)
            if greeted is False:
                self.close()
            if not greeted:
                return
            self._greeted = True
        try:
            for body in self._framer.raw():
                self._message(body)
        except Malformed as trouble:
            self.send(error(-1, 507, f"Bad Message Length: {trouble}"))
            self.close()

    def _message(self, body: bytes) -> None:
        fields = split(body)
        if not self._versions:
            self._greet(body.decode(errors="replace"))
        elif fields and fields[0].isdecimal():
            self._request(fields)
        else:
            self.send(error(-1, 320, "Error reading request: no message id"))

    def _greet(self, versions: str) -> None:
        recorded, offered = Entry(0.0, 0, What.SENT, self._server.hello).fields, _RANGE.match(versions)
        if offered is None or not recorded or not int(offered[1]) <= int(recorded[0]) <= int(offered[2]):
            version = recorded[0] if recorded else "?"
            self.send(error(-1, 503, f"The recording speaks server version {version}; the client offers {versions}"))
            self.close()
            return
        self._versions = True
        self.send(self._server.hello)

    def _request(self, fields: list[str]) -> None:
        kind = int(fields[0])
        if self._said is None:
            if kind != START_API or len(fields) < 3 or not fields[2].isdecimal():
                self.send(error(-1, 320, "Error reading request: the first message must be startApi"))
                return
            self._client_id = int(fields[2])
            self._said = self._server.choose(self._client_id)
        if kind in CANCELS:
            for play in self._plays.pop(req_id(fields), []):
                play.stop()
        found = self._find(self._said, fields, kind)
        if found is not None:
            self._play(found, fields)
        elif kind not in CANCELS:
            self._server.miss(fields)
            number = req_id(fields)
            if kind == PLACE_ORDER:
                self.send(error(number, 201, "Order rejected - reason:the recording has no such order"))
            else:
                text = f"the recording has no answer to this {REQUEST_NAMES.get(kind, kind)}"
                self.send(error(number, 321, f"Error validating request.-'rp' : cause - {text}"))

    def _find(self, said: Conversation, fields: list[str], kind: int) -> Asked | None:
        """Return the recorded request that this one repeats: unused before used, equal before alike."""
        same = [one for one in said.asked if one.kind == kind]
        if kind != START_API:
            equal = [one for one in same if shape(one.fields) == shape(fields)]
            if kind == PLACE_ORDER and not any(not one.used for one in equal):
                equal = [one for one in same if order_shape(one.fields) == order_shape(fields)]
            same = equal
        fresh = [one for one in same if not one.used]
        # An order is an act, not a question: the answer to it cannot be given twice.
        return next(iter(fresh if kind == PLACE_ORDER else [*fresh, *same[-1:]]), None)

    def _play(self, found: Asked, fields: list[str]) -> None:
        found.used = True
        if found.kind in REQ_ID_AT:
            self._numbers[found.number] = req_id(fields)
        play = _Play(self, found, self._server.speed)
        self._plays.setdefault(req_id(fields), []).append(play)
        play.go()

    def renumber(self, wire: bytes) -> bytes:
        """Return a message with the ids of this client in place of the recorded ones."""
        entry = Entry(0.0, 0, What.SENT, wire)
        fields = entry.fields
        if not fields or not fields[0].isdecimal() or self._said is None:
            return wire
        kind, changed = int(fields[0]), list(fields)
        places = [*([ID_AT[kind]] if kind in ID_AT else []), *MORE_ORDERS_AT.get(kind, ())]
        if kind == EXECUTION:
            places.append(1)
        for at in places:
            if at < len(fields) and fields[at].isdecimal() and int(fields[at]) in self._numbers:
                changed[at] = str(self._numbers[int(fields[at])])
        at = CLIENT_AT.get(kind, len(fields))
        if at < len(fields) and fields[at] == str(self._said.client_id):
            changed[at] = str(self._client_id)
        return wire if changed == fields else frame(changed)


class _Play:
    """The answers to one request, each as long after it as then."""

    def __init__(self, session: _Session, asked: Asked, speed: float) -> None:
        self._session = session
        self._left = deque((answer.at - asked.entry.at, answer) for answer in asked.answers)
        self._speed = speed
        self._begun = asyncio.get_running_loop().time()
        self._timer: asyncio.TimerHandle | None = None

    def go(self) -> None:
        """Send what is due, and wait for the rest."""
        loop = asyncio.get_running_loop()
        gone = (loop.time() - self._begun) * self._speed
        out = []
        # Times are kept to the microsecond.
        while self._left and self._left[0][0] <= gone + 2e-6:
            out.append(self._session.renumber(self._left.popleft()[1].wire))
        if out:
            self._session.send(b"".join(out))
        if self._left:
            self._timer = loop.call_later(max((self._left[0][0] - gone) / self._speed, 0.0), self.go)

    def stop(self) -> None:
        """Send nothing more."""
        self._left.clear()
        if self._timer is not None:
            self._timer.cancel()
