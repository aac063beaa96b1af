"""What state the link is in after the broker's notices: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DATA_FARM, HISTORY_FARM, CONTRACT_FARM = "market data", "history", "contract"
BROKEN_FARM: Final = {2103: DATA_FARM, 2105: HISTORY_FARM, 2157: CONTRACT_FARM}
SOUND_FARM: Final = {
    2104: DATA_FARM, 2108: DATA_FARM, 2106: HISTORY_FARM, 2107: HISTORY_FARM, 2158: CONTRACT_FARM,
}  # fmt: skip
"""An inactive farm (2107, 2108) sleeps until somebody asks it: nothing is wrong with it."""

LOST: Final = frozenset({1100, 2110})
LINES_LOST, LINES_KEPT = 1101, 1102
RESTORED: Final = frozenset({LINES_LOST, LINES_KEPT})
PORT_RESET, PACE_EXCEEDED, ID_IN_USE, COMPETING_SESSION = 1300, 100, 326, 10197
NOTICES: Final = frozenset({*SOUND_FARM, 2119})
"""All is well with a data farm: never the reason why something failed."""

COMPETING_ENDS: Final = timedelta(seconds=5)
"""Ticks that come so long after the last word of a competing session are ours again."""


class LinkState(StrEnum):
    """DOWN has no socket, SYNCING reads the start-up state, DEGRADED lacks data, BROKEN lacks IB's servers."""

    DOWN = "down"
    SYNCING = "syncing"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BROKEN = "broken"


class News(StrEnum):
    """What a notice changed; RESTORED means that subscriptions and orders must be read anew."""

    LOST = "lost"
    RESTORED = "restored"
    FARM_BROKEN = "farm-broken"
    COMPETING = "competing-session"
    PORT_RESET = "port-reset"
    PACE_EXCEEDED = "pace-exceeded"
    UNREADABLE = "message-unreadable"


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the connection; `farms` are (kind, name) of those that are broken."""

    connected: bool = False
    synced: bool = False
    lost_at: datetime | None = None
    farms: frozenset[tuple[str, str]] = frozenset()
    competing_at: datetime | None = None

    @property
    def state(self) -> LinkState:
        if not self.connected:
            return LinkState.DOWN
        if self.lost_at is not None:
            return LinkState.BROKEN
        if not self.synced:
            return LinkState.SYNCING
        return LinkState.DEGRADED if self.farms or self.competing_at else LinkState.HEALTHY

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why nothing may open now, in words; empty for a healthy link."""
        found = [f"the {kind} farm {name} is broken".replace("  ", " ") for kind, name in sorted(self.farms)]
        if self.competing_at is not None:
            found.append("another session of this login takes the market data")
        match self.state:
            case LinkState.DOWN | LinkState.SYNCING:
                return ("the connection to the broker is being made",)
            case LinkState.BROKEN:
                return ("the gateway has lost IB's servers", *found)
            case _:
                return tuple(found)


def heard(health: Health, code: int, text: str, at: datetime) -> tuple[Health, News | None]:
    """Return the health after a notice of the broker, and what is new; a repeated notice is no news."""
    if code in LOST:
        return replace(health, lost_at=health.lost_at or at), None if health.lost_at else News.LOST
    if code in RESTORED:
        return replace(health, lost_at=None, competing_at=None, farms=_not_connected(text)), News.RESTORED
    if code in BROKEN_FARM:
        farm = (BROKEN_FARM[code], _name(text))
        news = None if farm in health.farms else News.FARM_BROKEN
        return replace(health, farms=health.farms | {farm}), news
    if code in SOUND_FARM:
        farm = (SOUND_FARM[code], _name(text))
        # Lines can stay dead after a short break of their farm without another word.
        back = farm in health.farms and farm[0] == DATA_FARM
        return replace(health, farms=health.farms - {farm}), News.RESTORED if back else None
    if code == COMPETING_SESSION:
        return replace(health, competing_at=at), None if health.competing_at else News.COMPETING
    if code == PORT_RESET:
        return health, News.PORT_RESET
    return health, News.PACE_EXCEEDED if code == PACE_EXCEEDED else None


def ticked(health: Health, at: datetime) -> Health:
    """Return the health after live ticks: they end what a competing session took away."""
    if health.competing_at is not None and at - health.competing_at >= COMPETING_ENDS:
        return replace(health, competing_at=None)
    return health


def new_port(text: str) -> int | None:
    """Return the port that notice 1300 names, None if it names none."""
    found = re.search(r"(\d{2,5})\D*$", text)
    return int(found[1]) if found and int(found[1]) <= 65535 else None


def _name(text: str) -> str:
    return text.rpartition(":")[2].strip() if ":" in text else ""


def _not_connected(text: str) -> frozenset[tuple[str, str]]:
    """Return the farms that 1101 and 1102 name as missing: `The following farms are not connected: a; b.`"""
    _, _, names = text.partition("not connected:")
    return frozenset((DATA_FARM, name.strip(" .")) for name in names.split(";") if name.strip(" ."))
