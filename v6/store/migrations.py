"""Every change of the tables' columns since the first version, in order; each only adds.

A column's meaning never changes and none goes away, because old rows stay as they were written. Whoever adds a field
to the catalogue or a column to a table adds a line here; the hash then says that nothing else has changed. A daemon
adds the columns it misses when it opens a table (`delta.create_or_open`); old rows have them missing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from v6.store.tables import TABLES


@dataclass(frozen=True, slots=True)
class Migration:
    """Columns, as table.column, that came together, and the hash of all columns after them; why says what for."""

    number: int
    why: str
    added: tuple[str, ...]
    schema_hash: str


def schema_hash(without: frozenset[str] = frozenset()) -> str:
    """Return a hash of table, name and type of all columns, but of those without which the tables were before."""
    lines = sorted(
        f"{table}.{field.name} {field.type}"
        for table, schema in TABLES.items()
        for field in schema
        if f"{table}.{field.name}" not in without
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


_LEGS: Final = (
    *("seq", "ts", "date", "position_id", "con_id", "ratio", "symbol", "sec_type", "exchange"),
    *("currency", "multiplier", "trading_class", "expiry", "strike", "right"),
)

_QUEUE: Final = (
    *("seq", "ts", "date", "con_id", "symbol", "contract", "own", "since", "last_seen", "due", "attempts"),
)
_GREEKS: Final = (
    *("seq", "ts", "date", "snapshot_id", "con_id", "contract", "quoted_at", "bid", "ask"),
    *("delta", "gamma", "theta", "vega", "iv", "source", "quote_type"),
)
_HEALTH: Final = (
    *("seq", "ts", "date", "cycle", "link", "loop_lag_s", "lines", "queue_depth", "queue_oldest_s"),
    *("messages_waiting", "messages_per_s_peak", "pacing_errors", "journal_bytes", "journal_seq", "outbox_lag"),
    "table_versions",
)

MIGRATIONS: Final = (
    Migration(1, "the tables when this list was begun", (), "409ed840a23dc5c1"),
    Migration(2, "the contracts of positions", tuple(f"legs.{name}" for name in _LEGS), "74aec6251aadbc40"),
    Migration(3, "who worked out the greeks", ("snapshots.greeks_source",), "bb00150c0372d84a"),
    Migration(4, "the position queue", tuple(f"position_queue.{name}" for name in _QUEUE), "aeb86b8f8bb22510"),
    Migration(5, "the greeks of each leg", tuple(f"greeks.{name}" for name in _GREEKS), "cb2ae80d693d5444"),
    Migration(6, "how the desk itself fared", tuple(f"health.{name}" for name in _HEALTH), "26bcb896ffcc9016"),
)
