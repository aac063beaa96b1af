"""Two clients that know nothing of us, behind one face: what they are told to ask, and every message they were sent.

`ib_async` runs in virtual time, the official client (`ibapi-stable`) on a real socket from its own threads. A scenario
speaks to either in the same words; the messages it heard are noted where the client's own decoder takes them in, and
the calls that the decoder made of them beside.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any

import ib_async
import ibapi.client
import ibapi.common
import ibapi.contract
import ibapi.execution
import ibapi.order
import ibapi.order_cancel
import ibapi.scanner
import ibapi.wrapper

from tests.paper.flat import OPEN, FlatMarket, weekdays, with_stock
from v6.paper.gateway import PaperGateway
from v6.paper.layouts import MESSAGE_NAMES
from v6.paper.limits import Limits
from v6.paper.ports import StockTerms
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual

CASH = Decimal(100_000)
LIMITS = Limits(lines=3)
SPEED = 20.0
"""Virtual seconds a second for the client that needs a real socket: a bar of five seconds takes a quarter."""

LOOK_S = 0.05
"""How long a scenario waits before it looks again for a message."""

NOW = OPEN + timedelta(days=2, hours=1)
"""An hour into the third session, so that there is a past to ask for."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A contract, an order or another argument, to be built from the client's own class."""

    kind: str
    fields: dict[str, Any]


def thing(kind: str, **fields: Any) -> Thing:
    return Thing(kind, fields)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of the server: its id and the fields after the id."""

    msg_id: int
    fields: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name of the message; an error's is its code."""
        return f"error {self.fields[2]}" if self.msg_id == 4 else MESSAGE_NAMES[self.msg_id]


class Voice(ABC):
    """A connected client; `heard` and `calls` grow while it listens."""

    def __init__(self, market: FlatMarket) -> None:
        self.market = market
        self.heard: list[Heard] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.troubles: list[Exception] = []
        self.asked: set[int] = set()
        """The ids of requests and orders that were used."""
        self._begun = 0
        self._calls_begun = 0

    patience = 0
    """How often a scenario looks for a message before it gives up."""

    @property
    @abstractmethod
    def client(self) -> Any: ...

    @abstractmethod
    def build(self, argument: Any) -> Any:
        """Return an argument as the client wants it."""

    def say(self, request: str, *arguments: Any) -> None:
        """Send one request by the client's own method."""
        self.asked.update(a for a in arguments[:1] if isinstance(a, int))
        getattr(self.client, request)(*map(self.build, arguments))

    def cancel_order(self, order_id: int) -> None:
        self.say("cancelOrder", order_id, "")

    def cancel_all(self) -> None:
        self.say("reqGlobalCancel")

    def begin(self) -> None:
        """Let what was heard until now be a preparation."""
        self._begun, self._calls_begun = len(self.heard), len(self.calls)

    def since(self) -> list[Heard]:
        """Return what was heard since the scenario began."""
        return self.heard[self._begun :]

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of a wrapper method since the scenario began."""
        return [arguments for called, arguments in self.calls[self._calls_begun :] if called == name]

    async def until(self, *names: str, times: int = 1) -> None:
        """Wait until each of these messages has been heard, the last of them `times` times."""
        for _ in range(self.patience):
            known = [h.name for h in self.since()]
            if self.troubles or (all(n in known for n in names) and known.count(names[-1]) >= times):
                break
            await asyncio.sleep(LOOK_S)
        assert self.troubles == []
        known = [h.name for h in self.since()]
        missing = [n for n in names if n not in known]
        assert not missing, f"{missing} never came; heard {known}"
        assert known.count(names[-1]) >= times, known

    async def fence(self) -> None:
        """Wait for the answer to a last question: what was to come at once has come before it."""
        before = sum(h.name == "currentTime" for h in self.heard)
        self.say("reqCurrentTime")
        for _ in range(self.patience):
            if self.troubles or sum(h.name == "currentTime" for h in self.heard) > before:
                break
            await asyncio.sleep(LOOK_S)
        assert self.troubles == []
        assert sum(h.name == "currentTime" for h in self.heard) > before, "the time was never told"


def _gateway(loop: VirtualLoop, market: FlatMarket) -> PaperGateway:
    return PaperGateway(
        market, clock=VirtualClock(loop, NOW), cash=CASH, seed=1, step_s=10.0, calendar=weekdays(), limits=LIMITS,
        sides=True,
    )  # fmt: skip


# -- ib_async


class _Listener:
    """Stands in for ib_async's wrapper and notes every call."""

    defaultTimezone = UTC

    def __init__(self, calls: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*arguments: Any) -> None:
            self._calls.append((name, arguments))

        return note


class IbAsyncVoice(Voice):
    """The client below ib_async's `IB`, with its own decoder."""

    patience = 2000

    def __init__(self, market: FlatMarket) -> None:
        super().__init__(market)
        self._client = ib_async.client.Client(_Listener(self.calls))
        decode = self._client.decoder.interpret

        def interpret(fields: list[str]) -> None:
            self.heard.append(Heard(int(fields[0]), tuple(fields[1:])))
            decode(fields)

        self._client.decoder.interpret = interpret

    @property
    def client(self) -> Any:
        return self._client

    def build(self, argument: Any) -> Any:
        if not isinstance(argument, Thing):
            return argument
        fields = {k: [self.build(x) for x in v] if isinstance(v, list) else v for k, v in argument.fields.items()}
        return getattr(ib_async, argument.kind)(**fields)


