"""Expression text to the typed tree: Python's grammar, cut down to what can be lowered everywhere."""

from __future__ import annotations

import ast as python
import keyword
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final

from v6.errors import Diagnostic, Span
from v6.lang import ast
from v6.lang.ast import BinaryOp, CompareOp, Expr, Function, Symbol, UnaryOp
from v6.lang.hints import did_you_mean

MAX_LENGTH: Final = 2000
MAX_NODES: Final = 200
MAX_DEPTH: Final = 20
MAX_CONSTANT: Final = 1e12

Locate = Callable[[int], Span]
"""Place in the file of a character of the expression, by its offset."""

_TOKEN: Final = re.compile(
    r"""[ \t\n]+
    | (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.])
    | [A-Za-z_][A-Za-z0-9_]*
    | '[A-Za-z0-9_ -]*' | "[A-Za-z0-9_ -]*"
    | <=|>=|==|!=|\*\*|//|<>|[-+*/(),<>]""",
    re.VERBOSE,
)
_FORBIDDEN: Final = {"**": "write the product out", "//": "write /", "<>": "write !="}
_HINTS: Final = {
    "=": "write == to compare",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "\N{MINUS SIGN}": "write -",
    "\N{MULTIPLICATION SIGN}": "write *",
    "·": "write *",
    "÷": "write /",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    "%": "write 0.30 for 30 %",
    "#": "comments belong outside the expression",
    ".": "names have no attributes, and a number has one point",
    ";": "write one expression",
}
RESERVED: Final = (
    frozenset(keyword.kwlist) | {f.value for f in Function} | {"true", "false", "null", "none", "unknown"}
)
_BINARY: Final[dict[type[python.operator], BinaryOp]] = {
    python.Add: BinaryOp.ADD,
    python.Sub: BinaryOp.SUB,
    python.Mult: BinaryOp.MUL,
    python.Div: BinaryOp.DIV,
}
_COMPARE: Final[dict[type[python.cmpop], CompareOp]] = {
    python.Lt: CompareOp.LT,
    python.LtE: CompareOp.LE,
    python.Gt: CompareOp.GT,
    python.GtE: CompareOp.GE,
    python.Eq: CompareOp.EQ,
    python.NotEq: CompareOp.NE,
}
ARITY: Final[dict[Function, tuple[int, int]]] = {
    Function.ABS: (1, 1),
    Function.MIN: (2, 16),
    Function.MAX: (2, 16),
    Function.CLAMP: (3, 3),
    Function.HAS: (1, 1),
}


