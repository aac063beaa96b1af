"""A session of ib_async with the paper gateway: recorded, replayed, compared."""

import asyncio
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ib_async import IB, LimitOrder, Option

from tests.paper.flat import CONDOR, LONG_PUT, OPEN, SHORT_PUT, Stage, bag, play, wire
from tests.paper.recording.stage import INDEX, connected, day, record, replayed
from v6.errors import V6Error
from v6.paper.recording import Recorder, Recording, ReplayServer, What, compare, load_recording
from v6.paper.vtime import VirtualLoop, run_virtual


@pytest.fixture(scope="module")
def heard() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, heard: dict[str, Any]) -> Recording:
    async def story(ib: IB) -> None:
        heard.update(await day(ib))

    return record(tmp_path_factory.mktemp("wire") / "day.jsonl", story)


def test_a_day_of_ib_async_is_read_by_our_codec_to_the_last_field(recording: Recording) -> None:
    result = compare(recording)
    assert result.clean, [row for row in result.rows if row.differences or not row.known]
    assert result.server_versions == ("178",)
    names = {row.name for row in result.rows}
    assert {
        "openOrder",
        "orderStatus",
        "execDetails",
        "commissionReport",
        "completedOrder",
        "contractDetails",
    } <= names
    assert {"placeOrder", "reqMktData", "cancelOrder", "reqHistoricalData", "startApi", "greeting"} <= names


def test_the_replay_of_a_day_tells_the_client_the_same(recording: Recording, heard: dict[str, Any]) -> None:
    async def story(ib: IB, server: ReplayServer) -> dict[str, Any]:
        again = await day(ib)
        assert server.unanswered == {}
        return again

    again = replayed(recording, story)
    for key in heard:
        if key == "details":
            continue
        assert again[key] == heard[key], key
    assert again["details"] == heard["details"]


def test_a_replay_can_be_faster(recording: Recording) -> None:
    async def story(ib: IB, server: ReplayServer) -> float:
        ticker = ib.reqMktData(wire(SHORT_PUT))
        trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.5, tif="DAY"))
        await asyncio.sleep(0.05)
        assert ticker.hasBidAsk()
        return trade.filled()

    assert replayed(recording, story, speed=1000.0) == 1


def test_the_client_may_number_its_requests_differently(recording: Recording) -> None:
    async def story(ib: IB, server: ReplayServer) -> None:
        ib.client.updateReqId(7000)
        ticker = ib.reqMktData(wire(SHORT_PUT))
        trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.4, tif="DAY", orderRef="other"))
        await asyncio.sleep(30)
        assert ticker.hasBidAsk()
        assert (trade.order.orderId, trade.orderStatus.status) == (7001, "Filled")
        assert [f.commissionReport.commission for f in trade.fills[-1:]] == [1.25]

    replayed(recording, story)


def test_a_client_of_another_id_sees_the_orders_as_its_own(recording: Recording) -> None:
    async def story(ib: IB, server: ReplayServer) -> None:
        trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.5, tif="DAY"))
        await asyncio.sleep(30)
        assert (trade.order.clientId, trade.orderStatus.status) == (9, "Filled")

    replayed(recording, story, client_id=9)


def test_what_was_not_asked_then_is_refused_and_counted(recording: Recording) -> None:
    async def story(ib: IB, server: ReplayServer) -> None:
        errors: list[tuple[int, int]] = []
        ib.errorEvent += lambda number, code, *_: errors.append((number, code))
        ib.reqMktData(Option("SPX", "20150417", 1000, "P", "SMART", conId=99))
        order = ib.placeOrder(wire(LONG_PUT), LimitOrder("BUY", 5, 1.0, tif="DAY"))
        once = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.5, tif="DAY"))
        await asyncio.sleep(1)
        twice = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.5, tif="DAY"))
        await asyncio.sleep(1)
        refused = [code for number, code in errors if number > 0]
        assert refused == [321, 201, 201]
        assert (order.orderStatus.status, once.isDone(), twice.orderStatus.status) == ("Cancelled", True, "Cancelled")
        assert server.unanswered == {"reqMktData": 1, "placeOrder": 2}

    replayed(recording, story)


def test_a_cancelled_subscription_is_silent(recording: Recording, heard: dict[str, Any]) -> None:
    async def story(ib: IB, server: ReplayServer, cancel: bool) -> float:
        total = ib.reqPnL(ib.managedAccounts()[0])
        await asyncio.sleep(1e-3)
        if cancel:
            # ib_async forgets the object with the cancel, so the question is what the wire brings.
            ib.client.cancelPnL(total_id(ib))
        await asyncio.sleep(600)
        assert server.unanswered == {}
        return total.dailyPnL

    def total_id(ib: IB) -> int:
        ((_, number),) = ib.wrapper.pnlKey2ReqId.items()
        return number

    going, stopped = (replayed(recording, lambda ib, s, c=c: story(ib, s, c)) for c in (False, True))
    assert going == heard["pnl"][0] != 0
    assert stopped != going


# -- the file


