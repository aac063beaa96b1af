"""The tables that tell how the desk ran: its position queue, the greeks of its legs, and its own health."""

from __future__ import annotations

import json
from typing import Final

import pyarrow as pa

from v6.model.event import GreeksTaken, HealthMeasured, QueueListed
from v6.model.quote import Greeks
from v6.store.columns import FLAG, INT, MOMENT, REAL, TEXT, TableRow, schema

TABLES: Final[dict[str, pa.Schema]] = {
    "position_queue": schema(
        con_id=INT, symbol=TEXT, contract=TEXT, own=FLAG, since=MOMENT, last_seen=MOMENT, due=MOMENT, attempts=INT
    ),
    "greeks": schema(
        snapshot_id=TEXT,
        con_id=INT,
        contract=TEXT,
        quoted_at=MOMENT,
        bid=REAL,
        ask=REAL,
        delta=REAL,
        gamma=REAL,
        theta=REAL,
        vega=REAL,
        iv=REAL,
        source=TEXT,
        quote_type=TEXT,
    ),
    "health": schema(
        cycle=INT,
        link=TEXT,
        loop_lag_s=REAL,
        lines=INT,
        queue_depth=INT,
        queue_oldest_s=REAL,
        messages_waiting=INT,
        messages_per_s_peak=INT,
        pacing_errors=INT,
        journal_bytes=INT,
        journal_seq=INT,
        outbox_lag=INT,
        table_versions=TEXT,
    ),
}


def queue_rows(event: QueueListed) -> list[TableRow]:
    """Return a row for each place, in the order of the queue."""
    return [
        {
            "con_id": place.con_id,
            "symbol": place.symbol,
            "contract": place.contract,
            "own": place.own,
            "since": place.since,
            "last_seen": place.last_seen,
            "due": place.due,
            "attempts": place.attempts,
        }
        for place in event.places
    ]


def greeks_rows(event: GreeksTaken) -> list[TableRow]:
    """Return a row for each leg; the greeks of one that has none are missing."""
    return [
        {
            "snapshot_id": event.snapshot_id,
            "con_id": leg.con_id,
            "contract": leg.contract,
            "quoted_at": leg.quoted_at,
            "bid": leg.bid,
            "ask": leg.ask,
            "quote_type": leg.type,
            **greek_cells(leg.greeks),
        }
        for leg in event.legs
    ]


def greek_cells(greeks: Greeks | None) -> TableRow:
    """Return the columns of greeks, none at all where they are missing."""
    if greeks is None:
        return {}
    return {
        "delta": greeks.delta,
        "gamma": greeks.gamma,
        "theta": greeks.theta,
        "vega": greeks.vega,
        "iv": greeks.iv,
        "source": greeks.source,
    }


def health_row(event: HealthMeasured) -> TableRow:
    """Return the one row of a measure; `table_versions` is a JSON object, as tables come and go."""
    return {
        "cycle": event.cycle,
        "link": event.link,
        "loop_lag_s": event.loop_lag_s,
        "lines": event.lines,
        "queue_depth": event.queue_depth,
        "queue_oldest_s": event.queue_oldest_s,
        "messages_waiting": event.messages_waiting,
        "messages_per_s_peak": event.messages_per_s_peak,
        "pacing_errors": event.pacing_errors,
        "journal_bytes": event.journal_bytes,
        "journal_seq": event.journal_seq,
        "outbox_lag": event.outbox_lag,
        "table_versions": json.dumps(dict(event.versions), sort_keys=True),
    }
