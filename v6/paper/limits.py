"""What IB grants a client: lines of market data, and messages a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`lines` for the whole account (error 101), `messages` a second for each client (error 100); None for no limit.

    A message above the rate is not taken. A client that is too fast in `patience` seconds is hung up on, as TWS does.
    """

    lines: int | None = 100
    messages: int | None = 50
    patience: int = 3


class Pace:
    """The rate of one client."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._recent: deque[float] = deque()
        self._fast_at: float | None = None
        self.offences = 0

    def takes(self, now: float) -> bool:
        """Note a message at `now` (seconds of any clock that does not jump); tell whether it is within the rate."""
        while self._recent and now - self._recent[0] >= WINDOW_S:
            self._recent.popleft()
        if self._limits.messages is None or len(self._recent) < self._limits.messages:
            self._recent.append(now)
            return True
        if self._fast_at is None or now - self._fast_at >= WINDOW_S:
            self._fast_at = now
            self.offences += 1
        return False

    @property
    def spent(self) -> bool:
        """Tell whether the client has been too fast once too often."""
        return self.offences >= self._limits.patience