def through_ib_async(story: Callable[[Voice], Awaitable[None]], client_id: int = 7) -> Voice:
    """Play a scenario in virtual time; return the voice with all it heard."""

    async def main(loop: VirtualLoop) -> Voice:
        market = with_stock(StockTerms("ETF"))
        gateway = _gateway(loop, market)
        port = await gateway.start("127.0.0.1", 0)
        voice = IbAsyncVoice(market)
        try:
            await voice.client.connectAsync("127.0.0.1", port, client_id)
            await voice.until("error 2158")
            voice.begin()
            await story(voice)
        finally:
            voice.client.disconnect()
            await gateway.stop()
        return voice

    return run_virtual(main)


# -- the official client


_OFFICIAL: dict[str, Callable[[], Any]] = {
    "ComboLeg": ibapi.contract.ComboLeg,
    "Contract": ibapi.contract.Contract,
    "ExecutionFilter": ibapi.execution.ExecutionFilter,
    "Order": ibapi.order.Order,
    "ScannerSubscription": ibapi.scanner.ScannerSubscription,
    "WshEventData": ibapi.common.WshEventData,
}


def _noting(name: str) -> Callable[..., None]:
    def note(self: Any, *arguments: Any, **named: Any) -> None:
        self.calls.append((name, (*arguments, *named.values())))

    return note


class _Official(ibapi.client.EClient):  # type: ignore[misc]
    """The official client, writing to a wrapper that notes every call and a decoder that notes every message."""

    def __init__(self, voice: OfficialVoice) -> None:
        methods = {n: _noting(n) for n in vars(ibapi.wrapper.EWrapper) if not n.startswith("_")}
        wrapper = type("Noting", (ibapi.wrapper.EWrapper,), methods)()
        wrapper.calls = voice.calls
        super().__init__(wrapper)
        self._voice = voice

    @property
    def decoder(self) -> Any:
        return self._decoder

    @decoder.setter
    def decoder(self, decoder: Any) -> None:
        self._decoder = decoder
        if decoder is None:
            return
        decode, voice = decoder.interpret, self._voice

        def interpret(fields: Sequence[bytes], msg_id: int) -> None:
            if not fields and not msg_id:
                return
            voice.heard.append(Heard(msg_id, tuple(f.decode() for f in fields)))
            try:
                decode(fields, msg_id)
            except Exception as trouble:
                voice.troubles.append(trouble)
                raise

        decoder.interpret = interpret


class OfficialVoice(Voice):
    """`ibapi.client.EClient`, its reader and its message loop in their own threads."""

    patience = 400

    def __init__(self, market: FlatMarket) -> None:
        super().__init__(market)
        self._client = _Official(self)

    @property
    def client(self) -> Any:
        return self._client

    def build(self, argument: Any) -> Any:
        if not isinstance(argument, Thing):
            return argument
        built = _OFFICIAL[argument.kind]()
        for name, value in argument.fields.items():
            setattr(built, name, [self.build(v) for v in value] if isinstance(value, list) else value)
        return built

    def cancel_order(self, order_id: int) -> None:
        self.asked.add(order_id)
        self._client.cancelOrder(order_id, ibapi.order_cancel.OrderCancel())

    def cancel_all(self) -> None:
        self._client.reqGlobalCancel(ibapi.order_cancel.OrderCancel())


class _Server:
    """The gateway on a free port of this machine, in a thread with a loop of its own."""

    def __init__(self, market: FlatMarket) -> None:
        self._market = market
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.port = 0

    def _run(self) -> None:
        run_virtual(self._main, speed=SPEED, memory=False)

    async def _main(self, loop: VirtualLoop) -> None:
        self._loop, self._over = loop, asyncio.Event()
        gateway = _gateway(loop, self._market)
        self.port = await gateway.start("127.0.0.1", 0)
        self._ready.set()
        await self._over.wait()
        await gateway.stop()

    def __enter__(self) -> _Server:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


def through_ibapi(story: Callable[[Voice], Awaitable[None]], client_id: int = 7) -> Voice:
    """Play a scenario over TCP; return the voice with all it heard."""
    market = with_stock(StockTerms("ETF"))
    voice = OfficialVoice(market)

    async def main() -> None:
        await voice.until("error 2158")
        voice.begin()
        await story(voice)

    with _Server(market) as server:
        voice.client.connect("127.0.0.1", server.port, client_id)
        loop = threading.Thread(target=voice.client.run)
        loop.start()
        try:
            asyncio.run(main())
        finally:
            voice.client.disconnect()
            loop.join(20)
        assert not loop.is_alive()
    return voice


THROUGH: dict[str, Callable[[Callable[[Voice], Awaitable[None]], int], Voice]] = {
    "ib_async": through_ib_async,
    "ibapi": through_ibapi,
}
