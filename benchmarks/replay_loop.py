"""The shipped rules replayed without a compiler: a row at a time through pre-parsed simpleeval."""

from __future__ import annotations

import ast
import time
from collections.abc import Sequence
from typing import Any, Final

import duckdb
from simpleeval import SimpleEval

from v6.lang.ast import Expr, Fold, fields_of
from v6.lang.canonical import show
from v6.lang.desk import GAP_S, OnMissing, Rule
from v6.model.catalogue import Scope

Names = dict[str, Any]
Condition = tuple[str, ast.expr]
_KEEPS: Final = {Fold.MAX: max, Fold.MIN: min, Fold.FIRST: lambda old, _: old}


class Loop:
    """Twelve rules with their folds and timers in dictionaries; a missing value makes simpleeval raise: unknown."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = [(bit, rule, [_parsed(c) for c in rule.conditions]) for bit, rule in enumerate(rules)]
        self.evaluator = SimpleEval(functions={"abs": abs, "has": lambda x: x is not None})
        self.folds: dict[str, Names] = {}
        self.timers: dict[tuple[str, int, str], float] = {}
        self.seen: dict[str, float] = {}

    def decide(self, key: str, at: float, row: Names) -> tuple[int, int, int]:
        """Return the bit that decides or -1, fired, unknown."""
        restart = at - self.seen.get(key, float("-inf")) > GAP_S
        self.seen[key] = at
        scope = Scope.POSITION if key else Scope.PORTFOLIO
        folds = self.folds.setdefault(key, {})
        first, fired, unknown = -1, 0, 0
        for bit, rule, conditions in self.rules:
            if rule.scope is not scope:
                continue
            for track in rule.live_tracks:
                (field,) = fields_of(track.expr)
                value = row[field.name]
                if value is not None:
                    old = folds.get(track.name)
                    folds[track.name] = value if old is None else _KEEPS[track.fold](old, value)
                else:
                    folds.setdefault(track.name, None)
            params = {param.name: param.value for param in rule.params}
            verdict = self._verdict(row | folds | params, conditions)
            held = self._held(rule, key, bit, at, verdict, restart)
            fired |= held << bit
            unknown |= (verdict is None) << bit
            if held and first < 0 and rule.decides:
                first = bit
        return first, fired, unknown

    def _verdict(self, names: Names, conditions: Sequence[Condition]) -> bool | None:
        self.evaluator.names = names
        for text, tree in conditions:
            try:
                return bool(self.evaluator.eval(text, previously_parsed=tree))
            except TypeError:
                continue
        return None

    def _held(self, rule: Rule, key: str, bit: int, at: float, verdict: bool | None, restart: bool) -> bool:
        wanted = {True: rule.for_s, None: rule.missing_for_s if rule.on_missing is OnMissing.ESCALATE else None}
        for state, name in ((True, "since"), (None, "missing")):
            place = (key, bit, name)
            if restart or verdict is not state:
                self.timers.pop(place, None)
            if verdict is state and (least := wanted[state]) is not None:
                return at - self.timers.setdefault(place, at) >= least
        return False


def _parsed(expr: Expr) -> Condition:
    text = show(expr)
    return text, ast.parse(text, mode="eval").body


def loop_seconds(db: duckdb.DuckDBPyConnection, rules: Sequence[Rule], rows: int) -> float:
    """Return seconds a row, the rows already being dictionaries."""
    names = sorted({field.name for rule in rules for expr in rule.expressions for field in fields_of(expr)})
    listed = ", ".join(f'"{name}"' for name in names)
    text = f"SELECT key, epoch(ts), {listed} FROM snapshots ORDER BY seq, key LIMIT {rows}"
    found = [(row[0], row[1], dict(zip(names, row[2:], strict=True))) for row in db.execute(text).fetchall()]
    loop, begun = Loop(rules), time.perf_counter()
    for key, at, row in found:
        loop.decide(key, at, row)
    return (time.perf_counter() - begun) / len(found)
