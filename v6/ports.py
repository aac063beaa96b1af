"""What the core needs from the outside, as narrow as it can be."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the present moment, timezone-aware in UTC."""
        ...
