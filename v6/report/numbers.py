"""Numbers as people read them: a true minus, thousands separated, the unit with the number."""

from __future__ import annotations

import math
from datetime import date, datetime
from enum import StrEnum

MISSING = "–"
"""What stands for a value that is not known; it is never written as 0."""


class Unit(StrEnum):
    """What a number counts; a PERCENT is given as a ratio (0.25 is 25 %)."""

    USD = "usd"
    PERCENT = "percent"
    COUNT = "count"
    DAYS = "days"
    PLAIN = "plain"


_DECIMALS = {Unit.USD: 0, Unit.PERCENT: 1, Unit.COUNT: 0, Unit.DAYS: 1, Unit.PLAIN: 2}


def spoken(value: float | None, unit: Unit = Unit.PLAIN, decimals: int | None = None, *, signed: bool = False) -> str:
    """Return the number with its unit, such as `−$1,250`, or `–` for None; raises ValueError unless finite."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number for a report; a missing value is None")
    places = _DECIMALS[unit] if decimals is None else decimals
    size = abs(value) * 100 if unit is Unit.PERCENT else abs(value)
    digits = f"{size:,.{places}f}"
    zero = not digits.strip("0.,")
    sign = "" if zero else "−" if value < 0 else "+" if signed else ""
    match unit:
        case Unit.USD:
            return f"{sign}${digits}"
        case Unit.PERCENT:
            return f"{sign}{digits} %"
        case Unit.DAYS:
            return f"{sign}{digits} d"
        case _:
            return sign + digits


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 decision` or `2,000 decisions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spoken_time(at: date) -> str:
    """Return a day as `2014-01-31`, and a moment with its minute; a moment at midnight is a day."""
    if isinstance(at, datetime) and (at.hour or at.minute or at.second):
        return f"{at:%Y-%m-%d %H:%M}"
    return f"{at:%Y-%m-%d}"