def test_account_ids_are_masked_and_nothing_else_changes(tmp_path: Path) -> None:
    wires: list[tuple[str, bytes]] = []

    async def whole(stage: Stage) -> str:
        out = io.StringIO()
        recorder = Recorder("127.0.0.1", stage.port, out, OPEN)
        note = recorder.note

        def spy(link: int, what: What, wire: bytes = b"") -> None:
            wires.append((what.value, wire))
            note(link, what, wire)

        recorder.note = spy  # type: ignore[method-assign]
        ib = await connected(await recorder.start())
        ib.placeOrder(wire(SHORT_PUT), LimitOrder("BUY", 1, 2.3, tif="DAY", account="DU1234567"))
        await asyncio.sleep(5)
        ib.disconnect()
        await asyncio.sleep(1)
        await recorder.stop()
        return out.getvalue()

    path = tmp_path / "masked.jsonl"
    path.write_text(play(whole), encoding="utf-8")
    assert "DU1234567" not in path.read_text(encoding="utf-8")
    kept = load_recording(path)
    assert len(wires) > 50
    assert any(b"DU1234567" in wire for _, wire in wires)
    expected = [(what, wire.replace(b"DU1234567", b"DU0000001")) for what, wire in wires]
    assert [(entry.what.value, entry.wire) for entry in kept.entries] == expected
    assert [entry.at for entry in kept.entries] == sorted(entry.at for entry in kept.entries)


def test_bytes_that_are_no_frames_are_kept(tmp_path: Path) -> None:
    odd = b"\x00\x00\x00\x05\xff\xfe1\x00\x00"

    async def main(loop: VirtualLoop) -> str:
        class Broker(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                transport.write(odd + b"\xff\xff\xff\xffnoise")

        server = await loop.create_server(Broker, "127.0.0.1", 0)
        out = io.StringIO()
        recorder = Recorder("127.0.0.1", server.sockets[0].getsockname()[1], out, datetime(2020, 1, 1, tzinfo=UTC))
        got: list[bytes] = []

        class Client(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                got.append(data)

        transport, _ = await loop.create_connection(Client, "127.0.0.1", await recorder.start())
        transport.write(b"GET / HTTP")
        await asyncio.sleep(1)
        transport.close()
        await asyncio.sleep(1)
        await recorder.stop()
        assert b"".join(got) == odd + b"\xff\xff\xff\xffnoise"
        return out.getvalue()

    path = tmp_path / "odd.jsonl"
    path.write_text(run_virtual(main), encoding="utf-8")
    entries = load_recording(path).entries
    assert b"".join(e.wire for e in entries if e.what is What.SENT) == odd + b"\xff\xff\xff\xffnoise"
    assert b"".join(e.wire for e in entries if e.what is What.ASKED) == b"GET / HTTP"
    assert (entries[0].what, entries[-1].what) == (What.OPEN, What.CLOSED)
    assert not compare(load_recording(path)).clean


def test_a_gateway_that_is_not_there_ends_the_connection(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> str:
        out = io.StringIO()
        recorder = Recorder("127.0.0.1", 1, out, datetime(2020, 1, 1, tzinfo=UTC))
        port = await recorder.start()
        with pytest.raises((ConnectionError, TimeoutError)):
            await connected(port)
        await recorder.stop()
        return out.getvalue()

    text = run_virtual(main)
    assert [json.loads(row)["what"] for row in text.splitlines()[1:]][-1] == "closed"


def test_a_last_line_without_an_end_is_passed_over_and_a_broken_one_is_told(
    recording: Recording, tmp_path: Path
) -> None:
    path = tmp_path / "cut.jsonl"
    rows = ['{"recording": "v6-wire", "version": 1, "began": "2020-01-01T00:00:00+00:00"}']
    rows += ['{"at": 1.0, "link": 1, "what": "open"}', '{"at": 2.0, "link": 1, "wh']
    path.write_text("\n".join(rows), encoding="utf-8")
    assert [entry.what for entry in load_recording(path).entries] == [What.OPEN]
    path.write_text("\n".join([*rows, '{"at": 3.0, "link": 1, "what": "closed"}']), encoding="utf-8")
    with pytest.raises(V6Error, match=r"cut.jsonl:3:1: this is no entry of a recording"):
        load_recording(path)
    path.write_text("hello\n", encoding="utf-8")
    with pytest.raises(V6Error, match=r"cut.jsonl:1:1: this is no recording"):
        load_recording(path)
    path.write_text(rows[0].replace(": 1,", ": 2,") + "\n", encoding="utf-8")
    with pytest.raises(V6Error, match="only v6-wire 1"):
        load_recording(path)


def test_a_recording_without_a_client_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text('{"recording": "v6-wire", "version": 1, "began": "2020-01-01T00:00:00+00:00"}\n', encoding="utf-8")
    with pytest.raises(V6Error, match="no connection on which a client started its API"):
        ReplayServer(load_recording(path))


def test_a_question_may_be_asked_again(recording: Recording) -> None:
    async def story(ib: IB, server: ReplayServer) -> None:
        bars = await ib.reqHistoricalDataAsync(INDEX, "", "3600 S", "5 mins", "TRADES", useRTH=True)
        assert len(bars) == 12
        again = await ib.reqHistoricalDataAsync(INDEX, "", "3600 S", "5 mins", "TRADES", useRTH=True)
        assert list(again) == list(bars)

    replayed(recording, story)
