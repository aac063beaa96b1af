"""Examples a trader can check: taken from the solver, made round, and believed only when the oracle agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Final, TypeAlias, assert_never

import z3

from v6.backends.folds import WINDOWED
from v6.backends.reference import evaluate
from v6.lang.ast import Expr, Fold, Track, fields_of, tracks_of
from v6.lang.desk import Rule
from v6.lint.encode import NOW, World, earlier, word_of
from v6.lint.logic import Quantity
from v6.model.catalogue import Field, Kind, Value

Fields: TypeAlias = Mapping[str, Value]
Place: TypeAlias = tuple[str, Field]

USUAL: Final[dict[str, Value]] = {
    "structure": "iron_condor",
    "legs": 4.0,
    "quantity": 1.0,
    "dte": 30.0,
    "days_held": 10.0,
    "credit": 5.0,
    "max_profit": 500.0,
    "max_loss": 4500.0,
    "mark": -3.0,
    "spread": 0.2,
    "pnl": 100.0,
    "pnl_ratio": 0.2,
    "broker_pnl_ratio": 0.2,
    "delta": 0.05,
    "gamma_1pct": -0.05,
    "theta": 0.1,
    "vega": -0.5,
    "iv": 0.2,
    "short_delta": 0.2,
    "short_distance": 0.05,
    "underlying_price": 5000.0,
    "underlying_change_1h": 0.0,
    "underlying_change_1d": 0.0,
    "vix": 18.0,
    "vix_change_1d": 0.0,
    "iv_rank": 0.5,
    "iv_percentile": 0.5,
    "minutes_since_open": 120.0,
    "minutes_to_close": 270.0,
    "net_liq": 100_000.0,
    "day_pnl_ratio": 0.0,
    "drawdown": 0.02,
    "open_positions": 2.0,
    "max_loss_ratio": 0.1,
    "margin_ratio": 0.2,
    "portfolio_delta_ratio": 0.1,
    "short_exercise": "american",
    "short_call_itm": 0.0,
    "short_call_extrinsic": 1.0,
    "short_put_itm": 0.0,
    "short_put_extrinsic": 1.0,
    "next_dividend": 1.0,
    "sessions_to_ex_dividend": 30.0,
    "earnings": "none",
    "sessions_to_earnings": 30.0,
}
"""An unremarkable day; an example departs from it only where it must."""


_LONG_AGO: Final = -(10**12)
_JUST_NOW: Final = -1
"""Times in microseconds; the current row's is 0."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A current row and, for each fold that needs one, an earlier row; what is not given is missing.

    `times` says when the earlier rows were, in microseconds before now; where it does not, just before.
    """

    cells: Mapping[Place, Value]
    times: Mapping[str, int] = dataclass_field(default_factory=dict)

    def row(self, name: str = NOW) -> dict[str, Value]:
        """Return the fields of the current row, or of the one that feeds a fold."""
        return {field.name: value for (row, field), value in self.cells.items() if row == name}

    def names(self, *exprs: Expr) -> dict[str, Value]:
        """Return what the conditions read: the current fields, and each fold over all rows by the oracle."""
        when = {row: self.times.get(row, _JUST_NOW) for row, _ in self.cells if row != NOW} | {NOW: 0}
        rows = [(at, row, self.row(row)) for row, at in sorted(when.items(), key=lambda item: item[1])]
        tracks = {track.name: track for expr in exprs for track in tracks_of(expr)}
        return self.row() | {name: _folded(track, rows) for name, track in tracks.items()}

    def truth(self, expr: Expr) -> Value:
        """Return the oracle's value of an expression."""
        return evaluate(expr, self.names(expr))

    def verdict(self, rule: Rule) -> Value:
        """Return the oracle's verdict of a rule."""
        verdict = self.truth(rule.when)
        return self.truth(rule.fallback) if verdict is None and rule.fallback is not None else verdict

    def changed(self, place: Place, value: Value) -> Witness:
        return replace(self, cells={**self.cells, place: value})


def _folded(track: Track, rows: list[tuple[int, str, dict[str, Value]]]) -> Value:
    """Return the fold over rows with their times and names, the current one last.

    A mean is the value of its own earlier row: a window full of such rows outweighs all others.
    """
    known = [(at, row, v) for at, row, cells in rows if isinstance(v := evaluate(track.expr, cells), float)]
    values = [value for _, _, value in known]
    if track.window_s is not None:
        if track.fold is Fold.MEAN and (own := [value for _, row, value in known if row == earlier(track)]):
            return own[0]
        before = tuple((at, value) for at, row, value in known if row != NOW)
        now = next((value for _, row, value in known if row == NOW), None)
        return WINDOWED[track.fold](before, 0, now, track.window_s * 1_000_000)[1]
    if not values:
        return None
    return {Fold.MAX: max(values), Fold.MIN: min(values), Fold.FIRST: values[0]}[track.fold]


