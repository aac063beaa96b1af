from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from tests.conftest import ROOT
from tests.execution.fakes import NOON, option
from v6.lang.desk import StrategyTemplate, Strikes
from v6.model.contract import Right, Side
from v6.model.position import StructureKind
from v6.model.quote import Greeks, Quote
from v6.rules import load_desk
from v6.strategy import (
    Offer,
    Proposal,
    Refused,
    Spread,
    build,
    candidate_strikes,
    choose_expiry,
    net_mid,
    net_natural,
    spreads,
)

TEMPLATE = load_desk(ROOT).strategies[0]
TODAY = date(2014, 1, 7)


def offer(con_id: int, strike: int, right: Right, bid: float | None, ask: float | None, delta: float) -> Offer:
    greeks = Greeks(delta, 0.002, -0.2, 1.5, 0.15)
    return Offer(option(con_id, strike, right), Quote(con_id, NOON, bid, ask, greeks=greeks))


CHAIN = (
    offer(1, 1650, Right.PUT, 1.9, 2.1, -0.05),
    offer(2, 1700, Right.PUT, 6.8, 7.2, -0.15),
    offer(5, 1675, Right.PUT, 4.0, 4.2, -0.09),
    offer(6, 1725, Right.PUT, 11.0, 11.4, -0.24),
    offer(3, 1900, Right.CALL, 5.8, 6.2, 0.17),
    offer(4, 1950, Right.CALL, 1.4, 1.6, 0.05),
    offer(7, 1925, Right.CALL, 3.0, 3.2, 0.10),
)


