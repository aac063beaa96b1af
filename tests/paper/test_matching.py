from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.model.contract import Side
from v6.paper.matching import Book, book_of, crosses, divisible, leg_prices, on_tick, rest_rate, stop_reached
from v6.paper.ports import Mark

D = Decimal


def mark(bid: float | None, ask: float) -> Mark:
    return Mark(ask, bid, ask, 0 if bid is None else 1, 1, ask)


def book(*legs: tuple[int, float | None, float]) -> Book:
    made = book_of([r for r, _, _ in legs], [mark(bid, ask) for _, bid, ask in legs])
    assert made is not None
    return made


CREDIT = ((1, 1.0, 1.2), (-1, 2.0, 2.3))


def test_the_net_book_buys_long_legs_at_their_ask_and_sells_short_legs_at_their_bid() -> None:
    net = book(*CREDIT)
    assert (net.bid, net.ask, net.mid) == (D("-1.3"), D("-0.8"), D("-1.05"))


def test_a_leg_without_a_market_leaves_the_combo_without_a_book() -> None:
    assert book_of([1, -1], [mark(1.0, 1.2), None]) is None


def test_a_leg_nobody_bids_for_is_worth_nothing_in_a_combo_and_unsellable_alone() -> None:
    assert book((1, None, 0.05), (-1, 1.0, 1.1)).bid == D("-1.1")
    alone = book((1, None, 0.05))
    assert alone.bid is None
    assert crosses(Side.SELL, D("0.05"), alone) is None
    assert rest_rate(Side.SELL, D("0.05"), alone) == 0


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, "-0.8", "-0.8"), (Side.BUY, "-0.5", "-0.8"), (Side.BUY, "-0.85", None),
        (Side.SELL, "-1.3", "-1.3"), (Side.SELL, "-2", "-1.3"), (Side.SELL, "-1.25", None),
    ],
)  # fmt: skip
def test_an_order_at_or_through_the_far_side_trades_there(side: Side, limit: str, price: str | None) -> None:
    assert crosses(side, D(limit), book(*CREDIT)) == (None if price is None else D(price))


def test_the_resting_rate_grows_from_the_mid_to_the_far_side_and_is_zero_before_it() -> None:
    net = book(*CREDIT)
    rates = [rest_rate(Side.BUY, D(limit), net) for limit in ("-1.10", "-1.05", "-0.90", "-0.80")]
    assert rates[0] == 0
    assert rates[1:] == pytest.approx([0.1, 0.1 + 0.9 * 0.6, 1.0])
    assert rest_rate(Side.SELL, D("-1.05"), net) == pytest.approx(0.1)
    assert rest_rate(Side.SELL, D("-1.00"), net) == 0


def test_stops_trigger_on_the_side_they_will_trade_at() -> None:
    net = book((1, 1.0, 1.2))
    assert stop_reached(Side.BUY, D("1.2"), net)
    assert not stop_reached(Side.BUY, D("1.25"), net)
    assert stop_reached(Side.SELL, D("1.0"), net)
    assert not stop_reached(Side.SELL, D("0.95"), net)


RULE = ((D(0), D("0.05")), (D(3), D("0.1")))


@pytest.mark.parametrize(
    ("price", "fits"), [("2.95", True), ("3", True), ("3.05", False), ("3.1", True), ("0.03", False)]
)
def test_the_grid_is_wider_from_its_edge(price: str, fits: bool) -> None:
    assert on_tick(D(price), RULE) is fits


@pytest.mark.parametrize(("ratios", "fine"), [((1, -1), True), ((2, -3), True), ((2, -2), False), ((3, -4), False)])
def test_ratios_must_be_reduced_and_divisible(ratios: tuple[int, ...], fine: bool) -> None:
    assert divisible(ratios) is fine


prices = st.integers(0, 4000).map(lambda n: n * 5)
legs = st.lists(st.tuples(st.sampled_from([1, -1, 2, -2, 3]), prices, st.integers(1, 60)), min_size=1, max_size=4)


@given(legs.filter(lambda x: divisible([r for r, _, _ in x])), st.sampled_from(list(Side)), st.floats(0, 1))
def test_leg_prices_add_up_to_the_net_exactly_and_improve_on_no_market(
    spec: list[tuple[int, int, int]], side: Side, depth: float
) -> None:
    if len(spec) == 1:
        spec = [(1, *spec[0][1:])]
    net = book(*((r, bid / 100, (bid + 5 * width) / 100) for r, bid, width in spec))
    far = net.far(side)
    assert far is not None
    room = side.sign * (far - net.mid)
    limit = far - side.sign * (D(str(round(depth, 2))) * room).quantize(D("0.05"))
    ratios = [r for r, _, _ in spec]
    made = leg_prices(side, ratios, net, limit)
    assert sum(Fraction(p) * r for p, r in zip(made, ratios, strict=True)) == Fraction(limit)


def test_a_fill_at_the_far_side_trades_each_leg_at_its_own_far_side() -> None:
    assert leg_prices(Side.BUY, [1, -1], book(*CREDIT), D("-0.8")) == [D("1.2"), D("2.0")]
    assert leg_prices(Side.SELL, [1, -1], book(*CREDIT), D("-1.3")) == [D("1.0"), D("2.3")]
