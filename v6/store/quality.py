"""How good the recorded history is: gaps, crossed, stale, delayed and outlying quotes, found by SQL over the tables.

Nothing is repaired and nothing left out: a report says where not to believe the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import duckdb

from v6.model.recording import RecordingPlan
from v6.pricing.calendar import TradingCalendar
from v6.store.history import connect

EXAMPLES: Final = 3
STALE_SWEEPS: Final = 3
"""Quotes that are the same in so many sweeps in a row are stale, if the market moved meanwhile."""

MOVED: Final = 0.002
"""By how much (0.002: 0.2 %) another underlying must have moved for one that did not to be stale."""

Z: Final = 8.0
"""Robust standard deviations (1.4826 times the median deviation) from its neighbours that make an outlier."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect of one symbol on one session: `count` of `of`, and the worst examples in words."""

    table: str
    symbol: str
    day: date
    kind: str
    count: int
    of: int
    worst: tuple[str, ...]

    @property
    def share(self) -> float:
        """Return the share of what was judged that has the defect."""
        return self.count / self.of if self.of else 1.0


@dataclass(frozen=True, slots=True)
class Quality:
    """What was looked at, and all that was found, by table, symbol, day and kind."""

    rows: int
    first: date | None
    last: date | None
    findings: tuple[Finding, ...]


# One shape for both tables. The value of an index is its last price: it has no book.
_ROWS: Final = """
CREATE TEMP TABLE q AS
SELECT 'chain_quotes' AS tbl, symbol, CAST(sweep AS DATE) AS day, sweep, every_s, con_id, expiry, strike, "right",
       trading_class || ' ' || expiry || ' ' || strike || "right" AS name, bid, ask,
       CASE WHEN bid <= ask THEN (bid + ask) / 2 END AS value, true AS has_book, delta, iv, spot, quote_type, error
FROM chain_quotes WHERE CAST(sweep AS DATE) BETWEEN $first AND $last
UNION ALL BY NAME
SELECT 'underlying_quotes' AS tbl, symbol, CAST(sweep AS DATE) AS day, sweep, every_s, con_id, symbol AS name,
       bid, ask,
       coalesce(CASE WHEN bid <= ask THEN (bid + ask) / 2 END, last) AS value, sec_type <> 'IND' AS has_book,
       quote_type, error
FROM underlying_quotes WHERE CAST(sweep AS DATE) BETWEEN $first AND $last
"""

