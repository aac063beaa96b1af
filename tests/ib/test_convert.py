import math
from datetime import UTC, date, datetime
from decimal import Decimal

import ib_async
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.fakes import CONDOR, option
from v6.errors import BrokerError
from v6.ib import convert
from v6.model.contract import Leg, Right, SecType, Side
from v6.model.position import Structure, StructureKind
from v6.ports import BrokerStatus, Ticket

NOW = datetime(2014, 1, 7, 17, 0, tzinfo=UTC)
UNSET = 1.7976931348623157e308
nasty = st.sampled_from([math.nan, math.inf, -math.inf, UNSET, -1.0, -2.0, 0.0, None]) | st.floats(-3, 3)


def ticker(**fields: object) -> ib_async.Ticker:
    found = ib_async.Ticker()
    for name, value in fields.items():
        setattr(found, name, value)
    return found


@given(nasty, nasty, nasty, nasty, nasty, nasty, nasty, nasty, nasty)
def test_no_sentinel_gets_through(
    bid: float, ask: float, last: float, iv: float, delta: float, gamma: float, vega: float, theta: float, close: float
) -> None:
    model = ib_async.OptionComputation(0, iv, delta, 1.0, 0.0, gamma, vega, theta, 100.0)
    fields = {"bid": bid, "ask": ask, "last": last, "close": close}
    quote = convert.quote_of(ticker(**{k: v for k, v in fields.items() if v is not None}, modelGreeks=model), 1, NOW)
    for value in (quote.ask, quote.last, quote.close):
        assert value is None or (math.isfinite(value) and 0 < value < 1e300)
    assert quote.bid is None or 0 <= quote.bid < 1e300
    assert quote.bid != 0 or (quote.ask is not None and quote.ask <= convert.WORTHLESS_ASK)
    if quote.greeks is not None:
        greeks = quote.greeks
        assert all(math.isfinite(v) for v in (greeks.delta, greeks.gamma, greeks.theta, greeks.vega, greeks.iv))
        assert -1 <= greeks.delta <= 1
        assert greeks.vega >= 0
        assert greeks.gamma >= 0
        assert greeks.iv > 0
        assert greeks.theta != -2


def greeks(**changed: float) -> ib_async.OptionComputation:
    known = {"impliedVol": 0.2, "delta": -0.1, "gamma": 0.001, "vega": 1.0, "theta": -0.3} | changed
    return ib_async.OptionComputation(0, optPrice=1.0, pvDividend=0.0, undPrice=100.0, **known)


def test_greeks_are_whole_or_missing() -> None:
    assert convert.quote_of(ticker(modelGreeks=greeks()), 1, NOW).greeks is not None
    for hole in (
        {"theta": -2.0},
        {"vega": -2.0},
        {"delta": UNSET},
        {"gamma": math.nan},
        {"gamma": -2.0},
        {"impliedVol": -1.0},
    ):
        assert convert.quote_of(ticker(modelGreeks=greeks(**hole)), 1, NOW).greeks is None, hole


def test_nothing_known_is_nothing_and_not_zero() -> None:
    quote = convert.quote_of(ticker(), 1, NOW)
    assert (quote.bid, quote.ask, quote.last, quote.close, quote.greeks, quote.mid) == (None,) * 6


def test_an_empty_bid_is_zero_only_under_a_nearly_worthless_ask() -> None:
    assert convert.quote_of(ticker(bid=-1, ask=0.05), 1, NOW).mid == 0.025
    assert convert.quote_of(ticker(bid=-1, ask=5.0), 1, NOW).mid is None
    assert convert.quote_of(ticker(bid=0.0, ask=5.0), 1, NOW).mid is None
    assert convert.quote_of(ticker(ask=0.05), 1, NOW).mid is None, "a bid that never came is not an empty one"


def test_a_crossed_market_has_no_mid() -> None:
    assert convert.quote_of(ticker(bid=2.0, ask=1.9), 1, NOW).mid is None


def test_contracts_survive_the_way_there_and_back() -> None:
    ours = option(7, 1700, Right.PUT)
    assert convert.from_ib(convert.to_ib(ours)) == ours
    assert convert.from_ib(convert.to_ib(ours)).strike == Decimal(1700)


