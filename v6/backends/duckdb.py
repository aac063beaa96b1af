"""Rules as one DuckDB query over stored snapshots: the same masks and first match as the live evaluator.

Text grows linearly with the rule: each operand is written once, lists with lambdas standing in for local variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, assert_never

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
)
from v6.lang.canonical import track_meaning
from v6.lang.desk import GAP_S, OnMissing, Rule
from v6.lang.ranges import HUGE, interval
from v6.model.catalogue import FIELDS, Field, Kind, Scope

_COMPARISON: Final = {
    CompareOp.LT: "<",
    CompareOp.LE: "<=",
    CompareOp.GT: ">",
    CompareOp.GE: ">=",
    CompareOp.EQ: "=",
    CompareOp.NE: "<>",
}
_TYPES: Final = {Kind.NUMBER: "DOUBLE", Kind.BOOL: "BOOLEAN", Kind.ENUM: "VARCHAR"}

_WINDOWS: Final = (
    "WINDOW life AS (PARTITION BY key ORDER BY t ROWS UNBOUNDED PRECEDING), "
    "earlier AS (PARTITION BY key ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)

Columns = dict[str, str]
"""Column that holds a track, by the track's meaning."""


def lower(expr: Expr, tracks: Columns) -> str:
    """Return the expression as SQL over columns named like the fields; NULL is missing and unknown."""
    match expr:
        case Number(value=value):
            return _double(value)
        case Bool(value=value):
            return "TRUE" if value else "FALSE"
        case EnumText(value=value):
            return "'" + value.replace("'", "''") + "'"
        case Name(symbol=symbol):
            return _column(symbol, tracks)
        case Unary(op=op, operand=operand):
            return f"({'NOT' if op is UnaryOp.NOT else '-'} {lower(operand, tracks)})"
        case Binary():
            return _arithmetic(expr, tracks)
        case Compare():
            links = (f"({lower(a, tracks)} {_COMPARISON[op]} {lower(b, tracks)})" for op, a, b in expr.links())
            return f"({' AND '.join(links)})"
        case And(operands=operands):
            return f"({' AND '.join(lower(operand, tracks) for operand in operands)})"
        case Or(operands=operands):
            return f"({' OR '.join(lower(operand, tracks) for operand in operands)})"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            # An unknown condition gives a NULL index, and that gives NULL.
            choices = f"[{lower(otherwise, tracks)}, {lower(then, tracks)}]"
            return f"({choices}[CAST({lower(condition, tracks)} AS INTEGER) + 1])"
        case Call(function=function, arguments=arguments):
            return _call(function, [lower(argument, tracks) for argument in arguments])
        case _:
            assert_never(expr)


def _double(value: float) -> str:
    # Without an exponent DuckDB reads a DECIMAL, in which 0.1 + 0.2 = 0.3.
    text = repr(value)
    return f"({text if 'e' in text else text + 'e0'})"


def _column(symbol: Symbol, tracks: Columns) -> str:
    match symbol:
        case Field(name=name):
            return f'"{name}"'
        case Param(value=value):
            return _double(value)
        case Track():
            return tracks[track_meaning(symbol)]
        case _:
            assert_never(symbol)


def _arithmetic(expr: Binary, tracks: Columns) -> str:
    text = f"({lower(expr.left, tracks)} {expr.op} {lower(expr.right, tracks)})"
    if expr.op is not BinaryOp.DIV and interval(expr).size < HUGE:
        return text
    return f"(list_filter([{text}], lambda x: isfinite(x))[1])"


def _call(function: Function, arguments: list[str]) -> str:
    match function:
        case Function.ABS:
            return f"abs({arguments[0]})"
        case Function.MIN:
            return _extreme("least", arguments)
        case Function.MAX:
            return _extreme("greatest", arguments)
        case Function.CLAMP:
            x, low, high = arguments
            return _extreme("least", [_extreme("greatest", [x, low]), high])
        case Function.HAS:
            return f"({arguments[0]} IS NOT NULL)"
        case _:
            assert_never(function)


def _extreme(name: str, arguments: list[str]) -> str:
    # least and greatest skip NULLs; a missing argument must make the result missing.
    step = f"CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN {name}(a, b) END"
    return f"list_reduce([{', '.join(arguments)}], lambda a, b: {step})"


def condition_sql(expr: Expr) -> str:
    """Return a condition without tracks as SQL over columns named like the fields."""
    return lower(expr, {})


def replay_sql(rules: Sequence[Rule], relation: str = "snapshots") -> str:
    """Return the query that decides every stored row.

    `relation` has snapshot_id, key ('' for the portfolio), ts and a column for each field the rules read; (key, ts) is
    unique. The answer has snapshot_id, key, ts, rule_id, fired, unknown: one row for each of the input, in no order.
    """
    return _Replay(rules, relation).text()