def parse_expression(text: str, symbols: Mapping[str, Symbol], locate: Locate) -> Expr | list[Diagnostic]:
    """Return the resolved tree, or every mistake found; `symbols` are the names that may be read."""
    refused = _scan(text, locate)
    if refused is not None:
        return [refused]
    body = text.replace("\n", " ").replace("\t", " ")
    lead = len(body) - len(body.lstrip())
    try:
        tree = python.parse(body.lstrip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        # At the end of the text Python gives no offset.
        column = error.offset if isinstance(error, SyntaxError) and error.offset else len(body.lstrip())
        reason = error.msg if isinstance(error, SyntaxError) else "it is too complex"
        return [Diagnostic(locate(min(lead + column - 1, len(text) - 1)), "syntax", f"not an expression: {reason}")]
    converter = _Converter(symbols, lambda offset: locate(lead + offset))
    expr = converter.convert(tree, 1)
    return converter.diagnostics or expr


def _scan(text: str, locate: Locate) -> Diagnostic | None:
    """Refuse what the language has no token for, with a better hint than Python's parser would give."""
    if len(text) > MAX_LENGTH:
        return Diagnostic(locate(0), "too-complex", f"an expression has at most {MAX_LENGTH} characters")
    if not text.strip():
        return Diagnostic(locate(0), "syntax", "the expression is empty")
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            symbol = text[position]
            return Diagnostic(
                locate(position), "syntax", f"{symbol!r} has no meaning in an expression", _HINTS.get(symbol, "")
            )
        if token.group() in _FORBIDDEN:
            return Diagnostic(
                locate(position), "syntax", f"`{token.group()}` is not available", _FORBIDDEN[token.group()]
            )
        position = token.end()
    return None


_NOTHING = ast.Bool(False, Span("", 0, 0))
"""Stands where a diagnostic was recorded; never leaves this module."""


class _Converter:
    def __init__(self, symbols: Mapping[str, Symbol], locate: Locate) -> None:
        self.symbols = symbols
        self.locate = locate
        self.diagnostics: list[Diagnostic] = []
        self.nodes = 0

    def convert(self, node: python.expr, depth: int) -> Expr:
        span = self.locate(node.col_offset)
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            if not any(d.code == "too-complex" for d in self.diagnostics):
                message = f"an expression has at most {MAX_NODES} parts, nested at most {MAX_DEPTH} deep"
                self._fail(span, "too-complex", message, "split the rule, or use fewer brackets")
            return _NOTHING
        down = depth + 1
        match node:
            case python.Constant():
                return self._constant(node, span)
            case python.Name(id=name):
                return self._name(name, span)
            case python.UnaryOp(op=python.USub(), operand=operand):
                return ast.Unary(UnaryOp.NEG, self.convert(operand, down), span)
            case python.UnaryOp(op=python.Not(), operand=operand):
                return ast.Unary(UnaryOp.NOT, self.convert(operand, down), span)
            case python.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return ast.Binary(_BINARY[type(op)], self.convert(left, down), self.convert(right, down), span)
            case python.BoolOp(op=op, values=values):
                operands = tuple(self.convert(value, down) for value in values)
                return ast.And(operands, span) if isinstance(op, python.And) else ast.Or(operands, span)
            case python.Compare():
                return self._compare(node, span, down)
            case python.IfExp(test=test, body=body, orelse=orelse):
                then, condition = self.convert(body, down), self.convert(test, down)
                return ast.IfElse(condition, then, self.convert(orelse, down), span)
            case python.Call():
                return self._call(node, span, down)
            case _:
                return self._fail(span, "not-allowed", f"{_spoken(node)} is not available in an expression")

    def _fail(self, span: Span, code: str, message: str, hint: str = "") -> Expr:
        self.diagnostics.append(Diagnostic(span, code, message, hint))
        return _NOTHING

    def _constant(self, node: python.Constant, span: Span) -> Expr:
        value = node.value
        if isinstance(value, bool):
            return ast.Bool(value, span)
        if isinstance(value, int | float):
            # Compare before converting: an int of thousands of digits does not fit a float.
            if abs(value) > MAX_CONSTANT or not isfinite(value):
                return self._fail(span, "too-large", f"a number is at most {MAX_CONSTANT:.0e}")
            return ast.Number(float(value), span)
        if isinstance(value, str):
            return ast.EnumText(value, span)
        return self._fail(
            span, "not-allowed", f"{value!r} is not a number, boolean or word", "has(x) tests for missing"
        )

    def _name(self, name: str, span: Span) -> Expr:
        symbol = self.symbols.get(name)
        if symbol is not None:
            return ast.Name(symbol, span)
        if name in {"true", "false"}:
            return self._fail(span, "unknown-name", f"`{name}` is not a name here", f"write {name.capitalize()}")
        if name in {f.value for f in Function}:
            return self._fail(span, "unknown-name", f"`{name}` is a function", f"write {name}(...)")
        return self._fail(span, "unknown-name", f"no field, param or track `{name}`", did_you_mean(name, self.symbols))

    def _compare(self, node: python.Compare, span: Span, depth: int) -> Expr:
        ops = []
        for op in node.ops:
            if type(op) not in _COMPARE:
                return self._fail(span, "not-allowed", f"`{_spoken(op)}` is not available", "compare with == and `or`")
            ops.append(_COMPARE[type(op)])
        operands = tuple(self.convert(operand, depth) for operand in (node.left, *node.comparators))
        return ast.Compare(tuple(ops), operands, span)

    def _call(self, node: python.Call, span: Span, depth: int) -> Expr:
        name = node.func.id if isinstance(node.func, python.Name) else ""
        functions = {f.value: f for f in Function}
        if name not in functions:
            known = ", ".join(functions)
            hint = did_you_mean(name, functions) or f"the functions are {known}"
            return self._fail(span, "unknown-function", f"no function `{name}`", hint)
        function = functions[name]
        least, most = ARITY[function]
        if node.keywords or not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            return self._fail(span, "arguments", f"`{name}` takes {wanted} argument{'s' if most > 1 else ''}")
        return ast.Call(function, tuple(self.convert(argument, depth) for argument in node.args), span)


_SPOKEN: Final = {"IsNot": "is not", "NotIn": "not in", "UAdd": "+", "Lambda": "lambda", "Tuple": "a list of values"}


def _spoken(node: python.AST) -> str:
    name = type(node).__name__
    if isinstance(node, python.UnaryOp | python.BinOp):
        name = type(node.op).__name__
    return _SPOKEN.get(name, name.lower())
