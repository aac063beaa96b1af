"""Random typed expressions and rules for the tests that hold the evaluators equal, by Hypothesis; see also draw.py."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.backends.draw import LITERALS, SPAN, WINDOWS
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
)
from v6.lang.desk import OnMissing, Rule
from v6.lang.message import Alert
from v6.model.catalogue import BY_NAME, Scope, Unit
from v6.model.decision import Action, ActionKind, AlertSeverity


def numbers(symbols: Sequence[Symbol]) -> st.SearchStrategy[Expr]:
    """Numeric expressions, conditional ones included."""
    leaf = st.one_of(
        st.sampled_from(LITERALS).map(lambda v: Number(v, SPAN)),
        st.sampled_from(symbols).map(lambda s: Name(s, SPAN)),
        st.sampled_from((-0.4, 0.6, 7.0)).map(
            lambda v: Name(Param(f"p{int(10 * v + 10)}", v, Unit.NONE, -10, 10, SPAN), SPAN)
        ),
    )

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        pair = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            st.builds(Binary, st.sampled_from(BinaryOp), inner, inner, st.just(SPAN)),
            st.builds(lambda x: Unary(UnaryOp.NEG, x, SPAN), inner),
            st.builds(lambda x: Call(Function.ABS, (x,), SPAN), inner),
            st.builds(lambda f, xs: Call(f, xs, SPAN), st.sampled_from((Function.MIN, Function.MAX)), pair),
            st.builds(lambda x, y, z: Call(Function.CLAMP, (x, y, z), SPAN), inner, inner, inner),
            st.builds(lambda a, b, x, y: IfElse(Compare((CompareOp.LT,), (a, b), SPAN), x, y, SPAN), *[inner] * 4),
        )

    return st.recursive(leaf, grow, max_leaves=6)


def conditions(symbols: Sequence[Symbol]) -> st.SearchStrategy[Expr]:
    """Boolean expressions over the numeric symbols and the position's structure."""
    number = numbers(symbols)
    structure = Name(BY_NAME["structure"], SPAN)
    chain = st.integers(1, 2).flatmap(
        lambda n: st.builds(
            lambda ops, xs: Compare(tuple(ops), tuple(xs), SPAN),
            st.lists(st.sampled_from(CompareOp), min_size=n, max_size=n),
            st.lists(number, min_size=n + 1, max_size=n + 1),
        )
    )
    word = st.builds(
        lambda op, w: Compare((op,), (structure, EnumText(w, SPAN)), SPAN),
        st.sampled_from((CompareOp.EQ, CompareOp.NE)),
        st.sampled_from(("single", "iron_condor")),
    )
    leaf = st.one_of(
        chain,
        chain,
        chain,
        word,
        st.booleans().map(lambda b: Bool(b, SPAN)),
        number.map(lambda x: Call(Function.HAS, (x,), SPAN)),
    )

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            several.map(lambda xs: And(xs, SPAN)),
            several.map(lambda xs: Or(xs, SPAN)),
            inner.map(lambda x: Unary(UnaryOp.NOT, x, SPAN)),
            st.builds(lambda c, a, b: IfElse(c, a, b, SPAN), inner, inner, inner),
        )

    return st.recursive(leaf, grow, max_leaves=5)


@st.composite
def folds(draw: st.DrawFn, name: str, number: st.SearchStrategy[Expr]) -> Track:
    """An aggregate, over some minutes or hours if it looks back."""
    fold = draw(st.sampled_from(Fold))
    window = draw(st.sampled_from(WINDOWS)) if fold.windowed else None
    return Track(name, fold, draw(number), SPAN, window)


@st.composite
def rules(draw: st.DrawFn, bit: int) -> Rule:
    """A rule with folds, timers and a fallback, of either scope."""
    names = ("pnl_ratio", "iv", "credit", "vix", "drawdown")
    fields: tuple[Symbol, ...] = tuple(BY_NAME[name] for name in names)
    tracks = tuple(draw(folds(f"t{i}", numbers(fields))) for i in range(draw(st.integers(0, 2))))
    condition = conditions((*fields, *tracks))
    on_missing = draw(st.sampled_from(OnMissing))
    escalate = on_missing is OnMissing.ESCALATE
    scope = draw(st.sampled_from((Scope.POSITION, Scope.POSITION, Scope.PORTFOLIO)))
    kind = draw(st.sampled_from((ActionKind.CLOSE, ActionKind.ROLL, ActionKind.REDUCE, ActionKind.ALERT)))
    pauses = kind is not ActionKind.CLOSE
    tells = kind is ActionKind.ALERT or draw(st.booleans())
    return Rule(
        id=f"rule{bit}",
        priority=bit + 1,
        scope=scope,
        title="",
        protective=draw(st.booleans()),
        params=(),
        tracks=tracks,
        when=draw(condition),
        for_s=draw(st.sampled_from((0, 0, 60, 300, 900))),
        keep_s=draw(st.sampled_from((0, 0, 60, 301, 3600))),
        cooldown_s=draw(st.sampled_from((0, 300, 900, 86_400))) if pauses else 0,
        on_missing=on_missing,
        missing_for_s=draw(st.sampled_from((60, 300, 1200))) if escalate else None,
        fallback=draw(st.none() | condition) if escalate else None,
        then=Action(kind),
        alert=Alert(AlertSeverity.INFO, ("",)) if tells else None,
        apply_to_open=False,
        examples=(),
        span=SPAN,
        fingerprint=f"{bit}",
    )
