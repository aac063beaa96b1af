"""Questions to the solver: bounded by steps, never by a clock, so that the same desk always gets the same answer."""

from __future__ import annotations

from collections.abc import Mapping
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
        self._there, self._apart = (z3.Bool(name, world.context) for name in ("wish.there", "wish.apart"))
        self._facts = self._margins = self._fields = self._reached = 0

    def impossible(self, *claims: Logic) -> bool:
        """Tell whether no row fulfils all claims; False also when the solver gave up."""
        return bool(self._check(every(*claims)) == z3.unsat)

    def model(self, *claims: Logic) -> z3.ModelRef | None:
        """Return a model of all claims, with as little missing as possible, None when none was found."""
        claim = every(*claims)
        if claim is False:
            return None
        self._tell()
        for wished in ((self._there, self._apart), (self._apart,), (self._there,), ()):
            self._solver.push()
            try:
                if claim is not True:
                    self._solver.add(claim)
                if self._solver.check(*wished) == z3.sat:
                    return self._solver.model()
            finally:
                self._solver.pop()
        return None

    def clash(self, claim: Logic, parts: Mapping[str, Logic]) -> tuple[str, ...] | None:
        """Return names of parts that, together with the claim, no row fulfils, as few as dropping one by one gives.

        None when a row may fulfil them all.
        """
        core = self._core(claim, parts)
        if core is None:
            return None
        kept = {name: parts[name] for name in core}
        # The last to be tried for dropping is the first that was named.
        for name in reversed(core):
            rest = {n: part for n, part in kept.items() if n != name}
            if self.impossible(claim, *rest.values()):
                kept = rest
        return tuple(kept)

    def _core(self, claim: Logic, parts: Mapping[str, Logic]) -> tuple[str, ...] | None:
        """Return names of parts that clash with the claim, in their order, not yet as few as possible."""
        if claim is False:
            return ()
        context = self.world.context
        switches = {name: z3.Bool(f"part{i}", context) for i, name in enumerate(parts)}
        self._tell()
        self._solver.push()
        try:
            if claim is not True:
                self._solver.add(claim)
            for name, part in parts.items():
                self._solver.add(
                    z3.Implies(switches[name], z3.BoolVal(part, context) if isinstance(part, bool) else part)
                )
            if self._solver.check(*switches.values()) != z3.unsat:
                return None
            used = {str(switch) for switch in self._solver.unsat_core()}
            return tuple(name for name in parts if str(switches[name]) in used)
        finally:
            self._solver.pop()

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
        """Tell the solver what the world has learnt since the last question; wishes hold only where switched on."""
        world = self.world
        self._solver.add(*world.facts[self._facts :])
        self._solver.add(*(z3.Implies(self._apart, margin) for margin in world.margins[self._margins :]))
        known: list[Logic] = [cell.known for cell in list(world.fields.values())[self._fields :]]
        known += list(world.reached.values())[self._reached :]
        self._solver.add(*(z3.Implies(self._there, k) for k in known if not isinstance(k, bool)))
        self._facts, self._margins = len(world.facts), len(world.margins)
        self._fields, self._reached = len(world.fields), len(world.reached)
