from __future__ import annotations

from dataclasses import fields
from math import sqrt

import empyrical
import numpy as np
import pytest

from tests.backtest.accounts import account, trade
from v6.backtest.chain import Account
from v6.backtest.metrics import BLOCK, drawdown_band, drawdowns, figures


def test_every_ratio_of_a_small_account_is_what_a_hand_works_out() -> None:
    # 1000 -> 1100 -> 990 -> 1039.5: returns of 10 %, -10 %, 5 %.
    found = figures(account(100.0, -110.0, 49.5, margin=250.0))
    mean, deviation = 0.05 / 3, sqrt((0.0833333**2 + 0.1166667**2 + 0.0333333**2) / 2)
    assert found.pnl == pytest.approx(39.5)
    assert found.cagr == pytest.approx(1.0395 ** (252 / 3) - 1)
    assert found.volatility == pytest.approx(deviation * sqrt(252), rel=1e-5)
    assert found.sharpe == pytest.approx(mean / deviation * sqrt(252), rel=1e-5)
    assert found.sortino == pytest.approx(mean * 252 / (sqrt(0.01 / 3) * sqrt(252)), rel=1e-5)
    assert found.max_drawdown == pytest.approx(-0.1)
    assert found.cvar_5 == pytest.approx(-0.1)
    assert (found.drawdown_sessions, found.under_water_at_end) == (2, True)
    assert (found.commission, found.slippage) == (3.0, 6.0)
    assert found.margin_use == pytest.approx((250 / 1100 + 250 / 990 + 250 / 1039.5) / 3)
    assert found.most_margin == pytest.approx(250 / 990)
    assert found.return_on_margin == pytest.approx(39.5 * 252 / 3 / 250)
    assert found.exposure == 1.0


def test_the_ratios_of_a_long_account_are_empyricals() -> None:
    one = account(*np.random.default_rng(5).normal(1.0, 12.0, 600))
    found, returns = figures(one), np.array(one.returns)
    assert found.cagr == pytest.approx(empyrical.annual_return(returns))
    assert found.volatility == pytest.approx(empyrical.annual_volatility(returns))
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(returns))
    assert found.sortino == pytest.approx(empyrical.sortino_ratio(returns))
    assert found.max_drawdown == pytest.approx(empyrical.max_drawdown(returns))
    assert found.max_drawdown == pytest.approx(min(drawdowns(one)))
    # The mean of the worst 5 % counted out: quantstats' would be that of what lies beyond a normal quantile.
    worst = np.sort(returns)[: int(599 * 0.05) + 1]
    assert found.cvar_5 == pytest.approx(worst.mean())


def test_trades_are_counted_by_what_they_brought() -> None:
    trades = (trade(100.0, held=5.0), trade(50.0, held=10.0), trade(-75.0, held=15.0), trade(None))
    found = figures(account(10.0, 10.0, trades=trades))
    assert (found.trades, found.open_at_end) == (3, 1)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(2.0)
    assert found.average_trade == pytest.approx(25.0)
    assert found.average_days_held == pytest.approx(10.0)


def test_a_trade_that_brought_nothing_is_not_won() -> None:
    assert figures(account(0.0, trades=(trade(0.0), trade(1.0)))).win_rate == 0.5


def test_what_has_no_denominator_is_missing_and_never_zero() -> None:
    idle = figures(account(0.0, 0.0, 0.0))
    missing = {
        "sharpe", "sortino", "win_rate", "profit_factor", "average_trade", "average_days_held", "margin_use",
        "most_margin", "return_on_margin",
    }  # fmt: skip
    assert {f.name for f in fields(idle) if getattr(idle, f.name) is None} == missing
    assert (idle.cagr, idle.volatility, idle.max_drawdown, idle.exposure) == (0.0, 0.0, 0.0, 0.0)
    winners = figures(account(1.0, 2.0, trades=(trade(5.0),)))
    assert winners.profit_factor is None
    assert winners.sortino is None
    assert winners.sharpe is not None


def test_an_account_without_sessions_has_no_ratio() -> None:
    nothing = figures(Account(1000.0, (), ()))
    assert (nothing.cagr, nothing.volatility, nothing.max_drawdown, nothing.exposure) == (None, None, None, None)
    assert (nothing.sessions, nothing.pnl, nothing.end_equity) == (0, 0.0, 1000.0)


def test_one_session_has_a_return_and_no_volatility() -> None:
    one = figures(account(10.0))
    assert one.volatility is None
    assert one.sharpe is None
    assert one.cagr is not None


def test_the_time_under_water_ends_at_a_new_peak() -> None:
    found = figures(account(10.0, -5.0, -5.0, 20.0, -1.0, 2.0))
    assert (found.drawdown_sessions, found.under_water_at_end) == (2, False)


def test_the_band_of_drawdowns_is_that_of_a_resampled_walk() -> None:
    steady = drawdown_band(account(*[1.0] * (3 * BLOCK)), seed=1)
    assert steady is not None
    assert (steady.worst_5, steady.median, steady.best_5) == (0.0, 0.0, 0.0)
    falling = drawdown_band(account(*[-1.0] * (3 * BLOCK), cash=1e6), seed=1)
    assert falling is not None
    assert falling.median == pytest.approx(-3e-6 * BLOCK, rel=0.01)
    one = account(*np.random.default_rng(5).normal(0.0, 12.0, 600))
    band = drawdown_band(one, seed=1)
    assert band is not None
    assert band.worst_5 < band.median < band.best_5 < 0
    assert drawdown_band(one, seed=1) == band


def test_less_than_two_blocks_have_no_band() -> None:
    assert drawdown_band(account(*[1.0] * (2 * BLOCK - 1)), seed=1) is None
