"""What lies ahead of an underlying: how its options are exercised, its next dividend, its earnings reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias


class Exercise(StrEnum):
    """When the options that are short can be exercised against us; NONE if no option is short."""

    NONE = "none"
    EUROPEAN = "european"
    AMERICAN = "american"


class Earnings(StrEnum):
    """Whether an underlying reports earnings."""

    NONE = "none"
    REPORTS = "reports"


class ReportTime(StrEnum):
    """When on its day a company reports."""

    BEFORE_OPEN = "before_open"
    AFTER_CLOSE = "after_close"


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash amount for each share held before the ex-dividend date opens."""

    ex_day: date
    amount: float


@dataclass(frozen=True, slots=True)
class NoDividend:
    """The underlying is known to pay nothing; that nothing is known of a dividend is None."""


NextDividend: TypeAlias = Dividend | NoDividend | None


@dataclass(frozen=True, slots=True)
class Report:
    """An earnings report and when on its day it is published."""

    day: date
    time: ReportTime
