"""Sessions until a dividend and a report, and whose word counts."""

from datetime import date

import pytest

from v6.ib.outlook import Outlook, Underlying, look_ahead
from v6.lang.events import UNSAID, SymbolEvents
from v6.model.contract import Contract, SecType
from v6.model.upcoming import Dividend, Earnings, NextDividend, NoDividend, Report, ReportTime
from v6.pricing.calendar import xnys

MONDAY, FRIDAY = date(2014, 1, 13), date(2014, 1, 10)
STOCK = Underlying(Contract(5, "AAPL", SecType.STOCK), "COMMON")
FUND = Underlying(Contract(6, "SPY", SecType.STOCK), "ETF")
INDEX = Underlying(Contract(90, "SPX", SecType.INDEX, "CBOE"))


def outlook(
    today: date,
    dividend: NextDividend = None,
    said: SymbolEvents = UNSAID,
    underlying: Underlying | None = STOCK,
) -> Outlook:
    return look_ahead(underlying, None, dividend, said, today, xnys())


def reports(*found: tuple[date, ReportTime]) -> SymbolEvents:
    return SymbolEvents(reports=tuple(Report(day, time) for day, time in found))


@pytest.mark.parametrize(
    ("today", "left"),
    [
        (MONDAY, 0),
        (FRIDAY, 1),
        (date(2014, 1, 12), 0),
        (date(2014, 1, 9), 2),
    ],
)
def test_the_last_session_before_an_ex_date_is_at_one_also_over_a_weekend(today: date, left: int) -> None:
    found = outlook(today, Dividend(MONDAY, 0.5))
    assert (found.next_dividend, found.sessions_to_ex_dividend) == (0.5, left)


def test_a_holiday_is_no_session_in_which_anybody_could_wait() -> None:
    tuesday = date(2014, 1, 21)  # the Monday before is Martin Luther King's day
    assert outlook(date(2014, 1, 17), Dividend(tuesday, 0.5)).sessions_to_ex_dividend == 1


def test_a_dividend_that_is_over_tells_nothing_of_the_next() -> None:
    found = outlook(date(2014, 1, 14), Dividend(MONDAY, 0.5))
    assert (found.next_dividend, found.sessions_to_ex_dividend) == (None, None)


def test_the_brokers_dividend_counts_before_the_desks_which_fills_what_it_leaves_open() -> None:
    said = SymbolEvents(dividends=(Dividend(date(2014, 1, 15), 0.9),))
    assert outlook(FRIDAY, Dividend(MONDAY, 0.5), said).next_dividend == 0.5
    assert outlook(FRIDAY, None, said).next_dividend == 0.9
    assert outlook(FRIDAY, Dividend(date(2014, 1, 9), 0.5), said).next_dividend == 0.9, "the broker's is over"


def test_paying_none_is_a_known_zero_and_nothing_known_is_missing() -> None:
    for found in (outlook(FRIDAY, NoDividend()), outlook(FRIDAY, None, SymbolEvents(dividends=()))):
        assert (found.next_dividend, found.sessions_to_ex_dividend) == (0.0, None)
    assert outlook(FRIDAY).next_dividend is None


def test_a_day_beyond_the_calendar_is_not_known_and_breaks_nothing() -> None:
    assert outlook(FRIDAY, Dividend(date(2099, 12, 31), 0.5)).sessions_to_ex_dividend is None
    for time in ReportTime:
        assert outlook(FRIDAY, None, reports((date.max, time))).sessions_to_earnings is None


@pytest.mark.parametrize(
    ("today", "time", "left"),
    [
        (FRIDAY, ReportTime.BEFORE_OPEN, 1),
        (FRIDAY, ReportTime.AFTER_CLOSE, 2),
        (MONDAY, ReportTime.AFTER_CLOSE, 1),
        (MONDAY, ReportTime.BEFORE_OPEN, None),
        (date(2014, 1, 14), ReportTime.AFTER_CLOSE, None),
    ],
)
def test_the_last_session_before_a_report_is_at_one(today: date, time: ReportTime, left: int | None) -> None:
    found = outlook(today, None, reports((MONDAY, time)))
    assert (found.earnings, found.sessions_to_earnings) == (Earnings.REPORTS, left)


def test_the_first_report_that_is_to_come_counts() -> None:
    said = reports((FRIDAY, ReportTime.BEFORE_OPEN), (MONDAY, ReportTime.BEFORE_OPEN))
    assert outlook(FRIDAY, None, said).sessions_to_earnings == 1


def test_an_index_and_a_fund_report_nothing_and_of_a_company_only_the_desk_knows() -> None:
    assert outlook(FRIDAY, underlying=INDEX).earnings is Earnings.NONE
    assert outlook(FRIDAY, underlying=FUND).earnings is Earnings.NONE
    assert outlook(FRIDAY, underlying=STOCK).earnings is None
    assert outlook(FRIDAY, underlying=None).earnings is None
    assert outlook(FRIDAY, None, SymbolEvents(reports=())).earnings is Earnings.NONE
    assert outlook(FRIDAY, None, reports((MONDAY, ReportTime.BEFORE_OPEN)), FUND).earnings is Earnings.REPORTS


def test_the_fields_are_the_catalogues() -> None:
    found = outlook(FRIDAY, Dividend(MONDAY, 0.5), reports((MONDAY, ReportTime.AFTER_CLOSE)))
    assert found.fields() == {
        "next_dividend": 0.5,
        "sessions_to_ex_dividend": 1.0,
        "earnings": "reports",
        "sessions_to_earnings": 2.0,
    }
    assert set(Outlook().fields().values()) == {None}
