"""Random typed expressions, rules and series from one seed, cheap enough for a million comparisons.

Hypothesis (generate.py) shrinks what it finds but takes a tenth of a second for one set of rules; this takes a
millisecond, and is what the soak draws from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from v6.errors import Span
from v6.lang.ast import (
    And,
    Binary,
    BinaryOp,
    Bool,
    Call,
    Compare,
    CompareOp,
    EnumText,
    Expr,
    Fold,
    Function,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Symbol,
    Track,
    Unary,
    UnaryOp,
)
from v6.lang.desk import OnMissing, Rule
from v6.lang.message import Alert, Slot
from v6.model.catalogue import BY_NAME, FIELDS, Kind, Scope, Unit, Value
from v6.model.decision import Action, ActionKind, AlertSeverity
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot

SPAN: Final = Span("generated", 1, 1)
START: Final = datetime(2014, 1, 2, 14, 30, tzinfo=UTC)
NASTY: Final = (
    *(0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-9),
    *(0.1, 0.2, 0.1 + 0.2, 0.3, 1.0, -1.0, 2.5, 3.0, 1e15, -1e15),
)
LITERALS: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 35.0, 1e12, 1e-12)
NUMBERS: Final = ("pnl_ratio", "delta", "vix", "credit", "net_liq", "iv_rank", "pnl")

SERIES: Final[dict[str, tuple[Value, ...]]] = {
    "pnl_ratio": (None, -0.5, 0.1, 0.3, 0.6),
    "iv": (None, 0.1, 0.3, 0.5),
    "credit": (0.0, 1.0),
    "vix": (None, 2.0, 3.0, 35.0),
    "drawdown": (None, 0.0, 0.3),
    "structure": ("single", "iron_condor", None),
}
"""Few values each, so that true, false and unknown all last for some rows."""

STEPS: Final = (
    *(timedelta(minutes=m) for m in (1, 5, 10, 15, 16)),
    timedelta(minutes=15, microseconds=1),
    timedelta(hours=18),
    timedelta(seconds=299, microseconds=999_999),
)
WINDOWS: Final = (60, 300, 600, 3600, 86_400)
KINDS: Final = (ActionKind.CLOSE, ActionKind.REDUCE, ActionKind.ROLL, ActionKind.ROLL, ActionKind.ALERT)

_SERIES_NUMBERS: Final = tuple(name for name in SERIES if BY_NAME[name].kind is Kind.NUMBER)
_PARAMS: Final = tuple(
    Param(f"p{int(10 * value + 10)}", value, Unit.NONE, -10, 10, SPAN) for value in (-0.4, 0.6, 7.0)
)


class Author:
    """Writes expressions over the symbols; one that is `plain` divides nothing, so nothing of its own is missing."""

    def __init__(self, random: Random, symbols: Sequence[Symbol], *, plain: bool = False) -> None:
        self.random = random
        self.symbols = symbols
        self.operators = [op for op in BinaryOp if not (plain and op is BinaryOp.DIV)]

    def number(self, depth: int = 3) -> Expr:
        """Return a numeric expression, a conditional one perhaps."""
        random = self.random
        form = random.randrange(8) if depth > 0 and random.random() < 0.6 else -1
        if form < 0:
            return self._leaf()
        if BinaryOp.DIV in self.operators and random.random() < 0.05:
            # A quotient is finite and huge where its divisor is tiny; what follows it is what overflows.
            quotient = Binary(BinaryOp.DIV, self._leaf(), Name(random.choice(self.symbols), SPAN), SPAN)
            return Binary(random.choice((BinaryOp.MUL, BinaryOp.SUB)), quotient, Number(1e12, SPAN), SPAN)
        if form < 3:
            return Binary(random.choice(self.operators), self.number(depth - 1), self.number(depth - 1), SPAN)
        if form == 3:
            return Unary(UnaryOp.NEG, self.number(depth - 1), SPAN)
        if form == 4:
            return Call(Function.ABS, (self.number(depth - 1),), SPAN)
        if form == 5:
            extreme = random.choice((Function.MIN, Function.MAX))
            return Call(extreme, tuple(self.number(depth - 1) for _ in range(random.randint(2, 3))), SPAN)
        if form == 6:
            return Call(Function.CLAMP, tuple(self.number(depth - 1) for _ in range(3)), SPAN)
        test = self.comparison(depth - 2) if random.random() < 0.8 else self.condition(depth - 1)
        return IfElse(test, self.number(depth - 1), self.number(depth - 1), SPAN)

    def comparison(self, depth: int = 2) -> Expr:
        """Return a comparison, a chain of two perhaps."""
        links = 1 if self.random.random() < 0.75 else 2
        operators = tuple(self.random.choice(tuple(CompareOp)) for _ in range(links))
        return Compare(operators, tuple(self.number(depth) for _ in range(links + 1)), SPAN)

    def condition(self, depth: int = 3) -> Expr:
        """Return a boolean expression."""
        random = self.random
        form = random.randrange(4) if depth > 0 and random.random() < 0.5 else -1
        if form < 0:
            return self._test(depth)
        if form == 3:
            return IfElse(self.condition(depth - 1), self.condition(depth - 1), self.condition(depth - 1), SPAN)
        if form == 2:
            return Unary(UnaryOp.NOT, self.condition(depth - 1), SPAN)
        several = tuple(self.condition(depth - 1) for _ in range(random.randint(2, 3)))
        return And(several, SPAN) if form else Or(several, SPAN)

    def _leaf(self) -> Expr:
        form = self.random.random()
        if form < 0.3:
            return Number(self.random.choice(LITERALS), SPAN)
        return Name(self.random.choice(self.symbols if form < 0.9 else _PARAMS), SPAN)

    def _test(self, depth: int) -> Expr:
        form = self.random.random()
        if form < 0.7:
            return self.comparison(min(depth, 2))
        if form < 0.82:
            word = EnumText(self.random.choice(("single", "iron_condor")), SPAN)
            equal = self.random.choice((CompareOp.EQ, CompareOp.NE))
            return Compare((equal,), (Name(BY_NAME["structure"], SPAN), word), SPAN)
        if form < 0.95:
            return Call(Function.HAS, (self.number(min(depth, 2)),), SPAN)
        return Bool(self.random.random() < 0.5, SPAN)


def draw_rules(random: Random) -> tuple[Rule, ...]:
    """Return some rules; half of the sets divide nothing, so that the quick way of the generated code is taken."""
    plain = random.random() < 0.5
    rules = tuple(_rule(random, bit, plain) for bit in range(random.choice((1, 2, 3, 4, 4, 5))))
    return tuple(_forgetful(rule) for rule in rules) if random.random() < 0.4 else rules


def _forgetful(rule: Rule) -> Rule:
    """Return the rule without what is remembered after it fired; a replay of such rules leaves most rows out."""
    alert = rule.alert if rule.then.kind is ActionKind.ALERT else None
    return replace(rule, keep_s=0, cooldown_s=0, alert=alert)


def _rule(random: Random, bit: int, plain: bool) -> Rule:
    fields: tuple[Symbol, ...] = tuple(BY_NAME[name] for name in _SERIES_NUMBERS)
    looks = Author(random, fields, plain=plain)
    tracks = tuple(_track(looks, f"t{i}") for i in range(random.choice((0, 1, 1, 2))))
    # A track is as likely as all fields together.
    author = Author(random, (*fields, *tracks * (len(fields) // len(tracks))) if tracks else fields, plain=plain)
    depth = random.choice((0, 0, 1, 2))
    on_missing = random.choice(tuple(OnMissing))
    escalate = on_missing is OnMissing.ESCALATE
    kind = random.choice(KINDS)
    tells = kind is ActionKind.ALERT or random.random() < 0.4
    return Rule(
        id=f"rule{bit}",
        priority=bit + 1,
        scope=random.choice((Scope.POSITION, Scope.POSITION, Scope.POSITION, Scope.PORTFOLIO)),
        title="",
        protective=random.random() < 0.5,
        params=(),
        tracks=tracks,
        when=author.condition(depth),
        for_s=random.choice((0, 0, 60, 300, 900)),
        keep_s=random.choice((0, 0, 0, 60, 300, 900, 3600)),
        cooldown_s=0 if kind is ActionKind.CLOSE else random.choice((0, 0, 300, 600, 900, 86_400)),
        on_missing=on_missing,
        missing_for_s=random.choice((60, 300, 1200)) if escalate else None,
        fallback=author.condition(depth) if escalate and random.random() < 0.5 else None,
        then=Action(kind),
        alert=Alert(AlertSeverity.INFO, ("", Slot(author.number(1), ""))) if tells else None,
        apply_to_open=False,
        examples=(),
        span=SPAN,
        fingerprint=f"{bit}",
    )


def _track(author: Author, name: str) -> Track:
    fold = author.random.choice(tuple(Fold))
    window = author.random.choice(WINDOWS) if fold.windowed else None
    return Track(name, fold, author.number(author.random.choice((0, 0, 1, 2))), SPAN, window)


def draw_series(random: Random, cycles: int, positions: int) -> list[Snapshot]:
    """Return snapshots of a portfolio and positions that come and go, at uneven intervals; values last for a while."""
    pools = {name: _pool(random, name) for name in SERIES}
    steps = random.sample(STEPS, random.randint(1, 3)) + random.sample(STEPS[:3], 1)
    lasts, holes = random.choice((0.0, 0.5, 0.8)), random.choice((0.0, 0.05, 0.3, 0.3))
    keys, away = [PORTFOLIO_KEY, *(f"p{i}" for i in range(positions))], random.choice((0.0, 0.2))
    values: dict[str, dict[str, Value]] = {key: {} for key in keys}
    at, snapshots = START, []
    for cycle in range(cycles):
        rows = []
        for key in keys:
            if key != PORTFOLIO_KEY and random.random() < away:
                continue
            for name, pool in pools.items():
                if name not in values[key] or random.random() >= lasts:
                    values[key][name] = None if random.random() < holes else random.choice(pool)
            rows.append(Row.of(key, values[key]))
        snapshots.append(Snapshot(f"s{cycle:03}", cycle, at, tuple(rows)))
        at += random.choice(steps)
    return snapshots


def _pool(random: Random, name: str) -> tuple[Value, ...]:
    """Return what a field takes on in one series: now and then what is hard to store, to compare or to add."""
    field, known = BY_NAME[name], tuple(value for value in SERIES[name] if value is not None)
    form = random.random() if field.kind is Kind.NUMBER else 0.0
    if form < 0.6:
        return known
    if form < 0.8:
        # Sums of these depend on their order.
        return tuple(random.uniform(max(field.low, -9.0), min(field.high, 9.0)) for _ in range(6))
    fitting = [value for value in NASTY if field.low <= value <= field.high]
    return tuple(random.sample([*fitting, *known, float(field.low), float(field.high)], 3))


def nasty_rows(count: int, seed: int) -> list[dict[str, Value]]:
    """Return rows the catalogue admits, rich in holes, zeros, denormals and bounds."""
    random = Random(seed)
    rows = []
    for _ in range(count):
        row: dict[str, Value] = {}
        for field in FIELDS:
            if random.random() < 0.2:
                row[field.name] = None
            elif field.kind is Kind.ENUM:
                row[field.name] = random.choice(("single", "iron_condor", "custom"))
            else:
                fitting = [x for x in NASTY if field.low <= x <= field.high]
                row[field.name] = random.choice([*fitting, float(field.low), float(field.high)])
        rows.append(row)
    return rows
