"""The rule traces of closing decisions, as text for a report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from v6.errors import V6Error
from v6.lang.desk import Desk
from v6.replay.outcomes import Outcome
from v6.ruletools.record import Record, Wanted
from v6.ruletools.tree import explanation_tree

_WIDTH = 140


def traces_of(tables: Path, desk: Desk, found: Sequence[Outcome], as_of: datetime | None = None) -> dict[str, str]:
    """Return the trace of each position's closing decision under the desk's rules, by position id.

    For a decision that is not recorded, and so cannot be folded again, the text says why there is none. A position
    without a closing decision has no trace.
    """
    record = Record(tables, as_of)
    return {
        outcome.position_id: _trace(record, desk, decision_of(outcome))
        for outcome in found
        if outcome.snapshot_id is not None
    }


def decision_of(outcome: Outcome) -> str:
    """Return the id of the closing decision."""
    return f"{outcome.snapshot_id}:{outcome.position_id}"


def _trace(record: Record, desk: Desk, decision_id: str) -> str:
    try:
        (recorded,) = record.find(Wanted(decision_id))
        explanation = record.explain(recorded, desk)
    except V6Error as error:
        return f"{error}\n"
    text = StringIO()
    Console(file=text, width=_WIDTH, no_color=True).print(explanation_tree(explanation), highlight=False)
    return f"v6 explain {decision_id}\n\n{text.getvalue()}"
