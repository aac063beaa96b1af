"""The positions without a line of their own, seen in turn, longest unseen first; pure, saved as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from v6.errors import StoreError
from v6.model.contract import Contract
from v6.model.event import Queued

SEEN_EVERY: Final = timedelta(seconds=30)
STEP: Final = timedelta(seconds=5)
ROUND_PER_S: Final = 40.0
"""A cautious guess of how many are answered in a second, for a round to begin in time."""


@dataclass(slots=True)
class _Place:
    contract: Contract
    own: bool
    since: datetime
    seen: datetime | None
    tried: datetime | None = None
    attempts: int = 0

    def last(self) -> datetime:
        """Return when it was last seen, or when it came into the queue."""
        return self.since if self.seen is None else self.seen

    def turn(self) -> datetime:
        """Return what decides its turn: one that gave no answer goes to the back, and does not hold up the others."""
        # One that was never seen comes before all that were.
        return max(self.tried or _NEVER, self.seen or _NEVER)


_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PositionQueue:
    """Who is looked at next. What was seen before a restart is remembered and not asked for out of turn."""

    def __init__(self, seen: Mapping[int, datetime] | None = None) -> None:
        self._places: dict[int, _Place] = {}
        self._remembered = dict(seen or {})
        self.longest = timedelta(0)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, con_id: int) -> bool:
        return con_id in self._places

    def hold(self, own: Iterable[Contract], foreign: Iterable[Contract], at: datetime) -> None:
        """Queue exactly these: `own` are the desk's, and go first whenever they are due."""
        wanted = {c.con_id: (c, False) for c in foreign} | {c.con_id: (c, True) for c in own}
        for con_id in [c for c in self._places if c not in wanted]:
            del self._places[con_id]
        for con_id, (contract, is_own) in wanted.items():
            place = self._places.get(con_id)
            if place is None:
                self._places[con_id] = _Place(contract, is_own, at, self._remembered.pop(con_id, None))
            else:
                place.own = is_own

    def due(self, at: datetime, count: int, without: Iterable[int] = ()) -> list[Contract]:
        """Return up to `count` contracts that would be unseen for too long by the next step, in their turn."""
        busy = set(without)
        # The last of a round is asked only after all the others.
        late = at + STEP + timedelta(seconds=len(self._places) / ROUND_PER_S) - SEEN_EVERY
        found = [p for con_id, p in self._places.items() if con_id not in busy and (p.seen is None or p.seen < late)]
        found.sort(key=lambda place: (not place.own, place.turn()))
        return [place.contract for place in found[:count]]

    def saw(self, con_id: int, at: datetime) -> None:
        """Note an answer; one for a contract that is no longer queued is nothing."""
        place = self._places.get(con_id)
        if place is not None:
            self.longest = max(self.longest, at - place.last())
            place.seen = at
            place.attempts = 0

    def missed(self, con_id: int, at: datetime) -> None:
        """Note a question without an answer."""
        place = self._places.get(con_id)
        if place is not None:
            place.tried = at
            place.attempts += 1

    def oldest(self, at: datetime) -> timedelta | None:
        """Return for how long the longest unseen contract is unseen, None for an empty queue."""
        return max((at - place.last() for place in self._places.values()), default=None)

    def listed(self) -> tuple[Queued, ...]:
        """Return every place as it is now, in the order of con_id."""
        return tuple(
            Queued(
                con_id,
                place.contract.symbol,
                str(place.contract),
                place.own,
                place.since,
                place.seen,
                place.since if place.seen is None else place.seen + SEEN_EVERY,
                place.attempts,
            )
            for con_id, place in sorted(self._places.items())
        )

    def to_json(self) -> str:
        """Return the seconds since 1970 at which each contract was last seen, by con_id."""
        seen = {c: round(p.seen.timestamp(), 3) for c, p in self._places.items() if p.seen is not None}
        return msgspec.json.encode(seen).decode()

    @classmethod
    def from_json(cls, text: str) -> PositionQueue:
        """Read what `to_json` wrote; raises StoreError."""
        try:
            seen = msgspec.json.decode(text, type=dict[int, float], strict=False)
            return cls({con_id: datetime.fromtimestamp(at, UTC) for con_id, at in seen.items()})
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            raise StoreError(f"the saved position queue cannot be read: {error}") from error
