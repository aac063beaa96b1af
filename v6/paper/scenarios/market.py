"""The market of a scenario: the history market on invented days, with wide quotes and halts where it says so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from v6.model.contract import Contract
from v6.paper.market import INDICES, HistoryMarket
from v6.paper.market.history import DailyHistory
from v6.paper.ports import Bar, Dividend, Halt, Mark, StockTerms
from v6.paper.scenarios.path import daily_history
from v6.paper.scenarios.script import Scenario
from v6.paper.scenarios.source import WARM_UP
from v6.pricing.calendar import NEW_YORK, xnys


@dataclass(frozen=True, slots=True)
class _Pause:
    begin: datetime
    end: datetime
    halt: Halt


class ScenarioMarket:
    """A `Market` that also halts; a pure function of (scenario, seed, moment)."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.history: DailyHistory = daily_history(scenario, seed)
        days = [session.day for session in self.history.sessions[WARM_UP:]]
        self._opens = [xnys().open_utc(day).timestamp() for day in days]
        self._spreads = [scenario.phase_of(i).spread for i in range(len(days))]
        self._inner = HistoryMarket(self.history, seed, widen=self._widening)
        self._first = days[0]
        self._pauses = [
            _Pause(
                datetime.combine(days[t.day - 1], t.begin, NEW_YORK),
                datetime.combine(days[t.day - 1], t.end, NEW_YORK),
                t.halt,
            )
            for t in scenario.troubles
        ]

    @property
    def first_day(self) -> date:
        """Return the first session of the scenario; the quiet year before it is only history."""
        return self._first

    @property
    def last_day(self) -> date:
        return self._inner.last_day

    def halt(self, at: datetime) -> Halt | None:
        """Return the halt at a moment, None while there is trading."""
        pause = self._pause(at)
        return None if pause is None else pause.halt

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract; in a halt the indices stand still, and without quotes options have None.

        In a halt of trading alone, quotes stand as they were when it began.
        """
        pause = self._pause(at)
        if pause is None:
            return self._inner.marks(con_ids, at)
        marks = self._inner.marks(con_ids, pause.begin)
        if pause.halt is Halt.TRADING:
            return marks
        return [mark if con_id in INDICES else None for con_id, mark in zip(con_ids, marks, strict=True)]

    def contract(self, con_id: int) -> Contract | None:
        """Return a contract by identity, or None if there is none."""
        return self._inner.contract(con_id)

    def stock(self, con_id: int, at: datetime) -> StockTerms | None:
        """Return the terms of the fund, None for anything else."""
        return self._inner.stock(con_id, at)

    def dividends(self, con_id: int, first: date, last: date) -> list[Dividend]:
        """Return the fund's dividends with an ex-dividend day between two days, [] for anything else."""
        return self._inner.dividends(con_id, first, last)

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit the pattern."""
        return self._inner.find(pattern, at)

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        """Return (trading class, expiry) of the listed option series."""
        return self._inner.expiries(symbol, at)

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]:
        """Return the strikes of a listed series in order."""
        return self._inner.strikes(symbol, trading_class, expiry, at)

    def settlement(self, contract: Contract) -> float:
        """Return the cash value of one share at expiry; V6Error if that is after the scenario's end."""
        return self._inner.settlement(contract)

    def settles_at(self, contract: Contract) -> datetime:
        """Return when the contract stops trading and settles (UTC)."""
        return self._inner.settles_at(contract)

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        """Return up to `sessions` daily bars of an index, those of the quiet year among them."""
        return self._inner.daily(con_id, until, sessions)

    def _widening(self, moment: float) -> float:
        return self._spreads[max(bisect_right(self._opens, moment) - 1, 0)]

    def _pause(self, at: datetime) -> _Pause | None:
        for pause in self._pauses:
            if pause.begin <= at < pause.end:
                return pause
        return None
