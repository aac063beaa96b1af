"""A scenario as values: what the index, its volatility, the spreads and the exchange do, session by session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time

from v6.paper.ports import Halt


@dataclass(frozen=True, slots=True)
class Phase:
    """Some sessions in a row.

    `index` is the change of the index over all of them (ratio), `gap` the part of it between the close before and the
    first opening; `volatility` how its daily closes scatter around that path (ratio a year); `vix` the level at the
    end, in points, reached evenly; `spread` a factor on the width of quotes, which grows with the VIX besides.
    """

    days: int
    index: float
    vix: float
    volatility: float
    gap: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """A halt on one session, counted from 1; the times are New York's."""

    day: int
    begin: time
    end: time
    halt: Halt


@dataclass(frozen=True, slots=True)
class Scenario:
    """`start` is the first session (or the day before it), `index` and `vix` the closes before it."""

    name: str
    doc: str
    start: date
    index: float
    vix: float
    phases: tuple[Phase, ...]
    troubles: tuple[Trouble, ...] = ()

    @property
    def days(self) -> int:
        """Return how many sessions it lasts."""
        return sum(phase.days for phase in self.phases)

    def phase_of(self, day: int) -> Phase:
        """Return the phase of a session, counted from 0; after the end the last."""
        for phase in self.phases:
            if day < phase.days:
                return phase
            day -= phase.days
        return self.phases[-1]
