"""Expressions as a desk's files spell them: brackets wherever `and` and `or` mix, and lines that break there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from v6.lang.ast import And, Compare, Expr, IfElse, Or, Unary, UnaryOp
from v6.lang.canonical import show

WIDTH: Final = 100
"""Longest line of an expression; it is shorter than other lines, because conditions are read word by word."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A track as its file gives it; `window` is the duration as written, empty for aggregates that take none."""

    fold: str
    expr: Expr
    window: str = ""

    def spelled(self) -> str:
        """Return it on one line, such as `mean(iv, 1h)`."""
        return f"{self.fold}({', '.join((spell(self.expr), *([self.window] if self.window else [])))})"


def spell(expr: Expr) -> str:
    """Return the expression on one line."""
    match expr:
        case Or(operands=operands):
            return " or ".join(_bracketed(operand, (And, Or, IfElse)) for operand in operands)
        case And(operands=operands):
            return " and ".join(_bracketed(operand, (And, Or, IfElse)) for operand in operands)
        case Unary(op=UnaryOp.NOT, operand=operand):
            return f"not {_bracketed(operand, (And, Or, IfElse, Compare))}"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            parts = (_bracketed(part, (IfElse,)) for part in (then, condition, otherwise))
            return "{} if {} else {}".format(*parts)
        case _:
            return show(expr)


def spell_lines(expr: Expr, indent: int) -> list[str]:
    """Return the expression on as many lines as its width at this indent asks for, without the indent."""
    text = spell(expr)
    if indent + len(text) <= WIDTH:
        return [text]
    match expr:
        case Or(operands=operands):
            return _filled("or", operands, indent)
        case And(operands=operands):
            return _filled("and", operands, indent)
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            parts = [_bracketed(part, (IfElse,)) for part in (then, condition, otherwise)]
            return [f"{parts[0]} if {parts[1]}", f"else {parts[2]}"]
        case _:
            return [text]


def _bracketed(expr: Expr, kinds: tuple[type, ...]) -> str:
    text = spell(expr)
    return f"({text})" if isinstance(expr, kinds) else text


def _filled(word: str, operands: tuple[Expr, ...], indent: int) -> list[str]:
    """Put as many operands on a line as fit; one that fits on none is broken inside its brackets."""
    lines: list[str] = []
    for operand in operands:
        lead = f"{word} " if lines else ""
        text = _bracketed(operand, (And, Or, IfElse))
        if lines and indent + len(lines[-1]) + 1 + len(lead) + len(text) <= WIDTH:
            lines[-1] += f" {lead}{text}"
        elif indent + len(lead) + len(text) <= WIDTH or not isinstance(operand, And | Or | IfElse):
            lines.append(f"{lead}{text}")
        else:
            inner = spell_lines(operand, indent + len(lead) + 1)
            pad = " " * (len(lead) + 1)
            lines += [f"{lead}({inner[0]}", *(pad + line for line in inner[1:])]
            lines[-1] += ")"
    return lines
