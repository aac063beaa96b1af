"""The notation of a series in a rule test: values in a row, as promtool writes them.

`0.1 0.2` two values, `0.1+0.05x3` 0.1 and three more, each 0.05 higher, `5x3` 5 and three more of the same, `_` or
`null` a missing value, `_x3` three of them. Words and booleans repeat like numbers: `iron_condorx3`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final

from v6.errors import Diagnostic, Span
from v6.lang import source
from v6.lang.hints import did_you_mean
from v6.lang.rule_tests import MAX_STEPS
from v6.model.catalogue import Field, Kind, Value

MAX_TOLD: Final = 10
"""Mistakes of one series; who has more has them all for one reason."""

_NUMBER: Final = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_STEPS: Final = re.compile(rf"({_NUMBER})(?:([+-])({_NUMBER.removeprefix('-?')}))?(?:x([0-9]{{1,4}}))?")
_REPEATED: Final = re.compile(r"([A-Za-z_]+?)(?:x([0-9]{1,4}))?")
_MISSING: Final = frozenset({"_", "null"})
_BOOLS: Final = {"true": True, "false": False}


def read_series(field: Field, node: source.Node) -> tuple[Value, ...] | list[Diagnostic]:
    """Return the values of a schema-valid series in order, None being missing, or what is wrong with it."""
    values: list[Value] = []
    found: list[Diagnostic] = []
    for text, place in _tokens(node):
        read = _values(field, text, node.span)
        wrong = read if isinstance(read, Diagnostic) else _first_impossible(field, read, node.span)
        if wrong is not None:
            found.append(replace(wrong, span=place()))
            if len(found) == MAX_TOLD:
                break
        values += [] if isinstance(read, Diagnostic) else read
        # Here and not at the end: a short text can stand for millions of values.
        if len(values) > MAX_STEPS:
            found.append(Diagnostic(node.span, "too-large", f"a series has at most {MAX_STEPS} values"))
            break
    return found or tuple(values)


def _first_impossible(field: Field, values: list[Value], span: Span) -> Diagnostic | None:
    return next((d for value in values if (d := judge(field, value, span)) is not None), None)


def judge(field: Field, value: Value, span: Span) -> Diagnostic | None:
    """Return why the catalogue does not let the value reach a rule, None if it does."""
    if value is None:
        message = f"`{field.name}` is never missing"
        return None if field.nullable else Diagnostic(span, "not-nullable", message)
    if field.kind is Kind.NUMBER and not field.low <= float(value) <= field.high:
        message = f"`{field.name}` lies between {field.low:g} and {field.high:g}, never at {float(value):g}"
        return Diagnostic(span, "out-of-range", message)
    return None


def _tokens(node: source.Node) -> Iterator[tuple[str, Callable[[], Span]]]:
    """Yield the words with their places, which take longer to find than the words themselves."""
    if isinstance(node, source.Sequence):
        for item in node.items:
            yield _spelled(item), partial(getattr, item, "span")
    elif isinstance(node, source.Scalar) and isinstance(node.value, str):
        for token in re.finditer(r"\S+", node.value):
            yield token.group(), partial(node.at, token.start())
    else:
        yield _spelled(node), partial(getattr, node, "span")


def _spelled(node: source.Node) -> str:
    value = source.plain(node)
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value) if isinstance(value, float) else str(value)


def _values(field: Field, text: str, span: Span) -> list[Value] | Diagnostic:
    repeated = _REPEATED.fullmatch(text)
    word, more = (repeated[1], min(int(repeated[2] or 0), MAX_STEPS + 1)) if repeated else ("", 0)
    if word in _MISSING:
        return [None] * (more if repeated and repeated[2] else 1)
    match field.kind:
        case Kind.NUMBER:
            return _numbers(text, span)
        case Kind.BOOL:
            return [_BOOLS[word]] * (1 + more) if word in _BOOLS else _wrong(field, text, span, tuple(_BOOLS))
        case Kind.ENUM:
            return [word] * (1 + more) if word in field.choices else _wrong(field, text, span, field.choices)


def _numbers(text: str, span: Span) -> list[Value] | Diagnostic:
    match = _STEPS.fullmatch(text)
    if match is None or (match[2] and match[4] is None):
        hint = "write 0.2, 0.1+0.05x8, 0.2x3, _ or _x3, with blanks between"
        return Diagnostic(span, "bad-series", f"`{text}` is no number and no series", hint)
    # In decimals, so that 0.1+0.1x2 ends at the double that 0.3 is.
    first, step = Decimal(match[1]), Decimal(f"{match[2] or '+'}{match[3] or 0}")
    # One more than may be is enough to see that there are too many.
    return [float(first + step * i) for i in range(min(int(match[4] or 0), MAX_STEPS) + 1)]


def _wrong(field: Field, text: str, span: Span, choices: tuple[str, ...]) -> Diagnostic:
    hint = did_you_mean(text, choices) or f"one of {', '.join(choices)}"
    return Diagnostic(span, "bad-series", f"`{field.name}` cannot be `{text}`", hint)