@pytest.mark.parametrize("text", ["20140221", "20140221 16:00:00 US/Eastern", "20140221-16:00:00"])
def test_an_expiry_is_read_with_and_without_its_time(text: str) -> None:
    wire = ib_async.Option("SPX", text, 1700.0, "P", "SMART", "100", "USD", conId=7, tradingClass="SPXW")
    assert convert.from_ib(wire).expiry == date(2014, 2, 21)


def test_an_unknown_kind_of_contract_is_an_error() -> None:
    with pytest.raises(BrokerError, match="CRYPTO"):
        convert.from_ib(ib_async.Contract(secType="CRYPTO", symbol="BTC"))


def test_a_structure_goes_as_one_bag() -> None:
    bag = convert.bag(CONDOR)
    assert (bag.secType, bag.exchange, bag.symbol) == ("BAG", "SMART", "SPX")
    assert [(leg.conId, leg.ratio, leg.action) for leg in bag.comboLegs] == [
        (1, 1, "BUY"),
        (2, 1, "SELL"),
        (3, 1, "SELL"),
        (4, 1, "BUY"),
    ]


def test_an_order_always_has_its_tif_its_ref_and_a_limit() -> None:
    order = convert.order_of(Ticket("v6-x", 5, CONDOR, Side.BUY, 2, Decimal("-9.55")), "DU1")
    assert (order.orderType, order.tif, order.orderRef, order.account) == ("LMT", "DAY", "v6-x", "DU1")
    assert (order.lmtPrice, order.totalQuantity, order.action) == (-9.55, 2, "BUY")


def execution(sec_type: str, side: str = "SLD") -> ib_async.Fill:
    return ib_async.Fill(
        contract=ib_async.Contract(secType=sec_type, conId=2),
        execution=ib_async.Execution(
            execId="a.b.01", orderRef="v6-x", side=side, shares=3.0, price=7.05, time=NOW, permId=9
        ),
        commissionReport=ib_async.CommissionReport(),
        time=NOW,
    )


def test_a_leg_execution_is_signed_and_its_commission_unknown_until_reported() -> None:
    fill = convert.fill_of(execution("OPT"))
    assert fill is not None
    assert (fill.quantity, fill.price, fill.commission) == (-3, Decimal("7.05"), None)
    reported = execution("OPT")
    reported.commissionReport.execId = "a.b.01"
    reported.commissionReport.commission = 3.75
    assert convert.fill_of(reported).commission == Decimal("3.75")  # type: ignore[union-attr]
    reported.commissionReport.commission = UNSET
    assert convert.fill_of(reported).commission is None  # type: ignore[union-attr]


def test_a_bags_summary_counts_units_and_never_contracts() -> None:
    assert convert.fill_of(execution("BAG")) is None
    bag, option = ib_async.Contract(secType="BAG"), ib_async.Contract(secType="OPT")
    assert convert.units_of(bag, [execution("BAG"), execution("OPT")]) == 3
    assert convert.units_of(bag, [execution("OPT")]) == 0, "a leg is no unit, also where the combo's legs are unknown"
    assert convert.units_of(option, [execution("OPT")]) == 3


def test_a_correction_counts_once_and_as_corrected() -> None:
    first, corrected, other = execution("BAG"), execution("BAG"), execution("BAG")
    corrected.execution.execId, corrected.execution.shares = "a.b.02", 2.0
    other.execution.execId = "a.c.01"
    assert convert.units_of(ib_async.Contract(secType="BAG"), [corrected, first, other]) == 2 + 3


def test_a_commission_in_another_currency_is_not_known() -> None:
    report = ib_async.CommissionReport("a.b.01", 3.75, "EUR")
    assert convert.commission_of(report) is None
    fill = execution("OPT")._replace(commissionReport=report)
    assert convert.fill_of(fill).commission is None  # type: ignore[union-attr]
    assert convert.commission_of(ib_async.CommissionReport("a.b.01", 3.75, "USD")) is not None


def trade(status: str, code: int = 0, perm_id: int = 9) -> ib_async.Trade:
    order = ib_async.Order(orderId=5, orderRef="v6-x", permId=perm_id)
    entry = ib_async.TradeLogEntry(NOW, status, f"text {code}", code)
    return ib_async.Trade(ib_async.Contract(), order, ib_async.OrderStatus(status=status, filled=2.0), [], [entry])


