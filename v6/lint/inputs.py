"""Inputs that were never filled or never changed, and the rules that cannot work on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from v6.errors import Diagnostic, Span
from v6.lang.ast import Name, fields_of, walk
from v6.lint.encode import word_index
from v6.lint.logic import Logic, negate, real
from v6.lint.scene import Scene, finding
from v6.lint.verdict import Judged
from v6.model.catalogue import FIELDS, Scope, Value
from v6.model.snapshot import PORTFOLIO_KEY, Row

LEAST: Final = 100
"""Rows from which on a value that never changed says something."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of the rows beyond the catalogue: fields with one value only, None for always missing."""

    constant: Mapping[str, Value] = field(default_factory=dict)


def observed(rows: Iterable[Row], least: int = LEAST) -> Inputs:
    """Return the fields that had one value on all recorded rows that can have them, if those are `least` at least."""
    seen: dict[str, set[Value]] = {f.name: set() for f in FIELDS}
    count: Counter[str] = Counter()
    for row in rows:
        for f, value in zip(FIELDS, row.values, strict=True):
            if f.scope is not Scope.POSITION or row.key != PORTFOLIO_KEY:
                count[f.name] += 1
                seen[f.name].add(value)
    return Inputs({n: values.pop() for n, values in seen.items() if len(values) == 1 and count[n] >= least})


def stuck(scene: Scene, judged: Judged, inputs: Inputs) -> Iterator[Diagnostic]:
    """Yield `constant-input` for a rule that reads fields which never change, an error when it cannot fire then."""
    rule = judged.rule
    read = dict.fromkeys(f.name for expr in rule.expressions for f in fields_of(expr) if f.name in inputs.constant)
    if not read:
        return
    claims = [claim for name in read for claim in _held(scene, name, inputs.constant[name])]
    dead = scene.prover.impossible(judged.verdict.true, *claims)
    shown = ", ".join(f"`{name}` is always {_word(inputs.constant[name])}" for name in read)
    rest = f": `{rule.id}` can never fire" if dead else f", and `{rule.id}` reads it"
    hint = "feed it, or read something else"
    yield finding(_place(judged, next(iter(read))), "constant-input", f"{shown}{rest}", hint, error=dead)


def _held(scene: Scene, name: str, value: Value) -> Iterator[Logic]:
    """Yield that the field has this value on the current row and on every row that feeds a fold."""
    for (_, known), cell in scene.world.fields.items():
        if known.name != name:
            continue
        if value is None:
            yield negate(cell.known)
        else:
            number = float(word_index(value)) if isinstance(value, str) else float(value)
            yield cell.known
            yield cell.value == real(number, scene.world.context)


def _word(value: Value) -> str:
    if value is None:
        return "missing"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(judged: Judged, name: str) -> Span:
    for node in walk(judged.rule.when):
        if isinstance(node, Name) and node.symbol.name == name:
            return node.span
    return judged.rule.when.span
