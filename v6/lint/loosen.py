"""What an edit of a desk loosens: rules that are not proven to act at least as much and as soon, and wider limits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from v6.errors import Span
from v6.lang.desk import Desk, Limits, Rule
from v6.lint.adopt import why_not
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind

_BUNDLE: Final = Span("rules/bundle.yaml", 1, 1)
_LIMITS: Final = Span("rules/limits.yaml", 1, 1)


@dataclass(frozen=True, slots=True)
class Loosening:
    """A rule (or `limits`) that became looser, or may have; `span` is where to look in the new desk."""

    name: str
    reason: str
    span: Span


def loosenings(old: Desk, new: Desk) -> tuple[Loosening, ...]:
    """Return all that the new desk's rules and limits loosen, or are not proven not to.

    With `apply_to_open` a loosening is one all the more. Strategies say what is opened, not what is risked: that is
    for the limits to say.
    """
    if old.fingerprint == new.fingerprint:
        return ()
    before = {rule.id: rule for rule in old.rules}
    found = []
    for rule in new.rules:
        reason = looser(before.pop(rule.id, None), rule)
        if reason is not None:
            found.append(Loosening(rule.id, reason, rule.span))
    for rule in before.values():
        if rule.then.kind is not ActionKind.ALERT:
            found.append(Loosening(rule.id, "it is no longer in the bundle", _BUNDLE))
    return (*found, *_wider(old.limits, new.limits))


def looser(before: Rule | None, rule: Rule) -> str | None:
    """Return why a rule may be looser than the one it replaces, None if it is proven not to be."""
    if before is not None and before.fingerprint == rule.fingerprint:
        return None
    if before is None and rule.scope is Scope.PORTFOLIO and rule.then.kind is ActionKind.HALT_OPENS:
        return None  # among portfolio rules there is no close whose place it could take
    return why_not(before, rule)


def _wider(old: Limits, new: Limits) -> list[Loosening]:
    found = []
    for field in fields(Limits):
        was, now = getattr(old, field.name), getattr(new, field.name)
        # What is named max_ binds from above, what is named min_ from below.
        if now < was if field.name.startswith("min_") else now > was:
            found.append(Loosening("limits", f"{field.name} is now {now:g}, and was {was:g}", _LIMITS))
    return found
