import dataclasses
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.fakes import CONDOR, LIMITS, PORTFOLIO, close_intent, open_intent, option
from v6.model.contract import Leg, Right, Side
from v6.model.order import OrderIntent
from v6.model.position import Structure, StructureKind
from v6.model.snapshot import PORTFOLIO_KEY, Row
from v6.risk import Approved, Book, Denied, review
from v6.risk.gate import HARD_CONTRACT_CAP

EMPTY = Book(held={}, live=frozenset(), opening=0, opening_loss=Decimal(0), opened_today=0)


def portfolio(**changed: float | None) -> Row:
    return Row.of(PORTFOLIO_KEY, {**{k: v for k, v in PORTFOLIO.items() if v is not None}, **changed})


def codes(intent: OrderIntent, row: Row = PORTFOLIO, book: Book = EMPTY) -> list[str]:
    verdict = review(intent, row, LIMITS, book)
    return [reason.split(":")[0] for reason in verdict.reasons] if isinstance(verdict, Denied) else []


def test_a_modest_order_passes() -> None:
    assert isinstance(review(open_intent(), PORTFOLIO, LIMITS, EMPTY), Approved)


def test_nobody_else_can_approve() -> None:
    with pytest.raises(TypeError):
        Approved(open_intent(), object())


def test_what_was_approved_cannot_be_exchanged() -> None:
    verdict = review(open_intent(), PORTFOLIO, LIMITS, EMPTY)
    with pytest.raises(AttributeError):
        verdict.intent = open_intent(quantity=9)  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        dataclasses.replace(verdict, intent=open_intent(quantity=9))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("intent", "row", "book", "code"),
    [
        (open_intent(quantity=11), PORTFOLIO, EMPTY, "max-contracts"),
        (open_intent(quantity=0), PORTFOLIO, EMPTY, "quantity"),
        (open_intent(quantity=4), PORTFOLIO, EMPTY, "max-loss-per-order"),
        (open_intent(), portfolio(max_loss_ratio=0.19), EMPTY, "max-total-loss"),
        (open_intent(), portfolio(margin_ratio=0.49), EMPTY, "max-margin"),
        (open_intent(), portfolio(day_pnl_ratio=-0.021), EMPTY, "day-loss"),
        (open_intent(), portfolio(minutes_to_close=1.0), EMPTY, "session"),
        (open_intent(), PORTFOLIO, replace(EMPTY, halts=("kill",)), "halted"),
        (open_intent(), PORTFOLIO, replace(EMPTY, opened_today=20), "orders-per-day"),
        (open_intent(), PORTFOLIO, replace(EMPTY, opening=5), "max-positions"),
        (open_intent(), PORTFOLIO, replace(EMPTY, opening_loss=Decimal(45_000)), "max-total-loss"),
        (open_intent(), PORTFOLIO, replace(EMPTY, live=frozenset({"condor-open1"})), "live-sibling"),
        (open_intent(), portfolio(net_liq=0.0), EMPTY, "unknown-account"),
        (replace(open_intent(), side=Side.SELL, worst=Decimal("-9.80")), PORTFOLIO, EMPTY, "side"),
        (replace(open_intent(), limit=Decimal("-60")), PORTFOLIO, EMPTY, "price"),
        (replace(open_intent(), worst=Decimal("-60")), PORTFOLIO, EMPTY, "price"),
        (replace(open_intent(), worst=Decimal("-9.80")), PORTFOLIO, EMPTY, "price"),
        (replace(open_intent(), worst=Decimal("0.05")), PORTFOLIO, EMPTY, "price"),
    ],
)
def test_each_limit_denies_with_its_code(intent: OrderIntent, row: Row, book: Book, code: str) -> None:
    assert code in codes(intent, row, book)


@pytest.mark.parametrize("name", ["net_liq", "day_pnl_ratio", "max_loss_ratio", "margin_ratio", "minutes_to_close"])
def test_a_missing_figure_denies_an_opening_order_and_no_closing_one(name: str) -> None:
    row = portfolio(**{name: None})
    assert codes(open_intent(), row) != []
    assert codes(close_intent(), row, replace(EMPTY, held={"condor-open1": 2})) == []


