"""Scenario markets: the prices go where the file says, the quotes are as wide, the halts as long."""

from datetime import datetime, timedelta
from math import exp, log

import numpy as np
import pytest

from tests.paper.scenarios.test_source import GOOD
from v6.model.contract import Contract, Right, SecType
from v6.paper.market import SPX, VIX
from v6.paper.ports import Halt, HaltingMarket, Market
from v6.paper.scenarios import ScenarioMarket, load_scenario, parse_scenario, shipped_scenarios
from v6.pricing.calendar import NEW_YORK, xnys


def at(day: int, clock: str, market: ScenarioMarket) -> datetime:
    """Return a New York time of a session, counted from 1."""
    found = xnys().sessions(market.first_day, market.last_day)[day - 1]
    return datetime.combine(found, datetime.strptime(clock, "%H:%M").time(), NEW_YORK)  # noqa: DTZ007


def put(market: ScenarioMarket, moment: datetime, strike: float) -> Contract:
    expiry = market.expiries("SPX", moment)[-1][1]
    pattern = Contract(0, "SPX", SecType.OPTION, "SMART", "USD", 100, "", expiry, None, Right.PUT)
    return min(market.find(pattern, moment), key=lambda c: abs(float(c.strike or 0) - strike))


def model_vix(market: ScenarioMarket, moment: datetime) -> float:
    """Return the VIX of the market's own option prices at 30 days: Cboe's formula on two expiries around it."""
    variances = []
    spot = market.marks([SPX.con_id], moment)[0]
    assert spot is not None
    for name, expiry in market.expiries("SPX", moment):
        if name != "SPXW" or not 20 < (expiry - moment.date()).days < 41:
            continue
        years = (
            market.settles_at(
                Contract(0, "SPX", SecType.OPTION, "SMART", "USD", 100, name, expiry, None, Right.PUT)
            ).timestamp()
            - moment.timestamp()
        ) / (365 * 86400)
        forward = spot.price * exp((0.005 - 0.02) * years)
        strikes = market.strikes("SPX", name, expiry, moment)
        total = 0.0
        for right in (Right.PUT, Right.CALL):
            pattern = Contract(0, "SPX", SecType.OPTION, "SMART", "USD", 100, name, expiry, None, right)
            chain = [c for c in market.find(pattern, moment) if (float(c.strike) < forward) == (right is Right.PUT)]
            for contract, mark in zip(chain, market.marks([c.con_id for c in chain], moment), strict=True):
                assert mark is not None
                total += 2 * mark.price * exp(0.005 * years) * 5 / float(contract.strike) ** 2
        assert len(strikes) > 50
        variances.append((years, total))
    years, totals = np.array(variances).T
    month = 30 / 365
    return float(100 * np.sqrt(np.interp(month, years, totals) / month))


def test_it_is_a_market_that_halts() -> None:
    market = ScenarioMarket(parse_scenario(GOOD), 1)
    checked: Market = market
    assert isinstance(checked, HaltingMarket)


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
@pytest.mark.parametrize("seed", [1, 2, 77])
def test_each_phase_ends_where_the_file_says(name: str, seed: int) -> None:
    scenario = load_scenario(name)
    market = ScenarioMarket(scenario, seed)
    closes = [bar.close for bar in market.daily(SPX.con_id, market.last_day, scenario.days)]
    vixes = [bar.close for bar in market.daily(VIX.con_id, market.last_day, scenario.days)]
    assert len(closes) == scenario.days
    before, day = scenario.index, 0
    for phase in scenario.phases:
        day += phase.days
        assert closes[day - 1] == pytest.approx(before * (1 + phase.index), abs=0.02)
        assert vixes[day - 1] == pytest.approx(phase.vix, abs=0.01)
        before = closes[day - 1]


def test_the_volatility_of_a_phase_is_about_what_the_file_says() -> None:
    market = ScenarioMarket(load_scenario("grind"), 1)
    closes = [bar.close for bar in market.daily(SPX.con_id, market.last_day, 63)]
    assert np.std(np.diff(np.log(closes))) * np.sqrt(252) == pytest.approx(0.05, rel=0.25)


