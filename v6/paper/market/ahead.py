"""Prices worked out before they are asked for: one pass of numpy for many steps costs hardly more than for one.

A gateway asks for the same contracts at every step of its market. The market is a pure function of time, so the
answers of the next steps can be worked out together with the present one; nobody can tell, except by the clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")

_LONGEST: Final = 32
_ASKERS: Final = 16


@dataclass(slots=True)
class _Rhythm(Generic[Row]):
    """When the same question was last asked, at which distance from the time before, and the answers at hand."""

    last: float
    gap: float = 0.0
    length: int = 1
    rows: dict[float, Row] = field(default_factory=dict)


class Ahead(Generic[Row]):
    """Answer questions (ids, moment) by a function of ids and many moments, in longer and longer series.

    A series begins when a question comes at the same distance in time as before, and ends before `until`.
    """

    def __init__(
        self, price: Callable[[tuple[int, ...], Sequence[float]], list[Row]], until: Callable[[float], float]
    ) -> None:
        """Take `price`, which returns a row for each moment, and `until`, the moment before which it may be asked."""
        self._price = price
        self._until = until
        self._rhythms: OrderedDict[tuple[int, ...], _Rhythm[Row]] = OrderedDict()

    def row(self, ids: tuple[int, ...], moment: float) -> Row:
        """Return the row of a moment in seconds since the epoch."""
        rhythm = self._rhythms.get(ids)
        if rhythm is None:
            self._rhythms[ids] = _Rhythm(moment)
            if len(self._rhythms) > _ASKERS:
                self._rhythms.popitem(last=False)
            return self._price(ids, (moment,))[0]
        self._rhythms.move_to_end(ids)
        found = rhythm.rows.pop(moment, None)
        if found is None:
            return self._series(rhythm, ids, moment)
        rhythm.gap, rhythm.last = moment - rhythm.last, moment
        return found

    def _series(self, rhythm: _Rhythm[Row], ids: tuple[int, ...], moment: float) -> Row:
        end = self._until(moment)
        # A new session goes on in the rhythm of the one before.
        gap = moment - rhythm.last if end == self._until(rhythm.last) else rhythm.gap
        # A guess that failed begins small again: what is worked out and not asked for is lost.
        rhythm.length = min(2 * rhythm.length, _LONGEST) if 0 < gap == rhythm.gap else 1
        rhythm.gap, rhythm.last = gap, moment
        moments = [moment]
        while len(moments) < rhythm.length and moments[-1] + gap < end:
            moments.append(moments[-1] + gap)
        first, *rest = self._price(ids, moments)
        rhythm.rows = dict(zip(moments[1:], rest, strict=True))
        return first