def _time(track: Track) -> int:
    """Return when a fold's earlier row was: first of all, at the far end of a window, inside it, or just before."""
    if track.fold is Fold.FIRST:
        return _LONG_AGO
    window = (track.window_s or 0) * 1_000_000
    return {Fold.MEAN: -window // 2, Fold.LAST_BEFORE: -window, Fold.CHANGE: -window}.get(track.fold, _JUST_NOW)


Goal: TypeAlias = Callable[[Witness], bool]


def witness(world: World, model: z3.ModelRef | None, goal: Goal, *exprs: Expr) -> Witness | None:
    """Return a model's row over what the expressions read, rounded, if the oracle reaches the goal on it."""
    if model is None:
        return None
    wanted = _places(exprs)
    young = {row for row, reached in world.reached.items() if z3.is_false(model.eval(reached, model_completion=True))}
    cells = {
        place: _value(model, place[1], world.fields[place])
        for place in wanted
        if place in world.fields and place[0] not in young
    }
    found = Witness(cells, {earlier(track): _time(track) for expr in exprs for track in tracks_of(expr)})
    if not goal(found):
        return None
    for place in cells:
        found = _rounder(found, place, goal)
    return found


def _places(exprs: tuple[Expr, ...]) -> list[Place]:
    places: dict[Place, None] = {}
    for expr in exprs:
        for track in tracks_of(expr):
            for field in fields_of(track.expr):
                places[earlier(track), field] = places[NOW, field] = None
        places |= {(NOW, field): None for field in fields_of(expr)}
    return list(places)


def _value(model: z3.ModelRef, field: Field, cell: Quantity) -> Value:
    if not isinstance(cell.known, bool) and not z3.is_true(model.eval(cell.known, model_completion=True)):
        return None
    found = model.eval(cell.value, model_completion=True)
    exact = found.approx(20) if z3.is_algebraic_value(found) else found
    number = float(exact.as_fraction())
    match field.kind:
        case Kind.NUMBER:
            # The catalogue's bounds may be written as integers.
            return float(min(max(number, field.low), field.high))
        case Kind.BOOL:
            return number == 1.0
        case Kind.ENUM:
            return word_of(int(number))
        case _:
            assert_never(field.kind)


def _rounder(found: Witness, place: Place, goal: Goal) -> Witness:
    field, value = place[1], found.cells[place]
    candidates: list[Value] = [USUAL.get(field.name)] if field.name in USUAL else []
    if isinstance(value, float) and not isinstance(value, bool):
        for digits in (0, 1, 2, 3):
            step = 10.0**-digits
            middle = round(value, digits)
            candidates += [middle, round(middle - step, digits), round(middle + step, digits)]
        candidates = [c for c in candidates if isinstance(c, float) and field.low <= c <= field.high]
    for candidate in candidates:
        # Where it is missing, that it is missing is the point.
        if value is not None and goal(changed := found.changed(place, candidate)):
            return changed
    return found


def describe(found: Witness, goal: Goal, *exprs: Expr) -> str:
    """Return the values that matter, such as `dte=10, gamma_1pct=-0.2, vix missing`."""
    row = found.row()
    read = {field.name: field for expr in exprs for field in fields_of(expr)}
    shown = {_shown(name, row.get(name)) for name, field in read.items() if _matters(found, field, goal)}
    texts = [text for name in read if (text := _shown(name, row.get(name))) in shown]
    for expr in exprs:
        names = found.names(expr)
        texts += [_shown(track.name, names[track.name]) for track in tracks_of(expr)]
    return ", ".join(dict.fromkeys(texts)) or "on any row"


def _matters(found: Witness, field: Field, goal: Goal) -> bool:
    others: list[Value] = (
        [*field.choices] if field.choices else [float(field.low), float(field.high), USUAL.get(field.name)]
    )
    if field.kind is Kind.BOOL:
        others = [True, False]
    if field.nullable and found.row().get(field.name) is not None:
        others = [None]
    return not all(goal(found.changed((NOW, field), other)) for other in others if other is not None or field.nullable)


def _shown(name: str, value: Value) -> str:
    if value is None:
        return f"{name} missing"
    # + 0.0: nobody wants to read -0.
    return f"{name}={value + 0.0:g}" if isinstance(value, float) else f"{name}={value}"
