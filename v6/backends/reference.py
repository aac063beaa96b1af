"""The oracle: simpleeval with Kleene operators, slow and plain; it judges examples and explains decisions."""

from __future__ import annotations

import ast as python
from collections.abc import Mapping
from typing import Any, Final

from simpleeval import SimpleEval

from v6.backends import kleene
from v6.lang.ast import BinaryOp, CompareOp, Expr, Name, Param, children, walk
from v6.lang.canonical import show
from v6.model.catalogue import Value

_OPERATORS: Final[dict[type[python.AST], Any]] = {
    python.Add: kleene.ARITHMETIC[BinaryOp.ADD],
    python.Sub: kleene.ARITHMETIC[BinaryOp.SUB],
    python.Mult: kleene.ARITHMETIC[BinaryOp.MUL],
    python.Div: kleene.ARITHMETIC[BinaryOp.DIV],
    python.USub: kleene.neg,
    python.Not: kleene.not_,
    python.Lt: kleene.COMPARISONS[CompareOp.LT],
    python.LtE: kleene.COMPARISONS[CompareOp.LE],
    python.Gt: kleene.COMPARISONS[CompareOp.GT],
    python.GtE: kleene.COMPARISONS[CompareOp.GE],
    python.Eq: kleene.COMPARISONS[CompareOp.EQ],
    python.NotEq: kleene.COMPARISONS[CompareOp.NE],
}


class _Kleene(SimpleEval):  # type: ignore[misc]
    """Replaces the handlers in which Python's own truth values would leak in."""

    def __init__(self, names: Mapping[str, Value]) -> None:
        functions = {function.value: call for function, call in kleene.FUNCTIONS.items()}
        super().__init__(operators=dict(_OPERATORS), functions=functions, names=dict(names))
        # Only what the parser lets through: no attributes, subscripts, strings operations or assignments.
        self.nodes = {
            python.Name: self._eval_name,
            python.UnaryOp: self._eval_unaryop,
            python.BinOp: self._eval_binop,
            python.BoolOp: self._eval_boolop,
            python.Compare: self._eval_compare,
            python.IfExp: self._eval_ifexp,
            python.Call: self._eval_call,
            python.Constant: self._eval_constant,
        }

    @staticmethod
    def _eval_constant(node: python.Constant) -> Value:
        value = node.value
        if isinstance(value, bool | str):
            return value
        assert isinstance(value, int | float)
        return float(value)

    def _eval_boolop(self, node: python.BoolOp) -> Value:
        operands = [self._eval(value) for value in node.values]
        return kleene.and_(*operands) if isinstance(node.op, python.And) else kleene.or_(*operands)

    def _eval_compare(self, node: python.Compare) -> Value:
        operands = [self._eval(operand) for operand in (node.left, *node.comparators)]
        pairs = zip(node.ops, operands, operands[1:], strict=False)
        return kleene.and_(*[self.operators[type(op)](left, right) for op, left, right in pairs])

    def _eval_ifexp(self, node: python.IfExp) -> Value:
        return kleene.if_else(self._eval(node.test), self._eval(node.body), self._eval(node.orelse))


def evaluate(expr: Expr, names: Mapping[str, Value]) -> Value:
    """Return the value, None being missing or unknown; `names` gives fields and tracks, absent ones are missing."""
    known: dict[str, Value] = {}
    for node in walk(expr):
        if isinstance(node, Name):
            symbol = node.symbol
            known[symbol.name] = symbol.value if isinstance(symbol, Param) else names.get(symbol.name)
    text = show(expr)
    value: Value = _Kleene(known).eval(text, previously_parsed=python.parse(text, mode="eval").body)
    return value


def explain(expr: Expr, names: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """Return each sub-expression that is not a constant with its value, the whole first."""
    found: dict[str, Value] = {}

    def visit(node: Expr) -> None:
        if any(isinstance(inner, Name) for inner in walk(node)):
            found.setdefault(show(node), evaluate(node, names))
        for child in children(node):
            visit(child)

    visit(expr)
    return list(found.items())
