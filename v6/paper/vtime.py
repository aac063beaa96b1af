"""Virtual time: an asyncio loop that never waits, and connections that never leave memory.

Unmodified asyncio programs (ib_async and the gateway among them) run on it deterministically: the only order of
events is the order of their due times and of their scheduling. Days pass in milliseconds. With `speed` the same loop
is paced against the wall clock, for people who want to watch.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")

QUIET_S = 1800.0
"""A wait for longer than this is a closed market, and a paced loop skips it: it costs at most SKIP_WAIT_S."""

SKIP_WAIT_S = 0.25


class Stalled(RuntimeError):
    """Nothing is scheduled and nothing is ready: real time would wait for ever."""


class _InstantSelector(selectors.DefaultSelector):
    """Jump to the next timer instead of sleeping until it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            if self.loop.memory:
                raise Stalled("virtual time stands still: no timer is set and no callback is ready")
            return super().select(None)
        if timeout <= 0:
            self.loop.creep()
            return self.loop.poll()
        wait = self.loop.wall_wait(timeout)
        if wait <= 0:
            ready = self.loop.poll()
        else:
            begun = monotonic()
            ready = super().select(wait)
            if ready:
                self.loop.pass_by((monotonic() - begun) / wait * timeout)
        if not ready:
            self.loop.jump()
        return ready

    def poll_now(self) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps from timer to timer.

    `speed` is virtual seconds per wall second, None for no wait. With `memory=False` connections are real sockets,
    so that two processes of the same speed can talk; the order of events is then the network's and no longer exact.
    """

    _POLL_EVERY = 512

    def __init__(self, *, speed: float | None = None, memory: bool = True) -> None:
        if speed is None and not memory:
            raise ValueError("real sockets need a speed: unpaced time would outrun them")
        self.memory = memory
        self._now = 0.0
        self._speed = speed
        self._turns = 0
        self._servers: dict[int, MemoryServer] = {}
        self._next_port = 40000
        selector = _InstantSelector()
        selector.loop = self
        self._instant = selector
        super().__init__(selector)
        # A timer is due when it is before now + resolution; the default nanosecond is lost to rounding after a
        # virtual year, and the loop would then spin on a timer that is never due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._now

    def wall_wait(self, timeout: float) -> float:
        """Return the wall seconds that a virtual wait costs."""
        if self._speed is None:
            return 0.0
        wait = timeout / self._speed
        return wait if timeout < QUIET_S else min(wait, SKIP_WAIT_S)

    def pass_by(self, seconds: float) -> None:
        """Let time pass that was spent waiting when something came in before the next timer."""
        self._now += seconds

    def jump(self) -> None:
        """Set the clock to the earliest timer; taken from the timer itself, so that no rounding is left over."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled:
            self._now = max(self._now, scheduled[0].when())

    def creep(self) -> None:
        """Let a timer that re-arms itself for the present moment see time move, as any real clock does.

        ib_async's throttle waits until strictly more than its interval has passed; in a standing time it waits for
        ever.
        """
        if not self._ready:  # type: ignore[attr-defined]
            self._now += 1e-6

    def poll(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Look at real file descriptors now and then: only the loop's own wake-up pipe (signals) is among them."""
        self._turns += 1
        if self._speed is None and self._turns % self._POLL_EVERY:
            return []
        return self._instant.poll_now()

    def run_in_executor(  # type: ignore[override]
        self, executor: concurrent.futures.Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run at once: a thread would race the clock."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - carried to whoever awaits, as an executor does
            future.set_exception(error)
        return future

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        if not self.memory:
            return await super().create_server(protocol_factory, host, port)
        number = int(port or 0)
        if not number:
            number, self._next_port = self._next_port, self._next_port + 1
        if number in self._servers:
            raise OSError(f"port {number} is in use in this loop")
        server = MemoryServer(self, protocol_factory, str(host), number)
        self._servers[number] = server
        return server

    async def create_connection(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        if not self.memory:
            return await super().create_connection(protocol_factory, host, port)
        server = self._servers.get(int(port))
        if server is None:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port}")
        near, far = protocol_factory(), server.factory()
        ours = MemoryTransport(self, near, {"peername": (host, port)})
        theirs = MemoryTransport(self, far, {"peername": ("memory", 0)})
        ours.peer, theirs.peer = theirs, ours
        server.transports.append(theirs)
        far.connection_made(theirs)
        near.connection_made(ours)
        return ours, near

    def forget(self, port: int) -> None:
        self._servers.pop(port, None)


class MemoryServer:
    """A listening port that exists only in its loop."""

    def __init__(self, loop: VirtualLoop, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> None:
        self._loop = loop
        self.factory = factory
        self.port = port
        self.host = host
        self.transports: list[MemoryTransport] = []
        self.sockets = (self,)

    def getsockname(self) -> tuple[str, int]:
        return self.host, self.port

    def close(self) -> None:
        self._loop.forget(self.port)

    def is_serving(self) -> bool:
        return self.port in self._loop._servers

    async def wait_closed(self) -> None:
        self.transports.clear()


class MemoryTransport(asyncio.Transport):
    """One end of a connection: bytes written in one turn of the loop arrive together in the next."""

    def __init__(self, loop: VirtualLoop, protocol: asyncio.BaseProtocol, extra: Mapping[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol = protocol
        self._out: list[bytes] = []
        self._inbox: deque[bytes] = deque()
        self._flushing = False
        self._closing = False
        self._lost = False
        self._paused = False
        self.peer: MemoryTransport | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._out.append(bytes(data))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._out and self.peer is not None:
            chunk = b"".join(self._out)
            self._out.clear()
            self.peer._receive(chunk)

    def _receive(self, chunk: bytes) -> None:
        if self._lost:
            return
        if self._paused:
            self._inbox.append(chunk)
        else:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(chunk)

    def write_eof(self) -> None:
        """Accepted for the interface; the close that follows carries the end."""

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._out))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Accepted for the interface; memory has no back-pressure."""

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._inbox and not self._paused:
            self._receive(self._inbox.popleft())

    def is_reading(self) -> bool:
        return not self._paused

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._finish, None)

    def abort(self) -> None:
        """Drop what is unsent and reset the other side."""
        self._out.clear()
        self._closing = True
        self._loop.call_soon(self._finish, ConnectionResetError("reset by peer"))

    def _finish(self, reason: Exception | None) -> None:
        if self._lost:
            return
        self._flush()
        self._lost = True
        self._protocol.connection_lost(None)
        peer = self.peer
        if peer is not None and not peer._lost:
            peer._closing = True
            peer._lost = True
            peer._protocol.connection_lost(reason)


class VirtualClock:
    """The `Clock` of a virtual loop: loop second 0 is `start`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of virtual time needs a time zone")
        self._loop = loop
        self._start = start
        # Time stands still while a turn of the loop runs, and is read dozens of times in it.
        self._read = (0.0, start)

    def now(self) -> datetime:
        second = self._loop.time()
        if self._read[0] != second:
            self._read = (second, self._start + timedelta(seconds=second))
        return self._read[1]


def run_virtual(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], *, speed: float | None = None, memory: bool = True
) -> T:
    """Run `main(loop)` to its end on a fresh virtual loop."""
    loop = VirtualLoop(speed=speed, memory=memory)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop))
