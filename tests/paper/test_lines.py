from dataclasses import replace
from datetime import date

from tests.paper.flat import LONG_PUT, SHORT_PUT, SPX, SPY
from v6.model.contract import Contract, Leg
from v6.paper.codec import Framer, split
from v6.paper.lines import FROZEN, LIVE, Line, Lines
from v6.paper.ports import Mark, Payout

MARK = Mark(2.15, 2.0, 2.3, 20, 30, 1.0, 0.2, -0.1, 0.001, -0.5, 1.5, 2100.0)


def told(line: Line, marks: dict[int, Mark | None], *, quoted: bool = True) -> list[list[str]]:
    framer = Framer()
    framer.feed(b"".join(line.ticks(marks, quoted=quoted)))
    return [split(body) for body in framer.raw()]


def line(contract: Contract) -> Line:
    return Line(7, (Leg(contract, 1),), False)


def test_the_first_ticks_tell_book_greeks_and_close() -> None:
    assert told(line(SHORT_PUT), {11: MARK}) == [
        ["1", "6", "7", "1", "2.0", "20", "0"],
        ["1", "6", "7", "2", "2.3", "30", "0"],
        ["21", "7", "13", "0", "0.2", "-0.1", "2.15", "0.0", "0.001", "1.5", "-0.5", "2100.0"],
        ["1", "6", "7", "9", "1.0", "0", "0"],
    ]


def test_nothing_is_told_twice() -> None:
    one = line(SHORT_PUT)
    assert told(one, {11: MARK})
    assert told(one, {11: MARK}) == []
    assert told(one, {11: replace(MARK, ask=2.4)}) == [["1", "6", "7", "2", "2.4", "30", "0"]]
    assert told(one, {11: replace(MARK, ask=2.4, bid_size=21)}) == [["2", "6", "7", "0", "21"]]


def test_a_bid_that_vanishes_and_returns_is_told() -> None:
    one = line(SHORT_PUT)
    told(one, {11: MARK})
    assert told(one, {11: replace(MARK, bid=None, bid_size=0)}) == [["1", "6", "7", "1", "-1.0", "0", "0"]]
    assert told(one, {11: MARK}) == [["1", "6", "7", "1", "2.0", "20", "0"]]


def test_a_greek_that_is_missing_is_the_sentinel_and_without_volatility_there_are_none() -> None:
    (greeks,) = [t for t in told(line(SHORT_PUT), {11: replace(MARK, vega=None)}) if t[0] == "21"]
    assert greeks[9] == "-2.0"
    assert [t for t in told(line(SHORT_PUT), {11: replace(MARK, iv=None)}) if t[0] == "21"] == []


def test_an_index_has_a_last_price_and_no_book() -> None:
    assert [t[3] for t in told(line(SPX), {1: replace(MARK, bid=None)})] == ["4", "9"]


def test_without_a_session_only_the_close_is_known() -> None:
    assert [t[3] for t in told(line(SHORT_PUT), {11: MARK}, quoted=False)] == ["9"]
    combo = Line(7, (Leg(SHORT_PUT, -1), Leg(LONG_PUT, 1)), True)
    assert told(combo, {10: MARK, 11: MARK}, quoted=False) == []


def test_a_contract_without_a_market_is_silent() -> None:
    assert told(line(SHORT_PUT), {11: None}) == []
    assert told(Line(7, (Leg(SHORT_PUT, -1), Leg(LONG_PUT, 1)), True), {10: MARK, 11: None}) == []


def test_only_those_who_asked_for_frozen_prices_hear_of_the_freeze() -> None:
    lines = Lines(LIVE, {7: line(SHORT_PUT)})
    assert lines.freeze() == b""
    lines.kind = FROZEN
    assert lines.freeze() != b""
    assert lines.by_id[7].kind == FROZEN


PAYOUT = Payout(3.8, 4.0, date(2015, 3, 3), 0.93)


def paid(one: Line, payout: Payout | None) -> list[list[str]]:
    framer = Framer()
    framer.feed(one.dividends(payout))
    return [split(body) for body in framer.raw()]


def test_dividends_are_told_to_those_who_asked_and_once() -> None:
    one = line(SPY)
    assert paid(one, PAYOUT) == []
    one.wants_dividends = True
    assert paid(one, None) == []
    assert paid(one, PAYOUT) == [["46", "6", "7", "59", "3.8,4.0,20150303,0.93"]]
    assert paid(one, PAYOUT) == []
    assert paid(one, replace(PAYOUT, amount=0.95)) == [["46", "6", "7", "59", "3.8,4.0,20150303,0.95"]]


def test_what_is_not_known_of_a_dividend_is_an_empty_field() -> None:
    one = line(SPY)
    one.wants_dividends = True
    assert paid(one, Payout(3.8)) == [["46", "6", "7", "59", "3.8,,,"]]
    assert paid(one, Payout()) == [["46", "6", "7", "59", ",,,"]]
