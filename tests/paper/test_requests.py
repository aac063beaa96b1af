from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ib_async import (
    Bag,
    ComboLeg,
    Contract,
    LimitOrder,
    MarketOrder,
    Option,
    Order,
    PriceCondition,
    StopLimitOrder,
    StopOrder,
    TagValue,
    TimeCondition,
)
from ib_async.client import Client
from ib_async.contract import DeltaNeutralContract

from v6.paper.codec import Malformed
from v6.paper.placement import place_order
from v6.paper.requests import TABLES, decimal, history, parse, quotes, req_id

PUT = Option("SPX", "20150320", 2000, "P", "SMART", conId=11, currency="USD", tradingClass="SPXW")
COMBO = Bag(
    symbol="SPX",
    exchange="SMART",
    currency="USD",
    comboLegs=[ComboLeg(11, 1, "SELL", "SMART"), ComboLeg(10, 2, "BUY", "SMART")],
)


class Mute:
    """The wrapper of a client that only writes."""


def sent(call: Callable[[Client], None]) -> list[str]:
    """Return the fields that ib_async's own client writes for a call."""
    client, out = Client(Mute()), []
    client.connState = Client.CONNECTED
    client._serverVersion = 178
    client.sendMsg = out.append
    call(client)
    return str(out[0]).split("\0")[:-1]


def placed(contract: Contract, order: Order) -> list[str]:
    return sent(lambda client: client.placeOrder(7, contract, order))


ORDERS: dict[str, tuple[Contract, Order]] = {
    "limit": (PUT, LimitOrder("BUY", 2, 2.3, tif="DAY", orderRef="v6-a")),
    "market": (PUT, MarketOrder("BUY", 2)),
    "stop": (PUT, StopOrder("SELL", 2, 1.5, tif="GTC")),
    "stop limit": (PUT, StopLimitOrder("SELL", 2, 1.4, 1.5)),
    "combo": (COMBO, LimitOrder("BUY", 1, Decimal("-0.85"))),
    "routed combo": (COMBO, LimitOrder("BUY", 1, -0.8, smartComboRoutingParams=[TagValue("NonGuaranteed", "0")])),
    "conditions": (PUT, LimitOrder("BUY", 1, 2.3, conditions=[PriceCondition(conId=1), TimeCondition(time="x")])),
    "algo": (
        PUT,
        LimitOrder("BUY", 1, 2.3, algoStrategy="Adaptive", algoParams=[TagValue("priority", "Urgent")]),
    ),
    "scale": (PUT, LimitOrder("BUY", 9, 2.3, scaleInitLevelSize=1, scalePriceIncrement=0.5)),
    "hedge": (PUT, LimitOrder("BUY", 9, 2.3, hedgeType="D", hedgeParam="1")),
    "delta neutral": (PUT, LimitOrder("BUY", 9, 2.3, deltaNeutralOrderType="MKT")),
    "echoed": (PUT, LimitOrder("BUY", 9, 2.3, deltaNeutralOrderType="None")),
    "pegged": (PUT, Order(orderType="PEG BENCH", action="BUY", totalQuantity=1)),
    "best": (PUT, Order(orderType="PEG BEST", action="BUY", totalQuantity=1, competeAgainstBestOffset=float("inf"))),
}


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_of_ib_async_is_read_to_its_last_field(name: str) -> None:
    fields = placed(*ORDERS[name])
    request = place_order(fields)
    assert request.order_id == 7
    assert request.terms["action"] in ("BUY", "SELL")
    assert request.terms["orderType"] == ORDERS[name][1].orderType
    for cut in range(len(fields)):
        with pytest.raises(Malformed):
            place_order(fields[:cut])
    with pytest.raises(Malformed, match="too many"):
        place_order([*fields, ""])


def test_the_terms_of_an_order_arrive_under_their_names() -> None:
    order = LimitOrder(
        "SELL", 3, -1.25, tif="GTC", orderRef="v6-x", ocaGroup="g", whatIf=True, parentId=4, account="DU1"
    )
    request = place_order(placed(COMBO, order))
    assert request.decimal("lmtPrice") == Decimal("-1.25")
    assert request.decimal("totalQuantity") == 3
    assert request.decimal("auxPrice") is None
    assert request.flag("whatIf")
    assert request.flag("transmit")
    terms = ("tif", "orderRef", "ocaGroup", "parentId", "account", "duration", "manualOrderTime")
    assert [request.terms[t] for t in terms] == ["GTC", "v6-x", "g", "4", "DU1", "", ""]
    assert [(leg.con_id, leg.signed) for leg in request.legs] == [(11, -1), (10, 2)]


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("limit", ()), ("echoed", ()), ("routed combo", ()), ("algo", ("algo order",)), ("hedge", ("hedge order",)),
        ("conditions", ("conditions",)), ("scale", ("scale order",)), ("delta neutral", ("delta neutral order",)),
    ],
)  # fmt: skip
def test_optional_blocks_are_noticed(name: str, extras: tuple[str, ...]) -> None:
    assert place_order(placed(*ORDERS[name])).extras == extras


