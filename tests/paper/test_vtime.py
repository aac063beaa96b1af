import asyncio
import time
from datetime import UTC, datetime

import pytest

from v6.paper.vtime import Stalled, VirtualClock, VirtualLoop, run_virtual


class Collector(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = b""
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


async def connected(loop: VirtualLoop) -> tuple[Collector, Collector]:
    far: list[Collector] = []

    def factory() -> Collector:
        far.append(Collector())
        return far[-1]

    server = await loop.create_server(factory, "127.0.0.1", 0)
    _, near = await loop.create_connection(Collector, "127.0.0.1", server.sockets[0].getsockname()[1])
    assert isinstance(near, Collector)
    return near, far[0]


def test_a_year_passes_without_waiting() -> None:
    async def main(loop: VirtualLoop) -> datetime:
        clock = VirtualClock(loop, datetime(2014, 1, 2, tzinfo=UTC))
        await asyncio.sleep(365 * 86400)
        return clock.now()

    started = time.process_time()
    assert run_virtual(main) == datetime(2015, 1, 2, tzinfo=UTC)
    assert time.process_time() - started < 30


def test_timers_run_in_order_of_their_due_time() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        seen: list[str] = []
        loop.call_later(3, seen.append, "third")
        loop.call_later(1, seen.append, "first")
        loop.call_later(2, seen.append, "second")
        await asyncio.sleep(4)
        return seen

    assert run_virtual(main) == ["first", "second", "third"]


def test_a_timer_is_due_at_exactly_its_time_after_many_jumps() -> None:
    async def main(loop: VirtualLoop) -> set[float]:
        misses = set()
        for n in range(1, 2000):
            due = loop.time() + 0.1 * n
            await asyncio.sleep(0.1 * n)
            misses.add(loop.time() - due)
        return misses

    assert run_virtual(main) == {0.0}


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(Stalled):
        run_virtual(main)


def test_bytes_written_in_one_turn_arrive_together_and_in_order() -> None:
    async def main(loop: VirtualLoop) -> bytes:
        near, far = await connected(loop)
        assert isinstance(near.transport, asyncio.Transport)
        near.transport.write(b"one ")
        near.transport.write(b"two")
        assert far.received == b""
        await asyncio.sleep(0)
        return far.received

    assert run_virtual(main) == b"one two"


def test_a_close_delivers_what_was_written_before_it() -> None:
    async def main(loop: VirtualLoop) -> tuple[Collector, Collector]:
        near, far = await connected(loop)
        assert isinstance(near.transport, asyncio.Transport)
        near.transport.write(b"last words")
        near.transport.close()
        near.transport.write(b"too late")
        await asyncio.sleep(0.001)
        return near, far

    near, far = run_virtual(main)
    assert far.received == b"last words"
    assert near.lost == [None]
    assert far.lost == [None]


def test_an_abort_loses_what_was_written_and_resets_the_peer() -> None:
    async def main(loop: VirtualLoop) -> Collector:
        near, far = await connected(loop)
        assert isinstance(near.transport, asyncio.Transport)
        near.transport.write(b"never seen")
        near.transport.abort()
        await asyncio.sleep(0.001)
        return far

    far = run_virtual(main)
    assert far.received == b""
    assert isinstance(far.lost[0], ConnectionResetError)


def test_a_paused_reader_gets_its_bytes_when_it_resumes() -> None:
    async def main(loop: VirtualLoop) -> tuple[bytes, bytes]:
        near, far = await connected(loop)
        assert isinstance(near.transport, asyncio.Transport)
        assert isinstance(far.transport, asyncio.Transport)
        far.transport.pause_reading()
        near.transport.write(b"held")
        await asyncio.sleep(1)
        before = far.received
        far.transport.resume_reading()
        return before, far.received

    assert run_virtual(main) == (b"", b"held")


def test_nobody_listening_refuses_the_connection() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.create_connection(Collector, "127.0.0.1", 1)

    with pytest.raises(ConnectionRefusedError):
        run_virtual(main)


def test_an_executor_runs_inline_so_that_no_thread_races_the_clock() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, float]:
        value = await asyncio.to_thread(lambda: 7)
        return value, loop.time()

    assert run_virtual(main) == (7, 0.0)


def test_a_paced_loop_keeps_to_the_wall_clock() -> None:
    waits: list[float] = []

    class Watched(VirtualLoop):
        def wall_wait(self, timeout: float) -> float:
            waits.append(super().wall_wait(timeout))
            return 0.0

    loop = Watched(speed=100.0)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.sleep(10))
        runner.run(asyncio.sleep(86400))
    assert waits[0] == pytest.approx(0.1)
    assert waits[-1] == 0.25, "a closed market is skipped"


def test_a_timer_that_re_arms_itself_for_now_sees_time_move() -> None:
    async def main(loop: VirtualLoop) -> float:
        begun = loop.time()
        over = loop.create_future()

        def wait_until_later() -> None:
            if loop.time() - begun > 1.0:
                over.set_result(loop.time())
            else:
                loop.call_at(begun + 1.0, wait_until_later)

        wait_until_later()
        return await over

    assert run_virtual(main) == pytest.approx(1.0)
