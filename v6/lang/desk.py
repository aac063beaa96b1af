"""What a desk's files mean: rules, strategies and limits as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import NoneType
from typing import Any, Final, get_args

from v6.errors import Span
from v6.lang.ast import Expr, Param, Track, tracks_of
from v6.lang.canonical import track_meaning
from v6.lang.message import Alert
from v6.model.catalogue import Scope, Value
from v6.model.contract import SecType
from v6.model.decision import Action, ActionKind, Urgency
from v6.model.position import StructureKind

LATCHING: Final = frozenset({ActionKind.REDUCE, ActionKind.ALERT})
"""Actions taken once per episode: from when the rule fires until its condition is known to be false."""

GAP_S: Final = 900
"""Timers of `for` and `missing_for` restart when a key was not evaluated for longer than this, such as overnight."""


class OnMissing(StrEnum):
    """What an unknown verdict does: SKIP waits, ESCALATE tries the fallback and acts after missing_for."""

    SKIP = "skip"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Example:
    """A claim of the rule's author: with these inputs (the rest missing) the verdict is `fires`; None is unknown."""

    given: tuple[tuple[str, Value], ...]
    fires: bool | None
    span: Span


@dataclass(frozen=True, slots=True)
class Rule:
    """One decision rule; durations are whole seconds, `fingerprint` covers the meaning only."""

    id: str
    priority: int
    scope: Scope
    title: str
    protective: bool
    params: tuple[Param, ...]
    tracks: tuple[Track, ...]
    when: Expr
    for_s: int
    keep_s: int
    cooldown_s: int
    on_missing: OnMissing
    missing_for_s: int | None
    fallback: Expr | None
    then: Action
    alert: Alert | None
    apply_to_open: bool
    examples: tuple[Example, ...]
    span: Span
    fingerprint: str

    @property
    def decides(self) -> bool:
        """Tell whether the rule can be the one that decides; an `alert` goes out beside whatever is decided."""
        return self.then.kind is not ActionKind.ALERT

    @property
    def latches(self) -> bool:
        """Tell whether the rule acts once per episode and then stands aside."""
        return self.then.kind in LATCHING

    @property
    def stands_aside(self) -> bool:
        """Tell whether the rule, though it fires, can leave the decision to those below it."""
        return self.decides and (self.latches or self.cooldown_s > 0)

    @property
    def conditions(self) -> tuple[Expr, ...]:
        """Return `when` and, if there is one, `fallback`."""
        return (self.when,) if self.fallback is None else (self.when, self.fallback)

    @property
    def live_tracks(self) -> tuple[Track, ...]:
        """Return the tracks that the conditions or the alert read, each meaning once."""
        readers = self.conditions if self.alert is None else (*self.conditions, *self.alert.expressions)
        return tuple({track_meaning(t): t for expr in readers for t in tracks_of(expr)}.values())

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """Return the conditions and the expressions of the live tracks: all that is evaluated."""
        return (*self.conditions, *(track.expr for track in self.live_tracks))


def _m(doc: str, low: float, high: float) -> dict[str, Any]:
    return {"doc": doc, "minimum": low, "maximum": high}


def _doc(doc: str) -> dict[str, Any]:
    return {"doc": doc}


def kind_of(hint: Any) -> Any:
    """Return the type of a field that may also be None because its key may be left out."""
    parts = get_args(hint)
    return next(part for part in parts if part is not NoneType) if NoneType in parts else hint


@dataclass(frozen=True, slots=True)
class Underlying:
    symbol: str = field(metadata=_doc("symbol of the underlying, such as SPX"))
    sec_type: SecType = field(metadata=_doc("security type of the underlying"))
    exchange: str = field(metadata=_doc("where the underlying is quoted, such as CBOE"))
    trading_class: str = field(metadata=_doc("trading class of the options, such as SPXW"))
    multiplier: int = field(metadata=_m("money per price point of one option", 1, 10_000))


@dataclass(frozen=True, slots=True)
class ExpiryWindow:
    """Calendar days to expiry at entry: the window, and what to prefer in it."""

    dte_min: int = field(metadata=_m("fewest calendar days to expiry at entry", 1, 1000))
    dte_max: int = field(metadata=_m("most calendar days to expiry at entry", 1, 1000))
    dte_target: int = field(metadata=_m("preferred calendar days to expiry at entry", 1, 1000))