def test_a_delta_neutral_contract_is_read_over() -> None:
    contract = Option("SPX", "20150320", 2000, "P", deltaNeutralContract=DeltaNeutralContract(1, 0.5, 2.0))
    assert place_order(placed(contract, LimitOrder("BUY", 1, 2.3))).extras == ("delta neutral contract",)


@pytest.mark.parametrize("contract", [PUT, COMBO])
def test_market_data_requests_are_read_to_the_last_field(contract: Contract) -> None:
    fields = sent(lambda c: c.reqMktData(5, contract, "100,456", True, False, []))
    request = quotes(fields)
    assert (request.req_id, request.snapshot, len(request.legs)) == (5, True, len(contract.comboLegs))
    assert request.generic == ("100", "456")
    with pytest.raises(Malformed):
        quotes(fields[:-1])


@pytest.mark.parametrize("contract", [PUT, COMBO])
def test_history_requests_are_read_to_the_last_field(contract: Contract) -> None:
    fields = sent(lambda c: c.reqHistoricalData(5, contract, "", "1 Y", "1 day", "TRADES", True, 1, False, []))
    request = history(fields)
    assert (request.req_id, request.duration, request.bar_size, request.format_date) == (5, "1 Y", "1 day", 1)


REQUESTS: dict[int, Callable[[Client], Any]] = {
    2: lambda c: c.cancelMktData(9),
    4: lambda c: c.cancelOrder(9),
    5: lambda c: c.reqOpenOrders(),
    6: lambda c: c.reqAccountUpdates(True, "DU1"),
    8: lambda c: c.reqIds(1),
    9: lambda c: c.reqContractDetails(9, PUT),
    14: lambda c: c.setServerLogLevel(1),
    15: lambda c: c.reqAutoOpenOrders(True),
    16: lambda c: c.reqAllOpenOrders(),
    17: lambda c: c.reqManagedAccts(),
    25: lambda c: c.cancelHistoricalData(9),
    49: lambda c: c.reqCurrentTime(),
    58: lambda c: c.reqGlobalCancel(),
    59: lambda c: c.reqMarketDataType(2),
    61: lambda c: c.reqPositions(),
    62: lambda c: c.reqAccountSummary(9, "All", "NetLiquidation"),
    63: lambda c: c.cancelAccountSummary(9),
    64: lambda c: c.cancelPositions(),
    71: lambda c: c.startApi(),
    76: lambda c: c.reqAccountUpdatesMulti(9, "DU1", "", False),
    77: lambda c: c.cancelAccountUpdatesMulti(9),
    78: lambda c: c.reqSecDefOptParams(9, "SPX", "", "IND", 1),
    91: lambda c: c.reqMarketRule(110),
    92: lambda c: c.reqPnL(9, "DU1", ""),
    93: lambda c: c.cancelPnL(9),
    94: lambda c: c.reqPnLSingle(9, "DU1", "", 11),
    95: lambda c: c.cancelPnLSingle(9),
    99: lambda c: c.reqCompletedOrders(False),
}


@pytest.mark.parametrize("msg_id", REQUESTS)
def test_each_table_is_as_long_as_what_ib_async_sends(msg_id: int) -> None:
    fields = sent(REQUESTS[msg_id])
    assert fields[0] == str(msg_id)
    named = parse(msg_id, fields)
    for name in ("reqId", "orderId"):
        if name in named and msg_id != 71:
            assert (named[name], req_id(fields)) == ("9", 9)


def test_every_table_is_tried_above() -> None:
    assert set(TABLES) - set(REQUESTS) == {7}  # executions need a filter; the gateway tests use it


@pytest.mark.parametrize("field", ["1E999999999", "-1e300", "nan", "inf", "x", "1_0e99"])
def test_a_number_that_cannot_be_meant_is_malformed(field: str) -> None:
    with pytest.raises(Malformed, match="price"):
        decimal("price", field)


@pytest.mark.parametrize("field", ["", "1.7976931348623157E308", "1.7976931348623157e+308"])
def test_an_unset_number_is_none(field: str) -> None:
    assert decimal("price", field) is None
