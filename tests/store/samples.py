"""One of each event, with numbers that do not survive a careless conversion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from v6.model.contract import Contract, Leg, Right, SecType, Side
from v6.model.decision import Action, ActionKind, AlertSeverity, Decision, Urgency
from v6.model.event import (
    AlertRaised,
    CommissionReported,
    DecisionsMade,
    Event,
    FindingRaised,
    GreeksTaken,
    HealthMeasured,
    LegQuoted,
    OrderDenied,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    OrderRepriced,
    OrderSending,
    OrderSubmitted,
    OrderUnresolved,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Queued,
    QueueListed,
    ReductionDue,
    RollEnded,
    RollStarted,
    RuleSetRefused,
    RuleSetReloaded,
    RulesPinned,
    ShadowDiffered,
    SnapshotTaken,
)
from v6.model.order import Fill, OrderIntent, OrderState, Purpose
from v6.model.position import Position, Structure, StructureKind
from v6.model.quote import Greeks, QuoteType
from v6.model.snapshot import Row, Snapshot

AT = datetime(2014, 3, 3, 15, 30, 0, 123456, tzinfo=UTC)


def put(con_id: int, strike: str) -> Contract:
    return Contract(
        con_id,
        "SPX",
        SecType.OPTION,
        multiplier=100,
        trading_class="SPXW",
        expiry=date(2014, 4, 4),
        strike=Decimal(strike),
        right=Right.PUT,
    )


STRUCTURE = Structure(StructureKind.BULL_PUT_SPREAD, "SPX", (Leg(put(11, "1700"), 1), Leg(put(12, "1725.5"), -1)))
POSITION = Position("p1", "put_spread", STRUCTURE, 2, Decimal("-1.15"), AT, Decimal("4.60"))


def intent(intent_id: str = "i1") -> OrderIntent:
    return OrderIntent(
        intent_id,
        "p1",
        Purpose.OPEN,
        Side.BUY,
        "put_spread",
        STRUCTURE,
        2,
        Decimal("-1.20"),
        Decimal("-1.05"),
        Urgency.NORMAL,
        AT,
        decision_id="d1",
        rule_id="entry",
    )


def snapshot(cycle: int = 1, pnl: float | None = 0.1 + 0.2) -> SnapshotTaken:
    at = AT + timedelta(minutes=5 * cycle)
    rows = (
        Row.of("", {"vix": 14.25, "net_liq": 100000.0}),
        Row.of("p1", {"structure": "bull_put_spread", "legs": 2.0, "pnl": pnl, "delta": None}),
    )
    return SnapshotTaken(at, Snapshot(f"s{cycle}", cycle, at, rows))


def decisions(cycle: int = 1) -> DecisionsMade:
    at = AT + timedelta(minutes=5 * cycle)
    fired = Decision(
        f"d{cycle}.1", f"s{cycle}", at, "p1", "take_profit", Action(ActionKind.REDUCE, Urgency.HIGH, 0.5), 16, 1,
        "bundle", "rule",
    )  # fmt: skip
    return DecisionsMade(at, (Decision(f"d{cycle}.0", f"s{cycle}", at, "", None, None, 0, 0, "bundle", None), fired))


def queued(con_id: int, seen: datetime | None) -> Queued:
    return Queued(con_id, "SPX", str(put(con_id, "1700")), con_id == 11, AT, seen, AT + timedelta(seconds=30), 2)


def one_of_each() -> list[Event]:
    fill = Fill("0000e0d5.5b1f3a0c.01.01", "v6-i1", 11, 2, Decimal("2.35"), AT, Decimal("1.10"))
    return [
        RuleSetReloaded(AT, "bundle", "abc123"),
        RuleSetRefused(AT, ("rules/x.yaml:1:1: bad", "rules/x.yaml:2:1: worse")),
        RulesPinned(AT, "bundle", ("p1: stop_loss keeps its earlier rule: its priority is now 5, and was 60",)),
        snapshot(),
        decisions(),
        ShadowDiffered(AT, "d1.1", "p1", "stop_loss", Action(ActionKind.CLOSE), "cut", Action(ActionKind.REDUCE)),
        AlertRaised(AT, "vix_exit", "p1", AlertSeverity.WARNING, "VIX at 36.1 ¤", "d1.1"),
        ReductionDue(AT, "p1", 1, decisions().decisions[1]),
        OrderIntended(AT, intent()),
        OrderDenied(AT, intent("i0"), ("too much delta", "market closed")),
        OrderSending(AT, "v6-i1", 7),
        OrderSubmitted(AT, "v6-i1", 123456789),
        OrderRepriced(AT, "v6-i1", Decimal("-1.15")),
        OrderFilled(AT, fill),
        CommissionReported(AT, fill.exec_id, Decimal("1.1532")),
        OrderUnresolved(AT, "v6-i1", "connection lost"),
        OrderEnded(AT, "v6-i1", OrderState.FILLED),
        PositionOpened(AT, POSITION),
        PositionReduced(AT, "p1", 1, Decimal("-0.45"), Decimal("70.10"), Decimal("2.30"), "take_profit"),
        PositionClosed(AT, "p1", Decimal("-0.40"), Decimal("145.40"), Decimal("4.60"), "take_profit"),
        RollStarted(AT, "p1", "put_spread"),
        RollEnded(AT, "p1", None, "no strike fits"),
        FindingRaised(AT, "position-missing", "the broker has 1, we have 2; NaN"),
        QueueListed(AT, (queued(11, AT), queued(12, None))),
        GreeksTaken(
            AT,
            "s1",
            (
                LegQuoted(11, str(put(11, "1700")), AT, 1.1, 1.2, Greeks(-0.1, 0.2, -0.3, 0.4, 0.18), QuoteType.LIVE),
                LegQuoted(12, str(put(12, "1725.5")), AT, None, 1.2, None, QuoteType.DELAYED),
            ),
        ),
        HealthMeasured(AT, 10, "healthy", 0.004, 9, 2, 31.5, 0, 12, 0, 49152, 23, 1, (("findings", 3), ("legs", 1))),
    ]
