"""What really went over the wire, counted at the gateway: the truth for tests and for the desk's own figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Meter:
    """Counts of one gateway; times are seconds of its clock."""

    def __init__(self) -> None:
        self.messages = 0
        self.messages_per_s_peak = 0
        self.pacing_errors = 0
        self.lines_peak = 0
        self._recent: dict[int, deque[float]] = {}
        self._told: dict[int, float] = {}
        self._longest: dict[int, float] = {}

    def message(self, client: int, at: float, *, taken: bool = True) -> None:
        """Count a message of a client; one that is not `taken` was too many, and is a pacing error."""
        recent = self._recent.setdefault(client, deque())
        while recent and at - recent[0] >= 1.0:
            recent.popleft()
        recent.append(at)
        self.messages += 1
        self.messages_per_s_peak = max(self.messages_per_s_peak, len(recent))
        self.pacing_errors += not taken

    def lines(self, count: int) -> None:
        """Note how many lines stream to all clients now."""
        self.lines_peak = max(self.lines_peak, count)

    def told(self, con_id: int, at: float) -> None:
        """Note that a client was told of a contract, by a tick of a line or by a snapshot."""
        before = self._told.get(con_id)
        if before is not None:
            self._longest[con_id] = max(self._longest.get(con_id, 0.0), at - before)
        self._told[con_id] = at

    def begin(self, con_ids: Iterable[int], at: float) -> None:
        """Measure these from now on, as if they had all been told of just now, and forget everything else."""
        self._longest.clear()
        self._told = dict.fromkeys(con_ids, at)
        self.lines_peak = self.messages = self.messages_per_s_peak = self.pacing_errors = 0

    def longest(self, con_ids: Iterable[int], at: float) -> float | None:
        """Return for how long the client went without a word of one of these, until now; None for none or no word."""
        wanted = list(con_ids)
        if not wanted or any(con_id not in self._told for con_id in wanted):
            return None
        return max(max(self._longest.get(c, 0.0), at - self._told[c]) for c in wanted)
