"""Rules as one generated Python function per scope: plain operators while inputs are there, Kleene's while not.

`step(values, slots, now, restart)` takes a row's values, the state of the row's key (microseconds or numbers, in the
order of `Program.slots`), the time in microseconds, and whether timers restart; it returns the fired mask, the unknown
mask and the new state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, cast

from v6.backends import kleene
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
    fields_of,
    tracks_of,
)
from v6.lang.canonical import track_meaning
from v6.lang.desk import OnMissing, Rule
from v6.lang.ranges import can_be_missing
from v6.model.catalogue import INDEX, Field, Scope, Value

Slots: TypeAlias = tuple[float | int | None, ...]
Step: TypeAlias = Callable[[tuple[Value, ...], Slots, int, bool], tuple[int, int, Slots]]

_ARITHMETIC: Final = {
    BinaryOp.ADD: "add",
    BinaryOp.SUB: "sub",
    BinaryOp.MUL: "mul",
    BinaryOp.DIV: "div",
}
_COMPARISON: Final = {
    CompareOp.LT: "lt",
    CompareOp.LE: "le",
    CompareOp.GT: "gt",
    CompareOp.GE: "ge",
    CompareOp.EQ: "eq",
    CompareOp.NE: "ne",
}
_EXACT: Final[dict[str, Callable[..., Value]]] = {
    **{_ARITHMETIC[op]: call for op, call in kleene.ARITHMETIC.items()},
    **{_COMPARISON[op]: call for op, call in kleene.COMPARISONS.items()},
    **{f"{function}_": call for function, call in kleene.FUNCTIONS.items()},
    "neg": kleene.neg,
    "not_": kleene.not_,
    "and_": kleene.and_,
    "or_": kleene.or_,
    "if_else": kleene.if_else,
}
"""What generated code may call; nothing else is in its namespace."""

Absent: TypeAlias = Callable[[Symbol], bool]


def _all_present(_: Symbol) -> bool:
    return False


def _any_absent(symbol: Symbol) -> bool:
    return not isinstance(symbol, Param)


def _variable(symbol: Symbol, tracks: dict[str, str]) -> str:
    match symbol:
        case Field(name=name):
            return f"f{INDEX[name]}"
        case Param(value=value):
            return f"({value!r})"
        case Track():
            return tracks[track_meaning(symbol)]
        case _:
            assert_never(symbol)


class _Lowering:
    """Expression to Python text, exact only where something can be missing."""

    def __init__(self, tracks: dict[str, str], absent: Absent) -> None:
        self.tracks = tracks
        self.absent = absent

    def text(self, expr: Expr) -> str:
        exact = can_be_missing(expr, self.absent)
        match expr:
            case Number(value=value):
                return repr(value)
            case Bool(value=value):
                return repr(value)
            case EnumText(value=value):
                return repr(value)
            case Name(symbol=symbol):
                return _variable(symbol, self.tracks)
            case Unary(op=op, operand=operand):
                inner = self.text(operand)
                if exact:
                    return f"{'not_' if op is UnaryOp.NOT else 'neg'}({inner})"
                return f"({op} {inner})"
            case Binary(op=op, left=left, right=right):
                a, b = self.text(left), self.text(right)
                return f"{_ARITHMETIC[op]}({a}, {b})" if exact else f"({a} {op} {b})"
            case Compare():
                return self._compare(expr, exact)
            case And(operands=operands):
                return self._junction("and", operands, exact)
            case Or(operands=operands):
                return self._junction("or", operands, exact)
            case IfElse(condition=condition, then=then, otherwise=otherwise):
                c, a, b = self.text(condition), self.text(then), self.text(otherwise)
                return f"if_else({c}, {a}, {b})" if exact else f"({a} if {c} else {b})"
            case Call(function=Function.HAS, arguments=(argument,)) if not can_be_missing(argument, self.absent):
                return "True"
            case Call(function=function, arguments=arguments):
                return self._call(function, [self.text(argument) for argument in arguments], exact)
            case _:
                assert_never(expr)

    def _junction(self, word: str, operands: tuple[Expr, ...], exact: bool) -> str:
        parts = [self.text(operand) for operand in operands]
        return f"{word}_({', '.join(parts)})" if exact else f"({f' {word} '.join(parts)})"

    def _compare(self, expr: Compare, exact: bool) -> str:
        if not exact:
            first, *rest = (self.text(operand) for operand in expr.operands)
            return "(" + first + "".join(f" {op} {right}" for op, right in zip(expr.ops, rest, strict=True)) + ")"
        links = [f"{_COMPARISON[op]}({self.text(a)}, {self.text(b)})" for op, a, b in expr.links()]
        return links[0] if len(links) == 1 else f"and_({', '.join(links)})"

    def _call(self, function: Function, arguments: list[str], exact: bool) -> str:
        joined = ", ".join(arguments)
        match function:
            case Function.HAS:
                return f"({joined} is not None)"
            case Function.ABS | Function.MIN | Function.MAX:
                return f"{function}_({joined})" if exact else f"{function}({joined})"
            case Function.CLAMP:
                x, low, high = arguments
                return f"clamp_({joined})" if exact else f"min(max({x}, {low}), {high})"
            case _:
                assert_never(function)


def _guarded(expr: Expr, tracks: dict[str, str]) -> str:
    """Return text that takes the plain form whenever no input of this expression is missing."""
    exact = _Lowering(tracks, _any_absent).text(expr)
    symbols: tuple[Symbol, ...] = (*fields_of(expr), *tracks_of(expr))
    inputs = [_variable(symbol, tracks) for symbol in symbols]
    plain = _Lowering(tracks, _all_present).text(expr)
    if not inputs or plain == exact:
        return exact
    return f"{plain} if {' and '.join(f'{name} is not None' for name in inputs)} else {exact}"


def track_slot(rule: Rule, track: Track) -> str:
    """Return the name of a fold's state: it starts afresh when its meaning changes, not when a threshold does."""
    return f"{rule.id}/track/{track_meaning(track)}"


