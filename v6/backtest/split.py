"""Where a range is cut for processes that run side by side: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Final

from v6.backtest.segment import Segment

RUN_OFF_SESSIONS: Final = 25
"""About what the positions of a segment outlive it by; segments that run off are cut shorter by as much."""

FEWEST: Final = 40
"""A segment of fewer sessions would be mostly start and run-off."""


def split(days: Sequence[date], count: int) -> tuple[Segment, ...]:
    """Cut the days into at most `count` segments of about the same work; fewer if they became too short.

    All but the last run their positions off; the last one's are marked at the end.
    """
    pieces = max(1, min(count, (len(days) + RUN_OFF_SESSIONS) // (FEWEST + RUN_OFF_SESSIONS)))
    work = (len(days) + (pieces - 1) * RUN_OFF_SESSIONS) / pieces
    edges = [round(i * (work - RUN_OFF_SESSIONS)) for i in range(pieces)] + [len(days)]
    return tuple(Segment(tuple(days[start:end]), end < len(days)) for start, end in pairwise(edges))