class _Replay:
    """Stages of the query; each adds columns to the one before."""

    def __init__(self, rules: Sequence[Rule], relation: str) -> None:
        self.rules = rules
        self.relation = relation
        self.folds: Columns = {}
        for rule in rules:
            for track in rule.live_tracks:
                self.folds.setdefault(track_meaning(track), f"fold{len(self.folds)}")

    def text(self) -> str:
        gap = f"coalesce(t - lag(t) OVER life > {GAP_S * 1_000_000}, TRUE) AS restart"
        stages = [
            ("input", f"SELECT {', '.join(self._inputs())} FROM {self.relation}"),
            ("folded", _stage([gap, *self._folds()], "input", _WINDOWS)),
            ("judged", _stage(self._verdicts(), "folded")),
            ("marked", _stage(self._starts(), "judged", _WINDOWS)),
            ("timed", _stage(self._times(), "marked", _WINDOWS)),
            ("settled", _stage(self._outcomes(), "timed")),
        ]
        chain = ",\n".join(f"{name} AS (\n  {body}\n)" for name, body in stages)
        masks = f"{self._mask('fired')} AS fired, {self._mask('unknown')} AS unknown"
        return f"WITH {chain}\nSELECT snapshot_id, key, ts, {self._first()} AS rule_id, {masks} FROM settled"

    def _inputs(self) -> Iterator[str]:
        yield from ("snapshot_id", "key", "ts", "epoch_us(ts) AS t")
        read = {field.name for rule in self.rules for expr in rule.expressions for field in fields_of(expr)}
        for field in FIELDS:
            if field.name in read:
                yield f'CAST("{field.name}" AS {_TYPES[field.kind]}) AS "{field.name}"'

    def _folds(self) -> Iterator[str]:
        for track in {track_meaning(t): t for rule in self.rules for t in rule.live_tracks}.values():
            name, inner = self.folds[track_meaning(track)], lower(track.expr, {})
            match track.fold:
                case Fold.MAX | Fold.MIN:
                    yield f"{track.fold}({inner}) OVER life AS {name}"
                case Fold.FIRST:
                    yield f"first_value({inner} IGNORE NULLS) OVER life AS {name}"
                case _:
                    assert_never(track.fold)

    def _verdicts(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            texts = ", ".join(lower(condition, self.folds) for condition in rule.conditions)
            yield f"coalesce({texts}) AS verdict{bit}"

    def _starts(self) -> Iterator[str]:
        """Mark the rows at which a timer starts, so that its start is the latest mark: one sort serves all rules."""
        for bit, rule in enumerate(self.rules):
            verdict = f"verdict{bit}"
            if rule.for_s:
                reset = f"max(CASE WHEN restart OR NOT {verdict} THEN t END) OVER life"
                last_true = f"max(CASE WHEN {verdict} THEN t END) OVER earlier"
                yield f"({verdict} AND coalesce({last_true} < {reset}, TRUE)) AS holds{bit}"
            if rule.on_missing is OnMissing.ESCALATE:
                yield f"({verdict} IS NULL AND (restart OR lag({verdict}) OVER life IS NOT NULL)) AS loses{bit}"

    def _times(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            if rule.for_s:
                yield f"max(CASE WHEN holds{bit} THEN t END) OVER life AS since{bit}"
            if rule.on_missing is OnMissing.ESCALATE:
                yield f"max(CASE WHEN loses{bit} THEN t END) OVER life AS missing{bit}"

    def _outcomes(self) -> Iterator[str]:
        for bit, rule in enumerate(self.rules):
            here = "key = ''" if rule.scope is Scope.PORTFOLIO else "key <> ''"
            fires = f"coalesce(verdict{bit}, FALSE)"
            if rule.for_s:
                fires += f" AND t - since{bit} >= {rule.for_s * 1_000_000}"
            if rule.on_missing is OnMissing.ESCALATE and rule.missing_for_s is not None:
                fires += f" OR (verdict{bit} IS NULL AND t - missing{bit} >= {rule.missing_for_s * 1_000_000})"
            yield f"({here} AND ({fires})) AS fired{bit}"
            yield f"({here} AND verdict{bit} IS NULL) AS unknown{bit}"

    def _mask(self, name: str) -> str:
        bits = (f"CASE WHEN {name}{bit} THEN {1 << bit} ELSE 0 END" for bit in range(len(self.rules)))
        return f"CAST({' + '.join(bits) or '0'} AS BIGINT)"

    def _first(self) -> str:
        arms = []
        for bit, rule in enumerate(self.rules):
            test = f"fired{bit}"
            if not rule.then.kind.reduces_risk:
                above = [i for i in range(bit) if self.rules[i].protective]
                test += "".join(f" AND NOT (unknown{i} AND NOT fired{i})" for i in above)
            arms.append(f"WHEN {test} THEN '{rule.id}'")
        return f"CASE {' '.join(arms)} END" if arms else "CAST(NULL AS VARCHAR)"


def _stage(columns: Iterable[str], before: str, windows: str = "") -> str:
    return f"SELECT {', '.join(['*', *columns])} FROM {before} {windows}".rstrip()
