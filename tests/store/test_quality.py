"""Each planted defect of a recording is found, where it is, and a clean recording has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from v6.model.contract import Contract, Right, SecType
from v6.model.quote import Quote, QuoteType
from v6.model.recording import Observation
from v6.pricing.bsm import greeks_of, price_of
from v6.pricing.calendar import xnys
from v6.store.history import History, connect
from v6.store.quality import Quality, quality

DAYS = (date(2015, 3, 5), date(2015, 3, 6), date(2015, 3, 9))  # a weekend and the change to summer time within
EVERY_S = 3600
EXPIRY = date(2015, 4, 2)
SPX = Contract(1, "SPX", SecType.INDEX, "CBOE")
VIX = Contract(2, "VIX", SecType.INDEX, "CBOE")
ES = Contract(3, "ES", SecType.FUTURE, "CME", multiplier=50, expiry=date(2015, 3, 20))
STRIKES = range(2050, 2155, 5)


def slots(day: date) -> list[datetime]:
    opens = xnys().open_utc(day)
    return [opens + timedelta(hours=n) for n in range(7)]


def option(strike: int, right: Right) -> Contract:
    con_id = 10_000 + strike + (right is Right.CALL) * 10_000
    return Contract(
        con_id, "SPX", SecType.OPTION, multiplier=100, trading_class="SPXW", expiry=EXPIRY, strike=Decimal(strike),
        right=right,
    )  # fmt: skip


def clean() -> list[Observation]:
    """Return three sessions of a market that moves, on a skew, on the tick grid."""
    made = []
    for n, slot in enumerate(slot for day in DAYS for slot in slots(day)):
        spot = 2100.0 + 7.0 * ((n * 5) % 8 - 3)
        for contract, price in ((SPX, spot), (VIX, 15.0 + 0.4 * ((n * 3) % 7))):
            made.append(Observation(slot, slot, contract, Quote(contract.con_id, slot, last=price)))
        made.append(Observation(slot, slot, ES, Quote(3, slot, spot - 2.25, spot - 2.0, spot - 2.0)))
        years = (datetime(2015, 4, 2, 20, tzinfo=UTC) - slot).total_seconds() / (365 * 86400)
        for strike in STRIKES:
            for right in Right:
                iv = 0.15 - 0.4 * (strike / spot - 1) + 0.8 * (strike / spot - 1) ** 2
                fair = float(price_of(spot, strike, years, iv, right))
                bid = round(int(fair / 0.1) * 0.1 - 0.1, 2)
                contract = option(strike, right)
                quote = Quote(
                    contract.con_id, slot, bid, round(bid + 0.3, 2),
                    greeks=greeks_of(spot, strike, years, iv, right),
                )  # fmt: skip
                made.append(Observation(slot, slot, contract, quote, 10, 10, spot=spot))
    return made


CLEAN = clean()
TARGET = option(2100, Right.PUT)
BAD_SLOT = slots(DAYS[1])[3]


def judged(folder: Path, rows: list[Observation], first: date | None = None, last: date | None = None) -> Quality:
    History(folder, EVERY_S).put(rows)
    return quality(folder, xnys(), first, last)


def changed(
    what: Callable[[Quote], Quote], contract: Contract = TARGET, slot: datetime = BAD_SLOT
) -> list[Observation]:
    def of(one: Observation) -> Observation:
        if one.contract != contract or one.sweep != BAD_SLOT or one.quote is None:
            return one
        return replace(one, quote=what(one.quote))

    return [of(one) for one in CLEAN]


def told(found: Quality) -> list[tuple[str, str, date, str, int]]:
    return [(f.table, f.symbol, f.day, f.kind, f.count) for f in found.findings]


def test_a_clean_recording_has_no_defects(tmp_path: Path) -> None:
    found = judged(tmp_path, CLEAN)
    assert found.findings == ()
    assert (found.rows, found.first, found.last) == (len(CLEAN), DAYS[0], DAYS[-1])


@pytest.mark.parametrize(
    ("kinds", "plant"),
    [
        ({"crossed"}, lambda q: replace(q, bid=q.ask + 0.1)),
        ({"delayed"}, lambda q: replace(q, type=QuoteType.DELAYED)),
        ({"delayed"}, lambda q: replace(q, type=QuoteType.FROZEN)),
        ({"missing-bid"}, lambda q: replace(q, bid=None)),
        ({"missing-ask"}, lambda q: replace(q, ask=None)),
        ({"missing-greeks"}, lambda q: replace(q, greeks=None)),
        ({"outlier-iv"}, lambda q: replace(q, greeks=replace(q.greeks, iv=q.greeks.iv + 0.05))),
        ({"outlier-price"}, lambda q: replace(q, bid=q.bid + 9.0, ask=q.ask + 9.0)),
    ],
)
def test_a_planted_defect_of_an_option_is_the_only_one_found(
    tmp_path: Path, kinds: set[str], plant: Callable[[Quote], Quote]
) -> None:
    found = judged(tmp_path, changed(plant))
    assert told(found) == [("chain_quotes", "SPX", DAYS[1], kind, 1) for kind in kinds]
    (finding,) = found.findings
    assert finding.of == len(STRIKES) * 2 * 7
    assert finding.share == pytest.approx(1 / finding.of)
    assert "SPXW 2015-04-02 2100.0P 17:30" in finding.worst[0]


def test_a_wrong_tick_of_an_underlying_is_an_outlier(tmp_path: Path) -> None:
    found = judged(tmp_path, changed(lambda q: replace(q, last=210.0), SPX))
    assert told(found) == [("underlying_quotes", "SPX", DAYS[1], "outlier-price", 1)]


def test_a_quote_that_stands_while_the_market_moves_is_stale(tmp_path: Path) -> None:
    first = next(one for one in CLEAN if one.contract == TARGET and one.sweep == slots(DAYS[1])[1])
    assert first.quote is not None
    frozen = {slots(DAYS[1])[n] for n in (1, 2, 3)}
    rows = [
        replace(one, quote=replace(first.quote, at=one.at)) if one.contract == TARGET and one.sweep in frozen else one
        for one in CLEAN
    ]
    kinds = {f.kind: f for f in judged(tmp_path, rows).findings}
    assert kinds["stale"].count == 1
    assert "3 sweeps up to 17:30" in kinds["stale"].worst[0]


def test_an_underlying_that_stands_while_the_others_move_is_stale(tmp_path: Path) -> None:
    frozen = slots(DAYS[0])
    rows = [
        replace(one, quote=Quote(2, one.at, last=15.0)) if one.contract == VIX and one.sweep in frozen else one
        for one in CLEAN
    ]
    assert told(judged(tmp_path, rows)) == [("underlying_quotes", "VIX", DAYS[0], "stale", 5)]


def test_a_market_that_stands_still_is_not_stale(tmp_path: Path) -> None:
    still = {one.contract.con_id: one for one in CLEAN if one.sweep == slots(DAYS[0])[0]}
    rows = [replace(still[one.contract.con_id], sweep=one.sweep, at=one.at) for one in CLEAN]
    assert judged(tmp_path, rows).findings == ()


def test_sweeps_that_did_not_take_place_are_gaps_by_the_calendar_and_the_schedule(tmp_path: Path) -> None:
    rows = [one for one in CLEAN if one.sweep != BAD_SLOT and one.sweep.date() != DAYS[0]]
    found = judged(tmp_path, rows, DAYS[0], DAYS[2])
    # What is before the first sweep of all was never due.
    gaps = [(t, s, DAYS[1], "gap", 1) for t, s in (("chain_quotes", "SPX"), ("underlying_quotes", "ES"))]
    assert told(found)[:2] == gaps
    assert {f.worst for f in found.findings} == {("the sweep of 17:30",)}


def test_a_session_without_any_row_is_seven_gaps_and_a_weekend_none(tmp_path: Path) -> None:
    rows = [one for one in CLEAN if one.sweep.date() != DAYS[1]]
    found = judged(tmp_path, rows)
    assert {(f.day, f.kind, f.count) for f in found.findings} == {(DAYS[1], "gap", 7)}
    assert len(found.findings) == 4


def test_one_contract_left_out_of_one_sweep_is_a_gap(tmp_path: Path) -> None:
    rows = [one for one in CLEAN if one.contract != TARGET or one.sweep != BAD_SLOT]
    assert told(judged(tmp_path, rows)) == [("chain_quotes", "SPX", DAYS[1], "gap", 1)]


def test_a_question_without_an_answer_is_told_with_its_reason(tmp_path: Path) -> None:
    rows = [
        replace(one, quote=None, error="no answer within 15 s")
        if one.contract == TARGET and one.sweep == BAD_SLOT
        else one
        for one in CLEAN
    ]
    found = judged(tmp_path, rows)
    assert told(found) == [("chain_quotes", "SPX", DAYS[1], "unanswered", 1)]
    assert "no answer within 15 s" in found.findings[0].worst[0]


def test_only_the_sessions_asked_for_are_judged(tmp_path: Path) -> None:
    rows = changed(lambda q: replace(q, type=QuoteType.DELAYED))
    assert judged(tmp_path, rows, DAYS[2], DAYS[2]).findings == ()
    assert len(quality(tmp_path, xnys(), DAYS[1], DAYS[1]).findings) == 1


def test_an_empty_history_has_nothing_to_find(tmp_path: Path) -> None:
    History(tmp_path, EVERY_S)
    assert quality(tmp_path, xnys()) == Quality(0, None, None, ())
    assert connect(tmp_path).execute("SELECT count(*) FROM chain_quotes").fetchall() == [(0,)]
