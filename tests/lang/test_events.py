"""events.yaml: what a desk says of earnings and dividends, and what it must not say."""

from __future__ import annotations

import re
from datetime import date

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.lang.desks import desk
from v6.lang.events import EventCalendar, SymbolEvents, events_schema, read_events
from v6.model.upcoming import Dividend, Earnings, NoDividend, Report, ReportTime
from v6.rules import load_texts

TEXT = """\
version: 1
symbols:
  AAPL:
    earnings:
      - {day: 2026-04-30, time: after_close}
      - {day: 2026-01-29, time: before_open}
    dividends: [{ex_day: 2026-02-09, amount: 0.26}]
  SPX: {earnings: none, dividends: none}
  MSFT: {earnings: [{day: 2026-01-28, time: after_close}]}
"""


def calendar(text: str) -> EventCalendar:
    found, diagnostics = read_events(text)
    assert diagnostics == []
    assert found is not None
    return found


def mistakes(text: str) -> list[str]:
    found, diagnostics = read_events(text)
    assert found is None
    return list(map(str, diagnostics))


def test_reports_and_dividends_come_in_the_order_of_their_days() -> None:
    apple = calendar(TEXT).of("AAPL")
    assert apple.reports == (
        Report(date(2026, 1, 29), ReportTime.BEFORE_OPEN),
        Report(date(2026, 4, 30), ReportTime.AFTER_CLOSE),
    )
    assert apple.dividends == (Dividend(date(2026, 2, 9), 0.26),)
    assert apple.earnings is Earnings.REPORTS


def test_quotes_are_for_editors_and_change_nothing() -> None:
    quoted = re.sub(r"(2026-[0-9]{2}-[0-9]{2})", r"'\1'", TEXT)
    assert quoted != TEXT
    assert calendar(quoted) == calendar(TEXT)
    Draft7Validator(events_schema()).validate(yaml.safe_load(quoted))


def test_none_is_said_and_what_is_left_out_is_not_known() -> None:
    index, other = calendar(TEXT).of("SPX"), calendar(TEXT).of("MSFT")
    assert (index.earnings, index.next_dividend(date(2026, 1, 5))) == (Earnings.NONE, NoDividend())
    assert (other.earnings, other.next_dividend(date(2026, 1, 5))) == (Earnings.REPORTS, None)
    assert calendar(TEXT).of("QQQ") == SymbolEvents()
    assert SymbolEvents().earnings is None


def test_a_dividend_is_the_next_one_until_its_ex_date_is_over() -> None:
    apple = calendar(TEXT).of("AAPL")
    assert apple.next_dividend(date(2026, 2, 9)) == Dividend(date(2026, 2, 9), 0.26)
    assert apple.next_dividend(date(2026, 2, 10)) is None, "a calendar that has run out knows nothing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "events.yaml:1:1: empty-file"),
        ("symbols: {}", "`version` is missing"),
        ("version: 1\nsymbols: {spx: {earnings: none}}", "a symbol as the broker writes it"),
        ("version: 1\nsymbols: {SPX: {}}", "events.yaml:2:16: bad-value"),
        ("version: 1\nsymbols: {SPX: {earnings: never}}", "events.yaml:2:27: bad-value: `earnings` cannot be never"),
        ("version: 1\nsymbols: {SPX: {earnings: []}}", "at least 1 entries"),
        ("version: 1\nsymbols: {SPX: {earning: none}}", "did you mean `earnings`"),
        ("version: 1\nsymbols: {A: {earnings: [{day: 2026-01-29}]}}", "`time` is missing"),
        ("version: 1\nsymbols: {A: {earnings: [{day: 2026-02-30, time: after_close}]}}", "no day of the calendar"),
        (
            "version: 1\nsymbols: {A: {earnings: [{day: 29.1.2026, time: after_close}]}}",
            "a day in New York and in quotes, such as",
        ),
        ("version: 1\nsymbols: {A: {dividends: [{ex_day: 2026-02-09, amount: 0}]}}", "must be at least 0.0001"),
        (
            "version: 1\nsymbols:\n  A:\n    dividends:\n"
            "      - {ex_day: 2026-02-09, amount: 1}\n      - {ex_day: 2026-02-09, amount: 2}",
            "events.yaml:6:18: bad-value: 2026-02-09 is given twice for A, first at events.yaml:5:18",
        ),
        ("version: 1\nsymbols: {A: {earnings: none}, A: {earnings: none}}", "duplicate-key"),
    ],
)
def test_every_mistake_has_its_place(text: str, said: str) -> None:
    assert any(said in line for line in mistakes(text)), mistakes(text)


def test_all_mistakes_are_told_at_once() -> None:
    days = ", ".join(f"{{day: {day}, time: after_close}}" for day in ("2026-13-01", "2026-02-30"))
    text = f"version: 1\nsymbols:\n  A: {{earnings: [{days}]}}"
    assert len(mistakes(text)) == 2


def test_the_file_is_no_part_of_what_the_rules_mean() -> None:
    assert load_texts(desk() | {"events.yaml": TEXT}).fingerprint == load_texts(desk()).fingerprint