@dataclass(frozen=True, slots=True)
class Strikes:
    """Where each spread's anchor is and where its wing: one way for each.

    The anchor is the leg that the structure is about, short in a credit and long in a debit structure; the wing is the
    leg beyond it, farther out of the money.
    """

    short_delta: float | None = field(default=None, metadata=_m("absolute delta of the short legs", 0.01, 0.5))
    long_delta: float | None = field(default=None, metadata=_m("absolute delta of a debit's long leg", 0.05, 0.95))
    distance: float | None = field(
        default=None, metadata=_m("of the anchor from the underlying, out of the money, as a ratio of it", -0.2, 0.5)
    )
    width: float | None = field(default=None, metadata=_m("price points between the anchor and its wing", 0.5, 1000))
    width_ratio: float | None = field(
        default=None, metadata=_m("between anchor and wing as a ratio of the underlying", 0.001, 0.3)
    )
    wing_delta: float | None = field(default=None, metadata=_m("absolute delta of the wing", 0.005, 0.9))


@dataclass(frozen=True, slots=True)
class Entry:
    """When a new position may be opened; `when` reads market and portfolio fields and must be TRUE, not unknown."""

    when: Expr = field(metadata=_doc("condition over market and portfolio fields that must be true to open"))
    min_days_between: int = field(metadata=_m("calendar days since this strategy last opened", 0, 1000))
    min_credit_ratio: float | None = field(default=None, metadata=_m("least credit over width", 0, 1))
    max_debit_ratio: float | None = field(default=None, metadata=_m("most debit over width", 0.01, 1))


@dataclass(frozen=True, slots=True)
class Size:
    risk_ratio: float = field(metadata=_m("share of net_liq that max loss may put at risk", 0.0001, 0.2))
    max_contracts: int = field(metadata=_m("most units per position", 1, 10_000))


@dataclass(frozen=True, slots=True)
class Price:
    urgency: Urgency = field(metadata=_doc("how fast the entry limit walks from the mid to the far side"))


CREDITS: Final = (StructureKind.IRON_CONDOR, StructureKind.BULL_PUT_SPREAD, StructureKind.BEAR_CALL_SPREAD)
"""What a template opens for a credit: it is short the leg that it is about."""

DEBITS: Final = (StructureKind.BULL_CALL_SPREAD, StructureKind.BEAR_PUT_SPREAD)


@dataclass(frozen=True, slots=True)
class StrategyTemplate:
    """How one strategy opens; what happens afterwards is the rules' business."""

    id: str
    title: str
    underlying: Underlying
    structure: StructureKind = field(metadata={"enum": [kind.value for kind in (*CREDITS, *DEBITS)]})
    expiry: ExpiryWindow
    strikes: Strikes
    entry: Entry
    size: Size
    price: Price


@dataclass(frozen=True, slots=True)
class Limits:
    """What the risk gate allows; the unit is in each name (ratio: of net_liq unless said otherwise)."""

    max_open_positions: int = field(metadata=_m("positions open at once, with those being opened", 0, 1000))
    max_contracts_per_order: int = field(metadata=_m("units of a structure in one order", 1, 10_000))
    max_loss_per_order_ratio: float = field(metadata=_m("max loss of one new position over net_liq", 0, 1))
    max_total_loss_ratio: float = field(metadata=_m("sum of all max losses over net_liq after the fill", 0, 10))
    max_margin_ratio: float = field(metadata=_m("maintenance margin over net_liq after the fill", 0, 1))
    max_new_orders_per_day: int = field(metadata=_m("opening orders per session", 0, 10_000))
    max_day_loss_ratio: float = field(metadata=_m("day loss over net_liq below which nothing opens", 0, 1))
    min_minutes_to_close: int = field(metadata=_m("minutes before the close when opening ends", 0, 390))


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the files say; rules are in order of priority, so bit i of a mask is `rules[i]`."""

    rules: tuple[Rule, ...]
    strategies: tuple[StrategyTemplate, ...]
    limits: Limits
    fingerprint: str
    shadow: tuple[Rule, ...] = ()
    """Candidates that are judged on the same snapshots and do nothing; no part of the fingerprint."""