def test_a_gap_is_between_the_close_and_the_opening() -> None:
    market = ScenarioMarket(load_scenario("gap"), 1)
    opening = at(16, "09:30", market)
    before, after = (market.marks([SPX.con_id], opening + timedelta(seconds=s))[0] for s in (-1, 0))
    assert before is not None
    assert after is not None
    assert after.price / before.price - 1 == pytest.approx(-0.06, abs=1e-4)


def test_a_year_of_quiet_history_stands_before_the_first_session_and_is_not_traded() -> None:
    market = ScenarioMarket(load_scenario("crash"), 1)
    bars = market.daily(SPX.con_id, market.first_day - timedelta(days=1), 400)
    assert len(bars) == 260
    assert bars[-1].close == 2380.0
    assert str(market.first_day) == "2017-03-06"


def test_the_same_seed_gives_the_same_market_and_another_another() -> None:
    scenario = load_scenario("crash")
    one, same, other = (ScenarioMarket(scenario, seed) for seed in (3, 3, 4))
    moment = at(18, "12:00", one)
    ids = [SPX.con_id, VIX.con_id, put(one, moment, 2000).con_id]
    assert one.marks(ids, moment) == same.marks(ids, moment)
    assert one.marks(ids, moment) != other.marks(ids, moment)


@pytest.mark.parametrize(("day", "clock"), [(10, "12:00"), (18, "15:30"), (23, "12:00")])
def test_the_vix_of_its_own_option_prices_follows_the_scenario(day: int, clock: str) -> None:
    market = ScenarioMarket(load_scenario("crash"), 1)
    moment = at(day, clock, market)
    vix = market.marks([VIX.con_id], moment)[0]
    assert vix is not None
    # Strikes are listed down to 30 % below the lowest close: in a panic a twentieth of the VIX lies beyond them.
    assert vix.price * 0.93 < model_vix(market, moment) < vix.price * 1.01


def test_quotes_widen_by_the_factor_and_with_the_vix() -> None:
    text = GOOD.replace(", spread: 3", "")
    plain, wide = ScenarioMarket(parse_scenario(text), 1), ScenarioMarket(parse_scenario(GOOD), 1)
    moment = at(4, "12:00", wide)
    contract = put(wide, moment, 2250)
    (narrow,), (broad,) = plain.marks([contract.con_id], moment), wide.marks([contract.con_id], moment)
    assert narrow is not None
    assert broad is not None
    assert narrow.bid is not None
    assert broad.bid is not None
    assert narrow.price == broad.price
    assert broad.ask - broad.bid == pytest.approx(3 * (narrow.ask - narrow.bid), abs=0.4)


def test_without_quotes_there_are_no_books_and_the_indices_stand() -> None:
    market = ScenarioMarket(load_scenario("halt"), 1)
    begin, inside, end = (at(16, clock, market) for clock in ("09:40", "10:20", "10:25"))
    ids = [SPX.con_id, VIX.con_id, put(market, begin, 2200).con_id]
    assert [market.halt(m) for m in (begin, inside, end)] == [Halt.QUOTES, Halt.QUOTES, None]
    assert market.halt(begin - timedelta(seconds=1)) is None
    during = market.marks(ids, inside)
    assert during[2] is None
    assert during[:2] == market.marks(ids, begin)[:2]
    after = market.marks(ids, end)
    assert after[2] is not None
    assert after[0] != during[0]


def test_without_trading_the_quotes_stand() -> None:
    market = ScenarioMarket(load_scenario("halt"), 1)
    begin, inside = at(16, "11:00", market), at(16, "11:20", market)
    ids = [SPX.con_id, put(market, begin, 2200).con_id]
    assert market.halt(inside) is Halt.TRADING
    assert None not in market.marks(ids, inside)
    assert market.marks(ids, inside) == market.marks(ids, begin)


def test_log_moves_are_kept_within_the_day() -> None:
    market = ScenarioMarket(load_scenario("crash"), 1)
    for session in market.history.sessions:
        assert session.low <= min(session.open, session.close) <= max(session.open, session.close) <= session.high
        assert log(session.high / session.low) < 0.2
