"""Questions to the solver: bounded by steps, never by a clock, so that the same desk always gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import z3

from v6.lint.encode import World
from v6.lint.logic import Logic, every

STEPS: Final = 400_000
"""Solver steps per question; beyond them nothing is claimed. A question of a usual desk takes a few thousand."""


class Prover:
    """Answers questions about the rows of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._solver = z3.Solver(ctx=world.context)
        self._solver.set("rlimit", STEPS)
        self._told = 0

    def impossible(self, *claims: Logic) -> bool:
        """Tell whether no row fulfils all claims; False also when the solver gave up."""
        return bool(self._check(every(*claims)) == z3.unsat)

    def model(self, *claims: Logic) -> z3.ModelRef | None:
        """Return a model of all claims, with as little missing as possible, None when none was found."""
        claim = every(*claims)
        if claim is False:
            return None
        self._tell()
        there = [cell.known for cell in self.world.fields.values() if not isinstance(cell.known, bool)]
        margins = self.world.margins
        for wished in ([*there, *margins], margins, there, []):
            self._solver.push()
            try:
                self._solver.add(*([] if claim is True else [claim]), *wished)
                if self._solver.check() == z3.sat:
                    return self._solver.model()
            finally:
                self._solver.pop()
        return None

    def clash(self, claim: Logic, parts: Mapping[str, Logic]) -> tuple[str, ...] | None:
        """Return names of parts that, together with the claim, no row fulfils, as few as dropping one by one gives.

        None when a row may fulfil them all.
        """
        if not self.impossible(claim, *parts.values()):
            return None
        kept = dict(parts)
        # The last to be tried for dropping is the first that was named.
        for name in reversed(list(parts)):
            rest = {n: part for n, part in kept.items() if n != name}
            if self.impossible(claim, *rest.values()):
                kept = rest
        return tuple(kept)

    def _check(self, claim: Logic) -> z3.CheckSatResult:
        if claim is False:
            return z3.unsat
        self._tell()
        if claim is True:
            return self._solver.check()
        self._solver.push()
        try:
            self._solver.add(claim)
            return self._solver.check()
        finally:
            self._solver.pop()

    def _tell(self) -> None:
        facts: Iterable[z3.BoolRef] = self.world.facts[self._told :]
        self._solver.add(*facts)
        self._told = len(self.world.facts)
