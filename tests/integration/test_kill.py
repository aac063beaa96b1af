"""Real processes over TCP: the daemon is killed again and again, the gateway's account tells what is true."""

import asyncio
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import ib_async
import pytest

pytest.importorskip("arch", reason="the history package is the gateway's market: pip install 'v6[history]'")

ROOT = Path(__file__).resolve().parents[2]
SPEED = "60"
KILLS = 6


def v6(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "v6.cli", *arguments]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A desk that opens in each cycle it may and closes after some minutes, so that every kill hits something."""
    folder = tmp_path / "desk"
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    replace(folder / "strategies/iron_condor.yaml", r"minutes_since_open >= \d+", "minutes_since_open >= 1")
    replace(folder / "strategies/iron_condor.yaml", r"min_days_between: \d+", "min_days_between: 0")
    rule = folder / "rules/time_exit.yaml"
    replace(rule, r"(?m)^when:.*(\n +.*)*$", "when: days_held >= 0.004")
    replace(rule, r"(?ms)^params:.*?(?=^when:)", "")
    replace(rule, r"(?ms)^examples:.*", EXAMPLES)
    return folder


EXAMPLES = """examples:
  - {given: {days_held: 1}, fires: true}
  - {given: {days_held: 0}, fires: false}
"""


def replace(path: Path, pattern: str, text: str) -> None:
    before = path.read_text()
    after = re.sub(pattern, text, before)
    assert after != before, f"{pattern} is not in {path.name}"
    path.write_text(after)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    arguments = v6("paper", "--port", "0", "--speed", SPEED, "--step", "10")
    with (tmp_path / "paper.log").open("w") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        yield wait_for_port(process, tmp_path / "paper.log")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(600):
        found = re.search(r"127\.0\.0\.1:(\d+)", log.read_text())
        if found:
            return int(found[1])
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError("the gateway did not start")


def run_daemon(desk: Path, store: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    arguments = v6(
        *("run", "--broker", f"127.0.0.1:{port}", "--speed", SPEED, "--cycle", "30"),
        *("--desk", str(desk), "--store", str(store)),
    )
    with log.open("a") as lines:
        return subprocess.Popen(arguments, stdout=lines, stderr=subprocess.STDOUT)


def status(store: Path) -> dict[str, list[dict[str, object]]]:
    done = subprocess.run(v6("status", "--store", str(store), "--json"), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


async def truth(port: int) -> tuple[dict[int, int], Counter[str]]:
    """Return the gateway's positions and how often each orderRef of ours was taken, seen as another client."""
    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=99, timeout=20)
    positions = {p.contract.conId: int(p.position) for p in await ib.reqPositionsAsync() if p.position}
    orders = [*await ib.reqAllOpenOrdersAsync(), *await ib.reqCompletedOrdersAsync(False)]
    ib.disconnect()
    refs = Counter(trade.order.orderRef for trade in {t.order.permId: t for t in orders}.values())
    return positions, refs


def held(found: dict[str, list[dict[str, object]]]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for position in found["positions"]:
        contracts = position["contracts"]
        assert isinstance(contracts, dict)
        for con_id, quantity in contracts.items():
            total[int(con_id)] += quantity
    return {con_id: quantity for con_id, quantity in total.items() if quantity}


def test_kills_lose_no_order_and_send_none_twice(desk: Path, port: int, tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "run.log"
    dice = random.Random(6)
    for _ in range(KILLS):
        daemon = run_daemon(desk, store, port, log)
        time.sleep(4.0 + 4.0 * dice.random())
        daemon.kill()
        daemon.wait(20)
    daemon = run_daemon(desk, store, port, log)
    try:
        agreed = False
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not agreed:
            time.sleep(1.0)
            if daemon.poll() is not None or not (store / "journal.sqlite").exists():
                continue
            before, (positions, refs), after = status(store), asyncio.run(truth(port)), status(store)
            settled = before == after and not after["orders"]
            agreed = settled and held(after) == positions and len(refs) >= 3
    finally:
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(30)
    assert code == 0, log.read_text()
    assert agreed, f"ours {held(status(store))}, the gateway's {positions}; {log.read_text()}"
    assert len(refs) >= 3, "too few orders for the kills to mean anything"
    assert set(refs.values()) == {1}, f"an order was sent twice: {refs}"