# Each check yields (tbl, symbol, day, what, bad): the row in words, and how bad it is, to choose the worst by.
_AT: Final = "strftime(sweep, '%H:%M')"
_CHECKS: Final[dict[str, str]] = {
    "unanswered": f"""
        SELECT tbl, symbol, day, name || ' ' || {_AT} || ': ' || error, 1
        FROM q WHERE error NOTNULL""",
    "crossed": f"""
        SELECT tbl, symbol, day, format('{{}} {{}}: bid {{}} above ask {{}}', name, {_AT}, bid, ask), bid - ask
        FROM q WHERE bid > ask""",
    "delayed": f"""
        SELECT tbl, symbol, day, format('{{}} {{}}: {{}}', name, {_AT}, quote_type), 1
        FROM q WHERE quote_type <> 'live'""",
    "missing-bid": f"""
        SELECT tbl, symbol, day, name || ' ' || {_AT}, 1
        FROM q WHERE has_book AND bid IS NULL AND error IS NULL""",
    "missing-ask": f"""
        SELECT tbl, symbol, day, name || ' ' || {_AT}, 1
        FROM q WHERE has_book AND ask IS NULL AND error IS NULL""",
    "missing-greeks": f"""
        SELECT tbl, symbol, day, name || ' ' || {_AT}, 1
        FROM q WHERE tbl = 'chain_quotes' AND delta IS NULL AND error IS NULL""",
    # Between two rows of the same contract: what lies within the strikes asked for, and was not.
    "gap": """
        WITH w AS (SELECT symbol, expiry, "right", sweep, min(strike) AS low, max(strike) AS high
                   FROM q WHERE tbl = 'chain_quotes' GROUP BY ALL),
             n AS (SELECT *, lead(sweep) OVER (PARTITION BY con_id, day ORDER BY sweep) AS following
                   FROM q WHERE tbl = 'chain_quotes')
        SELECT n.tbl, n.symbol, n.day, n.name || ' ' || strftime(w.sweep, '%H:%M'), 1
        FROM n JOIN w ON (w.symbol, w.expiry, w."right") = (n.symbol, n.expiry, n."right")
            AND w.sweep > n.sweep AND w.sweep < n.following AND n.strike > w.low AND n.strike < w.high""",
    # The option should have moved by delta times the underlying's move: by more than its spread, and two ticks.
    "stale": f"""
        WITH runs AS (
            SELECT *, sum(fresh) OVER (PARTITION BY tbl, con_id, day ORDER BY sweep) AS run FROM (
                SELECT *, CAST((bid, ask, value) IS DISTINCT FROM lag((bid, ask, value)) OVER c AS INT) AS fresh
                FROM q WHERE value NOTNULL WINDOW c AS (PARTITION BY tbl, con_id, day ORDER BY sweep))),
        moves AS (SELECT *, count(*) OVER r AS n, first_value(spot) OVER r AS spot0,
                         first_value(sweep) OVER r AS sweep0
                  FROM runs WINDOW r AS (PARTITION BY tbl, con_id, day, run ORDER BY sweep)),
        market AS (SELECT a.tbl, a.con_id, a.day, a.sweep, max(abs(b.value / nullif(b0.value, 0) - 1)) AS moved
                   FROM moves a JOIN q b ON b.tbl = a.tbl AND b.sweep = a.sweep AND b.con_id <> a.con_id
                   JOIN q b0 ON b0.tbl = a.tbl AND b0.sweep = a.sweep0 AND b0.con_id = b.con_id
                   WHERE a.tbl = 'underlying_quotes' GROUP BY ALL)
        SELECT m.tbl, m.symbol, m.day, format('{{}}: {{}} in {{}} sweeps up to {{}}', m.name, m.value, m.n,
               strftime(m.sweep, '%H:%M')), m.n
        FROM moves m LEFT JOIN market USING (tbl, con_id, day, sweep)
        WHERE m.n >= {STALE_SWEEPS} AND (market.moved >= {MOVED}
            OR abs(m.delta) * abs(m.spot - m.spot0) > greatest(0.2, m.ask - m.bid))""",
    # Against the middle of two neighbours on either side. A bad row pulls at its neighbours' middle too, so of rows
    # this close only the furthest is told. The two outermost strikes, and the first and last two sweeps of a day of
    # an underlying, have too few neighbours to be judged.
    "outlier-iv": f"""
        WITH {{near}}
        SELECT tbl, symbol, day,
               format('{{{{}}}} {{{{}}}}: iv {{{{:.4f}}}}, its neighbours {{{{:.4f}}}}', name, {_AT}, v, mid), z
        FROM scored WHERE z > {Z} AND z = furthest""",
    "outlier-price": f"""
        WITH {{near}}
        SELECT tbl, symbol, day,
               format('{{{{}}}} {{{{}}}}: {{{{:.2f}}}}, its neighbours {{{{:.2f}}}}', name, {_AT}, v, mid), z
        FROM scored WHERE z > {Z} AND z = furthest""",
}
_NEAR: Final = """
    placed AS (SELECT *, {value} AS v, [{lags}, {leads}] AS beside FROM q WHERE {value} NOTNULL AND {only}
               WINDOW w AS (PARTITION BY {by} ORDER BY {along})),
    off AS (SELECT *, list_median(beside) AS mid, v - list_median(beside) AS away FROM placed
            WHERE list_count(beside) = 4),
    middle AS (SELECT *, median(away) OVER (PARTITION BY {by}) AS usual FROM off),
    spread AS (SELECT *, 1.4826 * median(abs(away - usual)) OVER (PARTITION BY {by}) AS deviation FROM middle),
    judged AS (SELECT *, abs(away - usual) / greatest(deviation, {floor}) AS z FROM spread),
    scored AS (SELECT *, max(z) OVER (PARTITION BY {by} ORDER BY {along} ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING)
                         AS furthest FROM judged)
"""


def _near(value: str, only: str, by: str, along: str, floor: str) -> str:
    lags = ", ".join(f"lag({value}, {n}) OVER w" for n in (2, 1))
    leads = ", ".join(f"lead({value}, {n}) OVER w" for n in (1, 2))
    return _NEAR.format(value=value, only=only, by=by, along=along, floor=floor, lags=lags, leads=leads)


