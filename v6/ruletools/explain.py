"""Why a decision fell: every rule's verdict on one row opened up, and whether deciding it again gives the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from v6.lang.ast import fields_of, tracks_of
from v6.lang.desk import Rule
from v6.model.catalogue import Value
from v6.model.decision import Decision
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, names_on
from v6.ruletools.atoms import consulted
from v6.ruletools.signals import Phase, signal_of, timer
from v6.ruletools.trace import Part, missing_in, open_up
from v6.ruletools.words import duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule on one row: its verdict (None unknown), whether it fired, why that came to nothing, and its parts."""

    rule: str
    title: str
    protective: bool
    action: str
    verdict: Value
    fired: bool
    signal: Phase
    why: str
    missing: tuple[str, ...]
    since: datetime | None
    missing_since: datetime | None
    tracks: Mapping[str, Value]
    conditions: tuple[tuple[str, Part], ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the daemon wrote down about one row."""

    decision_id: str
    snapshot_id: str
    key: str
    ts: datetime
    rule_id: str | None
    action: str | None
    urgency: str | None
    fired: int
    unknown: int
    bundle_fingerprint: str
    rule_fingerprint: str | None
    alerts: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A recorded decision, the same decided again, the inputs that are not missing, and each rule's trace.

    `differences` names what is not the same bit for bit; `folded` counts the snapshots that the state before was
    folded from, `foreign` those of them that were decided by another bundle.
    """

    recorded: Recorded
    fingerprint: str
    differences: tuple[str, ...]
    folded: int
    foreign: int
    inputs: Mapping[str, Value]
    missing_inputs: tuple[str, ...]
    rules: tuple[RuleTrace, ...]


def explain_row(
    rules: RuleSet, snapshot: Snapshot, key: str, before: RuleState, recorded: Recorded, folded: int, foreign: int
) -> Explanation:
    """Return the explanation of the decision on one row of a snapshot, `before` being the state before it."""
    row = snapshot.row(key)
    (decision,), after = rules.evaluate(Snapshot(snapshot.snapshot_id, snapshot.cycle, snapshot.ts, (row,)), before)
    traces = [
        _trace(rules, bit, rule, row, before, after, decision)
        for bit, rule in enumerate(rules.rules)
        if rule.scope is row.scope
    ]
    read = {n for rule in rules.rules if rule.scope is row.scope for n in _fields(rule)}
    inputs = {name: value for name, value in row.items() if name in read}
    return Explanation(
        recorded,
        rules.fingerprint,
        _differences(recorded, decision),
        folded,
        foreign,
        inputs,
        tuple(name for name, value in inputs.items() if value is None),
        tuple(traces),
    )


def _fields(rule: Rule) -> set[str]:
    return {field.name for expr in rule.expressions for field in fields_of(expr)}


def _trace(
    rules: RuleSet, bit: int, rule: Rule, row: Row, before: RuleState, after: RuleState, decision: Decision
) -> RuleTrace:
    names = names_on(rule, row, before, decision.ts)
    conditions = consulted(rule, names)
    parts = tuple((word, open_up(expr, names)) for word, expr in zip(("when", "fallback"), conditions, strict=False))
    verdict = parts[-1][1].value
    fired = bool(decision.fired >> bit & 1)
    missing = tuple(dict.fromkeys(n for expr in conditions for n in missing_in(expr, names)))
    since = timer(rule, "since", row.key, after)
    blind = timer(rule, "missing", row.key, after)
    return RuleTrace(
        rule.id,
        rule.title,
        rule.protective,
        rule.then.kind.value,
        verdict,
        fired,
        signal_of(rule, fired, row.key, after),
        _why(rules, rule, decision, verdict, missing, after),
        missing,
        _moment(since),
        _moment(blind),
        {track.name: names[track.name] for expr in conditions for track in tracks_of(expr)},
        parts,
        rule.fingerprint,
    )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _why(
    rules: RuleSet,
    rule: Rule,
    decision: Decision,
    verdict: Value,
    missing: Sequence[str],
    after: RuleState,
) -> str:
    """Return in one sentence what the verdict led to, or why it led to nothing."""
    since, blind = timer(rule, "since", decision.key, after), timer(rule, "missing", decision.key, after)
    absent = f"unknown for want of {', '.join(missing)}" if missing else "unknown: a division by zero, or an overflow"
    fired = decision.fired >> rules.rules.index(rule) & 1
    if fired and decision.rule_id == rule.id:
        return f"decides: {_how(rule, decision, verdict, absent, after)}"
    if fired:
        return f"fired, but {_instead(rules, rule, decision, after)}"
    if verdict is None:
        if rule.missing_for_s is None:
            return f"{absent}; it waits"
        return f"{absent}; acts after {duration(rule.missing_for_s)}, so far {_elapsed(decision, blind)}"
    if verdict and since is not None:
        return f"holds for {_elapsed(decision, since)} of the {duration(rule.for_s)} asked for"
    return "holds, but has not fired" if verdict else "does not hold"


def _how(rule: Rule, decision: Decision, verdict: Value, absent: str, after: RuleState) -> str:
    blind = timer(rule, "missing", decision.key, after)
    if verdict is None and rule.missing_for_s is not None and blind is not None:
        return f"{absent} for {_elapsed(decision, blind)}, which acts as if it held"
    if verdict:
        return "it holds"
    kept = timer(rule, "kept", decision.key, after)
    return f"it held {_elapsed(decision, kept)} ago, and fires on for {duration(rule.keep_s)}"


def _instead(rules: RuleSet, rule: Rule, decision: Decision, after: RuleState) -> str:
    """Return why a rule that fired does not decide."""
    if not rule.decides:
        return "it only tells, and that is done" if not decision.alerts >> rules.rules.index(rule) & 1 else "it tells"
    acted = timer(rule, "acted", decision.key, after)
    latched = timer(rule, "latched", decision.key, after)
    if latched is not None:
        return f"it acted {_elapsed(decision, latched)} ago, and waits until its condition is known to be false"
    if acted is not None and decision.ts - (_moment(acted) or decision.ts) < timedelta(seconds=rule.cooldown_s):
        return f"it acted {_elapsed(decision, acted)} ago, and pauses for {duration(rule.cooldown_s)}"
    return _before(rules, rule, decision)


def _before(rules: RuleSet, rule: Rule, decision: Decision) -> str:
    above = [other for other in rules.rules if other.priority < rule.priority]
    if any(other.id == decision.rule_id for other in above):
        return f"{decision.rule_id} comes first"
    waiting = [
        other.id
        for bit, other in enumerate(rules.rules)
        if other in above and other.protective and decision.unknown >> bit & 1 and not decision.fired >> bit & 1
    ]
    verb = "is" if len(waiting) == 1 else "are"
    return f"a {rule.then.kind} adds risk and {', '.join(waiting)} above {verb} unknown"


def _elapsed(decision: Decision, start: int | None) -> str:
    began = _moment(start)
    return "0s" if began is None else duration(int((decision.ts - began).total_seconds()))


def _differences(recorded: Recorded, decision: Decision) -> tuple[str, ...]:
    action, urgency = (None, None) if decision.action is None else (decision.action.kind, decision.action.urgency)
    pairs = {
        "rule_id": (recorded.rule_id, decision.rule_id),
        "action": (recorded.action, action),
        "urgency": (recorded.urgency, urgency),
        "fired": (recorded.fired, decision.fired),
        "unknown": (recorded.unknown, decision.unknown),
        "alerts": (recorded.alerts, decision.alerts),
        "bundle_fingerprint": (recorded.bundle_fingerprint, decision.bundle_fingerprint),
        "rule_fingerprint": (recorded.rule_fingerprint, decision.rule_fingerprint),
    }
    return tuple(f"{name}: recorded {then}, now {now}" for name, (then, now) in pairs.items() if then != now)