def test_the_condor_is_built_at_the_wanted_deltas_and_width() -> None:
    found = build(TEMPLATE, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert [(leg.contract.con_id, leg.ratio) for leg in found.structure.legs] == [(1, 1), (2, -1), (3, -1), (4, 1)]
    assert found.mid == pytest.approx(-9.5)
    assert found.natural == pytest.approx(-8.9)


def test_the_size_risks_no_more_than_the_template_allows() -> None:
    found = build(TEMPLATE, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    per_unit = (50 - 8.9) * 100
    assert found.quantity == min(int(TEMPLATE.size.risk_ratio * 1_000_000 / per_unit), TEMPLATE.size.max_contracts)
    poor = build(TEMPLATE, CHAIN, 1800.0, 10_000.0)
    assert isinstance(poor, Refused)
    assert "risks" in poor.reasons[0]


def test_the_size_is_taken_from_the_far_side_and_not_from_the_mid() -> None:
    # At the mid one unit would risk 4,050, at the far side it risks 4,110.
    found = build(TEMPLATE, CHAIN, 1800.0, 4_080 / TEMPLATE.size.risk_ratio)
    assert isinstance(found, Refused)


def test_an_unknown_account_value_is_no_size() -> None:
    assert isinstance(build(TEMPLATE, CHAIN, 1800.0, None), Refused)


@pytest.mark.parametrize("con_id", [1, 4])
def test_a_wing_without_an_offer_is_a_reason(con_id: int) -> None:
    # Without its own wing a short strike cannot be chosen, and the next one misses the delta.
    found = build(TEMPLATE, [o for o in CHAIN if o.contract.con_id != con_id], 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)


def test_a_leg_without_a_bid_is_a_reason() -> None:
    holed = [replace(o, quote=replace(o.quote, bid=None)) if o.contract.con_id == 2 else o for o in CHAIN]
    found = build(TEMPLATE, holed, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert "two-sided" in found.reasons[0]


def test_a_strike_without_a_delta_is_never_guessed() -> None:
    blind = [replace(o, quote=replace(o.quote, greeks=None)) for o in CHAIN]
    found = build(TEMPLATE, blind, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert len(found.reasons) == 2


def test_a_thin_credit_is_refused() -> None:
    thin = [replace(o, quote=replace(o.quote, bid=1.0, ask=1.1)) for o in CHAIN]
    found = build(TEMPLATE, thin, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)


def test_a_structure_that_cannot_be_built_says_so() -> None:
    found = build(replace(TEMPLATE, structure=StructureKind.CUSTOM), CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert spreads(StructureKind.CUSTOM) == ()


def test_a_vertical_has_one_side() -> None:
    found = build(replace(TEMPLATE, structure=StructureKind.BULL_PUT_SPREAD), CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert [leg.contract.con_id for leg in found.structure.legs] == [1, 2]


def test_the_expiry_is_the_nearest_to_the_target_in_the_window() -> None:
    days = [date(2014, 2, 7), date(2014, 2, 14), date(2014, 2, 21), date(2014, 2, 28), date(2014, 3, 21)]
    assert choose_expiry(TEMPLATE, days, TODAY) == date(2014, 2, 21)
    assert choose_expiry(TEMPLATE, [date(2014, 1, 10), date(2014, 6, 20)], TODAY) is None


def test_candidates_have_a_wing_and_lie_out_of_the_money() -> None:
    listed = [float(s) for s in range(1300, 2200, 5)]
    for right, beyond in ((Right.PUT, False), (Right.CALL, True)):
        found = candidate_strikes(TEMPLATE, Spread(right, -1), 1830.0, 0.14, 45, listed)
        assert 8 <= len(found) <= 40
        assert all((strike > 1830) is beyond for strike in found)
        assert set(found) <= set(listed)
        sign = 1 if beyond else -1
        anchors = [strike for strike in found if strike + sign * TEMPLATE.strikes.width in found]
        assert len(anchors) >= 4


def test_net_prices_take_each_leg_at_its_side() -> None:
    found = build(TEMPLATE, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    quotes = {o.contract.con_id: o.quote for o in CHAIN}
    assert net_mid(found.structure, quotes) == pytest.approx(-9.5)
    assert net_natural(found.structure, quotes, Side.BUY) == pytest.approx(-8.9)
    assert net_natural(found.structure, quotes, Side.SELL) == pytest.approx(-10.1)
    assert net_mid(found.structure, {}) is None


def test_extremes_of_a_condor_are_its_width_and_nothing() -> None:
    found = build(TEMPLATE, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert found.structure.extremes() == (Decimal(-50), Decimal(0))


def test_a_crossed_leg_has_no_price() -> None:
    crossed = [replace(o, quote=replace(o.quote, bid=8.0)) if o.contract.con_id == 2 else o for o in CHAIN]
    found = build(TEMPLATE, crossed, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert "two-sided" in found.reasons[0]


def test_a_credit_of_the_whole_width_is_a_broken_quote_and_no_gift() -> None:
    rich = [replace(o, quote=replace(o.quote, bid=60.0, ask=61.0)) if o.contract.con_id == 2 else o for o in CHAIN]
    found = build(TEMPLATE, rich, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert "not between 0 and the width" in found.reasons[0]


def test_a_short_strike_far_from_the_wanted_delta_is_refused() -> None:
    far = [o for o in CHAIN if o.contract.right is Right.CALL or o.contract.con_id in {1, 6}]
    far.append(offer(8, 1675, Right.PUT, 4.0, 4.2, -0.09))
    found = build(TEMPLATE, far, 1800.0, 1_000_000.0)
    assert isinstance(found, Refused)
    assert "misses the target" in found.reasons[0]


@given(
    st.floats(5_000, 5_000_000),
    st.tuples(*(st.tuples(st.floats(*mid), st.floats(0, 2)) for mid in ((0.05, 4), (4, 16), (4, 16), (0.05, 4)))),
)
def test_whatever_is_quoted_a_proposal_keeps_the_templates_promises(
    net_liq: float, quoted: tuple[tuple[float, float], ...]
) -> None:
    by_id = dict(zip((1, 2, 3, 4), quoted, strict=True))
    chain = [
        replace(o, quote=replace(o.quote, bid=by_id[o.contract.con_id][0], ask=sum(by_id[o.contract.con_id])))
        for o in CHAIN
        if o.contract.con_id in by_id
    ]
    found = build(TEMPLATE, chain, 1800.0, net_liq)
    if isinstance(found, Refused):
        assert found.reasons
        return
    low, _ = found.structure.extremes()
    assert low is not None
    width = TEMPLATE.strikes.width
    assert TEMPLATE.entry.min_credit_ratio * width <= -found.mid < width
    assert found.natural >= found.mid - 1e-9
    assert 1 <= found.quantity <= TEMPLATE.size.max_contracts
    assert (found.natural - float(low)) * 100 * found.quantity <= TEMPLATE.size.risk_ratio * net_liq + 1e-6


def debit(**strikes: float) -> StrategyTemplate:
    entry = replace(TEMPLATE.entry, min_credit_ratio=None, max_debit_ratio=0.6)
    return replace(TEMPLATE, structure=StructureKind.BULL_CALL_SPREAD, strikes=Strikes(**strikes), entry=entry)


def test_a_debit_spread_is_long_its_anchor_and_sized_by_what_it_costs() -> None:
    found = build(debit(long_delta=0.17, width=25), CHAIN, 1800.0, 100_000.0)
    assert isinstance(found, Proposal)
    assert [(leg.contract.con_id, leg.ratio) for leg in found.structure.legs] == [(3, 1), (7, -1)]
    assert (found.mid, found.natural, found.bound) == (pytest.approx(2.9), pytest.approx(3.2), pytest.approx(15.0))
    assert found.quantity == min(int(TEMPLATE.size.risk_ratio * 100_000 / 320), TEMPLATE.size.max_contracts)


def test_a_debit_above_the_most_that_the_template_pays_is_refused() -> None:
    dear = debit(long_delta=0.17, width=25)
    dear = replace(dear, entry=replace(dear.entry, max_debit_ratio=0.1))
    found = build(dear, CHAIN, 1800.0, 100_000.0)
    assert isinstance(found, Refused)
    assert "debit 2.90 is 11.6% of the width, more than asked" in found.reasons


def test_a_put_debit_spread_has_its_wing_below() -> None:
    template = replace(debit(long_delta=0.24, width=25), structure=StructureKind.BEAR_PUT_SPREAD)
    found = build(template, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert [(leg.contract.con_id, leg.ratio) for leg in found.structure.legs] == [(2, -1), (6, 1)]


def test_strikes_by_distance_need_no_delta() -> None:
    blind = [replace(o, quote=replace(o.quote, greeks=None)) for o in CHAIN]
    template = replace(TEMPLATE, strikes=Strikes(distance=0.0556, width=50))
    found = build(template, blind, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert [leg.contract.con_id for leg in found.structure.legs] == [1, 2, 3, 4]
    far = build(replace(TEMPLATE, strikes=Strikes(distance=0.09, width=50)), blind, 1800.0, 1_000_000.0)
    assert isinstance(far, Refused)
    assert all("misses" in reason for reason in far.reasons)


def test_a_wing_may_be_chosen_by_its_delta_and_the_widths_may_differ() -> None:
    template = replace(TEMPLATE, strikes=Strikes(short_delta=0.16, wing_delta=0.09))
    found = build(template, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert [leg.contract.con_id for leg in found.structure.legs] == [5, 2, 3, 7]
    inner = build(replace(TEMPLATE, strikes=Strikes(short_delta=0.16, wing_delta=0.15)), CHAIN[:2], 1800.0, 1e6)
    assert isinstance(inner, Refused)
    assert "wing delta misses the target" in inner.reasons[0]


def test_a_width_in_ratio_of_the_underlying_takes_the_nearest_listed_strike() -> None:
    template = replace(TEMPLATE, strikes=Strikes(short_delta=0.16, width_ratio=0.025))
    found = build(template, CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(found, Proposal)
    assert found.structure.extremes() == (Decimal(-50), Decimal(0))
    wide = build(replace(TEMPLATE, strikes=Strikes(short_delta=0.16, width_ratio=0.08)), CHAIN, 1800.0, 1_000_000.0)
    assert isinstance(wide, Refused), "a wing half as far as wanted is another trade"


@given(st.sampled_from([0.05, 0.16, 0.3, 0.5, 0.7]), st.sampled_from([Right.PUT, Right.CALL]))
def test_candidates_reach_around_the_delta_that_is_wanted(delta: float, right: Right) -> None:
    listed = [float(s) for s in range(900, 2900, 5)]
    spread, vol, days = Spread(right, 1), 0.2, 45
    found = candidate_strikes(debit(long_delta=delta, width=25), spread, 1830.0, vol, days, listed)
    deviation = vol * (days / 365) ** 0.5
    flat = 1830.0 * (1 + spread.outward * float(ndtri(1 - delta)) * deviation)
    assert min(found) < flat < max(found)
    assert len(found) <= 40
