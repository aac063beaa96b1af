"""No claim of the lint is ever contradicted by the rules themselves, run over random series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.backends.draw import SERIES, SPAN
from tests.backends.generate import numbers, rules
from tests.lint.rules import desk
from v6.errors import Diagnostic, Span
from v6.lang.ast import And, Call, Compare, CompareOp, Expr, Function, Name, Number, Or, Track, Unary, UnaryOp
from v6.lang.desk import Rule
from v6.lang.message import Alert, Slot
from v6.lint import lint
from v6.lint.pace import repeats
from v6.lint.rewrite import rewrite
from v6.lint.scene import Scene
from v6.model.catalogue import BY_NAME, Scope, Value
from v6.model.decision import Action, ActionKind, AlertSeverity, Decision
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState
from v6.rules.ruleset import Notice

START = datetime(2014, 1, 2, 14, 30, tzinfo=UTC)
GAPS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=18))


def decided(rules_: tuple[Rule, ...], seed: int, cycles: int) -> tuple[set[str | None], set[str]]:
    """Return the rules that decided on a random series of one position and the portfolio, and all that fired."""
    winners: set[str | None] = set()
    fired: set[str] = set()
    for ruleset, decisions, _ in _run(rules_, seed, cycles):
        for decision in decisions:
            winners.add(decision.rule_id)
            fired |= {rule.id for bit, rule in enumerate(ruleset.rules) if decision.fired >> bit & 1}
    return winners, fired


def told(rules_: tuple[Rule, ...], seed: int, cycles: int) -> set[str]:
    """Return the texts of all alerts on such a series."""
    return {notice.text for _, _, notices in _run(rules_, seed, cycles) for notice in notices}


def _run(
    rules_: tuple[Rule, ...], seed: int, cycles: int
) -> Iterator[tuple[RuleSet, tuple[Decision, ...], tuple[Notice, ...]]]:
    random = Random(seed)
    ruleset, state, at = RuleSet.compile(desk(*rules_)), RuleState(), START
    last: dict[str, dict[str, Value]] = {}
    for cycle in range(cycles):
        rows = []
        for key in ("", "p"):
            before = last.get(key, {})
            # Values stay for a while, so that timers get somewhere.
            last[key] = {
                name: before[name] if before and random.random() < 0.7 else random.choice(_admitted(name))
                for name in SERIES
            }
            rows.append(Row.of(key, last[key]))
        snapshot, before = Snapshot(f"s{cycle}", cycle, at, tuple(rows)), state
        decisions, state = ruleset.evaluate(snapshot, before)
        yield ruleset, decisions, ruleset.notices(snapshot, decisions, before)
        at += random.choice(GAPS)


def _admitted(name: str) -> list[Value]:
    return [value for value in SERIES[name] if value is not None or BY_NAME[name].nullable]


def _renamed(expr: Expr) -> Expr:
    """Return the expression with other names for its tracks, so that two rules' tracks fit into one."""

    def change(node: Expr) -> Expr:
        if isinstance(node, Name) and isinstance(node.symbol, Track):
            return replace(node, symbol=replace(node.symbol, name=f"u_{node.symbol.name}"))
        return node

    return rewrite(expr, change)


def _joined(first: Rule, second: Rule, kind: type[And] | type[Or]) -> Rule:
    when = kind((first.when, _renamed(second.when)), SPAN)
    tracks = (*first.tracks, *(replace(t, name=f"u_{t.name}") for t in second.tracks))
    return replace(second, when=when, tracks=tracks, fallback=None)


