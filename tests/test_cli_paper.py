"""`v6 paper` and its sub-commands as programs: what they print, over real sockets."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ib_async import IB

from tests.conftest import ROOT
from tests.test_cli import v6


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Yield the port that a command says it listens on; it is interrupted afterwards and must end well."""
    command = [sys.executable, "-m", "v6.cli", "paper", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            # The pipe is no terminal: rich may have broken the line.
            said = running.stdout.readline()
            while not (found := re.search(r"(?:gateway on|clients of|answers on) *127\.0\.0\.1:(\d+)", said)):
                more = running.stdout.readline()
                assert more, (said, running.stderr.read() if running.stderr else "")
                said = said.rstrip("\n") + " " + more
            yield int(found[1]), running
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(60)
        assert running.returncode == 0


def account(port: int) -> str:
    async def main() -> str:
        ib = IB()
        await ib.connectAsync("127.0.0.1", port, clientId=1, timeout=60)
        (name,) = ib.managedAccounts()
        assert [v.value for v in ib.accountValues() if v.tag == "NetLiquidation"] == ["250000.00"]
        ib.disconnect()
        return name

    return asyncio.run(main())


def test_a_scenario_is_served_recorded_compared_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    with serving("--port", "0", "--scenario", "halt") as (gateway, _):
        with serving("record", "--broker", f"127.0.0.1:{gateway}", "--port", "0", "--out", str(file)) as (port, _):
            assert account(port) == "DU1234567"
        again = v6("paper", "record", "--broker", f"127.0.0.1:{gateway}", "--out", str(file))
        assert again.returncode == 1
        assert "cannot be begun: File exists" in again.stderr
    compared = v6("paper", "compare", str(file), "--json")
    assert compared.returncode == 0, compared.stdout
    assert json.loads(compared.stdout)["clean"] is True
    assert "server version 178" in v6("paper", "compare", str(file)).stdout
    with serving("replay", str(file), "--port", "0") as (port, _):
        assert account(port) == "DU0000001"


def test_a_recording_that_differs_exits_with_one_and_tells_the_line(tmp_path: Path) -> None:
    file = tmp_path / "wire.jsonl"
    rows = ['{"recording": "v6-wire", "version": 1, "began": "2020-01-01T00:00:00+00:00"}']
    rows.append('{"at": 1.0, "link": 1, "what": "sent", "fields": ["178", "20200101 00:00:00 UTC"]}')
    rows.append('{"at": 1.0, "link": 1, "what": "sent", "fields": ["9", "1", "5", "new"]}')
    file.write_text("\n".join(rows), encoding="utf-8")
    done = v6("paper", "compare", str(file))
    assert done.returncode == 1
    assert f"{file}:3:1: nextValidId: 4 fields, not 3 (1 times)" in done.stdout


def test_scenarios_are_listed() -> None:
    assert set(json.loads(v6("paper", "scenarios", "--json").stdout)) >= {"crash", "gap", "vol_crush", "halt", "grind"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--scenario", "crsh"), "no scenario is called 'crsh'; did you mean crash?"),
        (("paper", "--scenario", "none.yaml"), "none.yaml:1:1: cannot be read"),
        (("paper", "--seed", "3", "scenarios"), "an option before `scenarios` has no effect"),
        (("paper", "replay", "none.jsonl"), "none.jsonl:1:1: cannot be read"),
        (("paper", "record", "--broker", "somewhere", "--out", "x.jsonl"), "is neither"),
    ],
)
def test_a_mistake_is_a_message_and_exit_code_one(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = v6(*arguments)
    assert done.returncode == 1
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
