"""What every check of one desk shares: the rules with their formulas, and words for messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from v6.errors import Diagnostic, Severity, Span
from v6.lang.ast import Expr
from v6.lang.desk import Desk, Rule
from v6.lint.encode import World
from v6.lint.logic import Logic
from v6.lint.solve import Prover
from v6.lint.verdict import Judged, judge
from v6.lint.witness import Goal, Witness, describe, witness
from v6.model.catalogue import Scope


@dataclass(frozen=True, slots=True)
class Scene:
    """A desk before the solver; `judged` has the position rules and then the portfolio rules, each by priority."""

    desk: Desk
    world: World
    prover: Prover
    judged: tuple[Judged, ...]

    @classmethod
    def of(cls, desk: Desk) -> Scene:
        world = World()
        scopes = (Scope.POSITION, Scope.PORTFOLIO)
        judged = tuple(judged for scope in scopes for judged in judge(desk.rules, scope, world))
        return cls(desk, world, Prover(world), judged)

    def above(self, rule: Rule) -> tuple[Judged, ...]:
        """Return the rules of the same scope with a lower priority number."""
        return tuple(j for j in self.judged if j.rule.scope is rule.scope and j.rule.priority < rule.priority)

    def below(self, rule: Rule) -> tuple[Judged, ...]:
        """Return the rules of the same scope with a higher priority number."""
        return tuple(j for j in self.judged if j.rule.scope is rule.scope and j.rule.priority > rule.priority)

    def witness(self, claims: Iterable[Logic], goal: Goal, *exprs: Expr) -> Witness | None:
        """Return a row that fulfils the claims and on which the oracle reaches the goal."""
        return witness(self.world, self.prover.model(*claims), goal, *exprs)

    def example(self, claims: Iterable[Logic], goal: Goal, *exprs: Expr) -> str | None:
        """Return the values that matter of such a row, None when there is none."""
        found = self.witness(claims, goal, *exprs)
        return None if found is None else describe(found, goal, *exprs)


def finding(span: Span, code: str, message: str, hint: str = "", *, error: bool = False) -> Diagnostic:
    """Return a warning, or an error where the mistake can lose money."""
    return Diagnostic(span, code, message, hint, Severity.ERROR if error else Severity.WARNING)


def quoted(names: Iterable[str], last: str = "and") -> str:
    """Return names as prose, such as `a`, `b` and `c`."""
    parts = [f"`{name}`" for name in names]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"
