from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, NOON
from v6.ib.context import Context
from v6.ib.outlook import Outlook
from v6.ib.snapshot import Inputs, Session, build
from v6.model.contract import Contract, Leg, Right, SecType
from v6.model.position import Position, Structure, StructureKind
from v6.model.quote import Greeks, Quote, QuoteType
from v6.model.snapshot import Row
from v6.model.upcoming import Earnings

POSITION = Position("p1", "iron_condor", CONDOR, 2, Decimal("-9.5"), NOON - timedelta(days=3), Decimal("10"))
SPOT = 1800.0


def leg(con_id: int, bid: float, ask: float, delta: float, iv: float) -> Quote:
    return Quote(con_id, NOON, bid, ask, greeks=Greeks(delta, 0.001 * con_id, -0.1 * con_id, con_id, iv))


QUOTES = {
    1: leg(1, 0.9, 1.1, -0.03, 0.20),
    2: leg(2, 2.9, 3.1, -0.10, 0.16),
    3: leg(3, 2.8, 3.2, 0.12, 0.10),
    4: leg(4, 0.4, 0.6, 0.02, 0.11),
}


def inputs(**changed: object) -> Inputs:
    whole = Inputs(
        at=NOON,
        cycle=7,
        session=Session(date(2014, 1, 7), 150.0, 240.0),
        positions=[POSITION],
        commissions={"p1": Decimal(10)},
        quotes=QUOTES,
        unrealized={n: (50.0 * n, NOON) for n in (1, 2, 3, 4)},
        underlying=Quote(90, NOON, last=SPOT, close=1790.0),
        vix=Quote(91, NOON, last=14.0, close=13.5),
        net_liq=(250_000.0, NOON),
        margin=(10_000.0, NOON),
        context=Context(previous_net_liq=255_000.0, peak_net_liq=260_000.0),
    )
    return replace(whole, **changed)  # type: ignore[arg-type]


def test_every_figure_of_a_condor_by_hand() -> None:
    row = build(inputs()).row("p1")
    expected = {
        "structure": "iron_condor",
        "legs": 4.0,
        "quantity": 2.0,
        "dte": 45.0,
        "days_held": 3.0,
        "credit": 9.5,
        "max_profit": 9.5 * 200,
        "max_loss": 40.5 * 200,
        "mark": 1.0 - 3.0 - 3.0 + 0.5,
        "spread": 0.2 + 0.2 + 0.4 + 0.2,
        "pnl": (-4.5 + 9.5) * 200 - 10,
        "pnl_ratio": 990 / 1900,
        "broker_pnl_ratio": 500 / 1900,
        "delta": -0.03 + 0.10 - 0.12 + 0.02,
        "gamma_1pct": (0.001 - 0.002 - 0.003 + 0.004) * 18,
        "theta": -0.1 + 0.2 + 0.3 - 0.4,
        "vega": 1 - 2 - 3 + 4,
        "iv": 0.13,
        "short_delta": 0.12,
        "short_distance": (1800 - 1700) / 1800,
    }
    for name, value in expected.items():
        assert row[name] == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value), name


def test_the_portfolio_and_market_by_hand() -> None:
    row = build(inputs()).rows[0]
    assert row.key == ""
    assert row["underlying_change_1d"] == pytest.approx(1800 / 1790 - 1)
    assert row["vix_change_1d"] == pytest.approx(0.5)
    assert row["day_pnl_ratio"] == pytest.approx(250 / 255 - 1)
    assert row["drawdown"] == pytest.approx(1 - 250 / 260)
    assert row["max_loss_ratio"] == pytest.approx(8100 / 250_000)
    assert row["margin_ratio"] == pytest.approx(0.04)
    assert row["open_positions"] == 1.0
    assert row["portfolio_delta_ratio"] == pytest.approx(-0.03 * 200 * SPOT / 250_000)
    assert row["minutes_to_close"] == 240.0
    assert row["pnl_ratio"] is None, "the portfolio has no position's figures"


def test_a_missing_leg_makes_the_sums_missing_and_leaves_the_facts() -> None:
    row = build(inputs(quotes={n: q for n, q in QUOTES.items() if n != 3})).row("p1")
    for name in ("mark", "spread", "pnl", "pnl_ratio", "delta", "gamma_1pct", "theta", "vega", "iv", "short_delta"):
        assert row[name] is None, name
    assert (row["dte"], row["credit"], row["max_loss"]) == (45.0, 9.5, 8100.0)
    assert row["broker_pnl_ratio"] == pytest.approx(500 / 1900), "the broker's own figure is the fallback"


def test_one_leg_without_greeks_makes_the_portfolios_delta_missing() -> None:
    blind = {**QUOTES, 2: replace(QUOTES[2], greeks=None)}
    snapshot = build(inputs(quotes=blind))
    assert snapshot.rows[0]["portfolio_delta_ratio"] is None
    assert snapshot.row("p1")["delta"] is None
    assert snapshot.row("p1")["mark"] is not None


