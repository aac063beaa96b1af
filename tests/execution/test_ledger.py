from dataclasses import replace
from decimal import Decimal

from tests.execution.fakes import CONDOR, NOON, close_intent, corrected, fills, open_intent, option
from v6.execution.ledger import Ledger, OrderRecord, exec_key
from v6.model import event as e
from v6.model.contract import Leg, Right
from v6.model.order import Fill, OrderState
from v6.model.position import Position, Structure, StructureKind

SENT = (e.OrderIntended(NOON, open_intent()), e.OrderSending(NOON, "v6-open1", 1))


def test_a_correction_shares_the_key_of_what_it_corrects() -> None:
    assert exec_key("0000e0d5.65a1.02.01") == exec_key("0000e0d5.65a1.02.02")
    assert exec_key("0000e0d5.65a1.02.01") != exec_key("0000e0d5.65a1.03.01")
    assert exec_key("plain") == "plain"


def test_a_unit_is_filled_when_every_leg_is() -> None:
    record = OrderRecord(open_intent(), OrderState.WORKING, fills=tuple(fills(open_intent(), 2)[:3]))
    assert record.units_filled() == 0
    assert record.legged()
    assert record.net_price() is None
    whole = replace(record, fills=tuple(fills(open_intent(), 2)))
    assert (whole.units_filled(), whole.legged(), whole.net_price()) == (2, False, Decimal("-9.5"))


def test_legs_that_share_a_contract_fill_together() -> None:
    call = option(3, 1900, Right.CALL)
    twice = Structure(StructureKind.CUSTOM, "SPX", (Leg(call, -1), Leg(call, -1), Leg(option(4, 1950, Right.CALL), 1)))
    intent = replace(open_intent(), structure=twice)
    one = (
        Fill("a.1.01", intent.order_ref, 3, -2, Decimal(5), NOON),
        Fill("a.2.01", intent.order_ref, 4, 1, Decimal(2), NOON),
    )
    record = OrderRecord(intent, OrderState.WORKING, fills=one)
    assert record.units_filled() == 1
    assert not record.legged()
    assert record.net_price() == Decimal(-8)


def test_contracts_traded_the_wrong_way_fill_nothing() -> None:
    wrong = tuple(replace(fill, quantity=-fill.quantity) for fill in fills(open_intent(), 1))
    record = OrderRecord(open_intent(), OrderState.WORKING, fills=wrong)
    assert record.units_filled() == 0
    assert record.legged()


def test_selling_a_structure_is_priced_as_what_is_received() -> None:
    intent = close_intent()
    record = OrderRecord(intent, OrderState.WORKING, fills=tuple(fills(intent, 2)))
    assert record.net_price() == Decimal("-9.5"), "buying the condor back at 9.50 receives -9.50"


def test_a_correction_keeps_the_commission_until_a_new_one_comes() -> None:
    ledger = Ledger(SENT)
    first = replace(fills(open_intent(), 1)[0], commission=Decimal("1.25"))
    ledger.apply(e.OrderFilled(NOON, first))
    ledger.apply(e.OrderFilled(NOON, corrected(first, Decimal(3))))
    assert [(fill.price, fill.commission) for fill in ledger.orders["v6-open1"].fills] == [
        (Decimal(3), Decimal("1.25"))
    ]


def test_an_opening_order_counts_on_the_day_it_is_sent_and_a_closing_one_does_not() -> None:
    ledger = Ledger([e.OrderIntended(NOON, open_intent())])
    assert ledger.openings_on(NOON.date()) == 0
    ledger.apply(SENT[1])
    ledger.apply(e.OrderIntended(NOON, close_intent()))
    ledger.apply(e.OrderSending(NOON, "v6-close1", 2))
    assert ledger.openings_on(NOON.date()) == 1


def test_a_position_reduced_and_closed_is_gone() -> None:
    ledger = Ledger()
    position = Position("p", "iron_condor", CONDOR, 3, Decimal("-9.5"), NOON)
    ledger.apply(e.PositionOpened(NOON, position))
    ledger.apply(e.PositionReduced(NOON, "p", 2, Decimal(-4), Decimal(0), Decimal(0), "r"))
    assert ledger.holdings["p"].now().quantity == 1
    assert ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}
    ledger.apply(e.PositionClosed(NOON, "p", Decimal(-4), Decimal(0), Decimal(0), "r"))
    assert ledger.expected_contracts() == {}


def test_events_of_other_rooms_change_nothing() -> None:
    ledger = Ledger(SENT)
    before = (dict(ledger.orders), dict(ledger.holdings))
    ledger.apply(e.RuleSetReloaded(NOON, "f", "r"))
    ledger.apply(e.FindingRaised(NOON, "c", "t"))
    ledger.apply(e.OrderDenied(NOON, open_intent("other"), ("no",)))
    assert (ledger.orders, ledger.holdings) == before
