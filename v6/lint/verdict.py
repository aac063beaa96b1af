"""What each rule can do on a row, as formulas: at most, at least, and when nothing is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from v6.lang.desk import Rule
from v6.lint.encode import World
from v6.lint.logic import Logic, Truth, every, negate, some
from v6.model.catalogue import Scope
from v6.model.decision import Action, ActionKind, Urgency

_WEIGHT: Final = {
    ActionKind.ALERT: 0,
    ActionKind.HALT_OPENS: 1,
    ActionKind.HEDGE: 2,
    ActionKind.ROLL: 3,
    ActionKind.REDUCE: 4,
    ActionKind.CLOSE: 5,
}
_PACE: Final = list(Urgency)


def weaker(action: Action, than: Action) -> bool:
    """Tell whether an action protects a position less: a smaller part of it, or as much of it at a slower pace."""
    return _strength(action) < _strength(than)


def _strength(action: Action) -> tuple[int, float, int]:
    trades = action.kind in (ActionKind.CLOSE, ActionKind.REDUCE)
    return _WEIGHT[action.kind], action.fraction or 0.0, _PACE.index(action.urgency) if trades else 0


def stands_in_the_way(rule: Rule) -> bool:
    """Tell whether the rule decides, and so keeps lower ones from deciding, as long as it fires."""
    return rule.decides and not rule.stands_aside


def _silent(rule: Rule) -> bool:
    """Tell whether the rule cannot fire while its verdict is unknown."""
    return rule.missing_for_s is None and rule.keep_s == 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule with its formulas.

    `barred` is where a protective rule above may keep its action from running, `stopped` where one surely does, or
    decides itself. All speak of the rule's condition: with `keep_firing_for` it fires longer than that.
    """

    rule: Rule
    when: Truth
    verdict: Truth
    barred: Logic
    stopped: Logic

    @property
    def at_least(self) -> Logic:
        """Where this rule decides for certain, if none before it does."""
        return every(self.steady, self.rule.for_s == 0)

    @property
    def steady(self) -> Logic:
        """Where this rule decides for certain once its `for` has passed."""
        return every(self.verdict.true, negate(self.barred), stands_in_the_way(self.rule))

    @property
    def on_true(self) -> Logic:
        """Where this rule may decide because its verdict is true."""
        return every(self.verdict.true, negate(self.stopped))

    @property
    def on_unknown(self) -> Logic:
        """Where this rule may decide because its verdict was unknown for too long."""
        return every(self.verdict.unknown, negate(self.stopped), self.rule.missing_for_s is not None)


def judge(rules: Iterable[Rule], scope: Scope, world: World) -> tuple[Judged, ...]:
    """Return the rules of a scope, in order of priority, with their formulas."""
    judged: list[Judged] = []
    waiting: Logic = False
    stopping: Logic = False
    for rule in rules:
        if rule.scope is not scope:
            continue
        when, verdict = world.truth(rule.when), verdict_of(rule, world)
        barred = (False, False) if rule.then.kind.reduces_risk else (waiting, stopping)
        judged.append(Judged(rule, when, verdict, *barred))
        if rule.protective:
            waiting = some(waiting, verdict.unknown)
            # An unknown one that fires decides itself, unless it stands aside: then a roll below may run.
            if stands_in_the_way(rule) or _silent(rule):
                stopping = some(stopping, verdict.unknown)
    return tuple(judged)


def verdict_of(rule: Rule, world: World) -> Truth:
    """Return the rule's verdict: that of `when`, and of the fallback where `when` is unknown."""
    when = world.truth(rule.when)
    if rule.fallback is None:
        return when
    fallback = world.truth(rule.fallback)
    return Truth(
        some(when.true, every(when.unknown, fallback.true)),
        some(when.false, every(when.unknown, fallback.false)),
    )