def test_old_quotes_are_missing() -> None:
    old = {n: replace(q, at=NOON - timedelta(seconds=301)) for n, q in QUOTES.items()}
    row = build(inputs(quotes=old, vix=Quote(91, NOON - timedelta(seconds=301), last=14.0))).row("p1")
    assert (row["mark"], row["delta"], row["vix"]) == (None, None, None)


def test_a_leg_in_two_positions_leaves_the_brokers_profit_to_neither() -> None:
    other = replace(POSITION, position_id="p2")
    snapshot = build(inputs(positions=[POSITION, other]))
    assert snapshot.row("p1")["broker_pnl_ratio"] is None
    assert snapshot.row("p2")["broker_pnl_ratio"] is None
    assert snapshot.rows[0]["open_positions"] == 2.0


def test_without_an_account_value_the_ratios_are_missing() -> None:
    row = build(inputs(net_liq=None)).rows[0]
    for name in ("net_liq", "day_pnl_ratio", "drawdown", "max_loss_ratio", "margin_ratio", "portfolio_delta_ratio"):
        assert row[name] is None, name
    assert row["open_positions"] == 1.0


def test_the_first_day_has_no_loss_yet() -> None:
    row = build(inputs(context=Context())).rows[0]
    assert (row["day_pnl_ratio"], row["drawdown"]) == (0.0, 0.0)


def test_a_debit_is_measured_against_what_was_paid() -> None:
    debit = Structure(StructureKind.BULL_CALL_SPREAD, "SPX", (CONDOR.legs[3], CONDOR.legs[2]))
    flipped = replace(debit, legs=tuple(replace(leg, ratio=-leg.ratio) for leg in debit.legs))
    position = replace(POSITION, structure=flipped, entry_price=Decimal("2.0"), quantity=1)
    row = build(inputs(positions=[position], commissions={})).row("p1")
    assert row["credit"] == 0.0
    assert row["pnl_ratio"] == pytest.approx(((3.0 - 0.5 - 2.0) * 100 - 10) / 200)


def test_rows_come_in_order_of_position_id() -> None:
    others = [replace(POSITION, position_id=key) for key in ("z", "a", "m")]
    assert [row.key for row in build(inputs(positions=others)).rows] == ["", "a", "m", "z"]


def test_the_distance_of_the_short_strikes_needs_no_greeks() -> None:
    blind = {n: replace(q, greeks=None) for n, q in QUOTES.items()}
    row = build(inputs(quotes=blind)).row("p1")
    assert (row["delta"], row["gamma_1pct"], row["short_delta"]) == (None, None, None)
    assert row["short_distance"] == pytest.approx(100 / 1800), "rules fall back on it when the greeks are missing"


def test_figures_from_the_underlying_are_as_old_as_it() -> None:
    row = build(inputs(underlying=Quote(90, NOON - timedelta(seconds=301), last=SPOT))).row("p1")
    assert (row["short_distance"], row["gamma_1pct"], row["underlying_price"]) == (None, None, None)
    assert row["delta"] is not None


@pytest.mark.parametrize("kind", [QuoteType.DELAYED, QuoteType.FROZEN, QuoteType.DELAYED_FROZEN])
def test_prices_that_are_not_live_are_missing(kind: QuoteType) -> None:
    one = build(inputs(quotes={**QUOTES, 3: replace(QUOTES[3], type=kind)})).row("p1")
    assert (one["mark"], one["spread"], one["delta"], one["pnl_ratio"]) == (None,) * 4
    row = build(inputs(underlying=Quote(90, NOON, last=SPOT, close=1.0, type=kind))).row("p1")
    assert (row["underlying_price"], row["underlying_change_1d"], row["short_distance"]) == (None,) * 3


def test_a_position_of_another_underlying_is_not_measured_against_this_one() -> None:
    other = replace(POSITION, structure=replace(CONDOR, symbol="XSP"))
    snapshot = build(inputs(positions=[other]))
    row = snapshot.row("p1")
    assert (row["short_distance"], row["gamma_1pct"]) == (None, None)
    assert row["delta"] is not None
    assert snapshot.rows[0]["portfolio_delta_ratio"] is None


def test_a_price_of_zero_is_no_price() -> None:
    row = build(inputs(underlying=Quote(90, NOON, last=0.0, close=0.0))).row("p1")
    assert (row["underlying_price"], row["underlying_change_1d"], row["short_distance"]) == (None,) * 3


def test_a_crossed_leg_leaves_no_spread() -> None:
    row = build(inputs(quotes={**QUOTES, 2: replace(QUOTES[2], bid=3.2)})).row("p1")
    assert (row["mark"], row["spread"]) == (None, None)


def test_a_rank_is_as_old_as_its_vix() -> None:
    closes = tuple(10.0 + n / 10 for n in range(100))
    fresh, old = Quote(91, NOON, last=15.0), Quote(91, NOON - timedelta(seconds=301), last=15.0)
    context = Context(vix_closes=closes)
    assert build(inputs(vix=fresh, context=context)).rows[0]["iv_percentile"] == pytest.approx(0.5)
    row = build(inputs(vix=old, context=context)).rows[0]
    assert (row["vix"], row["iv_rank"], row["iv_percentile"]) == (None, None, None)


