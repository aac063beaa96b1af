"""A Delta table of synthetic snapshots as a desk would have recorded them, of any length, made in seconds.

Positions live 40 sessions of 78 rows each, one after the other in each slot; the portfolio has a row in each snapshot.
Rows stand in the order in which the outbox writes them: by snapshot, then by key. One value in 200 is missing, and in
one hour of a hundred a feed is gone and takes the greeks, the marks or the VIX with it. Fields that the rules do not
read are empty. Beside the store's columns there is one for each fold of the rules, as if it had been kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from v6.store.delta import create_or_open
from v6.store.tables import TABLES

CYCLES: Final = 78
FILE_ROWS: Final = 1_000_000
FOLDS: Final = ("entry_iv", "entry_vix", "peak")

# A number in [0, 1) for each row and name, the same in every run.
_CHANCE: Final = "((hash(cycle * 64 + slot + {salt}) >> 12)::DOUBLE / 4503599627370496e0)"

_POSITION: Final = {
    "structure": "CASE slot % 5 WHEN 4 THEN 'single' WHEN 3 THEN 'bull_put_spread' ELSE 'iron_condor' END",
    "dte": "45e0 - age // 78",
    "credit": "CASE WHEN slot % 5 = 4 THEN 0e0 ELSE 4e0 + slot % 7 END",
    "pnl_ratio": "0.0001e0 * age + 0.12e0 * wave + 0.03e0 * (chance - 0.5e0) - shock * 0.4e0",
    "broker_pnl_ratio": "0.0001e0 * age + 0.12e0 * wave - shock * 0.4e0",
    "delta": "0.22e0 * wave + 0.03e0 * (chance - 0.5e0)",
    "gamma_1pct": "-0.04e0 - 0.00003e0 * age - 0.03e0 * chance",
    "iv": "0.16e0 + 0.04e0 * wave + 0.01e0 * chance + shock * 0.2e0",
    "short_delta": "0.2e0 + 0.12e0 * abs(wave) + 0.02e0 * chance",
    "short_distance": "0.06e0 - 0.04e0 * abs(wave) + 0.005e0 * chance",
    "entry_iv": "0.16e0 + 0.04e0 * wave",
    "peak": "0.05e0 + 0.0001e0 * age",
}
"""`wave` swings slowly and by other amounts from life to life, `shock` is 1 in one session of 150 and else 0."""

_ALL: Final = {
    "drawdown": "0.05e0 + 0.045e0 * sin(day / 50e0) + 0.01e0 * shock",
    "margin_ratio": "0.25e0 + 0.1e0 * sin(day / 31e0)",
    "max_loss_ratio": "0.1e0 + 0.05e0 * sin(day / 17e0)",
    "portfolio_delta_ratio": "0.5e0 * sin(cycle / 91e0) + 0.1e0 * sin(cycle / 7e0)",
    "underlying_change_1h": "0.006e0 * sin(cycle / 5e0) - shock * 0.03e0",
    "underlying_change_1d": "0.009e0 * sin(cycle / 23e0) - shock * 0.03e0",
    "vix": "17e0 + 4e0 * sin(day / 40e0) + 0.4e0 * sin(cycle / 9e0) + shock * 12e0",
    "minutes_since_open": "(cycle % 78) * 5e0",
    "minutes_to_close": "390e0 - (cycle % 78) * 5e0",
    "entry_vix": "17e0 + 4e0 * sin(day / 41e0)",
}

_FEEDS: Final = {"delta": 1, "gamma_1pct": 1, "iv": 1, "short_delta": 1, "short_distance": 2, "pnl_ratio": 2, "vix": 3}
"""Which feed a field comes with; a feed's outages take all of it."""

_NEVER_MISSING: Final = {"structure", "dte", "credit", "minutes_since_open", "minutes_to_close", *FOLDS}


def write(root: Path, rows: int, slots: int, *, clustered: bool) -> None:
    """Create the table `snapshots` under root with about `rows` rows of `slots` positions at a time and the portfolio.

    `clustered` sorts each file by key and time, which the store does not do today.
    """
    schema = pa.schema([*TABLES["snapshots"], *(pa.field(name, pa.float64()) for name in FOLDS)])
    table = create_or_open(root / "snapshots", schema)
    days = max(1, rows // (CYCLES * (slots + 1)))
    span = max(1, FILE_ROWS // (CYCLES * (slots + 1)))
    with duckdb.connect(config={"threads": 2}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for first in range(0, days, span):
            text = _file(schema, slots, first, min(days, first + span), "key, ts" if clustered else "seq, key")
            found = db.sql(text).to_arrow_table().cast(schema)
            write_deltalake(table, found, mode="append", target_file_size=2**30)


def _file(schema: pa.Schema, slots: int, first: int, end: int, order: str) -> str:
    # A session is weekdays only in name: every day has one, so the years are shorter than real ones.
    base = (
        f"SELECT cycle, slot, cycle // {CYCLES} AS day, (cycle // {CYCLES} + slot * 7) // 40 AS life, "
        f"((cycle // {CYCLES} + slot * 7) % 40) * {CYCLES} + cycle % {CYCLES} AS age, "
        f"(hash(cycle // {CYCLES} + 5) % 150 = 0)::INTEGER::DOUBLE AS shock, {_CHANCE.format(salt=0)} AS chance "
        f"FROM range({first * CYCLES}, {end * CYCLES}) c(cycle), range({slots + 1}) s(slot)"
    )
    swing = "sin(age / 173e0 + life + slot * 0.7e0) * (0.4e0 + hash(life * 64 + slot) % 1000 / 800e0)"
    wave = f"SELECT *, {swing} AS wave FROM ({base})"
    columns = ", ".join(f'{text} AS "{name}"' for name, text in _columns(schema, slots))
    return f"SELECT {columns} FROM ({wave}) ORDER BY {order}"


def _columns(schema: pa.Schema, slots: int) -> Iterator[tuple[str, str]]:
    at = "TIMESTAMPTZ '1990-01-02 14:30:00+00' + to_days(day::INTEGER) + to_minutes((cycle % 78) * 5)"
    heads = {
        "seq": "cycle",
        "ts": at,
        "date": f"CAST({at} AS DATE)",
        "snapshot_id": "'s' || cycle",
        "cycle": "cycle",
        # The last slot is the portfolio.
        "key": f"CASE WHEN slot = {slots} THEN '' ELSE 'p-' || slot || '-' || life END",
    }
    for place, field in enumerate(schema):
        name = field.name
        if name in heads:
            yield name, heads[name]
            continue
        text = f"CASE WHEN slot <> {slots} THEN {_POSITION[name]} END" if name in _POSITION else _ALL.get(name, "NULL")
        if text != "NULL" and name not in _NEVER_MISSING:
            out = f"{_CHANCE.format(salt=place * 1_000_000_007)} < 0.005e0"
            if name in _FEEDS:
                out += f" OR hash(cycle // 12 * 8 + {_FEEDS[name]}) % 100 = 0"
            text = f"CASE WHEN NOT ({out}) THEN {text} END"
        yield name, text
