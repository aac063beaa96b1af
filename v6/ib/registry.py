"""Which contracts deserve a line of their own: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from v6.model.contract import Contract


class Rank(IntEnum):
    """Who keeps a line when lines are short; one underlying serves every position on it."""

    UNDERLYING = 0
    HELD = 1
    CANDIDATE = 2


@dataclass(frozen=True, slots=True)
class LinePlan:
    """What streams, and what had no line left and is asked for in turn."""

    streamed: tuple[Contract, ...]
    queued: tuple[Contract, ...]


class StrategyRegistry:
    """The contracts that active strategies and their positions need, by owner."""

    def __init__(self) -> None:
        self._claims: dict[str, tuple[Rank, dict[int, Contract]]] = {}

    def claim(self, owner: str, rank: Rank, contracts: Iterable[Contract]) -> None:
        """Set what an owner needs, in place of what it needed before; nothing is a claim withdrawn."""
        wanted = {contract.con_id: contract for contract in contracts}
        if wanted:
            self._claims[owner] = (rank, wanted)
        else:
            self._claims.pop(owner, None)

    def plan(self, budget: int) -> LinePlan:
        """Return which of all claimed contracts stream within the budget of lines: by rank, then oldest claim."""
        ranked = sorted(self._claims.values(), key=lambda claim: claim[0])
        wanted: dict[int, Contract] = {}
        for _, contracts in ranked:
            wanted |= {con_id: contract for con_id, contract in contracts.items() if con_id not in wanted}
        found = tuple(wanted.values())
        return LinePlan(found[: max(budget, 0)], found[max(budget, 0) :])