def test_an_account_below_zero_is_seen_and_has_no_shares() -> None:
    row = build(inputs(net_liq=(-5_000.0, NOON))).rows[0]
    assert row["net_liq"] == -5_000.0
    assert row["day_pnl_ratio"] == pytest.approx(-5 / 255 - 1)
    assert row["drawdown"] == pytest.approx(1 + 5 / 260)
    assert (row["max_loss_ratio"], row["margin_ratio"], row["portfolio_delta_ratio"]) == (None,) * 3


def test_a_share_is_as_old_as_the_older_of_its_parts() -> None:
    old = NOON - timedelta(seconds=601)
    row = build(inputs(net_liq=(250_000.0, old))).rows[0]
    assert (row["net_liq"], row["margin_ratio"], row["portfolio_delta_ratio"]) == (None, None, None)
    assert build(inputs(margin=(10_000.0, old))).rows[0]["margin_ratio"] is None


def spy_call(con_id: int, strike: int) -> Contract:
    expiry = date(2014, 2, 21)
    return Contract(con_id, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", expiry, Decimal(strike), Right.CALL)


SPY_SPREAD = Structure(
    StructureKind.BEAR_CALL_SPREAD,
    "SPY",
    tuple(
        Leg(
            Contract(n, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", date(2014, 2, 21), strike, Right.CALL),
            ratio,
        )
        for n, strike, ratio in ((5, Decimal(180), -1), (6, Decimal(185), 1))
    ),
)
ON_SPY = replace(POSITION, position_id="p2", structure=SPY_SPREAD)
SPY = Outlook(SecType.STOCK, Quote(92, NOON, last=184.0), 0.9, 1, Earnings.NONE, None)


def looking_ahead(outlook: Outlook = SPY, **quotes: Quote) -> Row:
    legs = {5: leg(5, 4.1, 4.3, 0.8, 0.14), 6: leg(6, 1.0, 1.2, 0.4, 0.13)}
    known = {**QUOTES, **legs, **{int(name[1:]): quote for name, quote in quotes.items()}}
    return build(inputs(positions=[ON_SPY], quotes=known, outlooks={"SPY": outlook})).row("p2")


def test_what_lies_ahead_of_a_position_by_hand() -> None:
    row = looking_ahead()
    expected = {
        "short_exercise": "american",
        "short_call_itm": 4 / 184,
        "short_call_extrinsic": 0.2,
        "short_put_itm": 0.0,
        "short_put_extrinsic": None,
        "next_dividend": 0.9,
        "sessions_to_ex_dividend": 1.0,
        "earnings": "none",
        "sessions_to_earnings": None,
    }
    for name, value in expected.items():
        assert row[name] == (pytest.approx(value) if isinstance(value, float) else value), name


def test_an_outlook_brings_the_price_that_its_positions_are_measured_against() -> None:
    row = looking_ahead()
    assert row["short_distance"] == pytest.approx(-4 / 184)
    assert row["gamma_1pct"] == pytest.approx((-0.005 + 0.006) * 1.84)
    assert row["underlying_price"] == SPOT, "the market's fields are the desk's own underlying's"


def test_figures_from_an_old_price_or_quote_are_missing_and_the_facts_are_not() -> None:
    late = NOON - timedelta(seconds=301)
    row = looking_ahead(replace(SPY, quote=Quote(92, late, last=184.0)))
    assert (row["short_call_itm"], row["short_call_extrinsic"], row["short_distance"]) == (None, None, None)
    assert (row["short_exercise"], row["next_dividend"]) == ("american", 0.9)
    row = looking_ahead(n5=replace(leg(5, 4.1, 4.3, 0.8, 0.14), at=late))
    assert row["short_call_extrinsic"] is None
    assert row["short_call_itm"] is not None


def test_a_price_that_is_not_live_makes_nothing_of_an_option() -> None:
    frozen = replace(leg(5, 4.1, 4.3, 0.8, 0.14), type=QuoteType.FROZEN)
    assert looking_ahead(n5=frozen)["short_call_extrinsic"] is None
    row = looking_ahead(replace(SPY, quote=Quote(92, NOON, last=184.0, type=QuoteType.DELAYED)))
    assert (row["short_call_itm"], row["short_call_extrinsic"]) == (None, None)


def test_of_an_underlying_nobody_knows_everything_ahead_is_missing() -> None:
    row = build(inputs(positions=[ON_SPY])).row("p2")
    for name in ("short_exercise", "short_call_itm", "next_dividend", "sessions_to_ex_dividend", "earnings"):
        assert row[name] is None, name
    assert row["short_put_itm"] == 0.0, "without a short put there is none in the money"


def test_a_condor_on_the_index_is_european_without_a_word_of_the_broker() -> None:
    assert build(inputs()).row("p1")["short_exercise"] == "european"
