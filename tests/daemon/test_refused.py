"""A whole desk whose broker does not let it trade: asked once, told once, and left in peace."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.daemon.test_daemon import desk
from v6.daemon.daemon import Daemon
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.model import event as e
from v6.model.order import OrderState
from v6.paper.faults import Faults, parse_script
from v6.paper.gateway import PaperGateway
from v6.paper.scenarios import ScenarioMarket, load_scenario
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys

READ_ONLY = "Error validating request.-'b5' : cause - The API interface is currently in Read-Only mode."


def three_days(folder: Path, code: int, text: str) -> tuple[list[e.Event], PaperGateway]:
    """Run three sessions of a desk that opens every day, at a gateway that refuses each order with the error."""
    script = "version: 1\nseed: 1\nfaults:\n  - id: refused\n    when: {asked: placeOrder}\n"
    script += f'    do: {{error: {{code: {code}, text: "{text}"}}}}\n'
    market, calendar = ScenarioMarket(load_scenario("grind"), 1), xnys()
    seen: list[e.Event] = []

    async def main(loop: VirtualLoop) -> tuple[list[e.Event], PaperGateway]:
        clock = VirtualClock(loop, calendar.open_utc(market.first_day) - BEFORE_OPEN)
        faults = Faults(parse_script(script))
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=300.0, faults=faults)
        port = await gateway.start()
        settings = Settings(
            desk(folder / "desk"), folder / "store", "127.0.0.1", port, cycle_s=300.0, durable=False,
            flush_every=1000, heartbeat_s=None,
        )  # fmt: skip
        daemon = Daemon(settings, clock, calendar)
        daemon.books.listen(seen.append)
        await daemon.run(calendar.open_utc(market.first_day) + timedelta(days=2, hours=5))
        await gateway.stop()
        return seen, gateway

    return run_virtual(main)


@pytest.mark.parametrize(
    ("code", "text", "finding", "end"),
    [
        (203, "The security is not available or allowed for this account", "class-not-allowed", OrderState.REJECTED),
        (321, READ_ONLY, "api-read-only", OrderState.NOT_SENT),
    ],
    ids=["203", "read-only"],
)
def test_what_the_broker_does_not_allow_is_tried_once(
    tmp_path: Path, code: int, text: str, finding: str, end: OrderState
) -> None:
    events, gateway = three_days(tmp_path, code, text)
    assert len([event for event in events if isinstance(event, e.OrderSending)]) == 1
    assert [event.code for event in events if isinstance(event, e.FindingRaised)] == [finding]
    assert [event.state for event in events if isinstance(event, e.OrderEnded)] == [end]
    assert gateway.order_refs_placed == {}
    assert len([event for event in events if isinstance(event, e.SnapshotTaken)]) > 2 * 78, "the desk goes on looking"


def test_an_order_refused_for_another_reason_is_tried_again(tmp_path: Path) -> None:
    events, _ = three_days(tmp_path, 201, "Order rejected - reason: no")
    assert len([event for event in events if isinstance(event, e.OrderSending)]) > 1