@pytest.mark.parametrize("name", ["net_liq", "day_pnl_ratio", "max_loss_ratio", "margin_ratio", "minutes_to_close"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_is_missing(name: str, value: float) -> None:
    assert codes(open_intent(), portfolio(**{name: value})) != []


def test_a_limit_is_reached_at_its_value_and_not_before() -> None:
    # One unit loses 40.80 at its worst price.
    at_limit = replace(LIMITS, max_loss_per_order_ratio=4080 / 250_000)
    below = replace(LIMITS, max_loss_per_order_ratio=4079 / 250_000)
    assert isinstance(review(open_intent(quantity=1), PORTFOLIO, at_limit, EMPTY), Approved)
    assert isinstance(review(open_intent(quantity=1), PORTFOLIO, below, EMPTY), Denied)


def test_no_file_raises_the_hard_cap() -> None:
    generous = replace(LIMITS, max_contracts_per_order=10_000, max_loss_per_order_ratio=1, max_total_loss_ratio=10)
    rich = portfolio(net_liq=1e9)
    assert isinstance(review(open_intent(quantity=HARD_CONTRACT_CAP), rich, generous, EMPTY), Approved)
    assert isinstance(review(open_intent(quantity=HARD_CONTRACT_CAP + 1), rich, generous, EMPTY), Denied)


def test_a_close_may_be_larger_than_any_opening_order() -> None:
    assert codes(close_intent(quantity=150), PORTFOLIO, replace(EMPTY, held={"condor-open1": 150})) == []


def test_a_close_that_would_buy_more_is_denied() -> None:
    book = replace(EMPTY, held={"condor-open1": 2})
    assert "side" in codes(replace(close_intent(), side=Side.BUY, worst=Decimal("-4.00")), PORTFOLIO, book)


def test_a_close_beside_a_live_order_is_denied() -> None:
    book = replace(EMPTY, held={"condor-open1": 2}, live=frozenset({"condor-open1"}))
    assert codes(close_intent(), PORTFOLIO, book) == ["live-sibling"]


def test_halts_and_losses_do_not_stop_a_close() -> None:
    book = replace(EMPTY, held={"condor-open1": 2}, halts=("kill",), opened_today=99)
    assert codes(close_intent(), portfolio(day_pnl_ratio=-0.5, max_loss_ratio=3.0), book) == []


def test_a_close_cannot_become_a_short() -> None:
    assert codes(close_intent(quantity=2), PORTFOLIO, replace(EMPTY, held={"condor-open1": 1})) == ["no-flip"]
    assert codes(close_intent(quantity=2)) == ["no-flip"]


def test_undefined_risk_is_denied() -> None:
    naked = Structure(StructureKind.SINGLE, "SPX", (Leg(option(3, 1900, Right.CALL), -1),))
    assert "undefined-risk" in codes(replace(open_intent(quantity=1), structure=naked))


@given(
    st.integers(1, 200),
    st.floats(1e4, 1e6),
    st.floats(0, 0.3),
    st.floats(0, 0.6),
    st.integers(0, 6),
    st.floats(0, 50_000),
)
def test_nothing_that_is_approved_breaks_a_limit_after_the_fill(
    quantity: int, net_liq: float, at_risk: float, margin: float, open_now: int, pending: float
) -> None:
    row = portfolio(net_liq=net_liq, max_loss_ratio=at_risk, margin_ratio=margin)
    held = {f"p{n}": 1 for n in range(open_now)}
    book = replace(EMPTY, held=held, opening_loss=Decimal(repr(pending)))
    intent = open_intent(quantity=quantity)
    if isinstance(review(intent, row, LIMITS, book), Approved):
        loss = float(intent.worst - CONDOR.extremes()[0]) * 100 * quantity / net_liq  # type: ignore[operator]
        assert quantity <= min(LIMITS.max_contracts_per_order, HARD_CONTRACT_CAP)
        assert loss <= LIMITS.max_loss_per_order_ratio
        assert at_risk + pending / net_liq + loss <= LIMITS.max_total_loss_ratio + 1e-12
        assert margin + pending / net_liq + loss <= LIMITS.max_margin_ratio + 1e-12
        assert open_now + 1 <= LIMITS.max_open_positions
