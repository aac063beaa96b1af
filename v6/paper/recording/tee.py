"""The recorder: it stands between any client and a gateway, passes every byte on at once, and writes down a copy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Final, TextIO, cast

from v6.paper.codec import Framer, Malformed
from v6.paper.recording.entries import GREETING, Entry, What, header, line
from v6.paper.recording.mask import Mask

LONGEST: Final = 1 << 24
"""The parameters of scanners are two megabytes; clients take up to sixteen."""
MANAGED_ACCOUNTS: Final = b"15\0"

_log = logging.getLogger(__name__)


class Recorder:
    """Listens for clients, dials the broker for each, and writes what passes to `out`.

    Nothing is written before the gateway has named its accounts or the first connection has ended, since what comes
    earlier may hold their ids.
    """

    def __init__(self, host: str, port: int, out: TextIO, began: datetime) -> None:
        self.host = host
        self.port = port
        self.mask = Mask()
        self._out = out
        self._began = began
        self._zero = 0.0
        self._links: list[_Link] = []
        self._count = 0
        self._held: list[Entry] | None = []
        self._server: asyncio.AbstractServer | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._zero = loop.time()
        self._out.write(header(self._began))
        self._server = await loop.create_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up on both sides and write what is held back; `out` stays open."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.end()
        self._release()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _accept(self) -> _End:
        self._count += 1
        link = _Link(self, self._count)
        self._links.append(link)
        return link.client

    def note(self, link: int, what: What, wire: bytes = b"") -> None:
        """Write one entry, masked."""
        entry = Entry(asyncio.get_running_loop().time() - self._zero, link, what, wire)
        if what is What.SENT and wire[4 : 4 + len(MANAGED_ACCOUNTS)] == MANAGED_ACCOUNTS:
            self.mask.learn(",".join(entry.fields[2:3]).split(","))
            self._release()
        if self._held is not None:
            self._held.append(entry)
        else:
            self._write(entry)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for entry in held:
            self._write(entry)

    def _write(self, entry: Entry) -> None:
        self._out.write(line(Entry(entry.at, entry.link, entry.what, self.mask.apply(entry.wire))))
        self._out.flush()

    def drop(self, link: _Link) -> None:
        """Forget a connection that has ended."""
        if link in self._links:
            self._links.remove(link)
            self._release()


class _Cutter:
    """Cuts one direction into what is written down: greeting, frames, and whatever is neither."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._framer = Framer(LONGEST)
        self._lost = False

    def cut(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk completes."""
        if self._lost:
            yield chunk
            return
        self._framer.feed(chunk)
        if self._greeting:
            greeted = self._framer.skip(self._greeting)
            if greeted is None:
                return
            if greeted:
                yield self._greeting
            self._greeting = b""
        try:
            for body in self._framer.raw():
                yield len(body).to_bytes(4, "big") + body
        except Malformed as trouble:
            _log.warning("the stream is not framed any more, it is recorded as it comes: %s", trouble)
            self._lost = True
            yield self._framer.rest()

    def rest(self) -> bytes:
        """Return what never became whole."""
        return self._framer.rest()


class _End(asyncio.Protocol):
    """One of the two ends of a link."""

    def __init__(self, link: _Link, what: What, greeting: bytes = b"") -> None:
        self.transport: asyncio.Transport | None = None
        self.waiting = bytearray()
        self.other: _End | None = None
        self._link = link
        self._what = what
        self._cutter = _Cutter(greeting)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._link.made(self)
        if self.waiting:
            self.transport.write(bytes(self.waiting))
            self.waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._link.ended:
            return
        if self.other is not None:
            self.other.write(data)
        for wire in self._cutter.cut(data):
            self._link.note(self._what, wire)

    def write(self, data: bytes) -> None:
        """Pass on, or keep until there is somebody to pass it to."""
        if self.transport is None:
            self.waiting += data
        else:
            self.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.end()

    def finish(self) -> None:
        """Write down what is left and hang up."""
        rest = self._cutter.rest()
        if rest:
            self._link.note(self._what, rest)
        if self.transport is not None:
            self.transport.close()


class _Link:
    """A client's connection and the one made for it."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number
        self.ended = False
        self._dialling: asyncio.Task[None] | None = None
        self.client = _End(self, What.ASKED, GREETING)
        self._broker = _End(self, What.SENT)
        self.client.other, self._broker.other = self._broker, self.client

    def made(self, end: _End) -> None:
        """Dial the broker once the client is there."""
        if end is self.client:
            self.note(What.OPEN)
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        host, port = self._recorder.host, self._recorder.port
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._broker, host, port)
        except OSError as trouble:
            _log.error("no gateway at %s:%s: %s", host, port, trouble)
            self._dialling = None
            self.end()

    def note(self, what: What, wire: bytes = b"") -> None:
        self._recorder.note(self._number, what, wire)

    def end(self) -> None:
        """End both sides, once."""
        if self.ended:
            return
        self.ended = True
        if self._dialling is not None:
            self._dialling.cancel()
        self.client.finish()
        self._broker.finish()
        self.note(What.CLOSED)
        self._recorder.drop(self)
