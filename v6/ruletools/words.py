"""What a rule means, in words and as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from v6.lang.ast import Expr, Name, Track, walk
from v6.lang.canonical import meaning, show, track_meaning
from v6.lang.desk import OnMissing, Rule
from v6.lang.message import Message
from v6.lang.ranges import can_be_missing, nullable
from v6.lang.types import Checker
from v6.model.catalogue import Field, Kind, Scope
from v6.model.decision import ActionKind


@dataclass(frozen=True, slots=True)
class Input:
    """A field that a rule reads."""

    name: str
    unit: str
    may_be_missing: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a rule tells people, with its expressions in braces."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """A rule written out: conditions as text and with params and tracks resolved, durations in seconds."""

    id: str
    title: str
    priority: int
    scope: str
    protective: bool
    action: str
    urgency: str
    fraction: float | None
    when: str
    resolved: str
    fallback: str | None
    fallback_resolved: str | None
    params: dict[str, str]
    tracks: dict[str, str]
    inputs: tuple[Input, ...]
    for_s: int
    keep_s: int
    cooldown_s: int
    latches: bool
    alert: Told | None
    can_be_unknown: bool
    on_missing: str
    missing_for_s: int | None
    apply_to_open: bool
    fingerprint: str

    def sentences(self) -> tuple[str, ...]:
        """Return what the rule does, as sentences."""
        of = "each position" if self.scope == Scope.POSITION else "the portfolio"
        once = f"once this has held for {duration(self.for_s)}" if self.for_s else "as soon as this holds"
        head = f"For {of}: {self._does()} {once}:"
        said = (head, f"    {self.when}", f"that is: {self.resolved}")
        return (*said, *self._pace(), *self._tells(), self._missing(), self._protective(), *self._applies())

    def _does(self) -> str:
        if self.action == ActionKind.ALERT:
            return "tell"
        part = "" if self.fraction is None else f" by {self.fraction:.0%}"
        return f"{self.action}{part} ({self.urgency})"

    def _pace(self) -> tuple[str, ...]:
        said = []
        if self.keep_s:
            said.append(f"It fires on for {duration(self.keep_s)} after that last made it fire.")
        if self.latches:
            ends = "and it no longer fires" if self.keep_s else "in between"
            once = "It tells once" if self.action == ActionKind.ALERT else "It acts once, and then stands aside"
            said.append(f"{once}: it comes again only after that was known to be false {ends}.")
        if self.cooldown_s:
            acted = "told" if self.action == ActionKind.ALERT else "acted"
            said.append(f"Once it has {acted} it pauses for {duration(self.cooldown_s)}.")
        return tuple(said)

    def _tells(self) -> tuple[str, ...]:
        if self.alert is None:
            return ()
        begins = "It tells" if self.action == ActionKind.ALERT else "When it begins to fire it tells"
        return (f"{begins} ({self.alert.severity}): {self.alert.text}",)

    def _missing(self) -> str:
        if not self.can_be_unknown:
            return "None of its inputs can be missing."
        if self.on_missing == OnMissing.SKIP:
            return "While that cannot be judged for want of an input, it waits."
        instead = f" this decides instead: {self.fallback}." if self.fallback else " nothing stands in for it."
        after = f" What is still unknown after {duration(self.missing_for_s or 0)} acts as if it held."
        return f"While that cannot be judged for want of an input,{instead}{after}"

    def _protective(self) -> str:
        if not self.protective:
            return "It is not protective: others do not wait for it."
        return "It is protective: while it is unknown nothing is opened, and no rule below it may add risk."

    def _applies(self) -> tuple[str, ...]:
        return ("Where it was loosened, that holds for open positions too.",) if self.apply_to_open else ()


def describe_rule(rule: Rule) -> Meaning:
    """Return what a rule means."""
    return Meaning(
        id=rule.id,
        title=rule.title,
        priority=rule.priority,
        scope=rule.scope.value,
        protective=rule.protective,
        action=rule.then.kind.value,
        urgency=rule.then.urgency.value,
        fraction=rule.then.fraction,
        when=show(rule.when),
        resolved=meaning(rule.when),
        fallback=None if rule.fallback is None else show(rule.fallback),
        fallback_resolved=None if rule.fallback is None else meaning(rule.fallback),
        params={p.name: f"{p.value:g} {p.unit} ({p.low:g} to {p.high:g})" for p in rule.params},
        tracks={t.name: f"{track_meaning(t)} in {unit_of(t.expr)}" for t in rule.tracks},
        inputs=_inputs(rule),
        for_s=rule.for_s,
        keep_s=rule.keep_s,
        cooldown_s=rule.cooldown_s,
        latches=rule.latches,
        alert=None if rule.alert is None else Told(rule.alert.severity.value, _written(rule.alert.text)),
        can_be_unknown=can_be_missing(rule.when, nullable),
        on_missing=rule.on_missing.value,
        missing_for_s=rule.missing_for_s,
        apply_to_open=rule.apply_to_open,
        fingerprint=rule.fingerprint,
    )


def _inputs(rule: Rule) -> tuple[Input, ...]:
    found: dict[str, Input] = {}
    told = () if rule.alert is None else rule.alert.expressions
    for expr in (*rule.expressions, *told):
        for node in walk(expr):
            if isinstance(node, Name) and isinstance(node.symbol, Field):
                field = node.symbol
                unit = field.unit.value if field.kind is Kind.NUMBER else field.kind.value
                found.setdefault(field.name, Input(field.name, unit, field.nullable, field.doc))
    return tuple(found.values())


def _written(text: Message) -> str:
    """Return an alert's text as its author wrote it, but for spaces."""
    pieces = []
    for piece in text:
        if isinstance(piece, str):
            pieces.append(piece.replace("{", "{{").replace("}", "}}"))
        else:
            pieces.append(f"{{{show(piece.expr)}{':' if piece.form else ''}{piece.form}}}")
    return "".join(pieces)


def unit_of(expr: Expr | Track) -> str:
    """Return the unit of a numeric expression, `ratio` for a dimensionless one."""
    found = Checker().type_of(expr.expr if isinstance(expr, Track) else expr)
    return "" if found is None or found.kind is not Kind.NUMBER else str(found.dimension)


def duration(seconds: int) -> str:
    """Return seconds as the largest whole unit, such as 15m."""
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"
