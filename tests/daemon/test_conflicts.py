"""Why the two sides differ: one cause for each contract, whatever both say."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from v6.daemon.conflicts import (
    DOES,
    MEANING,
    Conflict,
    Kind,
    Resolution,
    Scene,
    classify,
    foreign_orders,
)
from v6.model.contract import Contract, Right, SecType
from v6.model.statement import Execution, Held, OpenOrder

TODAY = date(2015, 3, 10)
EXPIRY = date(2015, 3, 20)
AT = datetime(2015, 3, 10, 15, 0, tzinfo=UTC)
SHARES = Contract(50, "SPY", SecType.STOCK, trading_class="SPY")


def option(con_id: int, strike: int, right: Right, name: str = "SPY", expiry: date = EXPIRY) -> Contract:
    symbol = "SPX" if name.startswith("SPX") else name.rstrip("1")
    return Contract(con_id, symbol, SecType.OPTION, "SMART", "USD", 100, name, expiry, Decimal(strike), right)


PUT, LOW_PUT = option(1, 205, Right.PUT), option(2, 200, Right.PUT)
CALL, HIGH_CALL = option(3, 215, Right.CALL), option(4, 220, Right.CALL)
INDEX_PUT, OEX_PUT = option(5, 2000, Right.PUT, "SPXW"), option(6, 900, Right.PUT, "OEX")
KNOWN = {c.con_id: c for c in (PUT, LOW_PUT, CALL, HIGH_CALL, INDEX_PUT, OEX_PUT, SHARES)}


def scene(
    ours: dict[int, int],
    theirs: dict[int, int],
    executions: tuple[Execution, ...] = (),
    today: date = TODAY,
    now: dict[int, Contract] | None = None,
) -> Scene:
    """`now` are contracts as the broker names them where that is not as we know them."""
    named = {**KNOWN, **(now or {})}
    held = {con_id: Held(quantity, named.get(con_id)) for con_id, quantity in theirs.items()}
    return Scene(ours, held, KNOWN, executions, today)


def causes(of: Scene) -> dict[int | None, Kind]:
    return {conflict.con_id: conflict.kind for conflict in classify(of)}


def execution(con_id: int, quantity: int, minute: int = 0, revision: str = "01") -> Execution:
    return Execution(f"e{con_id}.{minute}.{revision}", 0, "", con_id, quantity, AT + timedelta(minutes=minute))


def test_a_short_put_that_became_shares_is_assigned() -> None:
    found = causes(scene({1: -2, 2: 2}, {2: 2, 50: 200}))
    assert found == {1: Kind.ASSIGNED, 50: Kind.ASSIGNED}


def test_a_short_call_is_assigned_in_part_from_shares_that_were_held() -> None:
    assert causes(scene({3: -3, 50: 300}, {3: -1, 50: 100})) == {3: Kind.ASSIGNED, 50: Kind.ASSIGNED}


def test_a_long_call_that_became_shares_is_exercised() -> None:
    assert causes(scene({3: 1, 4: -1}, {4: -1, 50: 100})) == {3: Kind.EXERCISED, 50: Kind.EXERCISED}


def test_the_options_that_give_just_the_shares_are_found_among_those_that_went() -> None:
    gone_on_expiry = EXPIRY + timedelta(days=1)
    found = causes(scene({1: -1, 2: 1, 3: -2, 4: 2}, {50: 100}, today=gone_on_expiry))
    assert found == {1: Kind.ASSIGNED, 2: Kind.EXPIRED, 3: Kind.EXPIRED, 4: Kind.EXPIRED, 50: Kind.ASSIGNED}


def test_shares_that_no_option_explains_are_just_missing_here() -> None:
    assert causes(scene({1: -1}, {50: 150})) == {1: Kind.MISSING_THERE, 50: Kind.MISSING_HERE}


def test_index_options_deliver_nothing() -> None:
    spx = Contract(60, "SPX", SecType.STOCK)
    assert causes(scene({5: -1}, {60: 100}, now={60: spx})) == {5: Kind.MISSING_THERE, 60: Kind.MISSING_HERE}


def test_an_american_index_option_is_assigned_in_cash() -> None:
    assert causes(scene({6: -1}, {})) == {6: Kind.ASSIGNED}
    assert causes(scene({6: 1}, {})) == {6: Kind.EXERCISED}


def test_what_is_gone_after_its_last_day_has_expired_and_not_before() -> None:
    assert causes(scene({5: -1}, {}, today=EXPIRY)) == {5: Kind.MISSING_THERE}
    assert causes(scene({5: -1}, {}, today=EXPIRY + timedelta(days=1))) == {5: Kind.EXPIRED}


def test_executions_that_are_not_ours_are_by_hand() -> None:
    assert causes(scene({5: -2}, {5: -1}, (execution(5, 1),))) == {5: Kind.MANUAL}
    assert causes(scene({}, {5: 3}, (execution(5, 1), execution(5, 2, 1)))) == {5: Kind.MANUAL}
    assert causes(scene({1: -1}, {50: 100}, (execution(1, 1), execution(50, 100)))) == {
        1: Kind.MANUAL,
        50: Kind.MANUAL,
    }


def test_only_the_latest_executions_count_for_earlier_ones_are_in_the_books() -> None:
    assert causes(scene({5: 4}, {5: 5}, (execution(5, 4), execution(5, 1, 1)))) == {5: Kind.MANUAL}
    assert causes(scene({5: 4}, {5: 6}, (execution(5, 4), execution(5, 1, 1)))) == {5: Kind.QUANTITY}


def test_a_corrected_execution_counts_once() -> None:
    twice = (execution(5, 1), execution(5, 1, revision="02"))
    assert causes(scene({}, {5: 2}, twice)) == {5: Kind.MISSING_HERE}
    assert causes(scene({}, {5: 1}, twice)) == {5: Kind.MANUAL}


def test_an_adjusted_contract_in_the_place_of_another_is_a_corporate_action() -> None:
    adjusted = option(90, 205, Right.PUT, "SPY1")
    assert causes(scene({1: -1}, {90: -1}, now={90: adjusted})) == {
        1: Kind.CORPORATE_ACTION,
        90: Kind.CORPORATE_ACTION,
    }


def test_a_split_multiplies_contracts_and_divides_strikes() -> None:
    split = replace(PUT, con_id=90, strike=Decimal("102.5"))
    assert causes(scene({1: -1}, {90: -2}, now={90: split})) == {1: Kind.CORPORATE_ACTION, 90: Kind.CORPORATE_ACTION}
    assert causes(scene({1: -1}, {90: -3}, now={90: split})) == {1: Kind.MISSING_THERE, 90: Kind.MISSING_HERE}


def test_the_same_contract_with_other_terms_is_a_corporate_action_whatever_the_number() -> None:
    changed = replace(PUT, multiplier=50)
    (found,) = classify(scene({1: -1}, {1: -1}, now={1: changed}))
    assert (found.kind, found.resolution) == (Kind.CORPORATE_ACTION, Resolution.FENCE)
    assert "x 50" in found.text


def test_an_index_option_beside_another_strike_is_not_adjusted() -> None:
    other = option(91, 1000, Right.PUT, "SPXW")
    assert causes(scene({5: -1}, {91: -2}, now={91: other})) == {5: Kind.MISSING_THERE, 91: Kind.MISSING_HERE}


@pytest.mark.parametrize(
    ("ours", "theirs", "resolution"),
    [
        (-2, -1, Resolution.FENCE),
        (-2, 0, Resolution.FENCE),
        (-2, 2, Resolution.FENCE),
        (-2, -3, Resolution.HALT),
        (0, 1, Resolution.HALT),
    ],
)
def test_positions_are_fenced_where_the_broker_holds_less_than_they_need(
    ours: int, theirs: int, resolution: Resolution
) -> None:
    (found,) = classify(scene({5: ours} if ours else {}, {5: theirs} if theirs else {}))
    assert (found.resolution, found.halts) == (resolution, True)
    assert (found.ours, found.theirs) == (ours, theirs)


def test_orders_of_others_are_told_in_words() -> None:
    found = foreign_orders(
        [OpenOrder(7, 0, "", "SELL 1 SPX BAG LMT 2.5"), OpenOrder(8, 4, "bot", "BUY 1 SPY STK MKT")]
    )
    assert [c.text for c in found] == [
        "SELL 1 SPX BAG LMT 2.5 of a person (client 0) works",
        "BUY 1 SPY STK MKT of client 4 works as bot",
    ]
    assert not any(c.halts for c in found)


QUANTITIES = st.integers(-4, 4)
EXPIRIES = st.sampled_from([TODAY - timedelta(days=1), TODAY, EXPIRY])
CLASSES = st.sampled_from(["SPX", "SPXW", "OEX", "SPY", "SPY1", "X", ""])


@st.composite
def contracts(draw: st.DrawFn, con_id: int) -> Contract:
    name = draw(CLASSES)
    symbol = draw(st.sampled_from(["SPX", "SPY", "X"]))
    if draw(st.integers(0, 3)) == 0:
        return Contract(con_id, symbol, draw(st.sampled_from([SecType.STOCK, SecType.FUTURE, SecType.INDEX])))
    strike = Decimal(draw(st.sampled_from([100, 200, 205])))
    right, expiry = draw(st.sampled_from(Right)), draw(EXPIRIES)
    multiplier = draw(st.sampled_from([10, 100]))
    return Contract(con_id, symbol, SecType.OPTION, "SMART", "USD", multiplier, name, expiry, strike, right)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    con_ids = range(1, draw(st.integers(1, 14)) + 1)
    known = {c: draw(contracts(c)) for c in con_ids if draw(st.integers(0, 4))}
    ours = {c: n for c in con_ids if (n := draw(QUANTITIES))}
    theirs = {}
    for c in con_ids:
        named = draw(st.sampled_from([known.get(c), None, draw(contracts(c))]))
        if n := draw(st.sampled_from([ours.get(c, 0), draw(QUANTITIES), 0])):
            theirs[c] = Held(n, named)
    some = st.builds(execution, st.sampled_from(con_ids), st.integers(-200, 200), st.integers(0, 5))
    return Scene(ours, theirs, known, draw(st.lists(some, max_size=5)), TODAY)


@given(scenes())
def test_whatever_both_sides_say_each_differing_contract_is_in_exactly_one_conflict(of: Scene) -> None:
    found = classify(of)
    con_ids = [conflict.con_id for conflict in found]
    assert len(con_ids) == len(set(con_ids))
    changed = {c.con_id for c in found if c.kind is Kind.CORPORATE_ACTION}
    differ = set(of.differ())
    assert differ <= set(con_ids) <= differ | changed
    for conflict in found:
        assert conflict.halts, "no difference goes unnoticed"
        assert conflict.con_id is not None
        assert (conflict.ours, conflict.theirs) == (of.ours.get(conflict.con_id, 0), of.there(conflict.con_id))
        if of.gone(conflict.con_id):
            assert conflict.resolution is Resolution.FENCE


def test_every_kind_and_resolution_has_its_words() -> None:
    assert set(MEANING) == set(Kind)
    assert set(DOES) == set(Resolution)
    assert Conflict(Kind.COST, Resolution.TELL, 1, 2, "").halts is False


DOC = (ROOT / "docs/reconciliation.md").read_text()


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \| [a-z, ]+ \|$", DOC, re.MULTILINE))
    assert rows == {kind.value: meaning for kind, meaning in MEANING.items()}
    words = dict(re.findall(r"^\| ([a-z]+) \| (.*?) \|$", DOC, re.MULTILINE))
    assert {word: text for word, text in words.items() if word not in ("code", "word")} == {
        resolution.value: text for resolution, text in DOES.items()
    }


def promised() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `([a-z-]+)` \| .*? \| ([a-z, ]+) \|$", DOC, re.MULTILINE)
    return {code: set(words.split(", ")) for code, words in rows}


@given(scenes())
def test_what_is_done_about_each_kind_is_what_the_docs_promise(of: Scene) -> None:
    for conflict in classify(of):
        assert conflict.resolution.value in promised()[conflict.kind.value]
