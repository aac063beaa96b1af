"""What happened to the account while nobody looked, told by its cause: over the real client, against the gateway."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.execution.fakes import MemoryJournal, fills, open_intent
from tests.ib.stage import CONDOR, Stage, play, ticket
from tests.paper.flat import LONG_PUT, SPY, SPY_CALL, SPY_WING, FlatMarket
from v6.daemon.conflicts import Kind
from v6.daemon.reconcile import Reconciler
from v6.execution.books import Books
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.contract import Contract, Leg
from v6.model.order import OrderState
from v6.model.position import Position, Structure, StructureKind

TODAY = date(2015, 3, 3)
SPREAD = Structure(StructureKind.BEAR_CALL_SPREAD, "SPY", (Leg(SPY_CALL, -1), Leg(SPY_WING, 1)))
ADJUSTED = replace(SPY_CALL, con_id=77, trading_class="SPY1", multiplier=50)


class Night:
    """A gateway whose account changes by no order, and books that still say what was there in the evening."""

    def __init__(self, stage: Stage, structure: Structure) -> None:
        self.stage = stage
        self.journal = MemoryJournal([])
        position = Position("p1", "s", structure, 1, Decimal("-1.00"), stage.clock.now())
        self.books = Books(self.journal, Ledger([e.PositionOpened(stage.clock.now(), position)]))
        for leg in structure.legs:
            stage.gateway.hold(leg.contract, leg.ratio, Decimal("1.00"))

    def change(self, contract: Contract, quantity: int) -> None:
        self.stage.gateway.ledger.trade(contract, quantity, Decimal(0), Decimal(0))

    async def found(self) -> list[str]:
        """Return the codes of two comparisons by a desk that comes back, with what is fenced."""
        desk = await self.stage.connected()
        reconciler = Reconciler(self.books, {}, desk.broker, self.stage.clock, 900.0, False)
        for _ in range(2):
            await reconciler.run(TODAY, {})
        self.kinds = {c.con_id: c.kind for c in reconciler.conflicts}
        self.fenced = reconciler.fenced()
        return [event.code for event in self.journal.written if isinstance(event, e.FindingRaised)]


def night(structure: Structure, change: Callable[[Night], None], codes: list[str], kinds: dict[int, Kind]) -> None:
    market = FlatMarket()
    market.listed = [*market.listed, SPY, SPY_CALL, SPY_WING, ADJUSTED]
    market.quotes |= {SPY.con_id: (208.0, 208.1), 20: (3.0, 3.1), 21: (1.0, 1.1), 77: (3.0, 3.1)}

    async def story(stage: Stage) -> None:
        scene = Night(stage, structure)
        change(scene)
        assert await scene.found() == codes, "each is told once"
        assert scene.kinds == kinds
        assert scene.fenced == ({"p1"} if kinds else set())

    play(story, market=market)


def test_a_quiet_night_is_silent() -> None:
    night(SPREAD, lambda _: None, [], {})


def test_an_assignment_is_told_by_the_shares_that_it_brought() -> None:
    def assigned(scene: Night) -> None:
        scene.change(SPY_CALL, 1)
        scene.change(SPY, -100)

    night(SPREAD, assigned, ["assigned"], {20: Kind.ASSIGNED, SPY.con_id: Kind.ASSIGNED})


def test_an_exercise_is_told_by_the_shares_that_it_brought() -> None:
    def exercised(scene: Night) -> None:
        scene.change(SPY_WING, -1)
        scene.change(SPY, 100)

    night(SPREAD, exercised, ["exercised"], {21: Kind.EXERCISED, SPY.con_id: Kind.EXERCISED})


def test_a_contract_that_was_adjusted_is_a_corporate_action() -> None:
    def adjusted(scene: Night) -> None:
        scene.change(SPY_CALL, 1)
        scene.change(ADJUSTED, -1)

    night(SPREAD, adjusted, ["corporate-action"], {20: Kind.CORPORATE_ACTION, 77: Kind.CORPORATE_ACTION})


def test_a_leg_that_is_gone_without_a_cause_is_missing_there() -> None:
    night(CONDOR, lambda scene: scene.change(LONG_PUT, -1), ["missing-there"], {LONG_PUT.con_id: Kind.MISSING_THERE})


def test_what_another_client_trades_is_by_hand() -> None:
    async def story(stage: Stage) -> None:
        scene, other = Night(stage, CONDOR), await stage.connected(2)
        other.broker.place(ticket("", other.broker.next_order_id(), "-2.20"))
        await asyncio.sleep(5)
        assert await scene.found() == ["manual-trade"]
        assert set(scene.kinds.values()) == {Kind.MANUAL}
        assert len(scene.kinds) == 4
        assert scene.fenced == frozenset(), "the broker holds more of it, and ours can be closed"

    play(story)


def test_an_order_of_another_client_is_told_once_and_goes_on_working() -> None:
    async def story(stage: Stage) -> None:
        scene, other = Night(stage, CONDOR), await stage.connected(2)
        other.broker.place(ticket("", other.broker.next_order_id(), "-5.00"))
        await asyncio.sleep(1)
        assert await scene.found() == ["foreign-order"]
        (told,) = [event.text for event in scene.journal.written if isinstance(event, e.FindingRaised)]
        assert told == "BUY 1 SPX BAG LMT -5 of client 2 works"
        assert [order.order_ref for order in (await other.broker.statement()).orders] == [""]

    play(story)


@pytest.mark.parametrize(("price", "codes"), [("1.00", []), ("1.03", []), ("1.20", ["cost-differs"])])
def test_a_cost_that_is_not_ours_is_told_and_halts_nothing(price: str, codes: list[str]) -> None:
    async def story(stage: Stage) -> None:
        single = Structure(StructureKind.SINGLE, "SPX", (Leg(LONG_PUT, 1),))
        intent = replace(open_intent(quantity=1), structure=single, position_id="p1")
        scene = Night(stage, single)
        scene.books.post(
            e.OrderIntended(stage.clock.now(), intent),
            *(e.OrderFilled(stage.clock.now(), fill) for fill in fills(intent, 1, (Decimal("1.00"),))),
            e.OrderEnded(stage.clock.now(), intent.order_ref, OrderState.FILLED),
        )
        scene.change(LONG_PUT, -1)
        stage.gateway.hold(LONG_PUT, 1, Decimal(price))
        assert await scene.found() == codes
        assert scene.fenced == frozenset()

    play(story)
