"""Events as lines for people: pure."""

from __future__ import annotations

from v6.model import event as e
from v6.model.contract import Right
from v6.model.position import Structure


def describe(event: e.Event) -> str | None:
    """Return the line for an event, None for one that is too frequent to be news."""
    match event:
        case e.RuleSetReloaded():
            return f"rules {event.fingerprint[:12]} are active (revision {event.revision or 'none'})"
        case e.RuleSetRefused():
            return "\n    ".join(("changed rules are refused, the running set stays:", *event.diagnostics))
        case e.RulesPinned():
            return "\n    ".join(("open positions keep earlier rules:", *event.reasons))
        case e.ShadowDiffered():
            us, them = event.action or "nothing", event.shadow_action or "nothing"
            return f"shadow differs on {event.key or 'the portfolio'}: {us} here, {them} there"
        case e.PositionOpened():
            position = event.position
            return f"opened {position.quantity} x {legs(position.structure)} at {position.entry_price}"
        case e.PositionClosed() | e.PositionReduced():
            word = "closed" if isinstance(event, e.PositionClosed) else "reduced"
            return f"{word} {event.position_id} by {event.reason}: {event.pnl:+,.2f}"
        case e.OrderDenied():
            return f"denied {event.intent.purpose} {event.intent.position_id}: {'; '.join(event.reasons)}"
        case e.OrderUnresolved():
            return f"order {event.order_ref} is UNKNOWN: {event.reason}"
        case e.RollStarted():
            return f"rolling {event.position_id}"
        case e.ReductionDue():
            return f"{event.decision.rule_id} reduces {event.position_id} to {event.keep} units"
        case e.AlertRaised():
            return f"{event.severity} alert of {event.rule_id} for {event.key or 'the portfolio'}: {event.text}"
        case e.FindingRaised():
            return f"finding {event.code}: {event.text}"
        case _:
            return None


def legs(structure: Structure) -> str:
    """Return a structure as `iron_condor SPX 2014-02-21 1700/1750P 1900/1950C`."""
    strikes = {
        right: "/".join(f"{leg.contract.strike:f}" for leg in structure.legs if leg.contract.right is right)
        for right in Right
    }
    listed = " ".join(f"{text}{right}" for right, text in sorted(strikes.items(), reverse=True) if text)
    return f"{structure.kind} {structure.symbol} {structure.expiry:%Y-%m-%d} {listed}"