_CHAIN: Final = ("tbl = 'chain_quotes'", 'sweep, symbol, expiry, "right"', "strike")
_OUTLIERS: Final = (
    ("outlier-iv", _near("iv", *_CHAIN, "0.002")),
    # A price is convex in the strike: what that makes of it is the same in all, and is taken off as the usual.
    ("outlier-price", _near("value", *_CHAIN, "greatest(0.2, ask - bid)")),
    ("outlier-price", _near("value", "tbl = 'underlying_quotes'", "con_id, day", "sweep", "0.01 * mid")),
)


def quality(root: Path, calendar: TradingCalendar, first: date | None = None, last: date | None = None) -> Quality:
    """Return what is wrong with the history under `root` in these sessions; raises StoreError if it cannot be read.

    Without `first` and `last` they are those of the first and the last sweep. A sweep is missing if it was due by the
    schedule of its day, after the symbol's first and before the newest of all.
    """
    db = connect(root)
    span = {"first": first or date(1970, 1, 1), "last": last or date(9999, 1, 1)}
    db.execute(_ROWS, span)
    db.execute("CREATE TEMP TABLE found (kind TEXT, tbl TEXT, symbol TEXT, day DATE, what TEXT, bad DOUBLE)")
    for kind, query in _CHECKS.items():
        nears = [near for name, near in _OUTLIERS if name == kind]
        for text in [query.format(near=near) for near in nears] or [query]:
            db.execute(f"INSERT INTO found SELECT '{kind}', * FROM ({text})")
    missing = _missing_sweeps(db, calendar, last)
    if missing:
        db.executemany("INSERT INTO found VALUES ('gap', ?, ?, ?, ?, 1e9)", missing)
    total = db.execute("SELECT count(*), min(day), max(day) FROM q").fetchall()[0]
    query = f"""
        SELECT tbl, symbol, day, kind, count(*), any_value(coalesce(n, 0)) + count(*) FILTER (kind = 'gap'),
               list(what ORDER BY bad DESC, what)[:{EXAMPLES}]
        FROM found LEFT JOIN (SELECT tbl, symbol, day, count(*) AS n FROM q GROUP BY ALL) USING (tbl, symbol, day)
        GROUP BY tbl, symbol, day, kind ORDER BY tbl, symbol, day, kind"""
    found = [
        Finding(tbl, symbol, day, kind, count, of, tuple(worst))
        for tbl, symbol, day, kind, count, of, worst in db.execute(query).fetchall()
    ]
    return Quality(total[0], total[1], total[2], tuple(found))


def _missing_sweeps(
    db: duckdb.DuckDBPyConnection, calendar: TradingCalendar, last: date | None
) -> list[tuple[str, str, date, str]]:
    """Return (table, symbol, day, words) for each sweep that was due and has no row."""
    # Moments come as seconds: DuckDB makes datetimes with a zone only where pytz is installed.
    query = "SELECT tbl, symbol, day, max(every_s), list(DISTINCT epoch(sweep)) FROM q GROUP BY ALL ORDER BY day"
    swept: dict[tuple[str, str], dict[date, tuple[int, set[float]]]] = {}
    for tbl, symbol, day, every_s, sweeps in db.execute(query).fetchall():
        swept.setdefault((tbl, symbol), {})[day] = (every_s, set(sweeps))
    everything = [moment for days in swept.values() for _, sweeps in days.values() for moment in sweeps]
    if not everything:
        return []
    newest = max(everything) if last is None else calendar.close_utc(calendar.session_on_or_before(last)).timestamp()
    end = datetime.fromtimestamp(newest, UTC).date()
    missing = []
    for (tbl, symbol), days in swept.items():
        begin = min(moment for _, sweeps in days.values() for moment in sweeps)
        every_s = days[min(days)][0]
        for day in calendar.sessions(min(days), end):
            # A changed schedule begins with a restart; the coarser of two on one day makes up no gaps.
            every_s, have = days.get(day, (every_s, set[float]()))
            for slot in RecordingPlan(every_s, (), ()).slots(calendar.open_utc(day), calendar.close_utc(day)):
                if begin <= slot.timestamp() <= newest and slot.timestamp() not in have:
                    missing.append((tbl, symbol, day, f"the sweep of {slot:%H:%M}"))
    return missing