@dataclass(frozen=True, slots=True)
class Program:
    """The compiled rules of one scope; `slots` names the state in the order in which `step` takes and returns it."""

    slots: tuple[str, ...]
    step: Step
    source: str

    @property
    def empty(self) -> Slots:
        """Return the state of a key seen for the first time."""
        return (None,) * len(self.slots)


class _Generator:
    def __init__(self, rules: Sequence[Rule], scope: Scope) -> None:
        self.rules = [(bit, rule) for bit, rule in enumerate(rules) if rule.scope is scope]
        self.slots: dict[str, str] = {}
        self.tracks: dict[str, str] = {}
        self.lines: list[str] = []

    def program(self) -> Program:
        for _, rule in self.rules:
            for track in rule.live_tracks:
                self._fold(rule, track)
        folds, self.lines = self.lines, []
        for bit, rule in self.rules:
            self._rule(bit, rule)
        early = self._reads([(*(t.expr for t in rule.live_tracks), rule.when) for _, rule in self.rules])
        late = {n: None for n in self._reads([rule.expressions for _, rule in self.rules]) if n not in early}
        body = (*self._load(early), *self._state(), *folds, *self._fast(), *self._load(late))
        text = "\n    ".join(
            ["def step(v, s, now, restart):", *body, "fired = unknown = 0", *self.lines, self._tail(frozenset())]
        )
        namespace: dict[str, object] = {"__builtins__": {"abs": abs, "min": min, "max": max}, **_EXACT}
        # The text holds only our own names, and constants and words that passed the parser's whitelist.
        exec(compile(text, "<rules>", "exec"), namespace)
        return Program(tuple(self.slots), cast(Step, namespace["step"]), text)

    def _slot(self, name: str) -> str:
        return self.slots.setdefault(name, f"s{len(self.slots)}")

    @staticmethod
    def _reads(groups: Iterable[Iterable[Expr]]) -> dict[str, None]:
        return {field.name: None for group in groups for expr in group for field in fields_of(expr)}

    @staticmethod
    def _load(names: Iterable[str]) -> list[str]:
        return [f"f{INDEX[name]} = v[{INDEX[name]}]" for name in names]

    def _state(self) -> list[str]:
        return [f"{', '.join(self.slots.values())}, = s"] if self.slots else []

    def _tail(self, cleared: frozenset[str], unknown: str = "unknown") -> str:
        slots = ("None" if slot in cleared else slot for slot in self.slots.values())
        return f"return fired, {unknown}, ({''.join(f'{slot}, ' for slot in slots)})"

    def _fast(self) -> list[str]:
        """Return the way of a row on which nothing is missing: every verdict is known, so no rule waits for inputs."""
        if any(can_be_missing(rule.when, _all_present) for _, rule in self.rules):
            return []
        known: dict[str, None] = {}
        lines = ["    fired = 0"]
        cleared = set()
        for bit, rule in self.rules:
            tracks = {track_meaning(t): self.slots[track_slot(rule, t)] for t in rule.live_tracks}
            symbols: tuple[Symbol, ...] = (*fields_of(rule.when), *tracks_of(rule.when))
            known |= {_variable(symbol, tracks): None for symbol in symbols}
            lines += [f"    {line}" for line in self._fast_rule(bit, rule, tracks)]
            if rule.on_missing is OnMissing.ESCALATE:
                cleared.add(self._slot(f"{rule.id}/missing"))
        guards = " and ".join(["not restart", *(f"{name} is not None" for name in known)])
        return [f"if {guards}:", *lines, "    " + self._tail(frozenset(cleared), "0")]

    def _fast_rule(self, bit: int, rule: Rule, tracks: dict[str, str]) -> list[str]:
        condition = _Lowering(tracks, _all_present).text(rule.when)
        if not rule.for_s:
            return [f"if {condition}: fired |= {1 << bit}"]
        since = self._slot(f"{rule.id}/since")
        return [
            f"if {condition}:",
            f"    if {since} is None: {since} = now",
            f"    if now - {since} >= {rule.for_s * 1_000_000}: fired |= {1 << bit}",
            f"else: {since} = None",
        ]

    def _fold(self, rule: Rule, track: Track) -> None:
        """Rules share no state: two rules with the same fold keep one each, as each is forgotten with its rule."""
        slot = self._slot(track_slot(rule, track))
        self.lines.append(f"x = {_guarded(track.expr, {})}")
        match track.fold:
            case Fold.MAX:
                better = f" and ({slot} is None or x > {slot})"
            case Fold.MIN:
                better = f" and ({slot} is None or x < {slot})"
            case Fold.FIRST:
                better = f" and {slot} is None"
            case _:
                assert_never(track.fold)
        self.lines.append(f"if x is not None{better}: {slot} = x")

    def _rule(self, bit: int, rule: Rule) -> None:
        tracks = {track_meaning(t): self.slots[track_slot(rule, t)] for t in rule.live_tracks}
        self.lines.append(f"c = {_guarded(rule.when, tracks)}")
        if rule.fallback is not None:
            self.lines.append(f"if c is None: c = {_guarded(rule.fallback, tracks)}")
        since = self._slot(f"{rule.id}/since") if rule.for_s else None
        missing = self._slot(f"{rule.id}/missing") if rule.on_missing is OnMissing.ESCALATE else None
        mask = 1 << bit
        for slot in filter(None, (since, missing)):
            self.lines.append(f"if restart: {slot} = None")
        self.lines.append("if c:")
        if since is None:
            self.lines.append(f"    fired |= {mask}")
        else:
            self.lines.append(f"    if {since} is None: {since} = now")
            self.lines.append(f"    if now - {since} >= {rule.for_s * 1_000_000}: fired |= {mask}")
        self.lines += self._unknown(mask, missing, rule)
        if since is not None:
            self.lines.append(f"else: {since} = None")
        if missing is not None:
            self.lines.append(f"if c is not None: {missing} = None")

    def _unknown(self, mask: int, missing: str | None, rule: Rule) -> list[str]:
        lines = ["elif c is None:", f"    unknown |= {mask}"]
        if missing is not None and rule.missing_for_s is not None:
            lines.append(f"    if {missing} is None: {missing} = now")
            lines.append(f"    if now - {missing} >= {rule.missing_for_s * 1_000_000}: fired |= {mask}")
        return lines


def compile_rules(rules: Sequence[Rule], scope: Scope) -> Program:
    """Compile the rules of one scope (POSITION or PORTFOLIO); a rule's bit is its place among all `rules`."""
    return _Generator(rules, scope).program()


def compile_condition(expr: Expr) -> Callable[[tuple[Value, ...]], bool | None]:
    """Compile a condition without tracks to a function of a row's values; None is unknown."""
    reads = "; ".join(f"f{INDEX[f.name]} = v[{INDEX[f.name]}]" for f in fields_of(expr)) or "pass"
    text = f"def condition(v):\n    {reads}\n    return {_guarded(expr, {})}"
    namespace: dict[str, object] = {"__builtins__": {"abs": abs, "min": min, "max": max}, **_EXACT}
    exec(compile(text, "<condition>", "exec"), namespace)
    return cast(Callable[[tuple[Value, ...]], bool | None], namespace["condition"])