@st.composite
def related(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Three rules of one scope, the second made from the first, so that shadows are common."""
    first, second, third = (draw(rules(bit)) for bit in range(3))
    if draw(st.booleans()):
        # Of random conditions many have one outcome only.
        field, op = draw(st.sampled_from(("pnl_ratio", "iv", "vix"))), draw(st.sampled_from(CompareOp))
        value = Number(draw(st.sampled_from([v for v in SERIES[field] if isinstance(v, float)])), SPAN)
        first = replace(
            first, when=Compare((op,), (Name(BY_NAME[field], SPAN), value), SPAN), tracks=(), fallback=None
        )
    scope = draw(st.sampled_from((Scope.POSITION, Scope.PORTFOLIO)))
    same = replace(first, id="rule1", priority=2, for_s=second.for_s, then=second.then, fingerprint="1")
    mixed = draw(st.sampled_from((_joined(first, second, And), _joined(first, second, Or), same, second)))
    if draw(st.booleans()) and mixed.missing_for_s is not None:
        mixed = replace(mixed, missing_for_s=1200)
    if draw(st.integers(0, 4)):
        # What stands aside shadows nothing, and what fires on is hard to shadow.
        first = replace(
            first, then=Action(ActionKind.CLOSE), cooldown_s=0, for_s=draw(st.sampled_from((0, first.for_s)))
        )
        mixed = replace(mixed, keep_s=draw(st.sampled_from((0, 0, first.keep_s))))
    return tuple(replace(r, scope=scope, span=Span(f"{r.id}.yaml", 1, 1)) for r in (first, mixed, third))


# Shrinking three rules takes minutes; the seed is enough to find a failure again.
@settings(
    max_examples=150,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(related(), st.integers(0, 1000))
def test_a_rule_said_to_be_dead_never_decides(made: tuple[Rule, ...], seed: int) -> None:
    claims = [d for d in lint(desk(*made)) if d.code == "shadowed" and " never decides: " in d.message]
    winners, _ = decided(made, seed, 60)
    assert not {d.message.split("`")[1] for d in claims} & winners, [str(d) for d in claims]


@settings(
    max_examples=100,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(rules(0), st.integers(0, 1000))
def test_a_rule_said_never_to_fire_does_not(made: Rule, seed: int) -> None:
    codes = {d.message.rsplit(", so ", 1)[-1] for d in lint(desk(made)) if d.code == "unreachable"}
    _, fired = decided((made,), seed, 60)
    if "the rule never fires" in codes:
        assert not fired


@st.composite
def telling(draw: st.DrawFn) -> Rule:
    """A rule whose alert shows one number of those that its condition may ask for."""
    number = numbers(tuple(BY_NAME[name] for name in ("pnl_ratio", "iv", "vix")))
    made, shown = draw(rules(0)), draw(number)
    if draw(st.integers(0, 3)):
        absent = Unary(UnaryOp.NOT, Call(Function.HAS, (draw(st.sampled_from((shown, draw(number)))),), SPAN), SPAN)
        made = replace(made, when=And((absent, made.when), SPAN) if draw(st.booleans()) else absent)
    return replace(made, alert=Alert(AlertSeverity.INFO, (Slot(shown, ""),)), span=Span("rule0.yaml", 1, 1))


@settings(
    max_examples=120,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(telling(), st.integers(0, 1000))
def test_a_value_said_to_be_missing_whenever_a_rule_tells_is(made: Rule, seed: int) -> None:
    if "mute-value" in {d.code for d in lint(desk(made))}:
        assert told((made,), seed, 60) <= {"unknown"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(rules(1), rules(0), st.sampled_from((ActionKind.ALERT, ActionKind.REDUCE)), st.booleans(), st.integers(0, 1000))
def test_a_cooldown_said_never_to_count_changes_nothing(
    made: Rule, other: Rule, kind: ActionKind, alone: bool, seed: int
) -> None:
    alert = Alert(AlertSeverity.INFO, ("",))
    paused = replace(made, then=Action(kind), alert=alert, keep_s=3600, cooldown_s=900, scope=Scope.POSITION)
    above = () if alone else (replace(other, scope=Scope.POSITION),)
    if not any(d.code == "idle-cooldown" for d in _judged((*above, paused))):
        assert not alone
        assert above[0].decides
        return
    runs = [
        [[(d.rule_id, d.fired, d.alerts) for d in decisions] for _, decisions, _ in _run((*above, rule), seed, 60)]
        for rule in (paused, replace(paused, cooldown_s=0))
    ]
    assert runs[0] == runs[1]


def _judged(made: tuple[Rule, ...]) -> list[Diagnostic]:
    """Return what the lint says of repeated actions only, which takes no solver."""
    scene = Scene.of(desk(*made))
    return [diagnostic for judged in scene.judged for diagnostic in repeats(scene, judged)]


def test_the_rules_of_these_tests_are_often_shadowed() -> None:
    counts = {"shadowed": 0, "unreachable": 0}

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
    @given(related())
    def count(made: tuple[Rule, ...]) -> None:
        for code in {d.code for d in lint(desk(*made))} & counts.keys():
            counts[code] += 1

    count()
    assert counts["shadowed"] >= 10, counts
    assert counts["unreachable"] >= 5, counts
