"""Expressions with one part replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from v6.lang.ast import (
    And,
    Binary,
    Bool,
    Call,
    Compare,
    EnumText,
    Expr,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Track,
    Unary,
    children,
)


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return the expression after `change` of each part, whole first; what stays the same keeps its identity."""
    changed = change(expr)
    if changed is not expr:
        return changed
    before = children(expr)
    after = tuple(rewrite(child, change) for child in before)
    same = all(old is new for old, new in zip(before, after, strict=True))
    return expr if same else _with_children(expr, after)


def _with_children(expr: Expr, parts: tuple[Expr, ...]) -> Expr:
    match expr:
        case Number() | Bool() | EnumText() | Name():
            return expr
        case Unary():
            return replace(expr, operand=parts[0])
        case Binary():
            return replace(expr, left=parts[0], right=parts[1])
        case Compare() | And() | Or():
            return replace(expr, operands=parts)
        case IfElse():
            return replace(expr, then=parts[0], condition=parts[1], otherwise=parts[2])
        case Call():
            return replace(expr, arguments=parts)
        case _:
            assert_never(expr)


def with_part(expr: Expr, part: Expr, value: bool) -> Expr:
    """Return the expression with one of its parts, told by identity, replaced by a constant."""
    return rewrite(expr, lambda node: Bool(value, part.span) if node is part else node)


def with_param(expr: Expr, name: str, value: float) -> Expr:
    """Return the expression with another value of a param, also inside the tracks it reads."""

    def change(node: Expr) -> Expr:
        match node:
            case Name(symbol=Param() as param) if param.name == name:
                return replace(node, symbol=replace(param, value=value))
            case Name(symbol=Track() as track):
                inner = with_param(track.expr, name, value)
                return node if inner == track.expr else replace(node, symbol=replace(track, expr=inner))
            case _:
                return node

    return rewrite(expr, change)