@pytest.mark.parametrize(
    ("status", "code", "perm_id", "expected"),
    [
        ("PreSubmitted", 0, 9, BrokerStatus.WORKING),
        ("Submitted", 0, 9, BrokerStatus.WORKING),
        ("Filled", 0, 9, BrokerStatus.FILLED),
        ("Cancelled", 0, 9, BrokerStatus.CANCELLED),
        ("Cancelled", 202, 9, BrokerStatus.CANCELLED),
        ("Cancelled", 10349, 9, BrokerStatus.DOUBTFUL),
        ("Cancelled", 201, 0, BrokerStatus.REJECTED),
        ("Cancelled", 201, 9, BrokerStatus.DOUBTFUL),
        ("ValidationError", 321, 9, BrokerStatus.DOUBTFUL),
        ("ValidationError", 399, 9, BrokerStatus.WORKING),
        ("Inactive", 0, 9, BrokerStatus.DOUBTFUL),
    ],
)
def test_only_the_brokers_own_word_ends_an_order(status: str, code: int, perm_id: int, expected: BrokerStatus) -> None:
    report = convert.report_of(trade(status, code, perm_id))
    assert report is not None
    assert report.status is expected


@pytest.mark.parametrize("status", ["PendingSubmit", "PendingCancel", "ApiPending"])
def test_our_own_wishes_are_no_word_of_the_broker(status: str) -> None:
    assert convert.report_of(trade(status)) is None


def test_an_index_is_named_by_its_con_id() -> None:
    wire = convert.to_ib(convert.from_ib(ib_async.Index("SPX", "CBOE", "USD", conId=416904)))
    assert (wire.secType, wire.conId, wire.multiplier) == (SecType.INDEX.value, 416904, "")


@pytest.mark.parametrize(
    "changed",
    [{"lastTradeDateOrContractMonth": "soon4ever"}, {"right": "?"}, {"multiplier": "a lot"}],
)
def test_a_contract_that_cannot_be_read_is_the_brokers_error(changed: dict[str, str]) -> None:
    wire = convert.to_ib(option(7, 1700, Right.PUT))
    for name, value in changed.items():
        setattr(wire, name, value)
    with pytest.raises(BrokerError, match="unreadable contract 7"):
        convert.from_ib(wire)


def test_a_single_short_leg_is_bought_by_selling_it_at_its_own_price() -> None:
    short = Structure(StructureKind.SINGLE, "SPX", (Leg(option(7, 1700, Right.PUT), -1),))
    assert convert.bag(short).secType == "OPT"
    opening = convert.order_of(Ticket("v6-x", 5, short, Side.BUY, 2, Decimal("-2.20")), "DU1")
    assert (opening.action, opening.lmtPrice, opening.totalQuantity) == ("SELL", 2.2, 2)
    closing = convert.order_of(Ticket("v6-x", 5, short, Side.SELL, 2, Decimal("-1.10")), "DU1")
    assert (closing.action, closing.lmtPrice) == ("BUY", 1.1)


def test_a_single_leg_of_ratio_two_is_refused() -> None:
    double = Structure(StructureKind.SINGLE, "SPX", (Leg(option(7, 1700, Right.PUT), 2),))
    with pytest.raises(BrokerError, match="ratio"):
        convert.bag(double)


def followed(*entries: tuple[str, int]) -> ib_async.Trade:
    """Return a trade that ib_async took for cancelled after an unknown error, and what was logged since."""
    found = trade("Cancelled", 10349)
    found.log += [ib_async.TradeLogEntry(NOW, "Cancelled", message, code) for message, code in entries]
    return found


def test_an_execution_does_not_turn_an_inferred_cancel_into_evidence() -> None:
    for entries in ((), (("Fill 1.0@2.2", 0),), (("Modify", 0), ("Fill 1.0@2.2", 0))):
        report = convert.report_of(followed(*entries))
        assert report is not None
        assert report.status is BrokerStatus.DOUBTFUL, entries


@pytest.mark.parametrize("message", ["", "Modified"])
def test_a_status_message_after_the_error_is_the_brokers_own_word(message: str) -> None:
    found = followed(("Fill 1.0@2.2", 0), (message, 0))
    found.orderStatus.status = "Submitted"
    report = convert.report_of(found)
    assert report is not None
    assert report.status is BrokerStatus.WORKING
