from datetime import UTC, date, datetime

import pytest

from v6.report.numbers import Unit, spoken, spoken_time


@pytest.mark.parametrize(
    ("value", "unit", "signed", "text"),
    [
        (1234567.8, Unit.USD, False, "$1,234,568"),
        (-1250.0, Unit.USD, False, "−$1,250"),
        (12.0, Unit.USD, True, "+$12"),
        (-0.2, Unit.USD, True, "$0"),
        (0.125, Unit.PERCENT, False, "12.5 %"),
        (-0.5, Unit.PERCENT, True, "−50.0 %"),
        (3, Unit.COUNT, False, "3"),
        (2.25, Unit.DAYS, False, "2.2 d"),
        (1.5, Unit.PLAIN, True, "+1.50"),
        (None, Unit.USD, True, "–"),
    ],
)
def test_a_number_is_written_with_its_unit(value: float | None, unit: Unit, signed: bool, text: str) -> None:
    assert spoken(value, unit, signed=signed) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        spoken(value)


def test_a_day_has_no_minutes() -> None:
    assert spoken_time(date(2014, 1, 2)) == spoken_time(datetime(2014, 1, 2, tzinfo=UTC)) == "2014-01-02"
    assert spoken_time(datetime(2014, 1, 2, 14, 30, tzinfo=UTC)) == "2014-01-02 14:30"
